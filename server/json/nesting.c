// SPDX-License-Identifier: MIT
#include "nesting.h"

#include <stdio.h>
#include <string.h>

#include "value.h"

void nesting_init(struct nesting *nesting, struct budget *budget)
{
    nesting->depth = 0;
    small_text_init(&nesting->long_name, budget);
}

bool nesting_open(struct nesting *nesting, bool object, struct problem *problem)
{
    if (nesting->depth == NESTING_MAX_DEPTH)
        return problem_set(problem, 422, NULL,
                           "body: got nesting deeper than %d, must be less",
                           NESTING_MAX_DEPTH);
    int level = nesting->depth++;
    unsigned char bit = (unsigned char)(1 << level % 8);
    nesting->objects[level / 8] &= (unsigned char)~bit;
    nesting->objects[level / 8] |= object ? bit : 0;
    if (level < NESTING_STEPS) {
        nesting->path.step[level].name = NULL;
        nesting->path.step[level].index = 0;
    }
    return true;
}

bool nesting_in_object(const struct nesting *nesting)
{
    int level = nesting->depth - 1;
    return level >= 0 && nesting->objects[level / 8] >> level % 8 & 1;
}

const struct reader_path *nesting_path(struct nesting *nesting)
{
    if (nesting->depth < 1 || nesting->depth > NESTING_STEPS ||
        !(nesting->objects[0] & 1))
        return NULL;
    nesting->path.depth = nesting->depth;
    return &nesting->path;
}

void nesting_count(struct nesting *nesting)
{
    if (nesting->depth <= NESTING_STEPS)
        nesting->path.step[nesting->depth - 1].index++;
}

/* Keep the name for the path of its value, where it may be cut, and whole for
 * the tree. */
static bool hold_name(struct nesting *nesting, const char *name, size_t bytes,
                      struct problem *problem)
{
    int level = nesting->depth - 1;
    size_t length = bytes < NESTING_NAME_BYTES ? bytes : NESTING_NAME_BYTES - 1;
    if (level < NESTING_STEPS) {
        char *cut = nesting->names[level];
        memcpy(cut, name, length);
        cut[length] = '\0';
        nesting->path.step[level].name = nesting->name = cut;
        if (length == bytes)
            return true;
    }
    small_text_clear(&nesting->long_name);
    if (!small_text_append(&nesting->long_name, name, bytes, problem))
        return false;
    nesting->name = nesting->long_name.data;
    return true;
}

bool nesting_name(struct nesting *nesting, const char *text, size_t bytes,
                  bool literal, struct problem *problem)
{
    if (literal)
        return hold_name(nesting, text + 1, bytes - 2, problem);
    struct value *string = value_new_string(text, bytes);
    if (!string)
        return problem_memory(problem);
    const char *name = value_string(string);
    /* a name with U+0000, which no C string can hold, stays escaped */
    bool held = value_kind(string) == VALUE_STRING
                    ? hold_name(nesting, name, strlen(name), problem)
                    : hold_name(nesting, text + 1, bytes - 2, problem);
    value_free(string);
    return held;
}

void nesting_free(struct nesting *nesting)
{
    small_text_free(&nesting->long_name);
}

void nesting_pointer(const struct reader_path *path, char *text, size_t room)
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
