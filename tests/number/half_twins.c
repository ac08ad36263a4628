// SPDX-License-Identifier: MIT
/*
 * Every 16-bit value through the vector code that this machine has and through
 * the plain one: the same bits. Without cmocka, to be built for machines that
 * it is not installed for; test_half.c judges the plain code.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../server/number/half.h"

enum { ALL = 65536 };

static unsigned char in[2 * ALL];
static float plain[ALL], vector[ALL];

typedef void widen_function(float *out, const unsigned char *in, size_t count,
                            enum smx_isa isa);

static int differ(const char *name, widen_function *widen, enum smx_isa isa)
{
    widen(plain, in, ALL, SMX_ISA_BASE);
    widen(vector, in, ALL, isa);
    if (memcmp(plain, vector, sizeof plain) == 0)
        return 0;
    fprintf(stderr, "half_twins: %s of %s differs from base\n", name,
            smx_isa_name(isa));
    return 1;
}

int main(void)
{
    static const enum smx_isa isas[] = {SMX_ISA_AVX2, SMX_ISA_AVX512,
                                        SMX_ISA_NEON};
    int wrong = 0, seen = 0;
    for (size_t i = 0; i < ALL; i++) {
        in[2 * i] = (unsigned char)i;
        in[2 * i + 1] = (unsigned char)(i >> 8);
    }
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!smx_isa_available(isas[k]))
            continue;
        seen++;
        wrong += differ("float16", half_widen_float16, isas[k]);
        wrong += differ("bfloat16", half_widen_bfloat16, isas[k]);
    }
    return wrong || !seen;
}
