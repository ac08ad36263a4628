// SPDX-License-Identifier: MIT
/*
 * Any bytes as a number: the grammar of RFC 8259, the values of strtof and
 * strtod.
 */
#include "fuzz.h"

#include <string.h>

#include "../../server/number/read.h"

static const char *digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_number(const char *p)
{
    p += *p == '-';
    const char *end = digits(p);
    if (end == p || (*p == '0' && end - p > 1))
        return false;
    p = end;
    if (*p == '.') {
        end = digits(p + 1);
        if (end == p + 1)
            return false;
        p = end;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        end = digits(p);
        if (end == p)
            return false;
        p = end;
    }
    return *p == '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1200];
    float single = 0, single_wanted;
    double wide = 0, wide_wanted;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    bool number = strlen(text) == size && is_number(text);
    FUZZ_ASSERT(number_read_float32(text, size, &single) == number);
    FUZZ_ASSERT(number_read_float64(text, size, &wide) == number);
    if (!number)
        return 0;
    single_wanted = strtof(text, NULL);
    wide_wanted = strtod(text, NULL);
    FUZZ_ASSERT(memcmp(&single, &single_wanted, sizeof single) == 0);
    FUZZ_ASSERT(memcmp(&wide, &wide_wanted, sizeof wide) == 0);
    int64_t integer;
    if (number_read_int64(text, size, &integer) == NUMBER_INTEGER)
        FUZZ_ASSERT((double)integer == wide);
    return 0;
}
