/* SPDX-License-Identifier: MIT */
/** The id of a request that came without one. */
#ifndef REQUEST_ID_H
#define REQUEST_ID_H

enum { REQUEST_ID_BYTES = 17 };

/** Sixteen hexadecimal digits at random, and a NUL. */
void request_id_make(char id[REQUEST_ID_BYTES]);

#endif
