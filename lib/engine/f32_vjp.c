/* SPDX-License-Identifier: MIT */
/* p_c (g_c - sum g p), of log-softmax g_c - p_c sum g, in two sweeps: the
 * first sums chunk by chunk and finds what is to be refused, the second
 * computes the exponentials again. Tiles of rows bound the room that the sums
 * need; no number depends on them. */
#include "engine.h"

#include <stdlib.h>

#include "lanes.h"
#include "load.h"
#include "loss_call.h"
#include "plan.h"
#include "simd/power.h"
#include "rows.h"
#include "sums.h"

struct product { /* with one chunk, or with a row */
    double max, reference, sum;
    double dot;   /* sum of g exp(z - reference) */
    double total; /* sum of g */
};

struct vjp_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    const float *upstreams;
    float *gradients;
    bool log;
    size_t classes, chunks;
    double inverse_temperature;
    struct smx_exponents by;
    size_t most;              /* rows of a tile */
    struct product *products; /* one a chunk of a tile */
    struct product *whole;    /* one a row; the same of one chunk */
    float *copy;              /* where rows do not lie side by side:
                                 logits, then upstream, of a tile */
    bool in_lanes;            /* narrow rows are */
    atomic_bool nonfinite;

    /* The tile at work: what follows is of its first row. */
    size_t rows;
    const float *z, *upstream;
    float *gradient;
};

static void add_up(const struct vjp_call *call, size_t row, size_t chunk,
                   double reference, struct product *product)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    product->reference = reference;
    const struct smx_exponents by = smx_relative_to(&call->by, reference);
    product->sum =
        call->kernels->loss->dot(call->z + start, call->upstream + start,
                                 smx_chunk_classes(call->classes, chunk), &by,
                                 &product->dot, &product->total);
}

/* Where the other classes are lost in the sum, the sums again relative to the
 * maximum, whose exponential is 1 then: a class alone has a product of 0. */
static void sum_again_at_max(const struct vjp_call *call, size_t row,
                             struct product *whole)
{
    double max = whole->max, top;
    if (max == -INFINITY || max == whole->reference)
        return;
    top = smx_power((max - whole->reference) * call->by.scale);
    if (whole->sum != top)
        return;
    *whole = (struct product){.max = max, .reference = max};
    for (size_t k = 0; k < call->chunks; k++) {
        struct product part;
        add_up(call, row, k, max, &part);
        whole->sum += part.sum;
        whole->dot += part.dot;
        whole->total += part.total;
    }
}

static void sum_vjp_chunk(void *argument, size_t i)
{
    struct vjp_call *call = argument;
    struct product *product = &call->products[i];
    size_t row = i / call->chunks, chunk = i % call->chunks;
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    float max;
    if (!call->kernels->row_max(call->z + start, n, &max)) {
        call->nonfinite = true;
        return;
    }
    bool empty = max == -INFINITY;
    product->max = empty ? max : smx_logit(call->kernels, &call->by, max, NULL);
    add_up(call, row, chunk,
           empty ? 0 : smx_loss_reference(product->max, call->by.scale),
           product);
    if (call->chunks == 1)
        sum_again_at_max(call, row, product);
    if (!isfinite(product->total))
        call->nonfinite = true;
}

static struct product merge_products(const struct vjp_call *call, size_t row)
{
    const struct product *parts = call->products + row * call->chunks;
    struct product whole = {.max = -INFINITY};
    for (size_t k = 0; k < call->chunks; k++)
        whole.max = parts[k].max > whole.max ? parts[k].max : whole.max;
    if (whole.max != -INFINITY)
        whole.reference = smx_loss_reference(whole.max, call->by.scale);
    for (size_t k = 0; k < call->chunks; k++) {
        whole.total += parts[k].total;
        if (parts[k].sum == 0)
            continue;
        double w =
            smx_power((parts[k].reference - whole.reference) * call->by.scale);
        whole.sum += w * parts[k].sum;
        whole.dot += w * parts[k].dot;
    }
    sum_again_at_max(call, row, &whole);
    return whole;
}

static void store_vjp_chunk(void *argument, size_t i)
{
    const struct vjp_call *call = argument;
    size_t row = i / call->chunks, chunk = i % call->chunks;
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    const struct product *whole = &call->whole[row];
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    const struct smx_exponents by =
        smx_relative_to(&call->by, whole->reference);
    double share = call->inverse_temperature;
    double factor = whole->sum > 0 ? share / whole->sum : 0;
    double dot = whole->sum > 0 ? whole->dot / whole->sum : 0;
    if (call->log)
        kernels->vjp_log(call->z + start, call->upstream + start, n, &by,
                         factor * whole->total, share, call->gradient + start);
    else
        kernels->vjp(call->z + start, call->upstream + start, n, &by, factor,
                     dot, call->gradient + start);
}

static void place_vjp_tile(struct vjp_call *call, size_t first, size_t left)
{
    size_t start = first * call->classes;
    call->rows = left < call->most ? left : call->most;
    call->z = (const float *)call->logits->data + start;
    call->upstream = call->upstreams + start;
    call->gradient = call->gradients + start;
    if (!call->copy)
        return;
    call->z = call->copy;
    call->upstream = call->copy + call->most * call->classes;
    if (smx_rows_moved(call->logits))
        call->gradient = call->copy;
}

/* Lanes read rows side by side, class by class, as fast as they lie in a copy.
 */
static bool stays_in_place(const struct vjp_call *call)
{
    const struct smx_logits *z = call->logits;
    return call->in_lanes && !z->mask &&
           (z->inner == 1 || z->inner >= SMX_COLUMNS);
}

static void run_vjp_in_place(struct smx_context *context,
                             const struct vjp_call *call)
{
    struct smx_lanes lanes = smx_lanes_of(call->logits);
    lanes.vjp_upstream = call->upstreams;
    lanes.values = call->gradients;
    lanes.log = call->log;
    smx_lanes_run(context, &lanes, NULL);
}

static void run_vjp_lanes(struct smx_context *context, struct vjp_call *call)
{
    struct smx_logits tile = *call->logits;
    tile.data = call->z;
    tile.outer = call->rows;
    tile.inner = 1;
    tile.stride = tile.out_stride = tile.classes;
    tile.mask = NULL;
    struct smx_lanes lanes = smx_lanes_of(&tile);
    lanes.vjp_upstream = call->upstream;
    lanes.values = call->gradient;
    lanes.log = call->log;
    smx_lanes_run(context, &lanes, NULL);
}

static void compute_vjp(struct smx_context *context, struct vjp_call *call)
{
    size_t chunks = call->rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    if (call->in_lanes) {
        run_vjp_lanes(context, call);
        return;
    }
    smx_pool_each(context->pool, chunks, most, sum_vjp_chunk, call);
    if (call->nonfinite)
        return;
    for (size_t r = 0; call->chunks > 1 && r < call->rows; r++)
        call->whole[r] = merge_products(call, r);
    smx_pool_each_reverse(context->pool, chunks, most, store_vjp_chunk, call);
}

/* What the mask leaves out has no upstream either. */
static void load_vjp_tile(struct smx_context *context,
                          const struct vjp_call *call, size_t first)
{
    const struct smx_logits *z = call->logits;
    float *upstream = call->copy + call->most * call->classes;
    smx_load_tile(context, z, z->data, first, call->rows, SMX_MASKED_INFINITE,
                  call->copy, NULL);
    smx_load_tile(context, z, call->upstreams, first, call->rows,
                  SMX_MASKED_ZERO, upstream, NULL);
}

static void run_vjp_tile(struct smx_context *context, struct vjp_call *call,
                         size_t first)
{
    const struct smx_logits *z = call->logits;
    if (call->copy)
        load_vjp_tile(context, call, first);
    compute_vjp(context, call);
    if (!call->nonfinite)
        smx_store_tile(context, z, call->gradient, first, call->rows,
                       SMX_MASKED_KEPT, call->gradients);
}

/* Nothing may be written before all has been looked at. */
static bool scan_vjp_operands(struct smx_context *context,
                              const struct vjp_call *call)
{
    const struct smx_logits *z = call->logits;
    return !smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, NULL) &&
           !smx_rows_scan(context, z, call->upstreams, SMX_FIELD_UPSTREAM,
                          NULL);
}

static enum smx_status run_f32_vjp(struct smx_context *context,
                                   struct vjp_call *call)
{
    size_t all = smx_rows_count(call->logits);
    size_t parts = call->chunks > 1 ? call->chunks + 1 : 1;
    size_t bytes = parts * sizeof *call->products;
    bool loads = smx_load_needed(call->logits) && !stays_in_place(call);
    size_t copied = loads ? 2 * call->classes : 0;
    bytes += copied * sizeof *call->copy;
    call->most = smx_rows_tile(context, call->logits, bytes);
    call->products = reallocarray(NULL, call->most, bytes);
    if (!call->products)
        return SMX_ENOMEM;
    call->whole = call->products + call->most * (parts - 1);
    if (copied)
        call->copy = (float *)(call->products + call->most * parts);
    /* what the mask leaves out is not loaded, but refused all the same */
    bool hides = call->most < all || call->logits->mask || call->in_lanes;
    call->nonfinite = hides && !scan_vjp_operands(context, call);
    if (!call->nonfinite && stays_in_place(call)) {
        run_vjp_in_place(context, call);
        all = 0;
    }
    for (size_t r = 0; r < all && !call->nonfinite; r += call->most) {
        place_vjp_tile(call, r, all - r);
        run_vjp_tile(context, call, r);
    }
    free(call->products);
    return SMX_OK;
}

bool smx_f32_vjp(struct smx_context *context, const struct smx_logits *logits,
                 bool log, const float *upstream, float *gradient,
                 enum smx_status *status)
{
    double t = smx_temperature_of(logits);
    enum smx_way way = smx_plan_product(logits);
    if (!smx_way_is_f32(way) || !smx_rows_count(logits))
        return false;
    struct vjp_call call = {.kernels = context->kernels,
                            .logits = logits,
                            .upstreams = upstream,
                            .gradients = gradient,
                            .log = log,
                            .in_lanes = way == SMX_WAY_LANES,
                            .classes = logits->classes,
                            .chunks = smx_chunks(logits->classes),
                            .inverse_temperature = 1 / t,
                            .by = smx_exponents_of(logits)};
    *status = run_f32_vjp(context, &call);
    return !call.nonfinite;
}
