/* SPDX-License-Identifier: MIT */
/** Where a value stands in a document, in words. */
#ifndef POINTER_H
#define POINTER_H

#include "reader.h"

/** "inputs/0/data", with '~' and '/' in names escaped as RFC 6901 wants. text
 * has `room` bytes, at least 3; what does not fit is left out. */
void pointer_text(const struct reader_path *path, char *text, size_t room);

#endif
