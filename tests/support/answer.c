// SPDX-License-Identifier: MIT
#include "answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../server/problem.h"

static bool say(char *why, size_t why_bytes, const char *name,
                const json_t *got, const json_t *want)
{
    char *got_text = json_dumps(got, JSON_ENCODE_ANY);
    char *want_text = json_dumps(want, JSON_ENCODE_ANY);
    snprintf(why, why_bytes, "%s: got %.200s, want %.200s", name,
             got_text ? got_text : "nothing",
             want_text ? want_text : "nothing");
    free(got_text);
    free(want_text);
    return false;
}

/* The value of a number, or of a string that stands for an infinity. */
static double number(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text)
        return json_number_value(value);
    return !strcmp(text, "Infinity")    ? HUGE_VAL
           : !strcmp(text, "-Infinity") ? -HUGE_VAL
                                        : NAN;
}

static bool near(double got, double want, enum smx_dtype dtype, double scale)
{
    double tolerance = dtype == SMX_FLOAT32 ? 2e-6 : 1e-13;
    if (isinf(got))
        return got == want || (dtype == SMX_FLOAT32 && isinf((float)want) &&
                               signbit(got) == signbit(want));
    return fabs(got - want) <= tolerance * fmax(fabs(want), scale);
}

static bool same(const json_t *got, const json_t *want, enum smx_dtype dtype,
                 double scale)
{
    if (!json_is_array(want))
        return !json_is_array(got) &&
               near(number(got), number(want), dtype, scale);
    if (!json_is_array(got) || json_array_size(got) != json_array_size(want))
        return false;
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!same(json_array_get(got, i), json_array_get(want, i), dtype,
                  scale))
            return false;
    return true;
}

bool answer_agrees(const json_t *got, const json_t *want, const json_t *scale,
                   enum smx_dtype dtype, char *why, size_t why_bytes)
{
    const char *name;
    json_t *value;
    if (!json_is_object(got) || json_object_size(got) != json_object_size(want))
        return say(why, why_bytes, "members", got, want);
    json_object_foreach((json_t *)want, name, value)
    {
        double size = json_number_value(json_object_get(scale, name));
        const json_t *there = json_object_get(got, name);
        if (!there || !same(there, value, dtype, size))
            return say(why, why_bytes, name, there, value);
    }
    return true;
}

bool answer_in_order(const json_t *got, const json_t *want)
{
    void *g = json_object_iter((json_t *)got);
    void *w = json_object_iter((json_t *)want);
    while (g && w &&
           !strcmp(json_object_iter_key(g), json_object_iter_key(w))) {
        g = json_object_iter_next((json_t *)got, g);
        w = json_object_iter_next((json_t *)want, w);
    }
    return !g && !w;
}

bool answer_is_problem(const json_t *got, const json_t *want, int status,
                       char *why, size_t why_bytes)
{
    json_t *must = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title",
                             problem_title(status), "status", status);
    const char *name;
    json_t *value;
    bool good = true;
    json_object_update(must, (json_t *)want);
    json_object_foreach(must, name, value)
    {
        const json_t *there = json_object_get(got, name);
        /* an empty pointer is not written */
        bool equal = there ? json_equal(there, value)
                           : !strcmp(name, "pointer") &&
                                 !strcmp(json_string_value(value), "");
        if (good && !equal)
            good = say(why, why_bytes, name, there, value);
    }
    if (good && !json_string_length(json_object_get(got, "detail")))
        good = say(why, why_bytes, "detail", got, want);
    json_decref(must);
    return good;
}
