/* SPDX-License-Identifier: MIT */
#include "row.h"

#include <math.h>
#include <string.h>

#include "elementary.h"

static double temperature(const struct smx_logits *z)
{
    return z->temperature ? z->temperature : 1;
}

void smx_row_power(int k, double power[2])
{
    power[0] = ldexp(1, k / 2);
    power[1] = ldexp(1, k - k / 2);
}

/* The arrays that are wanted. */
static void set_tile(struct smx_row *row, bool logs, bool sloped)
{
    row->tile = (struct smx_tile){.e = row->e};
    if (logs) {
        row->tile.hi = row->hi;
        row->tile.lo = row->lo;
    }
    if (sloped)
        row->tile.slope = row->slope;
    row->first = SIZE_MAX;
}

void smx_row_share(struct smx_row *own, const struct smx_row *row)
{
    memcpy(own, row, offsetof(struct smx_row, copy));
    set_tile(own, row->tile.hi, row->tile.slope);
}

void smx_row_init(struct smx_row *row, const struct smx_row_kernels *kernels,
                  const struct smx_logits *z, const struct smx_rows_work *work)
{
    int exponent;
    struct smx_two one = {1, 0};
    bool sloped = work->slope && z->softcap;
    row->logits = z;
    row->kernels = kernels;
    row->cooling = smx_divide(one, 2 * frexp(temperature(z), &exponent), 0);
    row->exponent = 1 - exponent - (sloped ? SMX_ROW_SHIFT : 0);
    smx_row_power(row->exponent, row->mixed);
    smx_row_power(row->exponent - SMX_ROW_SHIFT, row->pure);
    row->distance.before = 0; /* not measured */
    row->distance.capped = z->softcap != 0;
    row->distance.narrow = z->dtype == SMX_FLOAT32;
    set_tile(row, work->logs, sloped);
    row->kept = z->classes > SMX_TILE ? work->keep : NULL;
    row->tops = work->tops;
    row->stream = work->stream;
    row->pool = NULL;
}

/* ---- tiles --------------------------------------------------------------- */

/* Where a tensor holds the tile as doubles side by side; NULL: it does not. */
static double *in_place(const struct smx_row *row, const void *tensor)
{
    const struct smx_logits *z = row->logits;
    if (z->dtype != SMX_FLOAT64 || z->inner > 1)
        return NULL;
    return (double *)tensor + smx_rows_index(z, row->r, row->first);
}

/* Exponentials come in whole blocks. */
static double *place_to_keep(const struct smx_row *row)
{
    bool whole = row->count == row->n;
    return row->kept && whole ? in_place(row, row->kept) : NULL;
}

const double *smx_row_kept(const struct smx_row *row)
{
    return row->empty ? NULL : place_to_keep(row);
}

double *smx_row_out(struct smx_row *row, void *tensor)
{
    double *there = in_place(row, tensor);
    return there ? there : row->out;
}

void smx_row_get(const struct smx_row *row, const void *tensor, double *tile)
{
    const struct smx_logits *z = row->logits;
    size_t i = smx_rows_index(z, row->r, row->first);
    const float *f = tensor;
    const double *d = tensor;
    if (z->inner > 1)
        for (size_t c = 0; c < row->count; c++)
            tile[c] = smx_get(tensor, z->dtype, i + c * z->inner);
    else if (z->dtype == SMX_FLOAT32)
        row->kernels->widen(f + i, row->count, tile);
    else
        memcpy(tile, d + i, row->count * sizeof *tile);
    for (size_t c = row->count; c < row->n; c++)
        tile[c] = 0;
}

void smx_row_put(const struct smx_row *row, const double *tile, void *tensor)
{
    const struct smx_logits *z = row->logits;
    size_t i = smx_rows_index(z, row->r, row->first);
    float *f = tensor;
    double *d = tensor;
    if (tile == in_place(row, tensor))
        return;
    if (z->inner > 1)
        for (size_t c = 0; c < row->count; c++)
            smx_set(tensor, z->dtype, i + c * z->inner, tile[c]);
    else if (z->dtype == SMX_FLOAT32)
        row->kernels->narrow(tile, row->count, f + i);
    else
        memcpy(d + i, tile, row->count * sizeof *tile);
}

static void leave_out(struct smx_row *row)
{
    static const double term[2] = {-INFINITY, 0};
    const struct smx_logits *z = row->logits;
    size_t i = row->first, step = 1;
    if (!z->mask_per_class) {
        i = smx_rows_index(z, row->r, row->first);
        step = z->inner;
    }
    for (size_t c = 0; c < row->count; c++, i += step)
        row->copy[c] += term[z->mask[i] != 0];
}

static void set_count(struct smx_row *row, size_t count)
{
    row->count = count;
    row->n = (count + 15) / 16 * 16;
}

static void place(struct smx_row *row, size_t first)
{
    size_t left = row->logits->classes - first;
    row->first = first;
    row->depth = SMX_ROW_PLACE;
    set_count(row, left < SMX_TILE ? left : SMX_TILE);
}

static void look(struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    row->z = z->mask ? NULL : in_place(row, z->data);
    if (row->z)
        return;
    row->z = row->copy;
    smx_row_get(row, z->data, row->copy);
    if (z->mask)
        leave_out(row);
}

/* The arrays of the tile from z. */
static void compute(struct smx_row *row, enum smx_row_depth depth)
{
    struct smx_tile tile = row->tile;
    double *kept = place_to_keep(row);
    if (row->empty) {
        for (size_t c = 0; c < row->n; c++) {
            row->hi[c] = -INFINITY;
            row->lo[c] = row->e[c] = row->slope[c] = 0;
        }
        return;
    }
    tile.e = kept ? kept : tile.e;
    if (depth == SMX_ROW_D)
        row->kernels->distances(row->z, row->count, &row->distance, &tile);
    else
        row->tile_rest =
            row->kernels->exponentials(row->z, row->count, &row->distance,
                                       row->argmax - row->first, &tile);
}

void smx_row_tile(struct smx_row *row, size_t first, enum smx_row_depth depth)
{
    if (row->first != first)
        place(row, first);
    if (row->depth < SMX_ROW_Z && depth >= SMX_ROW_Z)
        look(row);
    if (row->depth < depth && depth >= SMX_ROW_D)
        compute(row, depth);
    row->depth = row->depth < depth ? depth : row->depth;
}

double smx_row_logit(const struct smx_row *row, size_t c)
{
    const struct smx_logits *z = row->logits;
    if (smx_rows_masked(z, row->r, c))
        return -INFINITY;
    return smx_get(z->data, z->dtype, smx_rows_index(z, row->r, c));
}

struct smx_two smx_row_distance(struct smx_row *row, size_t c)
{
    const struct smx_distance *how = &row->distance;
    size_t i = c % SMX_TILE;
    if (row->tile.hi) {
        smx_row_tile(row, c - i, SMX_ROW_D);
        return (struct smx_two){row->tile.hi[i], row->tile.lo[i]};
    }
    if (row->empty)
        return (struct smx_two){-INFINITY, 0};
    struct smx_two d = two_sum(smx_row_logit(row, c) * how->before, -how->top);
    d = two_settle(d);
    return how->scaled ? two_mul(d, how->inverse) : d;
}

void smx_row_gather(struct smx_row *row, const int64_t *classes, size_t step,
                    size_t count)
{
    row->first = SIZE_MAX;
    set_count(row, count);
    for (size_t k = 0; k < count; k++)
        row->copy[k] = smx_row_logit(row, (size_t)classes[k * step]);
    row->z = row->copy;
    compute(row, SMX_ROW_E);
}

/* ---- tiles over the pool ------------------------------------------------- */

/* Tiles that are shared out at once. */
#define SLICE (SMX_SMALL / SMX_TILE)

struct sweep {
    const struct smx_row *row;
    size_t tiles;
    enum smx_row_depth depth;
    smx_row_take *take;
    const void *argument;
};

static void take_slice(void *argument, size_t slice)
{
    const struct sweep *sweep = argument;
    size_t i = slice * SLICE;
    struct smx_row own;
    smx_row_share(&own, sweep->row);
    for (size_t end = i + SLICE; i < end && i < sweep->tiles; i++) {
        smx_row_tile(&own, i * SMX_TILE, sweep->depth);
        own.parts[i] = sweep->take(sweep->argument, &own);
    }
}

struct smx_two smx_row_share_out(const struct smx_row *row,
                                 enum smx_row_depth depth, smx_row_take *take,
                                 const void *argument, smx_row_join *join)
{
    size_t tiles = (row->logits->classes - 1) / SMX_TILE + 1;
    struct sweep sweep = {row, tiles, depth, take, argument};
    smx_pool_for(row->pool, (tiles + SLICE - 1) / SLICE, take_slice, &sweep);
    struct smx_two all = row->parts[0];
    for (size_t i = 1; join && i < tiles; i++)
        all = join(all, row->parts[i]);
    return all;
}

/* ---- the row ------------------------------------------------------------- */

/* A logit and its class. */
static struct smx_two peak_of(const void *argument, struct smx_row *row)
{
    size_t i = row->kernels->peak(row->z, row->count);
    (void)argument;
    return (struct smx_two){row->z[i], (double)(row->first + i)};
}

static void find_largest(struct smx_row *row)
{
    struct smx_two top = row->tops ? row->tops[row->r]
                                   : smx_row_sweep(row, SMX_ROW_Z, peak_of,
                                                   NULL, smx_row_larger);
    row->largest = top.hi;
    row->argmax = (size_t)top.lo;
    row->empty = row->largest == -INFINITY;
}

/* 1 / x, but no more than can be split for a product: 0 times it is 0. */
static struct smx_two inverse_of(double x)
{
    struct smx_two one = {1, 0}, most = {0x1p960, 0};
    struct smx_two inverse = smx_divide(one, x, 0);
    return inverse.hi < most.hi ? inverse : most;
}

/* Where the logits, the temperature or the softcap come near an end of the
 * doubles, the logits are first brought nearer to the middle. What is lost of
 * small ones is far below what decides then. */
static double before(const struct smx_logits *z, double top)
{
    double t = temperature(z), s = z->softcap ? z->softcap : 1;
    if (fabs(top) > 0x1p900 || t > 0x1p100)
        return 0x1p-60;
    if (t < 0x1p-900 || s < 0x1p-900)
        return 0x1p120;
    return s > 0x1p100 ? 0x1p-60 : 1;
}

/* 2 s / temperature may leave the range where its product with what is below
 * 1 does not. */
static void measure_span(struct smx_distance *how, double s, double t)
{
    int up, down;
    struct smx_two m = {2 * frexp(s, &up), 0};
    m = smx_divide(m, frexp(t, &down), 0);
    int exponent = up - down, beyond = exponent > 900 ? exponent - 900 : 0;
    how->span = two_scale(m, ldexp(1, beyond < 900 ? beyond : 900));
    how->span_power = ldexp(1, exponent - beyond);
}

static void measure(struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    struct smx_distance *how = &row->distance;
    double t = temperature(z), s = z->softcap;
    double near = before(z, row->largest);
    how->top = row->largest * near;
    if (how->before == near)
        return; /* as with the row before */
    how->before = near;
    how->scaled = t != 1 || near != 1;
    how->inverse = inverse_of(t * near);
    if (how->capped) {
        how->steep = s > 1 ? two_scale(inverse_of(s), 2 / near)
                           : two_scale(inverse_of(s * near), 2);
        measure_span(how, s, t);
    }
}

static struct smx_two rest_of(const void *argument, struct smx_row *row)
{
    (void)argument;
    return row->tile_rest;
}

void smx_row_load(struct smx_row *row, size_t r)
{
    row->r = r;
    row->first = SIZE_MAX;
    row->rest = (struct smx_two){0, 0};
    find_largest(row);
    if (row->empty)
        return;
    measure(row);
    row->rest = smx_row_sweep(row, SMX_ROW_E, rest_of, NULL, two_add);
    row->rest = two_scale(row->rest, 0x1p-128);
}

void smx_row_logs(struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    const struct smx_distance *how = &row->distance;
    struct smx_two top = {row->largest, 0};
    row->logsum = smx_log1p(row->rest);
    row->lse = -INFINITY;
    if (row->empty)
        return;
    if (how->capped && fabs(how->top) * how->steep.hi > 0x1p-33)
        top = row->kernels->cap(how->top, z->softcap, how);
    top = smx_divide(top, temperature(z), 0);
    row->lse = isfinite(top.hi) ? two_add(top, row->logsum).hi : top.hi;
}

struct smx_two smx_row_sum(const struct smx_row *row)
{
    struct smx_two one = {1, 0};
    return two_add(one, row->rest);
}

struct smx_row_descent smx_row_descend(const struct smx_row *row,
                                       struct smx_two a, struct smx_two b)
{
    struct smx_row_descent how = {.b = b,
                                  .down = 0x1p-128,
                                  .pure = {row->pure[0], row->pure[1]},
                                  .mixed = {row->mixed[0], row->mixed[1]}};
    if (row->cooling.hi != 1) {
        a = two_mul(a, row->cooling);
        how.b = two_mul(b, row->cooling);
    }
    how.a = two_div(a, smx_row_sum(row));
    if (fabs(how.a.hi) > 0x1p800) { /* e is up to 2^128 */
        how.a = two_scale(how.a, 0x1p-128);
        how.down = 1;
        how.pure[0] = row->mixed[0];
        how.pure[1] = row->mixed[1];
    }
    return how;
}
