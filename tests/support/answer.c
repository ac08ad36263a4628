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

static bool same(const json_t *got, const json_t *want, double tolerance,
                 double scale)
{
    if (json_is_array(want)) {
        if (!json_is_array(got) ||
            json_array_size(got) != json_array_size(want))
            return false;
        for (size_t i = 0; i < json_array_size(want); i++)
            if (!same(json_array_get(got, i), json_array_get(want, i),
                      tolerance, scale))
                return false;
        return true;
    }
    if (!json_is_number(want) || !json_is_number(got))
        return json_equal(got, want);
    double g = json_number_value(got), w = json_number_value(want);
    return fabs(g - w) <= tolerance * fmax(fabs(w), scale);
}

bool answer_agrees(const json_t *got, const json_t *want, const json_t *scale,
                   double tolerance, char *why, size_t why_bytes)
{
    if (!json_is_object(got) || json_object_size(got) != json_object_size(want))
        return say(why, why_bytes, "members", got, want);
    void *g = json_object_iter((json_t *)got);
    void *w = json_object_iter((json_t *)want);
    for (; w; w = json_object_iter_next((json_t *)want, w)) {
        const char *name = json_object_iter_key(w);
        double size = json_number_value(json_object_get(scale, name));
        const json_t *value = json_object_iter_value(g);
        if (strcmp(name, json_object_iter_key(g)))
            return say(why, why_bytes, "order", got, want);
        if (!same(value, json_object_iter_value(w), tolerance, size))
            return say(why, why_bytes, name, value, json_object_iter_value(w));
        g = json_object_iter_next((json_t *)got, g);
    }
    return true;
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
