/* SPDX-License-Identifier: MIT */
#include "json_numbers.h"

#include <math.h>
#include <stdlib.h>

#include "exact_row.h"

static size_t leaves(const json_t *value)
{
    size_t count = 0, i;
    json_t *item;

    if (!json_is_array(value))
        return 1;
    json_array_foreach(value, i, item) count += leaves(item);
    return count;
}

static double leaf(const json_t *value)
{
    if (json_is_string(value))
        return *json_string_value(value) == '-' ? -INFINITY : INFINITY;
    return json_is_boolean(value) ? json_is_true(value)
                                  : json_number_value(value);
}

static double *flatten_into(const json_t *value, double *out)
{
    size_t i;
    json_t *item;

    if (!json_is_array(value)) {
        *out = leaf(value);
        return out + 1;
    }
    json_array_foreach(value, i, item) out = flatten_into(item, out);
    return out;
}

double *json_numbers(const json_t *value, size_t *count)
{
    double *numbers;

    *count = 0;
    if (!value)
        return NULL;
    *count = leaves(value);
    numbers = must(calloc(*count + 1, sizeof *numbers));
    flatten_into(value, numbers);
    return numbers;
}
