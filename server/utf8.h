/* SPDX-License-Identifier: MIT */
/** Characters of UTF-8. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/** Bytes of the character that the text begins with (RFC 3629, section 4);
 *  0: it is none, or ends beyond the bytes that there are. Of a string that a
 *  NUL ends, UTF8_MAX says enough. */
size_t utf8_bytes(const char *text, size_t bytes);

enum { UTF8_MAX = 4 };

#endif
