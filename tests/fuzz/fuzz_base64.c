// SPDX-License-Identifier: MIT
/*
 * Any bytes as base64, by each instruction set and in slices, beside RFC 4648
 * taken by the letter: as many characters taken, the same bytes, and the text
 * again from them. The first byte is the length of the slices.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "../../server/number/base64.h"
#include "../../server/number/isa.h"

enum { MOST = 4096 };

/* May c stand at a place of a group whose characters before are there? *value:
 * the bits that it adds. */
static bool may_stand(const char *group, size_t place, char c, unsigned *value)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/";
    const char *found = c ? strchr(alphabet, c) : NULL;
    bool padded = place > 0 && group[place - 1] == '=';
    *value = found ? (unsigned)(found - alphabet) : 0;
    if (c != '=')
        return found && !padded;
    if (place < 2 || padded)
        return padded;
    /* the bits that no byte has are 0 */
    const char *last = strchr(alphabet, group[place - 1]);
    return ((last - alphabet) & (place == 2 ? 15 : 3)) == 0;
}

/* @return how many characters can be the beginning of base64. */
static size_t decode_by_the_letter(const char *text, size_t count,
                                   unsigned char *out, size_t *bytes)
{
    unsigned bits = 0, value;
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const char *group = text + i / 4 * 4;
        if (i % 4 == 0 && i > 0 && text[i - 1] == '=')
            return i;
        if (!may_stand(group, i % 4, text[i], &value))
            return i;
        bits = bits << 6 | value;
        if (i % 4 < 3)
            continue;
        size_t more = group[2] == '=' ? 1 : group[3] == '=' ? 2 : 3;
        for (size_t k = 0; k < more; k++)
            out[(*bytes)++] = (unsigned char)(bits >> (16 - 8 * k));
        bits = 0;
    }
    return count;
}

/* Slice by slice, each into memory that ends where it may. */
static size_t decode_slices(const char *text, size_t count, size_t slice,
                            unsigned char *out, size_t *bytes, bool *whole)
{
    struct base64_decoder decoder = {0};
    size_t taken = 0;
    *bytes = 0;
    while (taken < count) {
        size_t length = count - taken < slice ? count - taken : slice, made;
        size_t room = base64_most_bytes(length) + BASE64_AHEAD;
        unsigned char *data = malloc(room);
        char *copy = malloc(length);
        FUZZ_ASSERT(data && copy);
        memcpy(copy, text + taken, length);
        size_t done = base64_decode(&decoder, data, &made, copy, length);
        memcpy(out + *bytes, data, made);
        *bytes += made;
        taken += done;
        free(copy);
        free(data);
        if (done < length)
            break;
    }
    *whole = base64_is_whole(&decoder);
    return taken;
}

static void check(const char *text, size_t count, size_t slice)
{
    static unsigned char want[MOST], got[MOST];
    static char again[MOST + 4];
    size_t want_bytes, bytes;
    bool whole;
    size_t can = decode_by_the_letter(text, count, want, &want_bytes);
    size_t taken = decode_slices(text, count, slice, got, &bytes, &whole);
    FUZZ_ASSERT(taken == can);
    FUZZ_ASSERT(bytes == want_bytes && memcmp(got, want, bytes) == 0);
    FUZZ_ASSERT(whole == (can % 4 == 0));
    size_t characters = base64_encode(again, got, bytes);
    FUZZ_ASSERT(characters == can / 4 * 4);
    FUZZ_ASSERT(memcmp(again, text, characters) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2,
                                        SMX_ISA_AVX512, SMX_ISA_NEON};
    if (size < 1 || size > MOST)
        return 0;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        if (!base64_codec_of(isas[i]))
            continue;
        number_isa_force(isas[i]);
        check((const char *)data + 1, size - 1, data[0] ? data[0] : size);
    }
    number_isa_force(SMX_ISA_BEST);
    return 0;
}
