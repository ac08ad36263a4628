// SPDX-License-Identifier: MIT
/*
 * Any bits as floating point, written: one text by each instruction set, alone
 * and in a block, which reads back to the same bits, and no text with one digit
 * less does.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "../../server/number/number.h"
#include "../../server/number/read.h"
#include "../../server/number/write.h"

enum { MOST = 8 };

static size_t digits_of(const char *text, size_t bytes)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < bytes && text[i] != 'e'; i++) {
        if (text[i] < '0' || text[i] > '9' || (count == 0 && text[i] == '0'))
            continue;
        count++;
        if (text[i] != '0')
            kept = count;
    }
    return kept;
}

static void check_one(double value)
{
    char text[NUMBER_MAX_TEXT], shorter[NUMBER_MAX_TEXT];
    double back;
    size_t bytes = number_write_float64(text, value);
    if (!isfinite(value)) {
        FUZZ_ASSERT(text[0] == '"' && text[bytes - 1] == '"');
        return;
    }
    FUZZ_ASSERT(number_read_float64(text, bytes, &back));
    FUZZ_ASSERT(memcmp(&back, &value, sizeof value) == 0);
    size_t digits = digits_of(text, bytes);
    if (digits < 2)
        return;
    int length =
        snprintf(shorter, sizeof shorter, "%.*e", (int)digits - 2, value);
    FUZZ_ASSERT(number_read_float64(shorter, (size_t)length, &back));
    FUZZ_ASSERT(back != value);
}

static size_t write_alone(char *text, const double *values, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += number_write_float64(text + bytes, values[i]);
        text[bytes++] = ',';
    }
    return bytes;
}

static size_t write_alone32(char *text, const float *values, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += number_write_float32(text + bytes, values[i]);
        text[bytes++] = ',';
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2,
                                        SMX_ISA_AVX512, SMX_ISA_NEON};
    static char want[2 * MOST * (NUMBER_MAX_TEXT + 1)], got[sizeof want];
    const struct number_rows one_row = {SIZE_MAX, SIZE_MAX};
    double values[MOST];
    float narrow[2 * MOST];
    size_t count = size / sizeof(double);
    if (count < 1 || count > MOST)
        return 0;
    memcpy(values, data, count * sizeof(double));
    memcpy(narrow, data, count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        check_one(values[i]);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        const struct number_block *block = number_block_of(isas[i]);
        if (!block)
            continue;
        size_t bytes = write_alone(want, values, count);
        FUZZ_ASSERT(block->float64(got, values, count, one_row) == bytes &&
                    memcmp(want, got, bytes) == 0);
        bytes = write_alone32(want, narrow, 2 * count);
        FUZZ_ASSERT(block->float32(got, narrow, 2 * count, one_row) == bytes &&
                    memcmp(want, got, bytes) == 0);
    }
    return 0;
}
