// SPDX-License-Identifier: MIT
/*
 * Base64 by the vector code that this machine has and by the plain one: the
 * same text, the same bytes, the same place to stop at. Without cmocka, to be
 * built for machines that it is not installed for; test_base64.c judges the
 * plain code.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../server/number/base64.h"
#include "../../server/number/isa.h"

enum { MOST = 1000, TEXT = MOST / 3 * 4 + 8 };

static unsigned char in[MOST], out[2][MOST + 3 + BASE64_AHEAD];
static char text[2][TEXT];

/* Encode by both, then decode by both what wrong byte, at a place, leaves. */
static int differ(enum smx_isa isa, size_t bytes, size_t at, char wrong)
{
    const enum smx_isa isas[2] = {SMX_ISA_BASE, isa};
    size_t characters[2], taken[2], made[2];
    for (int i = 0; i < 2; i++) {
        struct base64_decoder decoder = {0};
        number_isa_force(isas[i]);
        characters[i] = base64_encode(text[i], in, bytes);
        if (at < characters[i])
            text[i][at] = wrong;
        taken[i] =
            base64_decode(&decoder, out[i], &made[i], text[i], characters[i]);
    }
    return characters[0] != characters[1] || taken[0] != taken[1] ||
           made[0] != made[1] || memcmp(text[0], text[1], characters[0]) != 0 ||
           memcmp(out[0], out[1], made[0]) != 0;
}

static int differs(enum smx_isa isa)
{
    for (size_t bytes = 0; bytes < MOST; bytes++)
        if (differ(isa, bytes, SIZE_MAX, 0))
            return 1;
    for (int wrong = 0; wrong < 256; wrong++)
        for (size_t at = 0; at < 2 * 64; at++)
            if (differ(isa, 144, at, (char)wrong))
                return 1;
    return 0;
}

int main(void)
{
    static const enum smx_isa isas[] = {SMX_ISA_AVX2, SMX_ISA_AVX512,
                                        SMX_ISA_NEON};
    int wrong = 0, seen = 0;
    for (size_t i = 0; i < MOST; i++)
        in[i] = (unsigned char)(i * 151 % 257);
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!base64_codec_of(isas[k]))
            continue;
        seen++;
        if (!differs(isas[k]))
            continue;
        fprintf(stderr, "base64_twins: %s differs from base\n",
                smx_isa_name(isas[k]));
        wrong++;
    }
    return wrong || !seen;
}
