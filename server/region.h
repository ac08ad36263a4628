/* SPDX-License-Identifier: MIT */
/**
 * Named regions of POSIX shared memory, as clients register them: mapped once,
 * used in place. What lies there is its client's, who may change it at any
 * time, or truncate the object: where a region then has no memory any more, a
 * read finds zeros, and the region is broken from there on. It harms nobody.
 */
#ifndef REGION_H
#define REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

struct regions; /* of one daemon */
struct region;

enum {
    REGIONS_MAX = 64,       /* registered at once */
    REGION_NAME_BYTES = 256 /* of names and keys, NUL included */
};

/** NULL: out of memory. Handles SIGBUS from now on, for good. */
struct regions *regions_create(void);

/** Nobody uses any of them. NULL is ignored. */
void regions_free(struct regions *regions);

/**
 * Register bytes from offset on of the object that key names (leading slashes
 * do not count) under a name.
 *
 * @return false: 400 where the name is taken, the key is none, cannot be
 *         opened, or has fewer bytes; 503 where there are too many.
 */
bool regions_add(struct regions *regions, const char *name, const char *key,
                 size_t offset, size_t bytes, struct problem *problem);

/**
 * Forget the region of that name, all where it is NULL; what is in use lives on
 * until it is released, without its name.
 */
void regions_remove(struct regions *regions, const char *name);

/** The region of that name, for use until region_release; NULL: none has it. */
struct region *regions_find(struct regions *regions, const char *name);

/** NULL is ignored. */
void region_release(struct region *region);

/** What a region is, for its status. */
struct region_status {
    char name[REGION_NAME_BYTES], key[REGION_NAME_BYTES];
    size_t offset, bytes;
};

/** Call visit for each, while none comes or goes. */
void regions_each(struct regions *regions,
                  void (*visit)(void *cls, const struct region_status *status),
                  void *cls);

/**
 * Where count bytes from offset on lie. They can be read and written as any
 * memory; region_check tells afterwards whether they were there.
 *
 * @return NULL: the region, or the object now, does not have them: 400.
 */
void *region_at(struct region *region, size_t offset, size_t count,
                struct problem *problem);

/** May numbers of that width be used where they lie, aligned and in this
 *  machine's order of bytes? Small tensors are copied, as that costs less than
 *  touching a mapping for the first time. */
bool region_suits(const void *data, size_t bytes, size_t width);

/** 400 unless everything that was read and written was there. */
bool region_check(const struct region *region, struct problem *problem);

/** Do they have bytes of one object in common? Each from an offset, count. */
bool region_overlaps(const struct region *a, size_t a_offset, size_t a_count,
                     const struct region *b, size_t b_offset, size_t b_count);

#endif
