/* SPDX-License-Identifier: MIT */
/** POST /v2/models/{m}[/versions/{v}]/infer: one inference. */
#ifndef INFER_H
#define INFER_H

#include "../endpoint.h"

extern const struct endpoint infer_endpoint;

#endif
