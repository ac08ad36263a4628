// SPDX-License-Identifier: MIT
// unwind: 2
/* Shared memory: of a region of any place in an object of any size, any offset
 * and count are refused or lie in what is mapped, and two places overlap where
 * they have a byte in common. */
#include "prove.h"

#include "server/region.c"

void problem_write(struct problem *problem, int status, enum cause cause,
                   const char *member, const char *pointer, const char *format,
                   ...)
{
    (void)problem, (void)status, (void)cause, (void)member, (void)pointer,
        (void)format;
}

int fstat(int fd, struct stat *status)
{
    (void)fd;
    status->st_size = (off_t)nondet_uint64();
    return nondet_size() & 1 ? 0 : -1;
}

static struct mapping any_mapping;

/* As region_open leaves it. */
static struct region any_region(void)
{
    struct region region = {.mapping = &any_mapping};
    region.status.offset = nondet_size();
    region.status.bytes = nondet_size();
    __CPROVER_assume(region.status.bytes > 0 &&
                     has_bytes(&region, 0, region.status.bytes));
    return region;
}

/* A place in it that may be used. Where the mapping is stands for no object
 * here: what is refused is refused, and no pointer is made of the rest. */
static bool any_place(struct region *region, size_t *offset, size_t *count)
{
    struct problem problem;
    *offset = nondet_size();
    *count = nondet_size();
    if (*offset <= region->status.bytes &&
        *count <= region->status.bytes - *offset)
        return *count > 0;
    assert(!region_at(region, *offset, *count, &problem));
    return false;
}

int main(void)
{
    struct region a = any_region(), b = any_region();
    size_t a_offset, a_count, b_offset, b_count;
    if (!any_place(&a, &a_offset, &a_count) ||
        !any_place(&b, &b_offset, &b_count))
        return 0;
    unsigned __int128 a_begin = (unsigned __int128)a.status.offset + a_offset;
    unsigned __int128 b_begin = (unsigned __int128)b.status.offset + b_offset;
    bool common = a_begin < b_begin + b_count && b_begin < a_begin + a_count;
    assert(region_overlaps(&a, a_offset, a_count, &b, b_offset, b_count) ==
           common);
    return 0;
}
