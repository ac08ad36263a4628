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

/* Does "-0.00123e-7" without its last digit that is not 0, or with the one
 * before it larger by 1, read as the value? No text of so few digits is nearer.
 */
static bool reads_with_one_less(const char *text, size_t bytes, double value)
{
    char digits[NUMBER_MAX_TEXT], shorter[2 * NUMBER_MAX_TEXT];
    size_t count = 0;
    int exponent = 0;
    bool point = false, negative = text[0] == '-';
    for (size_t i = negative; i < bytes; i++) {
        if (text[i] == 'e') {
            exponent += (int)strtol(text + i + 1, NULL, 10);
            break;
        }
        exponent -= point;
        if (text[i] == '.')
            point = true;
        else if (count > 0 || text[i] != '0')
            digits[count++] = text[i];
    }
    for (; count > 0 && digits[count - 1] == '0'; count--)
        exponent++;
    if (count < 2)
        return false;
    digits[count - 1] = '\0';
    exponent++;
    unsigned long long whole = strtoull(digits, NULL, 10);
    for (int i = 0; i < 2; i++) {
        double back;
        int length = snprintf(shorter, sizeof shorter, "%s%llue%d",
                              negative ? "-" : "", whole + i, exponent);
        FUZZ_ASSERT(number_read_float64(shorter, (size_t)length, &back));
        if (back == value)
            return true;
    }
    return false;
}

static void check_one(double value)
{
    char text[NUMBER_MAX_TEXT + 1];
    double back;
    size_t bytes = number_write_float64(text, value);
    if (!isfinite(value)) {
        FUZZ_ASSERT(text[0] == '"' && text[bytes - 1] == '"');
        return;
    }
    FUZZ_ASSERT(number_read_float64(text, bytes, &back));
    FUZZ_ASSERT(memcmp(&back, &value, sizeof value) == 0);
    text[bytes] = '\0';
    FUZZ_ASSERT(!reads_with_one_less(text, bytes, value));
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
    static char want[MOST * (NUMBER_MAX_TEXT + 1)];
    static char want32[2 * sizeof want], got[2 * sizeof want];
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
    size_t bytes = write_alone(want, values, count);
    size_t bytes32 = write_alone32(want32, narrow, 2 * count);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        const struct number_block *block = number_block_of(isas[i]);
        if (!block)
            continue;
        FUZZ_ASSERT(block->float64(got, values, count, one_row) == bytes &&
                    memcmp(want, got, bytes) == 0);
        FUZZ_ASSERT(block->float32(got, narrow, 2 * count, one_row) ==
                        bytes32 &&
                    memcmp(want32, got, bytes32) == 0);
    }
    return 0;
}
