// SPDX-License-Identifier: MIT
/*
 * Every float32 there is, through the writer. Its text must
 *   be the same from every instruction set of this machine and one by one,
 *   be that of the positive value behind a '-' where it is negative,
 *   read back to the same bits, by strtof and by our reader,
 *   have the fewest digits: neither neighbour with one less reads back,
 *   have the nearest digits: at most half a unit of the last one away (but for
 *   powers of two, of which test_number_write tries all).
 * Where not all are tried, neither are doubles, but as many, whose upper bits
 * are a float's and the others random: every instruction set writes them as
 * one by one.
 * usage: all_float32 [THREADS [STEP]]    (STEP: of so many blocks, one)
 */
#include "../../server/number/read.h"
#include "../../server/number/write.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1024, MAX_THREADS = 256, POWERS = 60 };
enum { BLOCKS = (int)(0x7f800000U / BLOCK) };

static const struct number_rows ONE_ROW = {SIZE_MAX, SIZE_MAX};

static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2, SMX_ISA_AVX512,
                                    SMX_ISA_NEON};

static atomic_uint next_block;
static atomic_ullong values_seen, values_wrong;
static unsigned step = 1;
static long double powers[2 * POWERS + 1]; /* 10^(i - POWERS) */

static void complain(const char *what, float value, const char *text)
{
    if (atomic_fetch_add(&values_wrong, 1) < 20)
        fprintf(stderr, "%s: %a is written %.*s\n", what, (double)value,
                (int)strcspn(text, ","), text);
}

/* The digits of a number as a whole, and the power of ten of the last. */
static int64_t parse(const char *text, int *exponent)
{
    int64_t digits = 0;
    int behind = 0, zeros = 0;
    bool point = false;
    for (; *text != ',' && *text != 'e'; text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        digits = digits * 10 + (*text - '0');
        behind += point;
    }
    for (; digits && digits % 10 == 0; digits /= 10)
        zeros++;
    int written = *text == 'e' ? (int)strtol(text + 1, NULL, 10) : 0;
    *exponent = written + zeros - behind;
    return digits;
}

static bool reads_back(int64_t digits, int exponent, float value)
{
    char text[2 * NUMBER_MAX_TEXT];
    float back = -1;
    size_t n = number_write_int64(text, digits);
    text[n++] = 'e';
    n += number_write_int64(text + n, exponent);
    return number_read_float32(text, n, &back) && back == value;
}

static void check_text(const char *text, size_t bytes, float value)
{
    int exponent;
    int64_t digits = parse(text, &exponent);
    float back = -1;
    if (strtof(text, NULL) != value)
        complain("strtof reads another value", value, text);
    if (!number_read_float32(text, bytes, &back) || back != value)
        complain("our reader reads another value", value, text);
    if (digits >= 10 && (reads_back(digits / 10, exponent + 1, value) ||
                         reads_back(digits / 10 + 1, exponent + 1, value)))
        complain("not the fewest digits", value, text);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    long double away = fabsl(value / powers[exponent + POWERS] - digits);
    if ((bits & 0x7fffff) != 0 && away > 0.5L + 1e-9L)
        complain("not the nearest digits", value, text);
}

/* One by one the text of a block; checked where the sign is positive. */
static size_t write_singly(char *text, const float *values)
{
    size_t n = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        size_t bytes = number_write_float32(text + n, values[i]);
        text[n + bytes] = ',';
        if (!signbit(values[i]) && isfinite(values[i]))
            check_text(text + n, bytes, values[i]);
        n += bytes + 1;
    }
    return n;
}

/* The same numbers with and without a sign, but zero. */
static void check_signs(const char *positive, const char *negative)
{
    for (size_t i = 0; i < BLOCK; i++) {
        size_t bytes = strcspn(positive, ",") + 1;
        if (*negative != '-' || memcmp(positive, negative + 1, bytes) != 0)
            complain("-v is not -", strtof(positive, NULL), negative);
        positive += bytes;
        negative += bytes + 1;
    }
}

static void check_block(uint32_t first)
{
    char texts[2][BLOCK * NUMBER_MAX_TEXT + 1], block[sizeof texts[0]];
    for (uint32_t sign = 0; sign < 2; sign++) {
        uint32_t bits[BLOCK];
        float values[BLOCK];
        for (uint32_t i = 0; i < BLOCK; i++)
            bits[i] = (first + i) | sign << 31;
        memcpy(values, bits, sizeof values);
        size_t bytes = write_singly(texts[sign], values);
        texts[sign][bytes] = '\0';
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
            const struct number_block *tier = number_block_of(isas[i]);
            if (tier &&
                (tier->float32(block, values, BLOCK, ONE_ROW) != bytes ||
                 memcmp(block, texts[sign], bytes) != 0))
                complain(smx_isa_name(isas[i]), values[0], texts[sign]);
        }
    }
    if (first != 0)
        check_signs(texts[0], texts[1]);
    atomic_fetch_add(&values_seen, 2ULL * BLOCK);
}

static void check_doubles(uint32_t first)
{
    char singly[BLOCK * NUMBER_MAX_TEXT + 1], block[sizeof singly];
    double values[BLOCK];
    size_t bytes = 0;
    for (uint32_t i = 0; i < BLOCK; i++) {
        /* zeros at the end of every length */
        uint64_t low = (first + i) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
        uint64_t bits = (uint64_t)(first + i) << 32 | low >> i % 32 << i % 32;
        memcpy(&values[i], &bits, sizeof bits);
        bytes += number_write_float64(singly + bytes, values[i]);
        singly[bytes++] = ',';
    }
    singly[bytes] = '\0';
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        const struct number_block *tier = number_block_of(isas[i]);
        if (tier && (tier->float64(block, values, BLOCK, ONE_ROW) != bytes ||
                     memcmp(block, singly, bytes) != 0))
            complain(smx_isa_name(isas[i]), (float)values[0], singly);
    }
}

static void *check_blocks(void *unused)
{
    unsigned block;
    while ((block = atomic_fetch_add(&next_block, step)) < BLOCKS) {
        check_block(block * BLOCK);
        if (step > 1)
            check_doubles(block * BLOCK);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[MAX_THREADS];
    long count =
        argc > 1 ? strtol(argv[1], NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
    step = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    if (count < 1 || count > MAX_THREADS || step < 1)
        return fprintf(stderr, "usage: all_float32 [THREADS [STEP]]\n"), 2;
    for (int i = -POWERS; i <= POWERS; i++)
        powers[i + POWERS] = powl(10, i);
    long started = 0;
    while (started < count &&
           pthread_create(&threads[started], NULL, check_blocks, NULL) == 0)
        started++;
    for (long i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    printf("%llu values, %llu wrong\n", atomic_load(&values_seen),
           atomic_load(&values_wrong));
    return started == 0 || atomic_load(&values_wrong) != 0;
}
