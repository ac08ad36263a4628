/* SPDX-License-Identifier: MIT */
/* Rows in double-double, a tile at a time: the largest logit of both sides, the
 * sums of their exponentials, the shift between their logarithms, the terms,
 * the gradient. Each sweep computes again what the one before computed, so that
 * a row of any length needs no more room than a few tiles; of one that fits
 * there the exponentials are kept. */
#include "divergence_rows.h"

#include <math.h>
#include <string.h>

#include "dd_shift.h"
#include "dd_row.h"
#include "simd/elementary.h"

enum { STUDENT, TEACHER, SIDES };

/* Classes whose exponentials the stack holds. */
#define ROOM (4 * SMX_DIVERGENCE_TILE)

struct side {
    struct smx_dd top; /* the largest logit and its class */
    struct smx_shift shift;
    struct smx_dd logsum; /* log of the sum of exp(d) */
    bool empty;           /* every class is left out */
};

struct wide_row {
    const struct smx_divergence_rule *rule;
    const struct smx_divergence_row *row;
    struct side side[SIDES];
    struct smx_divergence_tile tile;
    struct smx_divergence_value value;
    struct smx_dd divergence;
    double entropy, lse;
    size_t first, count;
    bool kept; /* every tile has a place of its own */
    SMX_TILED double room[SIDES][4][ROOM];
    SMX_TILED double z[SMX_DIVERGENCE_TILE]; /* logits, or the gradient */
    SMX_TILED double slope[SMX_DIVERGENCE_TILE], spare[SMX_DIVERGENCE_TILE];
};

/** for each tile of the row */
#define TILES(w)                                                               \
    for ((w)->first = 0; enter_tile(w); (w)->first += SMX_DIVERGENCE_TILE)

static struct smx_divergence_side *side_of(struct wide_row *w, int s)
{
    return s == STUDENT ? &w->tile.p : &w->tile.q;
}

static bool enter_tile(struct wide_row *w)
{
    size_t classes = w->rule->side[STUDENT].classes;
    size_t left = classes > w->first ? classes - w->first : 0;
    size_t at = w->kept ? w->first : 0;
    w->count = left < SMX_DIVERGENCE_TILE ? left : SMX_DIVERGENCE_TILE;
    w->tile.n = smx_blocks(w->count);
    for (int s = 0; s < SIDES; s++) {
        struct smx_divergence_side *side = side_of(w, s);
        side->hi = w->room[s][0] + at;
        side->lo = w->room[s][1] + at;
        side->e_hi = w->room[s][2] + at;
        side->e_lo = w->room[s][3] + at;
    }
    return left > 0;
}

static void load_side(struct wide_row *w, int s)
{
    const float *f = w->row->x[s];
    const double *d = w->row->x[s];
    if (w->rule->side[s].dtype == SMX_FLOAT32)
        w->rule->row_kernels->widen(f + w->first, w->count, w->z);
    else
        memcpy(w->z, d + w->first, w->count * sizeof *d);
}

/* ---- shifted logits -------------------------------------------------------
 */

static void find_side_top(struct wide_row *w, int s)
{
    struct side *side = &w->side[s];
    side->top = (struct smx_dd){-INFINITY, 0};
    TILES(w)
    {
        load_side(w, s);
        side->top = smx_row_larger(
            side->top,
            smx_row_tile_max(w->rule->row_kernels, w->z, w->first, w->count));
    }
    side->empty = side->top.hi == -INFINITY;
    side->shift = (struct smx_shift){.capped = w->rule->side[s].softcap != 0};
    if (!side->empty)
        smx_shift_measure(&side->shift, &w->rule->side[s], side->top.hi);
}

static void leave_all_out(const struct wide_row *w,
                          const struct smx_divergence_side *side)
{
    for (size_t i = 0; i < w->tile.n; i++) {
        side->hi[i] = -INFINITY;
        side->lo[i] = 0;
    }
}

/* d of the tile, and of the student slope, where one is wanted. */
static void shift_side(struct wide_row *w, int s, double *slope)
{
    const struct side *side = &w->side[s];
    const struct smx_divergence_side *to = side_of(w, s);
    struct smx_tile tile = {.hi = to->hi, .lo = to->lo};
    if (slope)
        memset(slope, 0, w->tile.n * sizeof *slope);
    if (side->empty) {
        leave_all_out(w, to);
        return;
    }
    load_side(w, s);
    if (!slope) {
        w->rule->row_kernels->shifted(w->z, w->count, &side->shift, &tile);
        return;
    }
    size_t skip = SIZE_MAX;
    struct smx_row_dds sums;
    const struct smx_row_group one = {
        .count = 1, .z = w->z, .maxima = &side->top.hi, .skip = &skip};
    tile.e = w->spare;
    tile.slope = slope;
    w->rule->row_kernels->exponentials(&one, w->count, &side->shift, &tile,
                                       &sums);
}

/* ---- sums -----------------------------------------------------------------
 */

static struct smx_dd side_powers(struct wide_row *w, int s)
{
    size_t top = (size_t)w->side[s].top.lo - w->first;
    return w->rule->divergence->dd->powers(side_of(w, s), w->tile.n, top);
}

static void sum_side(struct wide_row *w, int s)
{
    struct side *side = &w->side[s];
    struct smx_dd others = {0, 0};
    struct smx_row_dds x = {{0}, {0}}, y = x;
    TILES(w)
    {
        shift_side(w, s, NULL);
        others = dd_add(others, side_powers(w, s));
    }
    others = dd_scale(others, 0x1p-128);
    x.hi[0] = others.hi;
    x.lo[0] = others.lo;
    w->rule->row_kernels->inverse(&x, 1, &y);
    side_of(w, s)->inverse = (struct smx_dd){y.hi[0], y.lo[0]};
    w->rule->row_kernels->log1p(&x, 1, &y);
    side->logsum = (struct smx_dd){y.hi[0], y.lo[0]};
}

/* Both sides' exponentials of the tile, unless they are kept. */
static void fill(struct wide_row *w, double *slope)
{
    for (int s = 0; s < SIDES && (slope || !w->kept); s++) {
        shift_side(w, s, s == STUDENT ? slope : NULL);
        side_powers(w, s);
    }
}

/* Has the teacher less than half of its mass where the logarithms are near each
 * other? A look at what is kept; a row of more is computed for it. */
static bool are_apart(struct wide_row *w)
{
    double mass = 0;
    if (!w->kept)
        return false;
    TILES(w)
    mass += w->rule->divergence->dd->near(&w->tile);
    return mass < 0x1p127;
}

/* The difference of the logarithms of both sums has lost digits where these
 * nearly agree; what it lacks makes sum p exp(log q - log p) differ from 1. */
static void find_offset(struct wide_row *w)
{
    struct smx_dd excess = {0, 0};
    double mass = 0;
    w->tile.offset =
        dd_add(w->side[TEACHER].logsum, dd_negate(w->side[STUDENT].logsum));
    if (are_apart(w))
        return;
    TILES(w)
    {
        fill(w, NULL);
        w->rule->divergence->dd->excess(&w->tile, &excess, &mass);
    }
    if (mass > 0x1p127)
        w->tile.offset =
            dd_add(w->tile.offset, (struct smx_dd){excess.hi / mass, 0});
}

/* ---- the row --------------------------------------------------------------
 */

static double lse_of(const struct wide_row *w)
{
    const struct side *side = &w->side[STUDENT];
    const struct smx_shift *how = &side->shift;
    const struct smx_logits *z = &w->rule->side[STUDENT];
    struct smx_dd top = {side->top.hi, 0};
    if (side->empty)
        return -INFINITY;
    if (how->capped && fabs(how->top) * how->steep.hi > 0x1p-33)
        top = w->rule->row_kernels->cap(how->top, z->softcap, how);
    top = smx_divide(top, z->temperature, 0);
    return isfinite(top.hi) ? dd_add(top, side->logsum).hi : top.hi;
}

static struct smx_dd dd_divergence_of(const struct wide_row *w)
{
    const struct smx_dd zero = {0, 0}, infinite = {INFINITY, 0};
    const struct side *side = w->side;
    enum smx_divergence kind = w->rule->kind;
    int first = kind == SMX_DIVERGENCE_REVERSE_KL ? STUDENT : TEACHER;
    if (kind != SMX_DIVERGENCE_JSD && side[first].empty)
        return zero;
    return w->value.lost ? infinite : dd_scale(w->value.divergence, 0x1p-128);
}

static double tile_entropy(const struct wide_row *w)
{
    struct smx_dd sum = dd_scale(w->value.entropy, -0x1p-128);
    return w->side[STUDENT].empty ? 0 : dd_add(w->side[STUDENT].logsum, sum).hi;
}

static void evaluate(struct wide_row *w)
{
    TILES(w)
    {
        fill(w, NULL);
        w->rule->divergence->dd->value(&w->tile, &w->value);
    }
    w->divergence = dd_divergence_of(w);
    w->entropy = tile_entropy(w);
    w->lse = lse_of(w);
}

static double wide_loss_of(const struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    double loss = w->divergence.hi;
    if (rule->z_loss != 0 && !w->side[STUDENT].empty)
        loss += smx_times(rule->z_loss * w->lse, w->lse);
    if (rule->entropy)
        loss = smx_plus(loss, -smx_times(rule->entropy_weight, w->entropy),
                        INFINITY);
    return loss;
}

static void put_tile(struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    float *f = w->row->gradient;
    double *d = w->row->gradient;
    if (rule->side[STUDENT].dtype == SMX_FLOAT32)
        rule->row_kernels->narrow(w->z, w->count, f + w->first);
    else
        memcpy(d + w->first, w->z, w->count * sizeof *d);
}

static void put_wide_gradient(struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    bool capped = w->side[STUDENT].shift.capped;
    struct smx_divergence_descent how = {
        .factor = w->row->factor,
        .value = rule->kind == SMX_DIVERGENCE_JSD
                     ? dd_scale(w->value.log, 0x1p-128)
                     : w->divergence,
        .whole = w->side[TEACHER].empty ? 0 : 1};
    if (rule->z_loss != 0 && !w->side[STUDENT].empty)
        how.level = dd_product(2 * rule->z_loss, w->lse);
    if (rule->entropy) { /* eta (log p + H) = eta (d - sum p d) */
        struct smx_dd mean = dd_scale(w->value.entropy, -0x1p-128);
        struct smx_dd eta = {rule->entropy_weight, 0};
        how.bend = rule->entropy_weight;
        how.level = dd_add(how.level, dd_mul(eta, mean));
    }
    TILES(w)
    {
        fill(w, capped ? w->slope : NULL);
        rule->divergence->dd->descend(&w->tile, &how, capped ? w->slope : NULL,
                                      w->z);
        put_tile(w);
    }
}

static void init(struct wide_row *w, const struct smx_divergence_rule *rule,
                 const struct smx_divergence_row *row)
{
    w->rule = rule;
    w->row = row;
    w->value = (struct smx_divergence_value){.lost = false};
    w->tile.kind = rule->kind;
    w->tile.entropy = rule->entropy;
    w->tile.beta = (struct smx_dd){rule->beta, 0};
    w->tile.rest = dd_sum(1, -rule->beta);
    memcpy(w->tile.series, rule->series, sizeof w->tile.series);
    w->kept = rule->side[STUDENT].classes <= ROOM;
}

static double wide_row(const struct smx_divergence_rule *rule,
                       const struct smx_divergence_row *row)
{
    struct wide_row w;
    init(&w, rule, row);
    for (int s = 0; s < SIDES; s++) {
        find_side_top(&w, s);
        sum_side(&w, s);
    }
    find_offset(&w);
    evaluate(&w);
    if (row->gradient)
        put_wide_gradient(&w);
    return wide_loss_of(&w);
}

double smx_divergence_row(const struct smx_divergence_rule *rule,
                          const struct smx_divergence_row *row)
{
    double loss;
    if (rule->doubles && smx_divergence_row_doubles(rule, row, &loss))
        return loss;
    return wide_row(rule, row);
}

/* beta g((1-beta) x) + (1-beta) g(-beta x), g(y) = (1 + y) log(1 + y) - y. */
void smx_divergence_series(double beta, double series[SMX_DIVERGENCE_TERMS])
{
    double rest = 1 - beta, a = beta, b = rest, sign = 1;
    for (int i = 0; i < SMX_DIVERGENCE_TERMS; i++) {
        int n = i + 2;
        double both = n == 2 ? 1 : sign * b + a;
        series[i] = beta * rest * both / (n * (n - 1));
        a *= beta;
        b *= rest;
        sign = -sign;
    }
}
