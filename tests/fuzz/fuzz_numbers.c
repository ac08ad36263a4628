// SPDX-License-Identifier: MIT
/*
 * Any number many times in an array, where vectors read it: the values of
 * strtof and strtod, as fuzz_number has it for one alone.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "../../server/number/read.h"
#include "../number/reading.h"

enum { COPIES = 40 };

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
    float value;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (!number_read_float32(text, size, &value))
        return 0;
    check_array(text, "f32", READING_F32);
    check_array(text, "f64", READING_F64);
    return 0;
}
