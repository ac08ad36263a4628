/* SPDX-License-Identifier: MIT */
/**
 * Open Inference Protocol v2, REST (kserve/open-inference-protocol), with the
 * binary tensor data extension of Triton (extension_binary_data.md). Four
 * models, softmax, log_softmax, loss and gradient, version "1", speak for the
 * native endpoints: tensors and options have the native names, and every rule
 * about them is the one of api/request.h.
 */
#ifndef V2_ROUTES_H
#define V2_ROUTES_H

#include "../endpoint.h"

/** Every route under /v2; the last row lends its fail to all other paths. */
extern const struct route v2_routes[];
extern const size_t v2_route_count;

#endif
