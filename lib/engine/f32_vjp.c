/* SPDX-License-Identifier: MIT */
/* p_c (g_c - sum g p), of log-softmax g_c - p_c sum g: the sums of a row, then
 * its products. Rows in range (split_exp.h) are computed in float32, of which
 * short ones keep their exponentials from the sum to the product; others in
 * double. Tiles of rows bound the room that the sums need; no number depends on
 * them. */
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
#include "waiting.h"

/* Rows of a group, at most. */
#define GROUP ((size_t)8)

struct product { /* with one chunk, or with a row */
    bool in_range;
    double max, reference, sum;
    double dot;  /* sum of g exp(z - reference), with log of g */
    double size; /* of a chunk in range the largest magnitude of g */
};

/* A chunk's logits and upstream, and copies where the mask thins them. */
struct operands {
    const float *z, *g;
    SMX_ALIGNED float thinned[SMX_CHUNK], summed[SMX_CHUNK];
};

/* Of a thread: exponentials of short rows, or of a chunk, and operands. */
struct workspace {
    SMX_ALIGNED float high[SMX_CACHED], rest[SMX_CACHED];
    struct operands of;
};

struct vjp_call {
    struct smx_context *context;
    const struct smx_kernels *kernels;
    struct smx_tiles tiles; /* of logits, upstream and gradient */
    bool log, stream;
    size_t classes, chunks;
    size_t group; /* rows that are summed before the first is stored */
    double inverse_temperature;
    struct smx_exponents by;
    struct smx_split_exp split;
    struct product *products; /* one a chunk of a tile */
    struct product *whole;    /* one a row */
    bool in_lanes;            /* narrow rows are */
    bool masks;               /* chunk by chunk, as they are read */
    atomic_bool out_of_range; /* a chunk is */
    struct smx_refused *refused;

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

/* ---- sums --------------------------------------------------------------- */

static bool is_short(const struct vjp_call *call)
{
    return call->chunks <= SMX_F32_SHORT;
}

/* Where those of a chunk are. */
static size_t place_in_halves(const struct vjp_call *call, size_t row,
                              size_t chunk)
{
    size_t place = row % call->group * smx_blocks(call->classes);
    return is_short(call) ? place + chunk * SMX_CHUNK : 0;
}

static double keep_chunk(const struct vjp_call *call, size_t chunk,
                         struct workspace *work, size_t at,
                         struct smx_extent *extent)
{
    return call->kernels->split->keep(
        work->of.z, smx_chunk_classes(call->classes, chunk), &call->split,
        extent, NULL, work->high + at, work->rest + at, NULL);
}

/* false: the chunk is not in range. */
static bool sum_in_range(struct vjp_call *call, size_t row, size_t chunk,
                         struct workspace *work, struct product *sum)
{
    const struct operands *of = &work->of;
    const struct smx_split_kernels *kernels = call->kernels->split;
    size_t n = smx_chunk_classes(call->classes, chunk);
    size_t at = place_in_halves(call, row, chunk);
    struct smx_extent extent;
    if (!smx_expect_in_range(kernels, &call->split, call->out_of_range, of->z,
                             n))
        return false;
    sum->sum = !call->log || is_short(call)
                   ? keep_chunk(call, chunk, work, at, &extent)
                   : kernels->sum(of->z, n, &call->split, &extent, NULL);
    struct smx_split_dot dot = kernels->dot(call->log ? NULL : work->high + at,
                                            work->rest + at, of->g, n);
    sum->max = extent.max;
    sum->dot = dot.sum;
    sum->size = dot.size;
    sum->in_range = extent.max < call->split.highest;
    call->out_of_range |= !sum->in_range;
    return sum->in_range;
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

/* false: what is refused has been found. */
static bool sum_in_double(const struct vjp_call *call, size_t chunk,
                          const struct operands *of, struct product *product)
{
    float max;
    product->in_range = false;
    if (!call->kernels->row_max(of->z, smx_chunk_classes(call->classes, chunk),
                                &max))
        return false;
    bool empty = max == -INFINITY;
    product->max = empty ? max : smx_logit(call->kernels, &call->by, max, NULL);
    add_up(call, chunk, of,
           empty ? 0 : smx_loss_reference(product->max, call->by.scale),
           product);
    return isfinite(product->dot);
}

/* Likewise. */
static bool sum_product(struct vjp_call *call, size_t row, size_t chunk,
                        struct workspace *work)
{
    struct product *sum = &call->products[row * call->chunks + chunk];
    return load_operands(call, row, chunk, &work->of) &&
           (sum_in_range(call, row, chunk, work, sum) ||
            sum_in_double(call, chunk, &work->of, sum));
}

/* ---- rows ---------------------------------------------------------------- */

/* Where the other classes are lost in the sum, the sums again relative to the
 * maximum, whose exponential is 1 then: a class alone has a product of 0. */
static void sum_again_at_max(const struct vjp_call *call, size_t row,
                             struct operands *of, struct product *whole)
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
        load_operands(call, row, k, of);
        add_up(call, k, of, max, &part);
        whole->sum += part.sum;
        whole->dot += part.dot;
    }
}

static struct product merge_doubles(const struct vjp_call *call, size_t row,
                                    const struct product *parts,
                                    struct operands *of)
{
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
    sum_again_at_max(call, row, of, &whole);
    return whole;
}

/* The largest number that exponentials over their sum are multiplied with. */
static double upstream_size(const struct vjp_call *call,
                            const struct product *row)
{
    double size = call->log ? fmax(row->size, fabs(row->dot)) : row->size;
    return size * call->inverse_temperature;
}

/* Times that, a power of two, there is room above, and below for what is
 * subnormal in the end. */
static double scale_up(const struct vjp_call *call, const struct product *row)
{
    double size = fmax(upstream_size(call, row), call->inverse_temperature);
    return 0x1p100 / smx_binade(size);
}

/* May what is left of a difference of upstreams, times the factor, be subnormal
 * as far as its product, or a term of it, shows that? With log no differences
 * are multiplied. */
static bool is_difference_lost(const struct vjp_call *call,
                               const struct product *row)
{
    double factor = scale_up(call, row) / row->sum;
    double share = call->inverse_temperature;
    return !call->log && factor < 0x1p5 &&
           fabs(row->dot) / row->sum * share * factor < 0x1p-118;
}

/* Are these sums of a row in range? Of all logits below the lowest its products
 * are less than half of the least float32 then; and no class is alone. */
static bool is_row_in_range(const struct vjp_call *call,
                            const struct product *row)
{
    double top = smx_power(row->max * call->by.scale) / SMX_SPLIT_UNIT;
    double size = upstream_size(call, row), n = (double)call->classes;
    return smx_sum_in_range(row->sum, call->classes) &&
           row->sum > top * (1 + 0x1p-24) && size < 0x1p100 &&
           size * n < row->sum * 0x1p-34 && isfinite(row->dot) &&
           (row->dot == 0 || fabs(row->dot) > row->sum * 0x1p-100) &&
           !is_difference_lost(call, row);
}

static struct product merge_in_range(const struct vjp_call *call,
                                     const struct product *parts)
{
    struct product whole = {.in_range = true, .max = -INFINITY};
    for (size_t k = 0; k < call->chunks; k++) {
        whole.in_range &= parts[k].in_range;
        whole.sum += parts[k].sum;
        whole.dot += parts[k].dot;
        whole.max = fmax(whole.max, parts[k].max);
        whole.size = fmax(whole.size, parts[k].size);
    }
    whole.in_range = whole.in_range && is_row_in_range(call, &whole);
    return whole;
}

/* Chunks in range of a row that is not are summed again. */
static bool merge_product(const struct vjp_call *call, size_t row,
                          struct operands *of)
{
    struct product *parts = call->products + row * call->chunks;
    struct product whole = merge_in_range(call, parts);
    for (size_t k = 0; !whole.in_range && k < call->chunks; k++)
        if (parts[k].in_range && (!load_operands(call, row, k, of) ||
                                  !sum_in_double(call, k, of, &parts[k])))
            return false;
    call->whole[row] =
        whole.in_range ? whole : merge_doubles(call, row, parts, of);
    return true;
}

/* ---- products ------------------------------------------------------------ */

static struct smx_split_product split_product_of(const struct vjp_call *call,
                                                 const struct product *row)
{
    double share = call->inverse_temperature, up = scale_up(call, row);
    double factor = share / row->sum * up, dot = row->dot / row->sum;
    enum smx_split_kind log = share == 1 ? SMX_SPLIT_LOG : SMX_SPLIT_WARM_LOG;
    return (struct smx_split_product){
        .kind = call->log ? log : SMX_SPLIT_SOFTMAX,
        .stream = call->stream,
        .factor = call->log ? factor * row->dot : factor,
        .other = call->log ? share * up : dot,
        .down = (float)(1 / up)};
}

static void store_double_product(const struct vjp_call *call,
                                 const struct product *whole,
                                 const struct operands *of, size_t n,
                                 float *out)
{
    const struct smx_exponents by =
        smx_relative_to(&call->by, whole->reference);
    double share = call->inverse_temperature;
    double factor = whole->sum > 0 ? share / whole->sum : 0;
    double dot = whole->sum > 0 ? whole->dot / whole->sum : 0;
    call->kernels->loss->vjp(of->z, of->g, n, &by, call->log,
                             call->log ? factor * whole->dot : factor,
                             call->log ? share : dot, out);
}

/* halves of a short row hold its exponentials. */
static void store_product(const struct vjp_call *call, size_t row, size_t chunk,
                          struct workspace *work)
{
    const struct product *whole = &call->whole[row];
    struct operands *of = &work->of;
    size_t at = place_in_halves(call, row, chunk);
    size_t n = smx_chunk_classes(call->classes, chunk);
    float *out = call->gradient + row * call->classes + chunk * SMX_CHUNK;
    load_operands(call, row, chunk, of);
    if (!whole->in_range) {
        store_double_product(call, whole, of, n, out);
        return;
    }
    const struct smx_split_product how = split_product_of(call, whole);
    if (!is_short(call))
        keep_chunk(call, chunk, work, at, NULL);
    call->kernels->split->multiply(work->high + at, work->rest + at, of->g, n,
                                   &how, out);
}

/* ---- a tile -------------------------------------------------------------- */

static void refuse_row(struct vjp_call *call, size_t row)
{
    const struct smx_tiles *tiles = &call->tiles;
    smx_rows_refuse(tiles->logits, tiles->input, tiles->first + row,
                    call->refused);
}

/* While they are in the cache, so many that none waits for the sums of the one
 * before. What is refused is looked for to the end, as the first is told. */
static void answer_vjp_group(void *argument, size_t group)
{
    struct vjp_call *call = argument;
    struct workspace work;
    bool fine[GROUP];
    size_t first = group * call->group, n = call->tiles.rows - first;
    n = n < call->group ? n : call->group;
    for (size_t r = 0; r < n; r++) {
        fine[r] = true;
        for (size_t k = 0; fine[r] && k < call->chunks; k++)
            fine[r] = sum_product(call, first + r, k, &work);
    }
    for (size_t r = 0; r < n; r++)
        fine[r] = fine[r] && merge_product(call, first + r, &work.of);
    for (size_t r = 0; r < n; r++) {
        if (!fine[r])
            refuse_row(call, first + r);
        for (size_t k = fine[r] ? call->chunks : 0; k--;)
            store_product(call, first + r, k, &work);
    }
}

static void sum_vjp_chunk(void *argument, size_t i)
{
    struct vjp_call *call = argument;
    struct workspace work;
    size_t row = i / call->chunks;
    if (!sum_product(call, row, i % call->chunks, &work))
        refuse_row(call, row);
}

static void merge_vjp_row(void *argument, size_t row)
{
    struct vjp_call *call = argument;
    struct operands of;
    if (!merge_product(call, row, &of))
        refuse_row(call, row);
}

static void store_vjp_chunk(void *argument, size_t i)
{
    struct workspace work;
    const struct vjp_call *call = argument;
    store_product(call, i / call->chunks, i % call->chunks, &work);
}

/* Few long rows by chunks. */
static void run_vjp_rows(struct vjp_call *call)
{
    struct smx_pool *pool = call->context->pool;
    size_t rows = call->tiles.rows, chunks = rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    if (is_short(call) || rows >= smx_pool_threads(pool)) {
        smx_pool_each(pool, (rows - 1) / call->group + 1,
                      SMX_SMALL / call->classes / call->group + 1,
                      answer_vjp_group, call);
        return;
    }
    smx_pool_each(pool, chunks, most, sum_vjp_chunk, call);
    if (!smx_is_refused(call->refused))
        smx_pool_each(pool, rows, 1, merge_vjp_row, call);
    if (!smx_is_refused(call->refused))
        smx_pool_each(pool, chunks, most, store_vjp_chunk, call);
}

/* Lanes read rows side by side, class by class, as fast as they lie in a copy.
 */
static bool stays_in_place(const struct vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    return call->in_lanes &&
           (smx_plan_columns(z) || (z->inner == 1 && !z->mask));
}

static void run_vjp_lanes(const struct vjp_call *call,
                          const struct smx_logits *z)
{
    struct smx_lanes lanes = smx_lanes_of(z);
    lanes.vjp_upstream = call->upstream;
    lanes.values = call->gradient;
    lanes.log = call->log;
    smx_lanes_run(call->context, &lanes, NULL, NULL);
}

static void run_vjp_tile(struct vjp_call *call)
{
    struct smx_logits *z = &call->tiles.z;
    if (call->masks)
        z->mask = call->tiles.logits->mask +
                  (z->mask_per_class ? 0 : call->tiles.first * call->classes);
    call->upstream = call->tiles.other;
    call->gradient = call->tiles.out;
    if (call->in_lanes)
        run_vjp_lanes(call, z);
    else
        run_vjp_rows(call);
    if (!smx_is_refused(call->refused)) /* whose copy holds no product */
        smx_tiles_leave(&call->tiles, SMX_MASKED_KEPT);
}

static enum smx_status run_f32_vjp(struct vjp_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    size_t parts = call->chunks > 1 ? call->chunks + 1 : 1;
    if (stays_in_place(call)) {
        run_vjp_lanes(call, tiles->logits);
        return SMX_OK;
    }
    tiles->loads &= !call->masks;
    size_t bytes = parts * sizeof *call->products + smx_tiles_bytes(tiles);
    size_t most = tiles->most =
        smx_rows_tile(call->context, tiles->logits, bytes);
    call->products = reallocarray(NULL, most, bytes);
    if (!call->products)
        return SMX_ENOMEM;
    call->whole = call->products + most * (parts - 1);
    tiles->copy = call->products + most * parts;
    for (size_t r = 0; smx_tiles_place(tiles, r); r += most) {
        /* what the mask leaves out has no upstream either */
        smx_tiles_load(tiles, NULL);
        run_vjp_tile(call);
    }
    free(call->products);
    return SMX_OK;
}

static bool is_vjp_streamed(const struct vjp_call *call)
{
    const struct smx_logits *z = call->tiles.logits;
    size_t elements = call->tiles.all * call->classes;
    return !smx_rows_moved(z) && call->gradient != z->data &&
           call->gradient != call->upstream &&
           elements >= (is_short(call)
                            ? smx_streamed_short(call->context->third_cache)
                            : SMX_STREAMED);
}

bool smx_f32_vjp(struct smx_context *context, const struct smx_logits *logits,
                 bool log, const float *upstream, float *gradient,
                 struct smx_refused *refused, enum smx_status *status)
{
    double t = smx_temperature_of(logits);
    enum smx_way way = smx_plan_product(logits);
    if (!smx_way_is_f32(way) || !smx_rows_count(logits))
        return false;
    bool lanes = way == SMX_WAY_LANES;
    struct vjp_call call = {
        .context = context,
        .kernels = context->kernels,
        .tiles =
            smx_tiles_of(context, logits, upstream, SMX_MASKED_ZERO, gradient),
        .upstream = upstream,
        .gradient = gradient,
        .log = log,
        .in_lanes = lanes,
        .masks = !lanes && logits->mask && !smx_rows_moved(logits),
        .classes = logits->classes,
        .chunks = smx_chunks(logits->classes),
        .inverse_temperature = 1 / t,
        .by = smx_exponents_of(logits),
        .split = smx_context_split(context, t),
        .refused = refused};
    call.split.possible &= !logits->softcap;
    call.stream = is_vjp_streamed(&call);
    call.group = SMX_CHUNK / call.classes;
    call.group = call.group < GROUP ? call.group ? call.group : 1 : GROUP;
    *status = run_f32_vjp(&call);
    return true;
}
