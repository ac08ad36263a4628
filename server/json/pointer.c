// SPDX-License-Identifier: MIT
#include "pointer.h"

#include <stdio.h>

void pointer_text(const struct reader_path *path, char *text, size_t room)
{
    size_t used = 0;
    for (int i = 0; i < path->depth; i++) {
        char index[24];
        const char *name = path->step[i].name;
        if (!name) {
            snprintf(index, sizeof index, "%zu", path->step[i].index);
            name = index;
        }
        if (i > 0 && used + 3 < room)
            text[used++] = '/';
        for (; *name && used + 3 < room; name++) {
            if (*name == '~' || *name == '/') {
                text[used++] = '~';
                text[used++] = *name == '~' ? '0' : '1';
            } else {
                text[used++] = *name;
            }
        }
    }
    text[used] = '\0';
}
