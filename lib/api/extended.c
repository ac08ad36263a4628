/* SPDX-License-Identifier: MIT */
#include "extended.h"

#include "engine/dd_shift.h"
#include "engine/kernels.h"

/* Products of a few of these with a row's moderate sums stay in range. */
#define LEAST 0x1p-100
#define MOST 0x1p100
/* What is less keeps too few digits for as many of these. */
#define LEAST_INPUT 0x1p-700
/* What is less leaves no double where a number is taken from it. */
#define MOST_DOT 0x1p900

bool smx_is_factor_moderate(double x)
{
    return x == 0 || (fabs(x) <= MOST && fabs(x) >= LEAST);
}

/* data NULL: all 1. */
static bool are_moderate(const struct smx_kernels *kernels, const void *data,
                         enum smx_dtype dtype, size_t count)
{
    if (data && dtype == SMX_FLOAT64)
        return kernels->dd->within(data, count, LEAST, MOST);
    for (size_t i = 0; data && i < count; i++)
        if (!smx_is_factor_moderate(smx_get(data, dtype, i)))
            return false;
    return true;
}

/* But for those of single rows, unless they are in what a mean divides by. */
static bool are_factors_moderate(const struct smx_kernels *kernels,
                                 const struct smx_logits *z,
                                 const struct smx_criterion *k)
{
    bool mean = k->reduction == SMX_REDUCTION_MEAN;
    return smx_is_factor_moderate(k->z_loss) &&
           smx_is_factor_moderate(k->entropy_weight) &&
           smx_is_factor_moderate(k->label_smoothing) &&
           smx_is_factor_moderate(smx_temperature_of(z)) &&
           are_moderate(kernels, k->weights, z->dtype, z->classes) &&
           are_moderate(kernels, k->row_weights, z->dtype,
                        mean ? smx_rows_count(z) : 0);
}

double smx_upstream_of(const struct smx_criterion *k,
                       const struct smx_factors *factors, enum smx_dtype dtype,
                       size_t r)
{
    size_t at = k->reduction == SMX_REDUCTION_NONE ? r : 0;
    return factors->upstream ? smx_get(factors->upstream, dtype, at) : 1;
}

bool smx_is_gradient_extended(const struct smx_criterion *k,
                              const struct smx_factors *factors,
                              enum smx_dtype dtype, size_t r)
{
    return factors->extended ||
           !smx_is_factor_moderate(smx_criterion_row_weight(k, dtype, r)) ||
           !smx_is_factor_moderate(smx_upstream_of(k, factors, dtype, r));
}

static struct smx_ext weight_of(const struct smx_logits *z,
                                const struct smx_criterion *k, size_t c)
{
    return ext_from(k->weights ? smx_get(k->weights, z->dtype, c) : 1);
}

static struct smx_ext row_weight_of(const struct smx_logits *z,
                                    const struct smx_criterion *k, size_t r)
{
    return ext_from(smx_criterion_row_weight(k, z->dtype, r));
}

/* smx_criterion_count, into the factors. */
static void count_extended(const struct smx_logits *z,
                           const struct smx_criterion *k, struct smx_ext *main,
                           struct smx_ext *other)
{
    size_t all = smx_rows_count(z);
    *main = *other = ext_from(0);
    for (size_t r = 0; r < all; r++) {
        if (smx_criterion_ignores(k, r))
            continue;
        struct smx_ext w = row_weight_of(z, k, r);
        *other = ext_add(*other, w);
        if (k->labels)
            w = ext_mul(w, weight_of(z, k, (size_t)k->labels[r]));
        *main = ext_add(*main, w);
    }
}

struct smx_factors smx_factors_of(const struct smx_kernels *kernels,
                                  const struct smx_logits *z,
                                  const struct smx_criterion *k,
                                  const void *upstream,
                                  struct smx_counts *counts)
{
    const struct smx_ext one = ext_from(1), zero = ext_from(0);
    struct smx_factors factors = {
        .logits = z, .upstream = upstream, .factor = one, .z_factor = one};
    struct smx_ext main, other;
    *counts = smx_criterion_count(kernels, z, k);
    factors.extended = !are_factors_moderate(kernels, z, k);
    if (factors.extended) {
        count_extended(z, k, &main, &other);
        counts->divisor = ext_get(main);
    } else {
        main = ext_from(counts->divisor);
        other = ext_from(counts->weight);
    }
    if (k->reduction == SMX_REDUCTION_MEAN) {
        factors.factor = main.m.hi == 0 ? zero : ext_div(one, main);
        factors.z_factor = main.m.hi == 0 ? zero : ext_div(one, other);
    }
    factors.f = ext_dd(factors.factor);
    factors.z_f = ext_dd(factors.z_factor);
    return factors;
}

/* ---- a row --------------------------------------------------------------- */

bool smx_is_input_faint(struct smx_row *row)
{
    bool within = true;
    SMX_ROW_TILES (c, row, SMX_ROW_PLACE)
        within &= row->kernels->within(smx_row_view(row, row->out), row->count,
                                       LEAST_INPUT, INFINITY);
    return !within;
}

/* v of criterion.h. focus: what a focal exponent makes of a label's. */
static struct smx_ext mass_of(const struct smx_criterion *k,
                              const struct smx_row *row, size_t c, double focus)
{
    const struct smx_logits *z = row->logits;
    double e = k->label_smoothing, hot;
    if (row->one_hot && c == row->argmax)
        return ext_from(0); /* it cancels */
    if (k->labels)
        hot = (size_t)k->labels[row->r] == c ? focus : 0;
    else
        hot = smx_row_element(row, row->input, c);
    struct smx_ext q = ext_mul(ext_of(dd_sum(1, -e), 0), ext_from(hot));
    q = ext_add(q, ext_div(ext_from(e), ext_from((double)z->classes)));
    return ext_mul(q, weight_of(z, k, c));
}

static struct smx_ext cost_of_row(const struct smx_criterion *k,
                                  struct smx_row *row)
{
    bool single = smx_criterion_is_single(k);
    size_t first = single ? (size_t)k->labels[row->r] : 0;
    size_t end = single ? first + 1 : row->logits->classes;
    struct smx_ext sum = ext_from(0), logsum = smx_row_logsum_extended(row);
    /* not beyond a +INFINITY, which nothing takes back */
    for (size_t c = first; c < end && sum.m.hi != INFINITY; c++) {
        struct smx_ext v = mass_of(k, row, c, row->focus.loss);
        if (v.m.hi == 0) /* 0 log 0 = 0 */
            continue;
        struct smx_dd d = smx_row_shifted(row, c);
        struct smx_ext nats = ext_from(INFINITY);
        if (isfinite(d.hi))
            nats = ext_add(logsum, ext_of(dd_negate(d), 0));
        sum = ext_add(sum, ext_mul(v, nats));
    }
    if (isnan(sum.m.hi) || (row->empty && sum.m.hi != 0))
        return ext_from(INFINITY);
    return sum;
}

/* z-loss and entropy */
static struct smx_ext regularizers_of(const struct smx_criterion *k,
                                      struct smx_row *row)
{
    struct smx_ext sum = ext_from(0);
    if (row->empty)
        return sum;
    if (k->z_loss != 0) {
        struct smx_ext lse = smx_row_lse_extended(row);
        sum = ext_mul(ext_from(k->z_loss), ext_mul(lse, lse));
    }
    if (k->entropy_weight != 0) {
        struct smx_ext mean = smx_row_mean_extended(row);
        struct smx_ext less = ext_add(mean, /* than none: -H */
                                      ext_negate(smx_row_logsum_extended(row)));
        sum = ext_add(sum, ext_mul(ext_from(k->entropy_weight), less));
    }
    return sum;
}

struct smx_ext smx_extended_loss(const struct smx_criterion *k,
                                 struct smx_row *row, struct smx_ext *other)
{
    struct smx_ext weight = row_weight_of(row->logits, k, row->r);
    *other = ext_mul(regularizers_of(k, row), weight);
    return ext_mul(cost_of_row(k, row), weight);
}

/* d_c = ((a + bend (d_c - mean)) p_c - b v_c) g, before the slope. */
struct extended_grad {
    struct smx_ext a, bend, mean, b, g;
};

static struct extended_grad extended_grad_of(const struct smx_criterion *k,
                                             const struct smx_factors *factors,
                                             struct smx_row *row)
{
    const struct smx_logits *z = row->logits;
    struct extended_grad d = {.b = factors->factor};
    for (size_t c = 0; c < z->classes; c++)
        d.a = ext_add(d.a, mass_of(k, row, c, row->focus.gradient.hi));
    d.a = ext_mul(d.a, d.b);
    if (k->z_loss != 0 && !row->empty) {
        struct smx_ext z_loss = ext_from(k->z_loss);
        struct smx_ext square = ext_mul(z_loss, smx_row_lse_extended(row));
        square = ext_mul(square, factors->z_factor);
        d.a = ext_add(d.a, ext_add(square, square));
    }
    if (k->entropy_weight != 0 && !row->empty) {
        d.bend = ext_mul(ext_from(k->entropy_weight), factors->z_factor);
        d.mean = smx_row_mean_extended(row);
    }
    d.g = ext_from(smx_upstream_of(k, factors, z->dtype, row->r));
    d.g = ext_mul(d.g, row_weight_of(z, k, row->r));
    d.g = ext_div(d.g, ext_from(smx_temperature_of(z)));
    return d;
}

/* Element i of the tile. */
static struct smx_ext probability_of(const struct smx_row *row, size_t i)
{
    struct smx_dd e = {row->e[i], 0};
    return ext_of(dd_mul(e, row->inverse), -SMX_ROW_SHIFT);
}

static double sloped(const struct smx_row *row, size_t i, struct smx_ext x)
{
    struct smx_dd one = {0x1p128, 0};
    if (row->tile.slope)
        one.hi = row->tile.slope[i];
    /* no negative zeros */
    return ext_get(ext_mul(x, ext_of(one, -SMX_ROW_SHIFT))) + 0.0;
}

/* 0 where the mask leaves the class out: p is, and no mass is taken from it. */
static double grad_at(const struct smx_criterion *k,
                      const struct smx_factors *factors,
                      const struct smx_row *row, const struct extended_grad *d,
                      size_t i)
{
    const struct smx_tile *tile = &row->tile;
    struct smx_ext p = probability_of(row, i), a = d->a;
    struct smx_ext v = ext_from(0);
    if (!smx_rows_masked(factors->logits, row->r, row->first + i))
        v = mass_of(k, row, row->first + i, row->focus.gradient.hi);
    if (d->bend.m.hi != 0 && p.m.hi != 0) {
        struct smx_ext t = ext_of((struct smx_dd){tile->hi[i], tile->lo[i]}, 0);
        t = ext_add(t, ext_negate(d->mean));
        a = ext_add(a, ext_mul(d->bend, t));
    }
    struct smx_ext sum = ext_mul(a, p);
    sum = ext_add(sum, ext_negate(ext_mul(d->b, v)));
    return sloped(row, i, ext_mul(sum, d->g));
}

void smx_extended_gradient(const struct smx_criterion *k,
                           const struct smx_factors *factors,
                           struct smx_row *row)
{
    const struct extended_grad d = extended_grad_of(k, factors, row);
    SMX_ROW_TILES (c, row, SMX_ROW_E) {
        double *out = smx_row_out(row);
        for (size_t i = 0; i < row->count; i++)
            out[i] = grad_at(k, factors, row, &d, i);
        smx_row_put(row, out);
    }
}

/* ---- a product ----------------------------------------------------------- */

bool smx_is_product_extended(struct smx_row *row, double dot)
{
    double t = smx_temperature_of(row->logits);
    if (!smx_is_factor_moderate(t) || !(fabs(dot) < MOST_DOT))
        return true;
    return (t < 1 || fabs(dot) < LEAST_INPUT) && smx_is_input_faint(row);
}

void smx_extended_product(struct smx_row *row, bool log)
{
    struct smx_ext sum = ext_from(0), one = ext_from(1);
    struct smx_ext t = ext_from(smx_temperature_of(row->logits));
    SMX_ROW_TILES (c, row, SMX_ROW_PLACE) {
        smx_row_exponentials(row);
        const double *g = smx_row_view(row, row->mass);
        for (size_t i = 0; i < row->count; i++)
            sum = ext_add(sum, ext_mul(ext_from(g[i]),
                                       log ? one : probability_of(row, i)));
    }
    sum = ext_negate(sum);
    SMX_ROW_TILES (c, row, SMX_ROW_PLACE) {
        smx_row_exponentials(row);
        const double *g = smx_row_view(row, row->mass);
        double *out = smx_row_out(row);
        for (size_t i = 0; i < row->count; i++) {
            struct smx_ext p = probability_of(row, i), own = ext_from(g[i]);
            struct smx_ext d = log ? ext_add(own, ext_mul(p, sum))
                                   : ext_mul(p, ext_add(own, sum));
            out[i] = sloped(row, i, ext_div(d, t));
        }
        smx_row_put(row, out);
    }
}
