/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "engine/split_exp.h"
#include "softmax_call.h"

bool smx_picked_stay(const struct smx_softmax_call *call)
{
    return call->logits->classes <= SMX_NARROW && call->out.indices &&
           call->logits->inner == 1;
}

/* Of each row of a tile k numbers of so many bytes to their places in out:
 * those that lie side by side from the row's first on, or by class, those of
 * the classes picked. row: from one to the next in from. by_class and bytes are
 * constants where this is inlined. */
static inline __attribute__((always_inline)) void
store_each(const struct smx_softmax_call *call, const void *from, size_t row,
           bool by_class, size_t bytes, void *out)
{
    const int64_t *classes = call->picks;
    const size_t k = call->picked, first = call->tiles.first;
    const size_t rows = call->tiles.rows, inner = call->logits->inner;
    const char *numbers = from;
    char *to = (char *)out + first * k * bytes;
    struct smx_logits shape = *call->logits;
    shape.stride = k * inner;
    for (size_t r = 0; r < rows; r++, numbers += row * bytes) {
        if (inner > 1)
            to = (char *)out + smx_rows_index(&shape, first + r, 0) * bytes;
        for (size_t i = 0; i < k; i++, to += inner * bytes) {
            size_t at = by_class ? (size_t)*classes++ : i;
            memcpy(to, numbers + at * bytes, bytes);
        }
    }
}

/* Of all classes of a tile, or of those picked alone. */
static inline __attribute__((always_inline)) void
store_picked_values(const struct smx_softmax_call *call, size_t bytes)
{
    const void *values = smx_picked_values(call);
    void *out = call->out.values;
    if (call->gathers)
        store_each(call, values, call->picked, false, bytes, out);
    else
        store_each(call, values, call->logits->classes, true, bytes, out);
}

void smx_picked_store(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    const size_t k = call->picked, bytes = sizeof *call->picks;
    if (out->indices && !smx_picked_stay(call))
        store_each(call, call->picks, k, false, bytes, out->indices);
    if (out->rank)
        store_each(call, call->ranks, k, false, bytes, out->rank);
    if (out->values && call->logits->dtype == SMX_FLOAT32)
        store_picked_values(call, sizeof(float));
    else if (out->values)
        store_picked_values(call, sizeof(double));
}
