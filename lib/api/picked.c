/* SPDX-License-Identifier: MIT */
#include "picked.h"

#include <string.h>

#include "engine/split_exp.h"

bool smx_picked_stay(const struct smx_softmax_call *call)
{
    return call->logits->classes <= SMX_NARROW && call->out.indices &&
           call->logits->inner == 1;
}

/* Values of row r of a tile: of those picked alone, or of all classes. */
static inline size_t place_picked(const struct smx_softmax_call *call, size_t r,
                                  size_t i)
{
    size_t k = call->picked, at = r * k + i;
    return call->gathers ? at
                         : r * call->logits->classes + (size_t)call->picks[at];
}

/* What is asked of those picked of a tile, to its place. */
static void store_picked_apart(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    struct smx_logits shape = *call->logits;
    size_t k = call->picked, at = 0;
    const void *values = smx_picked_values(call);
    shape.stride = k * shape.inner;
    for (size_t r = 0; r < call->tiles.rows; r++) {
        size_t to = smx_rows_index(&shape, call->tiles.first + r, 0);
        for (size_t i = 0; i < k; i++, at++, to += shape.inner) {
            if (out->indices)
                out->indices[to] = call->picks[at];
            if (out->rank)
                out->rank[to] = call->ranks[at];
            if (out->values)
                smx_set(out->values, shape.dtype, to,
                        smx_get(values, shape.dtype, place_picked(call, r, i)));
        }
    }
}

/* bytes of a number: a constant where this is inlined. */
static inline __attribute__((always_inline)) void
store_picked_values(const struct smx_softmax_call *call, size_t to,
                    size_t bytes)
{
    const bool gathers = call->gathers;
    const size_t k = call->picked, row = gathers ? k : call->logits->classes;
    const int64_t *picks = call->picks;
    const char *values = smx_picked_values(call);
    char *out = (char *)call->out.values + to * bytes;
    for (size_t r = 0; r < call->tiles.rows;
         r++, picks += k, values += row * bytes)
        for (size_t i = 0; i < k; i++, out += bytes) {
            size_t at = gathers ? i : (size_t)picks[i];
            memcpy(out, values + at * bytes, bytes);
        }
}

/* The same where picks lie side by side. */
static void store_picked_together(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    size_t all = call->tiles.rows * call->picked;
    size_t to = call->tiles.first * call->picked;
    if (out->indices && !smx_picked_stay(call))
        memcpy(out->indices + to, call->picks, all * sizeof *call->picks);
    if (out->rank)
        memcpy(out->rank + to, call->ranks, all * sizeof *call->ranks);
    if (out->values && call->logits->dtype == SMX_FLOAT32)
        store_picked_values(call, to, sizeof(float));
    else if (out->values)
        store_picked_values(call, to, sizeof(double));
}

void smx_picked_store(const struct smx_softmax_call *call)
{
    if (call->logits->inner > 1)
        store_picked_apart(call);
    else
        store_picked_together(call);
}
