/* SPDX-License-Identifier: MIT */
/**
 * The extension "system shared memory": clients register regions, and tensors
 * lie there. Of CUDA's it is what a server without CUDA says.
 */
#ifndef REGION_ROUTES_H
#define REGION_ROUTES_H

#include "../endpoint.h"
#include "target.h"

/** POST .../register and .../unregister. */
extern const struct endpoint region_endpoint;

/** Is there a region of the name that the path of a status has, if it has one?
 *  404 where not; true for all other resources. */
bool region_is_known(const struct target *target, struct service *service,
                     struct problem *problem);

/** GET .../status: of that region, or of all. */
void region_write_status(struct writer *writer, const struct service *service,
                         const struct target *target);

#endif
