/* SPDX-License-Identifier: MIT */
#include "dd_row.h"

#include <math.h>
#include <string.h>

#include "dd_shift.h"
#include "kernels.h"
#include "load.h"

void smx_row_power(int k, double power[2])
{
    power[0] = ldexp(1, k / 2);
    power[1] = ldexp(1, k - k / 2);
}

/* The tile of row k of the group: the arrays that are wanted. */
static void set_tile(struct smx_row *row, size_t k, bool logs, bool sloped)
{
    size_t at = k * row->slot;
    row->copy = row->tiles[0] + at;
    row->tile = (struct smx_tile){.e = row->tiles[3] + at};
    if (logs) {
        row->tile.hi = row->tiles[1] + at;
        row->tile.lo = row->tiles[2] + at;
    }
    if (sloped)
        row->tile.slope = row->tiles[4] + at;
    row->first = SIZE_MAX;
}

/* All of the row but its tile. */
static void share_row(struct smx_row *own, const struct smx_row *row)
{
    memcpy(own, row, offsetof(struct smx_row, tiles));
    set_tile(own, 0, row->tile.hi, row->tile.slope);
    own->mass_row = SIZE_MAX;
}

/* Rows that are loaded together share what their sums wait for. */
static void set_group(struct smx_row *row, const struct smx_logits *z,
                      const struct smx_rows_work *work)
{
    size_t most = SMX_ROW_GROUP, classes = z->classes;
    bool sums = work->sums_only && !work->logs && !work->input &&
                !work->output && z->dtype == SMX_FLOAT64 && !z->mask;
    row->slot = classes < SMX_TILE ? smx_blocks(classes) : SMX_TILE;
    row->beside = SMX_TILE / row->slot < most ? SMX_TILE / row->slot : most;
    row->group = sums && classes <= SMX_TILE ? most : row->beside;
}

void smx_row_init(struct smx_row *row, const struct smx_kernels *kernels,
                  const struct smx_logits *z, const struct smx_rows_work *work,
                  size_t first_row)
{
    int exponent;
    struct smx_dd one = {1, 0};
    bool sloped = work->slope && z->softcap;
    row->logits = z;
    row->first_row = first_row;
    row->kernels = kernels->dd;
    row->load = kernels->load;
    row->inverse_temperature =
        smx_divide(one, 2 * frexp(smx_temperature_of(z), &exponent));
    row->exponent = 1 - exponent - (sloped ? SMX_ROW_SHIFT : 0);
    smx_row_power(row->exponent, row->mixed);
    smx_row_power(row->exponent - SMX_ROW_SHIFT, row->pure);
    row->shift.before = 0; /* not measured */
    row->shift.capped = z->softcap != 0;
    row->logs = work->logsum;
    row->sums_only = work->sums_only;
    row->rests = row->logsums = row->inverses = (struct smx_row_dds){{0}, {0}};
    set_group(row, z, work);
    set_tile(row, 0, work->logs, sloped);
    row->input = work->input;
    row->output = work->output;
    row->keep = smx_rows_keep(z, work);
    row->row_maxima = work->maxima;
    row->stream = work->stream && !row->keep;
    row->take = work->total;
    row->argument = work->argument;
    row->pool = NULL;
    row->mass_row = SIZE_MAX;
}

/* ---- tiles --------------------------------------------------------------- */

/* Where the tensors have the tile's first element. */
static size_t index_of(const struct smx_row *row, size_t stride)
{
    return (row->r - row->first_row) * stride + row->first;
}

/* The output's, where it holds the tile as doubles; else NULL. */
static double *out_in_place(const struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    if (z->dtype != SMX_FLOAT64)
        return NULL;
    return (double *)row->output + index_of(row, z->out_stride);
}

/* Exponentials come in whole blocks. */
static double *place_to_keep(const struct smx_row *row)
{
    bool whole = row->count == row->n;
    return row->keep && whole ? out_in_place(row) : NULL;
}

const double *smx_row_exponentials(struct smx_row *row)
{
    const double *kept = row->empty ? NULL : place_to_keep(row);
    smx_row_tile(row, row->first, kept ? SMX_ROW_D : SMX_ROW_E);
    row->e = kept ? kept : row->tile.e;
    return row->e;
}

struct smx_nats smx_row_nats(const struct smx_row *row)
{
    return (struct smx_nats){row->tile.hi, row->tile.lo, row->z, row->shift};
}

double *smx_row_final_out(struct smx_row *row)
{
    double *there = out_in_place(row);
    return there ? there : row->out;
}

double *smx_row_out(struct smx_row *row)
{
    return row->stream ? row->out : smx_row_final_out(row);
}

static void get_tile(const struct smx_row *row, const void *tensor,
                     double *tile)
{
    size_t i = index_of(row, row->logits->stride);
    if (row->logits->dtype == SMX_FLOAT32)
        row->kernels->widen((const float *)tensor + i, row->count, tile);
    else
        memcpy(tile, (const double *)tensor + i, row->count * sizeof *tile);
}

void smx_row_get(const struct smx_row *row, double *tile)
{
    get_tile(row, row->input, tile);
    for (size_t c = row->count; c < row->n; c++)
        tile[c] = 0;
}

const double *smx_row_view(const struct smx_row *row, double *tile)
{
    if (row->logits->dtype == SMX_FLOAT64)
        return (const double *)row->input + index_of(row, row->logits->stride);
    smx_row_get(row, tile);
    return tile;
}

void smx_row_put(const struct smx_row *row, const double *tile)
{
    if (row->stream && tile == row->out)
        row->kernels->stream(tile, row->count, out_in_place(row));
    if (row->logits->dtype == SMX_FLOAT32)
        row->kernels->narrow(tile, row->count,
                             (float *)row->output +
                                 index_of(row, row->logits->out_stride));
}

static void set_count(struct smx_row *row, size_t count)
{
    row->count = count;
    row->n = smx_blocks(count);
}

static void place_tile(struct smx_row *row, size_t first)
{
    size_t left = row->logits->classes - first;
    row->first = first;
    row->depth = SMX_ROW_PLACE;
    set_count(row, left < SMX_TILE ? left : SMX_TILE);
}

/* Those of the tile, of doubles. */
static const double *logits_in_place(const struct smx_row *row)
{
    return (const double *)row->logits->data +
           index_of(row, row->logits->stride);
}

/* Where z are: doubles in place, unless a mask thins them. */
static void point_at_logits(struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    row->z =
        z->dtype == SMX_FLOAT64 && !z->mask ? logits_in_place(row) : row->copy;
}

/* From a row's logits to the next one's, of a group. */
static size_t stride_of(const struct smx_row *row)
{
    return row->z == row->copy ? row->slot : row->logits->stride;
}

static void load_tile(struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    const double *from = row->copy;
    point_at_logits(row);
    row->fine = true;
    if (z->dtype == SMX_FLOAT32)
        get_tile(row, z->data, row->copy);
    else
        from = logits_in_place(row);
    if (!z->mask)
        return;
    size_t at = z->mask_per_class ? row->first : index_of(row, z->stride);
    row->fine = row->load->mask_doubles(from, z->mask + at, row->count,
                                        -INFINITY, row->copy);
}

/* No class has a part in it. */
static void compute_empty(const struct smx_row *row)
{
    const struct smx_tile *tile = &row->tile;
    for (size_t c = 0; tile->hi && c < row->n; c++) {
        tile->hi[c] = -INFINITY;
        tile->lo[c] = 0;
    }
    memset(tile->e, 0, row->n * sizeof *tile->e);
    if (tile->slope)
        memset(tile->slope, 0, row->n * sizeof *tile->slope);
}

static void compute_exponentials(struct smx_row *row,
                                 const struct smx_tile *tile)
{
    size_t skip = row->argmax - row->first;
    struct smx_row_dds rest;
    const struct smx_row_group one = {
        .count = 1, .z = row->z, .maxima = &row->largest, .skip = &skip};
    row->kernels->exponentials(&one, row->count, &row->shift, tile, &rest);
    row->tile_rest = (struct smx_dd){rest.hi[0], rest.lo[0]};
}

/* The arrays of the tile from z. */
static void compute_tile(struct smx_row *row, enum smx_row_depth depth)
{
    struct smx_tile tile = row->tile;
    double *cached = place_to_keep(row);
    row->e = tile.e;
    if (row->empty) {
        compute_empty(row);
        return;
    }
    tile.e = cached ? cached : tile.e;
    row->e = tile.e;
    if (row->input && row->logits->dtype == SMX_FLOAT64)
        tile.next = smx_row_view(row, NULL);
    if (row->logits->mask && row->logits->dtype == SMX_FLOAT64)
        tile.from = logits_in_place(row);
    if (depth == SMX_ROW_E)
        compute_exponentials(row, &tile);
    else if (tile.hi || tile.slope)
        row->kernels->shifted(row->z, row->count, &row->shift, &tile);
}

void smx_row_tile(struct smx_row *row, size_t first, enum smx_row_depth depth)
{
    if (row->first != first)
        place_tile(row, first);
    if (row->depth < SMX_ROW_Z && depth >= SMX_ROW_Z)
        load_tile(row);
    if (row->depth < depth && depth >= SMX_ROW_D)
        compute_tile(row, depth);
    row->depth = row->depth < depth ? depth : row->depth;
}

void smx_row_gather(struct smx_row *row, const int64_t *classes, size_t count)
{
    row->first = SIZE_MAX;
    set_count(row, count);
    for (size_t k = 0; k < count; k++)
        row->copy[k] = smx_row_logit(row, (size_t)classes[k]);
    row->z = row->copy;
    compute_tile(row, SMX_ROW_E);
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

static void sweep_slice(void *argument, size_t slice)
{
    const struct sweep *sweep = argument;
    size_t i = slice * SLICE;
    struct smx_row own;
    share_row(&own, sweep->row);
    for (size_t end = i + SLICE; i < end && i < sweep->tiles; i++) {
        smx_row_tile(&own, i * SMX_TILE, sweep->depth);
        own.parts[i] = sweep->take(sweep->argument, &own);
    }
}

struct smx_dd smx_row_share_out(const struct smx_row *row,
                                enum smx_row_depth depth, smx_row_take *take,
                                const void *argument, smx_row_join *join)
{
    size_t tiles = (row->logits->classes - 1) / SMX_TILE + 1;
    struct sweep sweep = {row, tiles, depth, take, argument};
    smx_pool_for(row->pool, (tiles + SLICE - 1) / SLICE, sweep_slice, &sweep);
    struct smx_dd all = row->parts[0];
    for (size_t i = 1; join && i < tiles; i++)
        all = join(all, row->parts[i]);
    return all;
}

/* ---- the row ------------------------------------------------------------- */

/* A logit and its class; NaN where one is refused. */
static struct smx_dd peak_of(const void *argument, struct smx_row *row)
{
    (void)argument;
    if (!row->fine)
        return (struct smx_dd){NAN, 0};
    return smx_row_tile_max(row->kernels, row->z, row->first, row->count);
}

static void mark_refused(struct smx_row *row, size_t k)
{
    if (!isnan(row->maxima[k]) && !(row->refused >> k & 1))
        return;
    row->maxima[k] = -INFINITY;
    row->refused |= (uint64_t)1 << k;
}

static void find_maxima(struct smx_row *row)
{
    struct smx_dd top = row->row_maxima ? row->row_maxima[row->r]
                                        : smx_row_sweep(row, SMX_ROW_Z, peak_of,
                                                        NULL, smx_row_larger);
    row->maxima[0] = top.hi;
    row->argmaxes[0] = (size_t)top.lo;
    mark_refused(row, 0);
}

static struct smx_dd rest_of_row(const void *argument, struct smx_row *row)
{
    (void)argument;
    if (row->take && !row->pool) {
        struct smx_dd part = row->take(row->argument, row);
        row->total = row->first ? dd_add(row->total, part) : part;
        row->known = true;
    }
    return row->tile_rest;
}

/* Row k of a group, its tile to this depth. */
static void enter(struct smx_row *row, size_t k, enum smx_row_depth depth)
{
    row->r = row->start + k;
    set_tile(row, k % row->beside, row->tile.hi, row->tile.slope);
    place_tile(row, 0);
    point_at_logits(row);
    row->depth = depth;
    row->e = row->tile.e;
}

static void recall(struct smx_row *row, size_t k)
{
    row->argmax = row->argmaxes[k];
    row->largest = row->maxima[k];
    row->empty = row->largest == -INFINITY;
    smx_shift_measure(&row->shift, row->logits, row->empty ? 0 : row->largest);
}

/* Rows k to end of the group, of which the logits are scaled alike. */
static void load_alike(struct smx_row *row, size_t k, size_t end)
{
    struct smx_row_dds sums;
    enter(row, k, SMX_ROW_Z);
    recall(row, k);
    if (row->empty) {
        compute_empty(row);
        row->rests.hi[k] = row->rests.lo[k] = 0;
        return;
    }
    const struct smx_row_group rows = {.count = end - k,
                                       .z = row->z,
                                       .stride = stride_of(row),
                                       .slot = row->slot,
                                       .maxima = row->maxima + k,
                                       .skip = row->argmaxes + k};
    row->kernels->exponentials(&rows, row->count, &row->shift, &row->tile,
                               &sums);
    for (size_t i = 0; i < end - k; i++) {
        row->rests.hi[k + i] = sums.hi[i] * 0x1p-128;
        row->rests.lo[k + i] = sums.lo[i] * 0x1p-128;
    }
}

static bool is_alike(const struct smx_row *row, size_t a, size_t b)
{
    const double *maxima = row->maxima;
    return maxima[a] != -INFINITY && maxima[b] != -INFINITY &&
           smx_shift_prescale(row->logits, maxima[a]) ==
               smx_shift_prescale(row->logits, maxima[b]);
}

/* Rows first to last of the group, whose tiles lie side by side. */
static void load_beside(struct smx_row *row, size_t first, size_t last)
{
    for (size_t k = last; k-- > first;) {
        enter(row, k, SMX_ROW_PLACE);
        load_tile(row);
        row->refused |= (uint64_t)!row->fine << k;
    }
    const struct smx_row_group rows = {
        .count = last - first, .z = row->z, .stride = stride_of(row)};
    row->kernels->row_maxima(&rows, row->count, row->maxima + first,
                             row->argmaxes + first);
    for (size_t k = first; k < last; k++)
        mark_refused(row, k);
    for (size_t k = first, end; k < last; k = end) {
        for (end = k + 1; end < last && is_alike(row, k, end); end++)
            ;
        load_alike(row, k, end);
    }
    for (size_t k = first; row->take && k < last; k++) {
        enter(row, k, SMX_ROW_E);
        recall(row, k);
        struct smx_dd total = row->take(row->argument, row);
        row->totals.hi[k] = total.hi;
        row->totals.lo[k] = total.lo;
    }
}

/* A row longer than that. */
static void load_one(struct smx_row *row)
{
    struct smx_dd rest = {0, 0};
    double *slope = row->tile.slope;
    row->r = row->start;
    row->first = SIZE_MAX;
    find_maxima(row);
    recall(row, 0);
    if (row->logits->classes > SMX_TILE)
        row->tile.slope = NULL; /* no one asks for it before the sum */
    if (!row->empty)
        rest = smx_row_sweep(row, SMX_ROW_E, rest_of_row, NULL, dd_add);
    row->rests.hi[0] = rest.hi * 0x1p-128;
    row->rests.lo[0] = rest.lo * 0x1p-128;
    if (row->tile.slope != slope)
        row->first = SIZE_MAX;
    row->tile.slope = slope;
}

size_t smx_row_load(struct smx_row *row, size_t r, size_t count)
{
    count = count < row->group ? count : row->group;
    row->start = row->first_row + r;
    row->refused = 0;
    row->known = false;
    if (row->group == 1)
        load_one(row);
    else
        for (size_t k = 0, end; k < count; k = end) {
            end = count - k < row->beside ? count : k + row->beside;
            load_beside(row, k, end);
        }
    if (!row->sums_only)
        row->kernels->inverse(&row->rests, count, &row->inverses);
    if (row->logs)
        row->kernels->log1p(&row->rests, count, &row->logsums);
    for (size_t k = 0; k < count; k++)
        row->focuses[k] = (struct smx_focus){1, {1, 0}};
    return count;
}

void smx_row_select(struct smx_row *row, size_t k)
{
    if (row->group > 1) {
        enter(row, k, row->group > row->beside ? SMX_ROW_Z : SMX_ROW_E);
        recall(row, k);
        row->known = row->take != NULL;
        row->total = (struct smx_dd){row->totals.hi[k], row->totals.lo[k]};
    }
    row->inverse = (struct smx_dd){row->inverses.hi[k], row->inverses.lo[k]};
    row->logsum = (struct smx_dd){row->logsums.hi[k], row->logsums.lo[k]};
    row->focus = row->focuses[k];
    row->one_hot = !row->empty && row->rests.hi[k] == 0;
}
