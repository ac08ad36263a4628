// SPDX-License-Identifier: MIT
/* All 65,536 values of both 16-bit formats, on every instruction set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/number/half.h"

enum { ALL = 65536, ODD = 3 }; /* ODD: bytes by which the input is misaligned */

static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2, SMX_ISA_AVX512,
                                    SMX_ISA_NEON};

static unsigned char in[2 * ALL + ODD];
static float out[ALL + 1];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        in[ODD + 2 * i] = (unsigned char)i;
        in[ODD + 2 * i + 1] = (unsigned char)(i >> 8);
    }
    return 0;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* By the definition: (-1)^s 2^(e-15) 1.f, and 2^-14 0.f where e is 0. */
static float float16(uint32_t half)
{
    int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
    double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return (float)copysign(value, half & 0x8000 ? -1 : 1);
}

static void float16_is_exact(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!smx_isa_available(isas[k]))
            continue;
        half_widen_float16(out, in + ODD, ALL, isas[k]);
        for (uint32_t i = 0; i < ALL; i++) {
            float expected = float16(i);
            if (isnan(expected))
                assert_int_equal(bits_of(out[i]), (i & 0x8000) << 16 |
                                                      0x7fc00000u |
                                                      (i & 1023) << 13);
            else
                assert_int_equal(bits_of(out[i]), bits_of(expected));
        }
    }
}

static void bfloat16_is_the_upper_half(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!smx_isa_available(isas[k]))
            continue;
        half_widen_bfloat16(out, in + ODD, ALL, isas[k]);
        for (uint32_t i = 0; i < ALL; i++)
            assert_int_equal(bits_of(out[i]), i << 16);
    }
}

/* What is not a multiple of a register is done, and nothing behind it. */
static void any_count_and_no_more(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!smx_isa_available(isas[k]))
            continue;
        for (size_t count = 0; count < 40; count++) {
            memset(out, 0xa5, 41 * sizeof *out);
            half_widen_bfloat16(out, in + ODD + 2000, count, isas[k]);
            assert_int_equal(bits_of(out[count]), 0xa5a5a5a5u);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(bits_of(out[i]), (1000 + i) << 16);
            memset(out, 0xa5, 41 * sizeof *out);
            half_widen_float16(out, in + ODD + 2000, count, isas[k]);
            assert_int_equal(bits_of(out[count]), 0xa5a5a5a5u);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(bits_of(out[i]), bits_of(float16(1000 + i)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float16_is_exact),
        cmocka_unit_test(bfloat16_is_the_upper_half),
        cmocka_unit_test(any_count_and_no_more),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
