// SPDX-License-Identifier: MIT
#include "capacity.h"

#include <stdint.h>
#include <sys/resource.h>

#include "../machine.h"
#include "connection.h"
#include "linger.h"

enum {
    MOST_SPARE = 256,
    FILES_A_LOOP = 3, /* epoll, eventfd, one just accepted to be closed */
    OTHER_FILES = 7,  /* that are read anew while it runs */
    LEAST_FILES = 8   /* so that no share below is 0 */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t limit_of_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return SIZE_MAX;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur == RLIM_INFINITY ? SIZE_MAX : files.rlim_cur;
}

bool capacity_plan(struct capacity *capacity, size_t wanted, size_t loops,
                   size_t admin, size_t others, size_t *files, size_t *needed)
{
    size_t inherited = machine_open_files();
    size_t fixed = (inherited ? inherited : LEAST_FILES) + others +
                   FILES_A_LOOP * (loops + admin) + OTHER_FILES +
                   (admin ? CAPACITY_ADMIN + CAPACITY_ADMIN_LINGERING : 0);
    *files = limit_of_files();
    *needed = fixed + LEAST_FILES;
    if (*files < *needed)
        return false;
    size_t left = *files - fixed;
    capacity->lingering = least(LINGER_MAX, left / 8);
    capacity->evicted =
        least(CONNECTION_EVICT_MAX, 1 + least(wanted, left) / 16);
    left -= capacity->lingering + capacity->evicted;
    capacity->spare = least(MOST_SPARE, left / 4);
    if (left - capacity->spare > wanted)
        capacity->spare = least(MOST_SPARE, left - wanted);
    capacity->connections = least(wanted, left - capacity->spare);
    return true;
}
