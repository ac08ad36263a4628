// SPDX-License-Identifier: MIT
/* A fuzz target without libFuzzer: each file of the folders named, once. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

static void replay(const char *path)
{
    static uint8_t data[1 << 17];
    FILE *file = fopen(path, "rb");
    FUZZ_ASSERT(file);
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    /* a copy without a byte to spare, so that overreads are seen */
    uint8_t *exact = malloc(size ? size : 1);
    FUZZ_ASSERT(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        FUZZ_ASSERT(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            replay(path);
            count++;
        }
        closedir(folder);
    }
    printf("%d inputs\n", count);
    return count == 0;
}
