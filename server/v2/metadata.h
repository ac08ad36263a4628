/* SPDX-License-Identifier: MIT */
/** What /v2 tells about itself: health, metadata, statistics, models. */
#ifndef METADATA_H
#define METADATA_H

#include "../endpoint.h"

/** Every GET under /v2, told apart by the path. */
extern const struct page metadata_page;

#endif
