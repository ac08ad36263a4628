// SPDX-License-Identifier: MIT
/*
 * Any bytes as a number: the grammar of RFC 8259, the values of strtof and
 * strtod, alone and many times in an array, where vectors read it.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "../../server/number/read.h"
#include "../number/reading.h"

enum { COPIES = 40 };

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

static void check_array(const char *text, const char *member, int tensor)
{
    size_t bytes = strlen(text), used;
    char *body = malloc(COPIES * (bytes + 1) + 32);
    FUZZ_ASSERT(body);
    used = (size_t)snprintf(body, 32, "{\"%s\":[", member);
    for (int i = 0; i < COPIES; i++) {
        memcpy(body + used, text, bytes);
        used += bytes;
        body[used++] = ',';
    }
    memcpy(body + used - 1, "]}", 2);
    struct reading reading;
    bool read = reading_slices(&reading, body, used + 1, used + 1);
    float single = strtof(text, NULL);
    double wide = strtod(text, NULL);
    bool finite = tensor == READING_F32 ? isfinite(single) : isfinite(wide);
    FUZZ_ASSERT(read == finite);
    for (int i = 0; read && i < COPIES; i++) {
        const void *data = reading.tensor[tensor].data;
        if (tensor == READING_F32)
            FUZZ_ASSERT(!memcmp((const float *)data + i, &single, 4));
        else
            FUZZ_ASSERT(!memcmp((const double *)data + i, &wide, 8));
    }
    reading_free(&reading);
    free(body);
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
    check_array(text, "f32", READING_F32);
    check_array(text, "f64", READING_F64);
    return 0;
}
