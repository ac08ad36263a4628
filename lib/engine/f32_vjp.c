/* SPDX-License-Identifier: MIT */
/* p_c (g_c - sum g p), of log-softmax g_c - p_c sum g, in two sweeps: the
 * first sums chunk by chunk and finds what is to be refused, the second
 * computes the exponentials again. Tiles of rows bound the room that the sums
 * need; no number depends on them. */
#include "engine.h"

#include <stdlib.h>

#include "dd_kernels.h"
#include "lanes.h"
#include "load.h"
#include "loss_call.h"
#include "plan.h"
#include "simd/power.h"
#include "rows.h"
#include "sums.h"

/* Floats behind what they read that kernels fetch (vec.h). */
#define FETCHED ((size_t)1024)

struct product { /* with one chunk, or with a row */
    double max, reference, sum;
    double dot; /* sum of g exp(z - reference), with log of g */
};

/* A chunk's logits and upstream, and copies where the mask thins them, behind
 * which kernels fetch, too. */
struct operands {
    const float *z, *g;
    SMX_ALIGNED float thinned[SMX_CHUNK + FETCHED];
    float summed[SMX_CHUNK + FETCHED];
};

struct vjp_call {
    const struct smx_kernels *kernels;
    struct smx_tiles tiles; /* of logits, upstream and gradient */
    bool log;
    size_t classes, chunks;
    double inverse_temperature;
    struct smx_exponents by;
    struct product *products; /* one a chunk of a tile */
    struct product *whole;    /* one a row; the same of one chunk */
    bool in_lanes;            /* narrow rows are */
    bool masks;               /* chunk by chunk, as they are read */
    atomic_bool nonfinite;

    /* of the tile at work: */
    const float *upstream;
    float *gradient;
};

/* false: NaN or an infinity where it must not be, be it left out or not. */
static bool load_operands(const struct vjp_call *call, size_t row, size_t chunk,
                          struct operands *of)
{
    const struct smx_logits *z = &call->tiles.z;
    size_t class = chunk * SMX_CHUNK, at = row * call->classes + class;
    size_t n = smx_chunk_classes(call->classes, chunk);
    of->g = call->upstream + at;
    if (!smx_load_chunk(call->kernels, z, row, class, n, of->thinned, &of->z))
        return false;
    /* where exponentials are 0, softmax's has no use for it */
    if (!z->mask || !call->log)
        return true;
    if (call->kernels->dd->nonfinite_float(of->g, n, false) < n)
        return false;
    const uint8_t *mask = z->mask + (z->mask_per_class ? class : at);
    call->kernels->load->mask_floats(of->g, mask, n, 0, of->summed);
    of->g = of->summed;
    return true;
}

static void add_up(const struct vjp_call *call, size_t chunk,
                   const struct operands *of, double reference,
                   struct product *product)
{
    const struct smx_exponents by = smx_relative_to(&call->by, reference);
    product->reference = reference;
    product->sum = call->kernels->loss->dot(
        of->z, of->g, smx_chunk_classes(call->classes, chunk), &by, call->log,
        &product->dot);
}

/* Where the other classes are lost in the sum, the sums again relative to the
 * maximum, whose exponential is 1 then: a class alone has a product of 0. */
static void sum_again_at_max(const struct vjp_call *call, size_t row,
                             struct product *whole)
{
    struct operands of;
    double max = whole->max, top;
    if (max == -INFINITY || max == whole->reference)
        return;
    top = smx_power((max - whole->reference) * call->by.scale);
    if (whole->sum != top)
        return;
    *whole = (struct product){.max = max, .reference = max};
    for (size_t k = 0; k < call->chunks; k++) {
        struct product part;
        load_operands(call, row, k, &of);
        add_up(call, k, &of, max, &part);
        whole->sum += part.sum;
        whole->dot += part.dot;
    }
}

/* false: what is refused has been found. */
static bool is_chunk_summed(const struct vjp_call *call, size_t row,
                            size_t chunk, struct product *product)
{
    struct operands of;
    float max;
    if (!load_operands(call, row, chunk, &of) ||
        !call->kernels->row_max(of.z, smx_chunk_classes(call->classes, chunk),
                                &max))
        return false;
    bool empty = max == -INFINITY;
    product->max = empty ? max : smx_logit(call->kernels, &call->by, max, NULL);
    add_up(call, chunk, &of,
           empty ? 0 : smx_loss_reference(product->max, call->by.scale),
           product);
    return isfinite(product->dot);
}

static void sum_vjp_chunk(void *argument, size_t i)
{
    struct vjp_call *call = argument;
    size_t row = i / call->chunks;
    if (!is_chunk_summed(call, row, i % call->chunks, &call->products[i]))
        call->nonfinite = true;
    else if (call->chunks == 1)
        sum_again_at_max(call, row, &call->products[i]);
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
        double shift = (parts[k].reference - whole.reference) * call->by.scale;
        double w = parts[k].sum == 0 ? 0 : smx_power(shift);
        whole.sum += w * parts[k].sum;
        whole.dot += call->log ? parts[k].dot : w * parts[k].dot;
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
    struct operands of;
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    const struct smx_exponents by =
        smx_relative_to(&call->by, whole->reference);
    double share = call->inverse_temperature;
    double factor = whole->sum > 0 ? share / whole->sum : 0;
    double dot = whole->sum > 0 ? whole->dot / whole->sum : 0;
    load_operands(call, row, chunk, &of);
    if (call->log)
        kernels->vjp_log(of.z, of.g, n, &by, factor * whole->dot, share,
                         call->gradient + start);
    else
        kernels->vjp(of.z, of.g, n, &by, factor, dot, call->gradient + start);
}

/* Lanes read rows side by side, class by class, as fast as they lie in a copy.
 */
static bool stays_in_place(const struct vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    return call->in_lanes &&
           (smx_plan_columns(z) || (z->inner == 1 && !z->mask));
}

static void run_vjp_lanes(struct smx_context *context,
                          const struct vjp_call *call,
                          const struct smx_logits *z)
{
    struct smx_lanes lanes = smx_lanes_of(z);
    lanes.vjp_upstream = call->upstream;
    lanes.values = call->gradient;
    lanes.log = call->log;
    smx_lanes_run(context, &lanes, NULL);
}

static void run_vjp_chunks(struct smx_context *context, struct vjp_call *call)
{
    size_t rows = call->tiles.rows, chunks = rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    smx_pool_each(context->pool, chunks, most, sum_vjp_chunk, call);
    if (call->nonfinite)
        return;
    for (size_t r = 0; call->chunks > 1 && r < rows; r++)
        call->whole[r] = merge_products(call, r);
    smx_pool_each(context->pool, chunks, most, store_vjp_chunk, call);
}

static void run_vjp_tile(struct smx_context *context, struct vjp_call *call)
{
    struct smx_logits *z = &call->tiles.z;
    if (call->masks)
        z->mask = call->tiles.logits->mask +
                  (z->mask_per_class ? 0 : call->tiles.first * call->classes);
    call->upstream = call->tiles.other;
    call->gradient = call->tiles.out;
    if (call->in_lanes)
        run_vjp_lanes(context, call, &call->tiles.z);
    else
        run_vjp_chunks(context, call);
    if (!call->nonfinite)
        smx_tiles_leave(&call->tiles, SMX_MASKED_KEPT);
}

/* Nothing may be written before all has been looked at. */
static bool scan_vjp_operands(struct smx_context *context,
                              const struct vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    return !smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, NULL) &&
           !smx_rows_scan(context, z, call->tiles.input, SMX_FIELD_UPSTREAM,
                          NULL);
}

static enum smx_status run_f32_vjp(struct smx_context *context,
                                   struct vjp_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    size_t parts = call->chunks > 1 ? call->chunks + 1 : 1;
    bool stays = stays_in_place(call), masked = tiles->logits->mask != NULL;
    tiles->loads &= !stays && !call->masks;
    size_t bytes = parts * sizeof *call->products + smx_tiles_bytes(tiles);
    size_t most = tiles->most = smx_rows_tile(context, tiles->logits, bytes);
    call->products = reallocarray(NULL, most, bytes);
    if (!call->products)
        return SMX_ENOMEM;
    call->whole = call->products + most * (parts - 1);
    tiles->copy = call->products + most * parts;
    /* what the mask leaves out is not loaded, but refused all the same */
    bool hides =
        most < tiles->all || (masked && !call->masks) || call->in_lanes;
    call->nonfinite = hides && !scan_vjp_operands(context, call);
    if (!call->nonfinite && stays)
        run_vjp_lanes(context, call, tiles->logits);
    for (size_t r = 0; !stays && !call->nonfinite; r += most) {
        /* what the mask leaves out has no upstream either */
        if (!smx_tiles_place(tiles, r))
            break;
        smx_tiles_load(tiles, NULL);
        run_vjp_tile(context, call);
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
                            .tiles = smx_tiles_of(context, logits, upstream,
                                                  SMX_MASKED_ZERO, gradient),
                            .upstream = upstream,
                            .gradient = gradient,
                            .log = log,
                            .in_lanes = way == SMX_WAY_LANES,
                            .masks = way == SMX_WAY_CHUNKS && logits->mask &&
                                     !smx_rows_moved(logits),
                            .classes = logits->classes,
                            .chunks = smx_chunks(logits->classes),
                            .inverse_temperature = 1 / t,
                            .by = smx_exponents_of(logits)};
    *status = run_f32_vjp(context, &call);
    return !call.nonfinite;
}
