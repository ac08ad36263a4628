/* SPDX-License-Identifier: MIT */
/** POST /v2/repository/index: the models as Triton's repository lists them. */
#ifndef REPOSITORY_H
#define REPOSITORY_H

#include "../endpoint.h"

extern const struct endpoint repository_endpoint;

#endif
