/* SPDX-License-Identifier: MIT */
/**
 * What clients have the server do beside inferences: list its repository, and
 * register regions of the extension "system shared memory", where tensors lie.
 * Of CUDA's it is what a server without CUDA says.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "../endpoint.h"
#include "model.h"

/** POST .../register and .../unregister, and /v2/repository/index: the models
 *  as Triton's repository lists them. */
extern const struct endpoint control_endpoint;

/** Is there a region of the name that the path of a status has, if it has one?
 *  404 where not; true for all other resources. */
bool region_is_known(const struct target *target, struct service *service,
                     struct problem *problem);

/** GET .../status: of that region, or of all. */
void region_write_status(struct writer *writer, const struct service *service,
                         const struct target *target);

#endif
