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

/* What text should decode to. */
struct wanted {
    unsigned char data[MOST];
    size_t bytes;
    size_t characters; /* that can be the beginning of base64 */
};

/* -1: none of the alphabet. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* May c stand at a place of a group whose characters before are there? *value:
 * the bits that it adds. */
static bool may_stand(const char *group, size_t place, char c, unsigned *value)
{
    int found = value_of(c);
    bool padded = place > 0 && group[place - 1] == '=';
    *value = found < 0 ? 0 : (unsigned)found;
    if (c != '=')
        return found >= 0 && !padded;
    if (place < 2 || padded)
        return padded;
    /* the bits that no byte has are 0 */
    return (value_of(group[place - 1]) & (place == 2 ? 15 : 3)) == 0;
}

static void decode_by_the_letter(const char *text, size_t count,
                                 struct wanted *wanted)
{
    unsigned bits = 0, value;
    wanted->bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const char *group = text + i / 4 * 4;
        wanted->characters = i;
        if (i % 4 == 0 && i > 0 && text[i - 1] == '=')
            return;
        if (!may_stand(group, i % 4, text[i], &value))
            return;
        bits = bits << 6 | value;
        if (i % 4 < 3)
            continue;
        size_t more = group[2] == '=' ? 1 : group[3] == '=' ? 2 : 3;
        for (size_t k = 0; k < more; k++)
            wanted->data[wanted->bytes++] =
                (unsigned char)(bits >> (16 - 8 * k));
        bits = 0;
    }
    wanted->characters = count;
}

/* Slice by slice, each at the end of its memory and into what is left of the
 * other's, so that stray access is seen. */
static size_t decode_slices(const char *text, size_t count, size_t slice,
                            unsigned char *out, size_t *bytes, bool *whole)
{
    static char *from;
    static unsigned char *to;
    const size_t most = base64_most_bytes(MOST) + BASE64_AHEAD;
    struct base64_decoder decoder = {0};
    size_t taken = 0;
    if (!from)
        from = malloc(MOST), to = malloc(most);
    FUZZ_ASSERT(from && to);
    *bytes = 0;
    while (taken < count) {
        size_t length = count - taken < slice ? count - taken : slice, made;
        char *copy = from + MOST - length;
        unsigned char *data =
            to + most - base64_most_bytes(length) - BASE64_AHEAD;
        memcpy(copy, text + taken, length);
        size_t done = base64_decode(&decoder, data, &made, copy, length);
        memcpy(out + *bytes, data, made);
        *bytes += made;
        taken += done;
        if (done < length)
            break;
    }
    *whole = base64_is_whole(&decoder);
    return taken;
}

static void check(const char *text, size_t count, size_t slice,
                  const struct wanted *wanted)
{
    static unsigned char got[MOST];
    static char again[MOST + 4];
    size_t bytes, can = wanted->characters;
    bool whole;
    size_t taken = decode_slices(text, count, slice, got, &bytes, &whole);
    FUZZ_ASSERT(taken == can);
    FUZZ_ASSERT(bytes == wanted->bytes &&
                memcmp(got, wanted->data, bytes) == 0);
    FUZZ_ASSERT(whole == (can % 4 == 0));
    size_t characters = base64_encode(again, got, bytes);
    FUZZ_ASSERT(characters == can / 4 * 4);
    FUZZ_ASSERT(memcmp(again, text, characters) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2,
                                        SMX_ISA_AVX512, SMX_ISA_NEON};
    static struct wanted wanted;
    if (size < 1 || size > MOST)
        return 0;
    const char *text = (const char *)data + 1;
    decode_by_the_letter(text, size - 1, &wanted);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        if (!base64_codec_of(isas[i]))
            continue;
        number_isa_force(isas[i]);
        check(text, size - 1, data[0] ? data[0] : size, &wanted);
    }
    number_isa_force(SMX_ISA_BEST);
    return 0;
}
