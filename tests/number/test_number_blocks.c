// SPDX-License-Identifier: MIT
/* Blocks of numbers are their numbers one by one, on every instruction set. */
#include "../../server/number/write.h"
#include "../support/float_bits.h"
#include "../support/random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 300 };
static const struct number_rows ONE_ROW = {SIZE_MAX, SIZE_MAX};

static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2, SMX_ISA_AVX512,
                                    SMX_ISA_NEON};

/* Mostly numbers as logits are, some of any kind. */
static double draw(struct random *random, double any)
{
    uint64_t r = random_bits(random);
    return r >> 60 ? (double)(int64_t)r / (1L << 61) : any;
}

static void fill32(float *values, size_t count, struct random *random)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)draw(random, NAN);
    for (size_t i = 0; i < count; i++)
        if (isnan(values[i]))
            values[i] = float_of((uint32_t)random_bits(random));
}

static void fill64(double *values, size_t count, struct random *random)
{
    for (size_t i = 0; i < count; i++)
        values[i] = draw(random, double_of(random_bits(random)));
}

/* The separator behind number i (from 0). */
static size_t separate(char *text, size_t i, struct number_rows rows)
{
    bool ends = i + 1 >= rows.left && (i + 1 - rows.left) % rows.length == 0;
    memcpy(text, ends ? "],[" : ",", ends ? 3 : 1);
    return ends ? 3 : 1;
}

static char got_block[BLOCK * NUMBER_MAX_TEXT + 1];
static char want_block[sizeof got_block];

/* A block is its numbers one by one, and touches no more than it may. */
static void check_block32(const struct number_block *block, const float *values,
                          size_t count, struct number_rows rows)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += number_write_float32(want_block + n, values[i]);
        n += separate(want_block + n, i, rows);
    }
    memset(got_block, '#', sizeof got_block);
    assert_int_equal(block->float32(got_block, values, count, rows), n);
    assert_memory_equal(got_block, want_block, n);
    assert_int_equal(got_block[count * NUMBER_MAX_TEXT], '#');
}

static void check_block64(const struct number_block *block,
                          const double *values, size_t count,
                          struct number_rows rows)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += number_write_float64(want_block + n, values[i]);
        n += separate(want_block + n, i, rows);
    }
    memset(got_block, '#', sizeof got_block);
    assert_int_equal(block->float64(got_block, values, count, rows), n);
    assert_memory_equal(got_block, want_block, n);
    assert_int_equal(got_block[count * NUMBER_MAX_TEXT], '#');
}

static void blocks_on(enum smx_isa isa)
{
    const struct number_block *block = number_block_of(isa);
    struct random random = {4};
    float float32[BLOCK];
    double float64[BLOCK];
    if (!block)
        skip();
    for (size_t count = 0; count <= BLOCK; count++) {
        fill32(float32, count, &random);
        fill64(float64, count, &random);
        size_t length = random_bits(&random) % 40 + 1;
        size_t left = random_bits(&random) % length + 1;
        check_block32(block, float32, count, ONE_ROW);
        check_block64(block, float64, count, ONE_ROW);
        check_block32(block, float32, count,
                      (struct number_rows){left, length});
        check_block64(block, float64, count,
                      (struct number_rows){left, length});
    }
}

static void blocks_base(void **state)
{
    (void)state;
    blocks_on(SMX_ISA_BASE);
}

static void blocks_avx2(void **state)
{
    (void)state;
    blocks_on(SMX_ISA_AVX2);
}

static void blocks_avx512(void **state)
{
    (void)state;
    blocks_on(SMX_ISA_AVX512);
}

static void blocks_neon(void **state)
{
    (void)state;
    blocks_on(SMX_ISA_NEON);
}

/* Every tier, on all exponents, and on all lengths of digits. */
static void blocks_of_every_kind(void **state)
{
    (void)state;
    struct random random = {5};
    float float32[256];
    double float64[256];
    for (size_t t = 0; t < sizeof isas / sizeof isas[0]; t++) {
        const struct number_block *block = number_block_of(isas[t]);
        if (!block)
            continue;
        for (uint64_t round = 0; round < 2000; round++) {
            for (uint64_t e = 0; e < 256; e++) {
                uint64_t cut = random_bits(&random) % 53,
                         r = random_bits(&random);
                uint64_t fraction = r >> 12 >> cut << cut;
                uint64_t biased = (8 * e + round) & 2047;
                float32[e] =
                    float_of((uint32_t)(r << 31 | e << 23 | fraction >> 29));
                float64[e] = double_of(r << 63 | biased << 52 | fraction);
                if (round % 4 == 0)
                    float32[e] = (float)(r % 100000) / 1000;
                if (round % 4 == 0)
                    float64[e] = (double)(r % 100000000) / 1000000;
            }
            check_block32(block, float32, 256, ONE_ROW);
            check_block64(block, float64, 256, ONE_ROW);
        }
    }
}

static void check_block64_everywhere(const double *values, size_t count)
{
    for (size_t t = 0; t < sizeof isas / sizeof isas[0]; t++) {
        const struct number_block *block = number_block_of(isas[t]);
        if (block)
            check_block64(block, values, count, ONE_ROW);
    }
}

/* Their rounding intervals are narrower below. */
static void blocks_of_powers_of_two(void **state)
{
    (void)state;
    for (int e = -1074; e < 1024; e++) {
        double power = ldexp(1, e);
        double values[] = {power, -power, nextafter(power, 0), power,
                           nextafter(power, DBL_MAX)};
        check_block64_everywhere(values, sizeof values / sizeof values[0]);
    }
}

/* Doubles whose interval ends at a multiple of a power of ten, which is their
 * text only if their last bit is 0. */
static void blocks_whose_interval_ends_at_a_decimal(void **state)
{
    (void)state;
    struct random random = {6};
    uint64_t power = 1;
    for (int places = 0; places < 22; places++, power *= 5)
        for (int e = 1; e <= places + 5; e++) {
            uint64_t least = (UINT64_C(1) << 53) / power + 1;
            double values[64];
            for (size_t i = 0; i < 64; i += 2) {
                uint64_t end = power * (least + random_bits(&random) % least);
                end -= end & 1 ? 0 : power;
                values[i] = ldexp((double)(end / 2), e);
                values[i + 1] = ldexp((double)(end / 2 + 1), e);
            }
            check_block64_everywhere(values, 64);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_base),
        cmocka_unit_test(blocks_avx2),
        cmocka_unit_test(blocks_avx512),
        cmocka_unit_test(blocks_neon),
        cmocka_unit_test(blocks_of_every_kind),
        cmocka_unit_test(blocks_of_powers_of_two),
        cmocka_unit_test(blocks_whose_interval_ends_at_a_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
