/* SPDX-License-Identifier: MIT */
/* Rows in range (split_exp.h) are computed in float32, of which short ones keep
 * their exponentials from the sum to the product; others in double. */
#include "vjp_row.h"

#include "dd_kernels.h"
#include "simd/power.h"
#include "sums.h"

/* false: NaN or an infinity where it must not be, be it left out or not. */
static bool load_operands(const struct smx_vjp_call *call, size_t row,
                          size_t chunk, struct smx_vjp_operands *of)
{
    const struct smx_logits *z = &call->tiles.z;
    size_t class = chunk * SMX_CHUNK, at = row * call->classes + class;
    size_t n = smx_chunk_classes(call->classes, chunk);
    of->g = call->upstream + at;
    if (!smx_load_chunk(call->kernels, z, row, chunk, of->thinned, &of->z))
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

/* Where those of a chunk are. */
static size_t place_in_halves(const struct smx_vjp_call *call, size_t row,
                              size_t chunk)
{
    size_t place = row % call->group * smx_blocks(call->classes);
    return smx_vjp_is_short(call) ? place + chunk * SMX_CHUNK : 0;
}

static double keep_chunk(const struct smx_vjp_call *call, size_t chunk,
                         struct smx_vjp_workspace *work, size_t at,
                         struct smx_extent *extent)
{
    return call->kernels->split->keep(
        work->of.z, smx_chunk_classes(call->classes, chunk), &call->split,
        extent, NULL, work->high + at, work->rest + at, NULL);
}

/* false: the chunk is not in range. */
static bool sum_in_range(struct smx_vjp_call *call, size_t row, size_t chunk,
                         struct smx_vjp_workspace *work,
                         struct smx_product *sum)
{
    const struct smx_vjp_operands *of = &work->of;
    const struct smx_split_kernels *kernels = call->kernels->split;
    size_t n = smx_chunk_classes(call->classes, chunk);
    size_t at = place_in_halves(call, row, chunk);
    struct smx_extent extent;
    if (!smx_expect_in_range(kernels, &call->split, call->out_of_range, of->z,
                             n))
        return false;
    sum->sum = !call->log || smx_vjp_is_short(call)
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

static void add_up(const struct smx_vjp_call *call, size_t chunk,
                   const struct smx_vjp_operands *of, double reference,
                   struct smx_product *product)
{
    const struct smx_exponents by = smx_relative_to(&call->by, reference);
    product->reference = reference;
    product->sum = call->kernels->dot(of->z, of->g,
                                      smx_chunk_classes(call->classes, chunk),
                                      &by, call->log, &product->dot);
}

/* false: what is refused has been found. */
static bool sum_in_double(const struct smx_vjp_call *call, size_t chunk,
                          const struct smx_vjp_operands *of,
                          struct smx_product *product)
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

void smx_vjp_sum(struct smx_vjp_call *call, size_t row, size_t chunk,
                 struct smx_vjp_workspace *work)
{
    struct smx_product *sum = &call->products[row * call->chunks + chunk];
    sum->refused = !load_operands(call, row, chunk, &work->of) ||
                   (!sum_in_range(call, row, chunk, work, sum) &&
                    !sum_in_double(call, chunk, &work->of, sum));
}

/* ---- rows ---------------------------------------------------------------- */

/* Where the other classes are lost in the sum, the sums again relative to the
 * maximum, whose exponential is 1 then: a class alone has a product of 0. */
static void sum_again_at_max(const struct smx_vjp_call *call, size_t row,
                             struct smx_vjp_operands *of,
                             struct smx_product *whole)
{
    double max = whole->max, top;
    if (max == -INFINITY || max == whole->reference)
        return;
    top = smx_power((max - whole->reference) * call->by.scale);
    if (whole->sum != top)
        return;
    *whole = (struct smx_product){.max = max, .reference = max};
    for (size_t k = 0; k < call->chunks; k++) {
        struct smx_product part;
        load_operands(call, row, k, of);
        add_up(call, k, of, max, &part);
        whole->sum += part.sum;
        whole->dot += part.dot;
    }
}

static struct smx_product merge_doubles(const struct smx_vjp_call *call,
                                        size_t row,
                                        const struct smx_product *parts,
                                        struct smx_vjp_operands *of)
{
    struct smx_product whole = {.max = -INFINITY};
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
static double upstream_size(const struct smx_vjp_call *call,
                            const struct smx_product *row)
{
    double size = call->log ? fmax(row->size, fabs(row->dot)) : row->size;
    return size * call->inverse_temperature;
}

/* Times that, a power of two, there is room above, and below for what is
 * subnormal in the end. */
static double scale_up(const struct smx_vjp_call *call,
                       const struct smx_product *row)
{
    double size = fmax(upstream_size(call, row), call->inverse_temperature);
    return 0x1p100 / smx_binade(size);
}

/* May what is left of a difference of upstreams, times the factor, be subnormal
 * as far as its product, or a term of it, shows that? With log no differences
 * are multiplied. */
static bool is_difference_lost(const struct smx_vjp_call *call,
                               const struct smx_product *row)
{
    double factor = scale_up(call, row) / row->sum;
    double share = call->inverse_temperature;
    return !call->log && factor < 0x1p5 &&
           fabs(row->dot) / row->sum * share * factor < 0x1p-118;
}

/* Are these sums of a row in range? Of all logits below the lowest its products
 * are less than half of the least float32 then; and no class is alone. */
static bool is_row_in_range(const struct smx_vjp_call *call,
                            const struct smx_product *row)
{
    double top = smx_power(row->max * call->by.scale) / SMX_SPLIT_UNIT;
    double size = upstream_size(call, row), n = (double)call->classes;
    return smx_sum_in_range(row->sum, call->classes) &&
           row->sum > top * (1 + 0x1p-24) && size < 0x1p100 &&
           size * n < row->sum * 0x1p-34 && isfinite(row->dot) &&
           (row->dot == 0 || fabs(row->dot) > row->sum * 0x1p-100) &&
           !is_difference_lost(call, row);
}

static struct smx_product merge_in_range(const struct smx_vjp_call *call,
                                         const struct smx_product *parts)
{
    struct smx_product whole = {.in_range = true, .max = -INFINITY};
    for (size_t k = 0; k < call->chunks; k++) {
        whole.in_range &= !parts[k].refused && parts[k].in_range;
        whole.sum += parts[k].sum;
        whole.dot += parts[k].dot;
        whole.max = fmax(whole.max, parts[k].max);
        whole.size = fmax(whole.size, parts[k].size);
    }
    whole.in_range = whole.in_range && is_row_in_range(call, &whole);
    return whole;
}

/* Chunks in range of a row that is not are summed again. */
void smx_vjp_merge(const struct smx_vjp_call *call, size_t row,
                   struct smx_vjp_operands *of)
{
    const struct smx_tiles *tiles = &call->tiles;
    struct smx_product *parts = call->products + row * call->chunks;
    struct smx_product whole = merge_in_range(call, parts);
    for (size_t k = 0; !whole.in_range && k < call->chunks; k++) {
        if (!parts[k].refused && parts[k].in_range)
            parts[k].refused = !load_operands(call, row, k, of) ||
                               !sum_in_double(call, k, of, &parts[k]);
        whole.refused |= parts[k].refused;
    }
    if (!whole.in_range && !whole.refused)
        whole = merge_doubles(call, row, parts, of);
    if (whole.refused)
        smx_rows_refuse(tiles->logits, tiles->input, tiles->first + row,
                        call->refused);
    call->whole[row] = whole;
}

/* ---- products ------------------------------------------------------------ */

static struct smx_split_product
split_product_of(const struct smx_vjp_call *call, const struct smx_product *row)
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

static void store_double_product(const struct smx_vjp_call *call,
                                 const struct smx_product *whole,
                                 const struct smx_vjp_operands *of, size_t n,
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

void smx_vjp_store(const struct smx_vjp_call *call, size_t row, size_t chunk,
                   struct smx_vjp_workspace *work)
{
    const struct smx_product *whole = &call->whole[row];
    struct smx_vjp_operands *of = &work->of;
    size_t at = place_in_halves(call, row, chunk);
    size_t n = smx_chunk_classes(call->classes, chunk);
    float *out = call->gradient + row * call->classes + chunk * SMX_CHUNK;
    if (whole->refused)
        return;
    load_operands(call, row, chunk, of);
    if (!whole->in_range) {
        store_double_product(call, whole, of, n, out);
        return;
    }
    const struct smx_split_product how = split_product_of(call, whole);
    if (!smx_vjp_is_short(call))
        keep_chunk(call, chunk, work, at, NULL);
    call->kernels->split->multiply(work->high + at, work->rest + at, of->g, n,
                                   &how, out);
}
