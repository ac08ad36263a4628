// SPDX-License-Identifier: MIT
/*
 * Any bytes as a body: read whole and in slices (the first byte says how
 * long) with the same result, and accepted as Jansson accepts them.
 */
#include "fuzz.h"

#include <string.h>

#include "../number/reading.h"
#include "../json/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    const char *body = (const char *)data + 1;
    size_t bytes = size - 1, slice = 1 + (size_t)data[0] * 3;
    struct reading whole, sliced;
    bool accepted = reading_slices(&whole, body, bytes, bytes + 1);
    bool again = reading_slices(&sliced, body, bytes, slice);
    FUZZ_ASSERT(accepted == again);
    if (accepted)
        FUZZ_ASSERT(reading_equal(&whole, &sliced));
    else
        FUZZ_ASSERT(
            memcmp(&whole.problem, &sliced.problem, sizeof whole.problem) == 0);
    int status = accepted ? 200 : whole.problem.status;
    if (jansson_accepts(body, bytes))
        FUZZ_ASSERT(status != 400);
    else
        FUZZ_ASSERT(status != 200 || has_words(body, bytes));
    reading_settle(&whole, READING_LOGITS, TENSOR_FLOAT32);
    reading_settle(&whole, READING_ANY, TENSOR_INT64);
    reading_settle(&whole, READING_ANY, TENSOR_BOOL);
    reading_free(&whole);
    reading_free(&sliced);
    FUZZ_ASSERT(atomic_load(&whole.budget.taken) == 0);
    return 0;
}
