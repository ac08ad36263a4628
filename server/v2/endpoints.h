/* SPDX-License-Identifier: MIT */
/** What answers under /v2. */
#ifndef ENDPOINTS_H
#define ENDPOINTS_H

#include "../endpoint.h"
#include "model.h"

/** POST /v2/models/{m}[/versions/{v}]/infer: one inference. */
extern const struct endpoint infer_endpoint;

/** POST .../register and .../unregister, and /v2/repository/index: the models
 *  as Triton's repository lists them. */
extern const struct endpoint control_endpoint;

/** Every GET, told apart by the path: health, metadata, statistics, models,
 *  regions of shared memory. */
extern const struct page metadata_page;

#endif
