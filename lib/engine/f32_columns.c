/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <stdatomic.h>

#include "lanes.h"
#include "plan.h"
#include "rows.h"
#include "tuning.h"

struct columns_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    struct smx_split_exp split;
    struct smx_lanes lanes; /* of rows that are not in range */
    float *values;
    size_t slices; /* of groups of SMX_COLUMNS rows */
    atomic_bool out_of_range;
};

/* Rows from row on that lie side by side, as many as are in range before one
 * that is not. */
static size_t store_in_range(const struct columns_call *call, size_t row,
                             size_t count)
{
    const struct smx_logits *z = call->logits;
    size_t from = smx_rows_index(z, row, 0), to = smx_rows_out_index(z, row, 0);
    return call->kernels->split->columns((const float *)z->data + from,
                                         z->inner, count, z->classes,
                                         &call->split, call->values + to);
}

/* One after the other: what the row beside it is like must not matter. */
static void store_singly(struct columns_call *call, size_t row, size_t end)
{
    for (; row < end; row++) {
        if (store_in_range(call, row, 1) == 1)
            continue;
        call->out_of_range = true;
        call->kernels->lanes(&call->lanes, row, 1, NULL);
    }
}

static void store_slice(void *argument, size_t slice)
{
    struct columns_call *call = argument;
    size_t rows = smx_rows_count(call->logits), inner = call->logits->inner;
    size_t groups = (rows + SMX_COLUMNS - 1) / SMX_COLUMNS;
    size_t end, row = smx_pool_slice(groups, call->slices, slice, &end);
    row *= SMX_COLUMNS;
    end = end * SMX_COLUMNS < rows ? end * SMX_COLUMNS : rows;
    while (row < end) {
        size_t left = inner - row % inner;
        size_t last = end - row < left ? end : row + left;
        row += store_in_range(call, row, last - row);
        size_t singly = last - row < SMX_COLUMNS ? last : row + SMX_COLUMNS;
        store_singly(call, row, singly);
        row = singly;
    }
}

/* A row with NaN or +INFINITY is not in range. */
enum smx_status smx_columns_softmax(struct smx_context *context,
                                    const struct smx_logits *z, float *values,
                                    bool early, struct smx_where *where)
{
    struct columns_call call = {.kernels = context->kernels,
                                .logits = z,
                                .split =
                                    smx_split_exp_of(smx_temperature_of(z)),
                                .lanes = smx_lanes_of(z),
                                .values = values};
    size_t rows = smx_rows_count(z);
    size_t groups = (rows + SMX_COLUMNS - 1) / SMX_COLUMNS;
    enum smx_status status = SMX_OK;
    call.lanes.values = values;
    if (!rows)
        return SMX_OK;
    if (!early || values == z->data)
        status = smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, where);
    if (status)
        return status;
    call.slices = smx_pool_slices(context->pool, groups,
                                  SMX_SMALL / SMX_COLUMNS / z->classes);
    smx_pool_for(context->pool, call.slices, store_slice, &call);
    if (early && values != z->data && call.out_of_range)
        status = smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, where);
    return status;
}
