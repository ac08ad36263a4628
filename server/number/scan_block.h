/* SPDX-License-Identifier: MIT */
/** What scan_tmpl.c and its vocabularies say of 64 bytes of text. */
#ifndef SCAN_BLOCK_H
#define SCAN_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** A bit a byte. */
struct classes {
    uint64_t comma;
    uint64_t separator; /* commas and white space */
    uint64_t bracket;   /* '[' and ']' */
    uint64_t digit;
    uint64_t zero;
    uint64_t point;
    uint64_t minus;
};

#endif
