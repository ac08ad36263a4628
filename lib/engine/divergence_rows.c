/* SPDX-License-Identifier: MIT */
/* Rows in double-double, a tile at a time: the largest logit of both sides, the
 * sums of their exponentials, the shift between their logarithms, the terms,
 * the gradient. Each sweep computes again what the one before computed, so that
 * a row of any length needs no more room than a few tiles; of one that fits
 * there the exponentials are kept. */
#include "divergence_rows.h"

#include <math.h>
#include <string.h>

#include "api/extended.h"
#include "dd_shift.h"
#include "reduction.h"

enum { STUDENT, TEACHER, SIDES };

/* Classes whose exponentials the stack holds. */
#define ROOM (4 * SMX_DIVERGENCE_TILE)

struct side {
    struct smx_dd top; /* the largest logit and its class */
    struct smx_shift shift;
    struct smx_dd logsum; /* log of the sum of exp(d) */
    struct smx_ext fine;  /* the same with the digits of a subnormal */
    bool empty;           /* every class is left out */
};

struct wide_row {
    const struct smx_divergence_rule *rule;
    const struct smx_divergence_row *row;
    struct side side[SIDES];
    struct smx_divergence_tile tile;
    struct smx_divergence_value value;
    struct smx_ext extended; /* the divergence */
    struct smx_dd divergence;
    double entropy, lse;
    size_t first, count;
    bool kept; /* every tile has a place of its own */
    SMX_TILED double room[SIDES][4][ROOM];
    SMX_TILED double z[SMX_DIVERGENCE_TILE]; /* logits, or the gradient */
    SMX_TILED double slope[SMX_DIVERGENCE_TILE];
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

/* ---- shifted logits ----------------------------------------------------- */

static struct smx_dd search_top(struct wide_row *w, int s)
{
    struct smx_dd top = {-INFINITY, 0};
    TILES(w)
    {
        load_side(w, s);
        top = smx_row_larger(top, smx_row_tile_max(w->rule->row_kernels, w->z,
                                                   w->first, w->count));
    }
    return top;
}

static void find_side_top(struct wide_row *w, int s)
{
    struct side *side = &w->side[s];
    const struct smx_dd *top = w->row->top[s];
    bool known = top && w->rule->side[s].dtype == SMX_FLOAT64;
    side->top = known ? *top : search_top(w, s);
    side->empty = side->top.hi == -INFINITY;
    side->shift = (struct smx_shift){.capped = w->rule->side[s].softcap != 0};
    smx_shift_measure(&side->shift, &w->rule->side[s],
                      side->empty ? 0 : side->top.hi);
}

/* d of the tile, and slope, where one is wanted. */
static void shift_side(struct wide_row *w, int s, double *slope)
{
    const struct smx_divergence_side *to = side_of(w, s);
    const struct smx_tile tile = {.hi = to->hi, .lo = to->lo, .slope = slope};
    load_side(w, s);
    w->rule->row_kernels->shifted(w->z, w->count, &w->side[s].shift, &tile);
}

/* ---- sums --------------------------------------------------------------- */

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
    side->fine = ext_of(others, -128);
    others = dd_scale(others, 0x1p-128);
    x.hi[0] = others.hi;
    x.lo[0] = others.lo;
    w->rule->row_kernels->inverse(&x, 1, &y);
    side_of(w, s)->inverse = (struct smx_dd){y.hi[0], y.lo[0]};
    w->rule->row_kernels->log1p(&x, 1, &y);
    side->logsum = (struct smx_dd){y.hi[0], y.lo[0]};
    if (!smx_is_faint(side->logsum.hi))
        side->fine = ext_of(side->logsum, 0);
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

/* ---- the row ------------------------------------------------------------ */

/* The largest logit, after the softcap. */
static struct smx_dd student_top(const struct wide_row *w)
{
    const struct side *side = &w->side[STUDENT];
    const struct smx_shift *how = &side->shift;
    const struct smx_logits *z = &w->rule->side[STUDENT];
    struct smx_dd top = {side->top.hi, 0};
    if (how->capped && fabs(how->top) * how->steep.hi > 0x1p-33)
        top = w->rule->row_kernels->cap(how->top, z->softcap, how);
    return top;
}

static double lse_of(const struct wide_row *w)
{
    const struct side *side = &w->side[STUDENT];
    if (side->empty)
        return -INFINITY;
    struct smx_dd top = student_top(w);
    top = smx_divide(top, w->rule->side[STUDENT].temperature);
    return isfinite(top.hi) ? dd_add(top, side->logsum).hi : top.hi;
}

/* The same where it may leave the doubles; of a row that is not empty. */
static struct smx_ext extended_lse_of(const struct wide_row *w)
{
    struct smx_ext t = ext_from(w->rule->side[STUDENT].temperature);
    return ext_add(ext_div(ext_of(student_top(w), 0), t),
                   w->side[STUDENT].fine);
}

static struct smx_ext dd_divergence_of(const struct wide_row *w)
{
    const struct side *side = w->side;
    enum smx_divergence kind = w->rule->kind;
    int first = kind == SMX_DIVERGENCE_REVERSE_KL ? STUDENT : TEACHER;
    if (kind != SMX_DIVERGENCE_JSD && side[first].empty)
        return ext_from(0);
    return w->value.lost ? ext_from(INFINITY)
                         : ext_of(w->value.divergence, -128);
}

static struct smx_ext extended_entropy_of(const struct wide_row *w)
{
    if (w->side[STUDENT].empty)
        return ext_from(0);
    return ext_add(w->side[STUDENT].fine,
                   ext_of(dd_negate(w->value.entropy), -128));
}

static double tile_entropy(const struct wide_row *w)
{
    struct smx_dd sum = dd_scale(w->value.entropy, -0x1p-128);
    return w->side[STUDENT].empty ? 0 : dd_add(w->side[STUDENT].logsum, sum).hi;
}

static void sum_values(struct wide_row *w)
{
    TILES(w)
    {
        fill(w, NULL);
        w->rule->divergence->dd->value(&w->tile, &w->value);
    }
}

/* A divergence whose 2^128 fold leaves the doubles is one of logarithms like
 * that: of shares 2^-256 times theirs nothing is lost. */
static struct smx_ext large_divergence_of(struct wide_row *w)
{
    struct smx_divergence_value value = w->value;
    struct smx_ext large;
    for (int s = 0; s < SIDES; s++)
        side_of(w, s)->inverse = dd_scale(side_of(w, s)->inverse, 0x1p-256);
    w->value = (struct smx_divergence_value){.lost = false};
    sum_values(w);
    large = ext_of(w->value.divergence, 128);
    for (int s = 0; s < SIDES; s++)
        side_of(w, s)->inverse = dd_scale(side_of(w, s)->inverse, 0x1p256);
    w->value = value;
    return large;
}

static void evaluate(struct wide_row *w)
{
    sum_values(w);
    w->extended = dd_divergence_of(w);
    if (!isfinite(w->value.divergence.hi) && !w->value.lost)
        w->extended = large_divergence_of(w);
    w->divergence = ext_dd(w->extended);
    w->entropy = tile_entropy(w);
    w->lse = lse_of(w);
}

/* Do the row's own sums stay in range when they are multiplied? */
static bool are_sums_moderate(const struct wide_row *w)
{
    bool square = w->rule->z_loss != 0 && !w->side[STUDENT].empty;
    return (smx_is_moderate(w->divergence.hi) || isinf(w->divergence.hi)) &&
           (!square || smx_is_moderate(w->lse)) &&
           (!w->rule->entropy || smx_is_moderate(w->entropy));
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
    return smx_times(w->row->weight, loss);
}

static double extended_loss_of(const struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    struct smx_ext loss = w->extended, part;
    if (rule->z_loss != 0 && !w->side[STUDENT].empty) {
        part = extended_lse_of(w);
        part = ext_mul(ext_from(rule->z_loss), ext_mul(part, part));
        loss = ext_add(loss, part);
    }
    if (rule->entropy) {
        part = extended_entropy_of(w);
        part = ext_mul(ext_from(rule->entropy_weight), part);
        loss = ext_add(loss, ext_negate(part));
    }
    loss = ext_mul(loss, ext_from(w->row->weight));
    part = ext_mul(loss, rule->share);
    *w->row->faint = smx_faint_of(part);
    if (*w->row->faint != 0)
        return NAN;
    return ext_get(rule->extended ? part : loss);
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

/* What a divergence's own slopes come of. */
static struct smx_divergence_descent descent_of(const struct wide_row *w)
{
    struct smx_divergence_descent how = {
        .factor = w->row->factor,
        .value = w->rule->kind == SMX_DIVERGENCE_JSD
                     ? dd_scale(w->value.log, 0x1p-128)
                     : w->divergence,
        .whole = w->side[TEACHER].empty ? 0 : 1};
    return how;
}

static void put_wide_gradient(struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    double *slope = w->side[STUDENT].shift.capped ? w->slope : NULL;
    struct smx_divergence_descent how = descent_of(w);
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
        fill(w, slope);
        rule->divergence->dd->descend(&w->tile, &how, slope, w->z);
        put_tile(w);
    }
}

/* p_c (log p_c - log q_c - KL), which has no bounds. */
static struct smx_ext reverse_slope(const struct wide_row *w, size_t i,
                                    struct smx_ext p)
{
    const struct smx_divergence_tile *tile = &w->tile;
    struct smx_dd t = {tile->p.hi[i], tile->p.lo[i]};
    struct smx_dd other = {-tile->q.hi[i], -tile->q.lo[i]};
    if (!dd_finite(other.hi))
        return ext_from(0);
    t = dd_add(dd_add(t, other), tile->offset);
    return ext_mul(p, ext_add(ext_of(t, 0), ext_negate(w->extended)));
}

/* (slope of the divergence + p_c (level + bend d_c)) of the softcap's slope */
static double extended_element(const struct wide_row *w, size_t i,
                               struct smx_ext level, struct smx_ext bend,
                               struct smx_ext factor)
{
    const struct smx_divergence_side *side = &w->tile.p;
    struct smx_dd e = {side->e_hi[i], side->e_lo[i]};
    struct smx_ext p = ext_of(dd_mul(e, side->inverse), -128);
    struct smx_ext sum = ext_of((struct smx_dd){w->z[i], 0}, -128);
    if (p.m.hi != 0) {
        struct smx_dd d = {side->hi[i], side->lo[i]};
        if (w->rule->kind == SMX_DIVERGENCE_REVERSE_KL)
            sum = reverse_slope(w, i, p);
        level = ext_add(level, ext_mul(bend, ext_of(d, 0)));
        sum = ext_add(sum, ext_mul(p, level));
    }
    if (w->side[STUDENT].shift.capped) {
        struct smx_dd slope = {w->slope[i], 0};
        sum = ext_mul(sum, ext_of(slope, -128));
    }
    double x = ext_get(ext_mul(sum, factor));
    return isnan(x) ? 0 : x + 0.0; /* no negative zeros */
}

static void put_extended_gradient(struct wide_row *w)
{
    const struct smx_divergence_rule *rule = w->rule;
    double *slope = w->side[STUDENT].shift.capped ? w->slope : NULL;
    struct smx_divergence_descent how = descent_of(w);
    struct smx_ext bend = ext_from(rule->entropy_weight);
    struct smx_ext mean = ext_of(dd_negate(w->value.entropy), -128);
    struct smx_ext level = ext_mul(bend, mean);
    struct smx_ext factor =
        w->row->extended ? w->row->grad : ext_of(w->row->factor, 0);
    if (rule->z_loss != 0 && !w->side[STUDENT].empty) {
        struct smx_ext twice = ext_mul(ext_from(2), ext_from(rule->z_loss));
        level = ext_add(level, ext_mul(twice, extended_lse_of(w)));
    }
    how.factor = (struct smx_dd){0x1p128, 0};
    TILES(w)
    {
        fill(w, slope);
        rule->divergence->dd->descend(&w->tile, &how, NULL, w->z);
        for (size_t i = 0; i < w->count; i++)
            w->z[i] = extended_element(w, i, level, bend, factor);
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
    w->tile.first = dd_scale(dd_mul(w->tile.beta, w->tile.rest), 0.5);
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
    bool moderate = are_sums_moderate(&w);
    if (row->gradient && (row->extended || !moderate))
        put_extended_gradient(&w);
    else if (row->gradient)
        put_wide_gradient(&w);
    double loss = wide_loss_of(&w);
    return rule->extended || !moderate || fabs(loss) < SMX_FAINT
               ? extended_loss_of(&w)
               : loss;
}

double smx_divergence_row(const struct smx_divergence_rule *rule,
                          const struct smx_divergence_row *row)
{
    double loss;
    if (!rule->doubles || !smx_divergence_row_doubles(rule, row, &loss))
        return wide_row(rule, row);
    loss = smx_times(row->weight, loss);
    return rule->extended ? loss * ext_get(rule->share) : loss;
}

/* beta g((1-beta) x) + (1-beta) g(-beta x), g(y) = (1 + y) log(1 + y) - y. */
void smx_divergence_series(double beta, double series[SMX_DIVERGENCE_TERMS])
{
    double rest = 1 - beta, a = beta * beta, b = rest * rest, sign = -1;
    for (int i = 0; i < SMX_DIVERGENCE_TERMS; i++) {
        int n = i + 3;
        series[i] = beta * rest * (sign * b + a) / (n * (n - 1));
        a *= beta;
        b *= rest;
        sign = -sign;
    }
}
