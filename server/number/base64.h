/* SPDX-License-Identifier: MIT */
/**
 * Base64 as RFC 4648, section 4, has it: with padding, without line breaks.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "softmax.h"

enum {
    BASE64_AHEAD = 16 /* bytes that decoding may write past the result */
};

/** Bytes that so many characters of text can stand for, at most. */
static inline size_t base64_most_bytes(size_t characters)
{
    return characters / 4 * 3 + 3;
}

/** Characters that so many bytes become, padding included. */
static inline size_t base64_characters(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 ? 4 : 0);
}

/** Text on its way in, in slices of any size. Begins zeroed. */
struct base64_decoder {
    uint32_t bits;    /* of the characters of an unfinished group of four */
    unsigned held;    /* how many those are, padding included */
    unsigned padding; /* '=' so far */
};

/**
 * Decode the characters of text up to the first that is not of base64, or that
 * cannot stand where it does.
 *
 * out      room for base64_most_bytes(characters) + BASE64_AHEAD bytes.
 * *bytes   how many were decoded.
 * @return  how many characters were taken.
 */
size_t base64_decode(struct base64_decoder *decoder, unsigned char *out,
                     size_t *bytes, const char *text, size_t characters);

/** Did the text end where base64 may? */
bool base64_is_whole(const struct base64_decoder *decoder);

/** Encode; only whole groups of three bytes may be followed by more.
 *  @return characters. */
size_t base64_encode(char *text, const unsigned char *in, size_t bytes);

/** One instruction set's way with many whole groups. */
struct base64_codec {
    /**
     * Decode groups of four characters, up to the first group that has another
     * character, or fewer.
     * @return characters taken; 3 bytes were written for each 4 of them.
     */
    size_t (*decode)(unsigned char *out, const char *text, size_t characters);
    /** Encode groups of three bytes. @return bytes taken. */
    size_t (*encode)(char *text, const unsigned char *in, size_t bytes);
};

/** NULL: not in this build or not on this machine. */
const struct base64_codec *base64_codec_of(enum smx_isa isa);

#endif
