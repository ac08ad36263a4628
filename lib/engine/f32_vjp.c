/* SPDX-License-Identifier: MIT */
/* Products of float32 rows (vjp_row.h): group by group, or few long ones by
 * chunks. Tiles of rows bound the room that the sums need; no number depends on
 * them. */
#include "engine.h"

#include <stdlib.h>

#include "lanes.h"
#include "plan.h"
#include "rows.h"
#include "vjp_row.h"

/* Rows of a group, at most. */
#define GROUP ((size_t)8)

/* ---- a tile -------------------------------------------------------------- */

/* While they are in the cache, so many that none waits for the sums of the one
 * before. */
static void answer_vjp_group(void *argument, size_t group)
{
    struct smx_vjp_call *call = argument;
    struct smx_vjp_workspace work;
    size_t first = group * call->group, n = call->tiles.rows - first;
    size_t end = first + (n < call->group ? n : call->group);
    for (size_t r = first; r < end; r++)
        for (size_t k = 0; k < call->chunks; k++)
            smx_vjp_sum(call, r, k, &work);
    for (size_t r = first; r < end; r++)
        smx_vjp_merge(call, r, &work.of);
    for (size_t r = first; r < end; r++)
        for (size_t k = call->chunks; k--;)
            smx_vjp_store(call, r, k, &work);
}

static void sum_vjp_chunk(void *argument, size_t i)
{
    struct smx_vjp_call *call = argument;
    struct smx_vjp_workspace work;
    smx_vjp_sum(call, i / call->chunks, i % call->chunks, &work);
}

static void merge_vjp_row(void *argument, size_t row)
{
    struct smx_vjp_operands of;
    smx_vjp_merge(argument, row, &of);
}

static void store_vjp_chunk(void *argument, size_t i)
{
    struct smx_vjp_workspace work;
    const struct smx_vjp_call *call = argument;
    smx_vjp_store(call, i / call->chunks, i % call->chunks, &work);
}

/* Few long rows by chunks. */
static void run_vjp_rows(struct smx_vjp_call *call)
{
    struct smx_pool *pool = call->context->pool;
    size_t rows = call->tiles.rows, chunks = rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    if (smx_vjp_is_short(call) || rows >= smx_pool_threads(pool)) {
        smx_pool_each(pool, (rows - 1) / call->group + 1,
                      SMX_SMALL / call->classes / call->group + 1,
                      answer_vjp_group, call);
        return;
    }
    smx_pool_each(pool, chunks, most, sum_vjp_chunk, call);
    smx_pool_each(pool, rows, 1, merge_vjp_row, call);
    smx_pool_each(pool, chunks, most, store_vjp_chunk, call);
}

/* Lanes read rows side by side, class by class, as fast as they lie in a copy.
 */
static bool stays_in_place(const struct smx_vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    return call->in_lanes &&
           (smx_plan_columns(z) || (z->inner == 1 && !z->mask));
}

static enum smx_status run_vjp_lanes(const struct smx_vjp_call *call,
                                     const struct smx_logits *z)
{
    struct smx_lanes lanes = smx_lanes_of(z);
    lanes.vjp_upstream = call->upstream;
    lanes.values = call->gradient;
    lanes.log = call->log;
    lanes.unseen = call->unseen;
    return smx_lanes_run(call->context, &lanes, NULL, NULL);
}

static enum smx_status run_vjp_tile(struct smx_vjp_call *call)
{
    enum smx_status status = SMX_OK;
    struct smx_logits *z = &call->tiles.z;
    call->upstream = call->tiles.other;
    call->gradient = call->tiles.out;
    if (call->in_lanes)
        status = run_vjp_lanes(call, z);
    else
        run_vjp_rows(call);
    /* the copy of refused rows holds no product */
    if (!status && !smx_is_refused(call->refused))
        smx_tiles_leave(&call->tiles, SMX_MASKED_KEPT);
    return status;
}

static enum smx_status run_f32_vjp(struct smx_vjp_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    size_t parts = call->chunks > 1 ? call->chunks + 1 : 1;
    enum smx_status status = SMX_OK;
    if (stays_in_place(call))
        return run_vjp_lanes(call, tiles->logits);
    size_t bytes = parts * sizeof *call->products + smx_tiles_bytes(tiles);
    size_t most = tiles->most =
        smx_rows_tile(call->context, tiles->logits, bytes);
    call->products = reallocarray(NULL, most, bytes);
    if (!call->products)
        return SMX_ENOMEM;
    call->whole = call->products + most * (parts - 1);
    tiles->copy = call->products + most * parts;
    for (size_t r = 0; !status && smx_tiles_place(tiles, r); r += most) {
        /* what the mask leaves out has no upstream either */
        smx_tiles_load(tiles, NULL);
        status = run_vjp_tile(call);
    }
    free(call->products);
    return status;
}

static bool is_vjp_streamed(const struct smx_vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    size_t elements = call->tiles.all * call->classes;
    return !smx_rows_moved(z) && call->gradient != z->data &&
           call->gradient != call->upstream &&
           elements >= smx_streamed(call->chunks, call->context->third_cache);
}

bool smx_f32_vjp(struct smx_context *context, const struct smx_logits *logits,
                 bool unseen, bool log, const float *upstream, float *gradient,
                 struct smx_refused *refused, enum smx_status *status)
{
    double t = smx_temperature_of(logits);
    enum smx_way way = smx_plan_product(logits);
    if (!smx_way_is_f32(way) || !smx_rows_count(logits))
        return false;
    bool lanes = way == SMX_WAY_LANES;
    struct smx_vjp_call call = {
        .context = context,
        .kernels = context->kernels,
        .tiles =
            smx_tiles_of(context, logits, upstream, SMX_MASKED_ZERO, gradient),
        .upstream = upstream,
        .gradient = gradient,
        .log = log,
        .unseen = unseen,
        .in_lanes = lanes,
        .classes = logits->classes,
        .chunks = smx_chunks(logits->classes),
        .inverse_temperature = 1 / t,
        .by = smx_exponents_of(logits),
        .split = smx_context_split(context, t),
        .refused = refused};
    if (!lanes && !smx_rows_moved(logits))
        call.tiles.loads = false; /* chunks are masked as they are read */
    call.split.possible &= !logits->softcap;
    call.stream = is_vjp_streamed(&call);
    call.group = SMX_CHUNK / call.classes;
    call.group = call.group < GROUP ? call.group ? call.group : 1 : GROUP;
    *status = run_f32_vjp(&call);
    return true;
}
