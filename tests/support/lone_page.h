/* SPDX-License-Identifier: MIT */
/** A page of memory between two that nobody may read. */
#ifndef LONE_PAGE_H
#define LONE_PAGE_H

#include <stddef.h>

/** Its first byte, and in *bytes its size. A test fails without it. */
char *lone_page_new(size_t *bytes);

void lone_page_free(char *page);

#endif
