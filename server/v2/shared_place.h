/* SPDX-License-Identifier: MIT */
/** Where a tensor lies in shared memory, as its parameters say. */
#ifndef SHARED_PLACE_H
#define SHARED_PLACE_H

#include "../json/value.h"
#include "../region.h"

struct shared_place {
    struct region *region; /* in use until it is released; NULL: none */
    size_t offset, bytes;
};

/**
 * Read shared_memory_region, _offset and _byte_size; without the first there is
 * no place.
 *
 * @param regions    NULL: they are disabled.
 * @param parameters checked to be an object; NULL: absent.
 * @param what, name "input", and its own: for messages.
 * @return false: 404 where no region has that name, else 400.
 */
bool shared_place_parse(struct shared_place *place, struct regions *regions,
                        const struct value *parameters, const char *what,
                        const char *name, struct problem *problem);

#endif
