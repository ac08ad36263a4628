/* SPDX-License-Identifier: MIT */
/** What can be asked without a body: health, metadata, statistics. */
#ifndef METADATA_H
#define METADATA_H

#include "../endpoint.h"

/** Every GET under /v2, told apart by the path. */
extern const struct page metadata_page;

#endif
