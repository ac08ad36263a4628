/* SPDX-License-Identifier: MIT */
/* The kernels of row_kernels.h, compiled once an instruction set. */
#include "row_kernels.h"

#include "twofold_vec.h"

extern const struct smx_row_kernels TIER(row_kernels);

/* for i in [0, n), a vector at a time */
#define VECTORS(i, n) for (size_t i = 0; i < (n); i += LANES)

/* ---- to and from the tensors --------------------------------------------- */

#define INF __builtin_inff()

static size_t refused_float(const float *x, size_t n, bool low)
{
    float lowest = low ? -INF : -FLT_MAX;
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        vf v = vf_load(x + i);
        if (vi_any(vf_refused(v) | (vi)(v < vf_all(lowest))))
            break;
    }
    while (i < n && x[i] < INF && x[i] >= lowest)
        i++;
    return i;
}

static size_t refused_double(const double *x, size_t n, bool low)
{
    double lowest = low ? -INF : -DBL_MAX;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vd v = vd_load(x + i);
        if (vl_any(~(vl)(v < vd_all(INF)) | (vl)(v < vd_all(lowest))))
            break;
    }
    while (i < n && x[i] < INF && x[i] >= lowest)
        i++;
    return i;
}

static void widen(const float *x, size_t n, double *z)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vd_store(z + i, vd_widen(x + i));
    for (; i < n; i++)
        z[i] = x[i];
}

static void narrow(const double *z, size_t n, float *x)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vh_store(x + i, vd_narrow(vd_load(z + i)));
    for (; i < n; i++)
        x[i] = (float)z[i];
}

/* ---- the largest, and the distance to it --------------------------------- */

static size_t peak(const double *z, size_t n)
{
    vd top = vd_all(-INF);
    double lanes[LANES], largest = -INF;
    size_t first = 0;
    VECTORS(i, n)
    top = vd_max(vd_load(z + i), top);
    vd_store(lanes, top);
    EACH (i, LANES)
        largest = lanes[i] > largest ? lanes[i] : largest;
    while (!vl_any((vl)(vd_load(z + first) == vd_all(largest))))
        first += LANES;
    while (z[first] != largest)
        first++;
    return first;
}

INLINE struct two_vec minus(struct two_vec x)
{
    return (struct two_vec){-x.hi, -x.lo};
}

/* Where capping is below 2^-66 of z, as the products of what is tiny lose
 * digits. */
#define STRAIGHT 0x1p-33

/* What a row's largest logit has to do with it. */
struct summit {
    vd top;
    struct two_vec steepness, v, span; /* exp(-2 |top| / s), of 1 + v, too */
};

/** -2 |z| / s */
INLINE struct two_vec decline(vd z, struct two_vec steep)
{
    struct two_vec size = {-vd_where((vl)(z < vd_all(0)), -z, z), vd_all(0)};
    return two_vec_settle(two_vec_mul(size, steep));
}

/** 1 + 2^-128 x */
INLINE struct two_vec one_more(struct two_vec x)
{
    vd down = vd_all(0x1p-128);
    struct two_vec sum = two_vec_fast(vd_all(1), x.hi * down);
    return two_vec_fast(sum.hi, sum.lo + x.lo * down);
}

INLINE struct summit climb(const struct smx_distance *how)
{
    struct summit s = {.top = vd_all(how->top)};
    if (how->capped) {
        s.steepness = two_vec_all(how->steep);
        s.v = two_vec_exp_wide(decline(s.top, s.steepness));
        s.span = two_vec_div(two_vec_all(how->span), one_more(s.v));
    }
    return s;
}

INLINE struct two_vec straight(struct two_vec d, const struct smx_distance *how)
{
    return how->scaled ? two_vec_mul(d, two_vec_all(how->inverse)) : d;
}

/*
 * With u = exp(-2 |z| / s), v = exp(-2 |top| / s), t = exp(-2 (top - z) / s):
 * s tanh(z / s) - s tanh(top / s) = -2 s (1 - t) w / ((1 + u) (1 + v)), w = 1
 * where z and top differ in sign, else the larger of u and v. It is a product,
 * so no digit is lost where two capped logits nearly meet. Its relative error
 * is 2^-61, so that its exponential has 2^-53 where it is a number at all.
 * dz'/dz = 4 u / (1 + u)^2.
 */
INLINE struct two_vec bent(vd z, struct two_vec d, const struct summit *s,
                           const struct smx_distance *how, double *slope)
{
    struct two_vec x = decline(z, s->steepness);
    struct two_vec u = two_vec_exp_wide(x), more = one_more(u);
    vl apart = (vl)(z < vd_all(0)) ^ (vl)(s->top < vd_all(0));
    vl larger = (vl)(u.hi > s->v.hi);
    vd down = vd_all(0x1p-128);
    struct two_vec w = {vd_where(larger, u.hi, s->v.hi) * down,
                        vd_where(larger, u.lo, s->v.lo) * down};
    w.hi = vd_where(apart, vd_all(1), w.hi);
    w.lo = (vd)((vl)w.lo & ~apart);
    struct two_vec fall =
        two_vec_one_less_exp(two_vec_settle(two_vec_mul(d, s->steepness)));
    struct two_vec q = two_vec_mul(two_vec_mul(fall, w), s->span);
    q = minus(two_vec_div(q, more));
    vd power = vd_all(how->span_power);
    q = (struct two_vec){q.hi * power, q.lo * power};
    vl flat = (vl)(x.hi > vd_all(-STRAIGHT)) &
              (vl)(vd_all(__builtin_fabs(how->top) * how->steep.hi) <
                   vd_all(STRAIGHT));
    if (vl_any(flat)) {
        struct two_vec line = straight(d, how);
        q.hi = vd_where(flat, line.hi, q.hi);
        q.lo = vd_where(flat, line.lo, q.lo);
    }
    if (slope)
        vd_store(slope, vd_all(4) * two_vec_div(two_vec_div(u, more), more).hi);
    return q;
}

INLINE void distance_as(bool capped, const double *z, size_t n,
                        const struct smx_distance *how, double *hi, double *lo,
                        double *slope)
{
    struct summit s = climb(how);
    VECTORS(i, n)
    {
        vd x = vd_load(z + i) * vd_all(how->before);
        struct two_vec d = two_vec_sum(x, -s.top);
        if (capped)
            d = bent(x, d, &s, how, slope ? slope + i : NULL);
        else
            d = straight(d, how);
        vl out = (vl)(x == vd_all(-INF));
        vd_store(hi + i, vd_where(out, vd_all(-INF), d.hi));
        d = two_vec_settle(d);
        vd_store(lo + i, (vd)((vl)d.lo & ~out));
    }
}

static void distance(const double *z, size_t n, const struct smx_distance *how,
                     double *hi, double *lo, double *slope)
{
    if (how->capped)
        distance_as(true, z, n, how, hi, lo, slope);
    else
        distance_as(false, z, n, how, hi, lo, NULL);
}

/* s tanh(z / s) = s (1 - u) / (1 + u) */
static struct smx_two cap(double z, double softcap,
                          const struct smx_distance *how)
{
    struct two_vec x = decline(vd_all(z), two_vec_all(how->steep));
    struct two_vec t =
        two_vec_div(two_vec_one_less_exp(x), one_more(two_vec_exp_wide(x)));
    double sign = z < 0 ? -softcap : softcap;
    t = two_vec_mul(t, two_vec_all((struct smx_two){sign, 0}));
    t = two_vec_settle(t);
    return (struct smx_two){t.hi[0], t.lo[0]};
}

/* ---- exponentials and sums ----------------------------------------------- */

static void power_of(const double *hi, const double *lo, size_t n, double *e)
{
    VECTORS(i, n)
    {
        struct two_vec d = {vd_load(hi + i), vd_load(lo + i)};
        vd_store(e + i, two_vec_exp(d));
    }
}

INLINE void add(struct two_vec *sum, struct two_vec x)
{
    struct two_vec s = two_vec_sum(sum->hi, x.hi);
    sum->hi = s.hi;
    sum->lo += s.lo + x.lo;
}

static struct smx_two sum(const double *x, size_t n)
{
    struct two_vec sums[VECS] = {{{0}, {0}}};
    double hi[BLOCK], lo[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS) {
            struct two_vec term = {vd_load(x + i + v * LANES), {0}};
            add(&sums[v], term);
        }
    EACH (v, VECS) {
        vd_store(hi + v * LANES, sums[v].hi);
        vd_store(lo + v * LANES, sums[v].lo);
    }
    for (int half = BLOCK / 2; half; half /= 2)
        for (int i = 0; i < half; i++) {
            struct smx_two s = two_sum(hi[i], hi[i + half]);
            hi[i] = s.hi;
            lo[i] += lo[i + half] + s.lo;
        }
    return two_settle((struct smx_two){hi[0], lo[0]});
}

/* ---- what is answered ---------------------------------------------------- */

static void scale(const double *e, size_t n, double factor, double *out)
{
    VECTORS(i, n)
    vd_store(out + i, vd_load(e + i) * vd_all(factor) * vd_all(0x1p-128));
}

static void logs(const double *hi, const double *lo, size_t n,
                 struct smx_two logsum, double *out)
{
    VECTORS(i, n)
    vd_store(out + i, (vd_load(hi + i) - vd_all(logsum.hi)) +
                          (vd_load(lo + i) - vd_all(logsum.lo)));
}

static void terms(const double *e, const double *hi, const double *lo, size_t n,
                  double *out)
{
    VECTORS(i, n)
    {
        vd x = vd_load(e + i), d = vd_load(hi + i) + vd_load(lo + i);
        vd_store(out + i, (vd)((vl)(x * d) & (vl)(x > vd_all(0))));
    }
}

static void times(const double *a, const double *b, size_t n, double *out)
{
    VECTORS(i, n)
    vd_store(out + i, vd_load(a + i) * vd_load(b + i));
}

static void smooth(double *mass, size_t n, struct smx_two keep,
                   struct smx_two share)
{
    VECTORS(i, n)
    {
        struct two_vec t = {vd_load(mass + i), {0}};
        struct two_vec q = two_vec_settle(two_vec_mul(t, two_vec_all(keep)));
        struct two_vec sum = two_vec_sum(q.hi, vd_all(share.hi));
        sum.lo += q.lo + vd_all(share.lo);
        vd_store(mass + i, sum.hi + two_vec_settle(sum).lo);
    }
}

static void costs(const double *mass, const double *hi, const double *lo,
                  size_t n, struct smx_two logsum, double *out)
{
    VECTORS(i, n)
    {
        vd v = vd_load(mass + i);
        vd cost = (vd_all(logsum.hi) - vd_load(hi + i)) +
                  (vd_all(logsum.lo) - vd_load(lo + i));
        vd_store(out + i, (vd)((vl)(v * cost) & (vl)(v != vd_all(0))));
    }
}

/* x times slope and two powers of two, rounded once; 0 for NaN. */
INLINE void finish(struct two_vec x, const double *slope, vd first, vd second,
                   double *out)
{
    if (slope) { /* which is up to 2^128 */
        vl large = (vl)(x.hi > vd_all(0x1p800)) | (vl)(x.hi < vd_all(-0x1p800));
        vd down = vd_where(large, vd_all(0x1p-128), vd_all(1));
        vd lo = x.lo * down * vd_load(slope);
        x = two_vec_product(x.hi * down, vd_load(slope));
        x.lo += lo;
        second *= vd_where(large, vd_all(0x1p128), vd_all(1));
    }
    vd y = (x.hi + two_vec_settle(x).lo) * first * second;
    vd_store(out, (vd)((vl)y & (vl)(y == y)));
}

INLINE struct two_vec scaled(const double *x, struct smx_two factor)
{
    vd v = vd_load(x);
    struct two_vec p = two_vec_product(v, vd_all(factor.hi));
    p.lo += v * vd_all(factor.lo);
    return p;
}

static void descend(const double *e, const double *mass, const double *slope,
                    size_t n, const struct smx_row_descent *how, double *out)
{
    vd down = vd_all(how->down);
    VECTORS(i, n)
    {
        struct two_vec p = scaled(e + i, how->a), v = scaled(mass + i, how->b);
        struct two_vec d = two_vec_sum(p.hi * down, -v.hi);
        vl pure = (vl)(vd_load(mass + i) == vd_all(0));
        d.hi = vd_where(pure, p.hi, d.hi);
        d.lo = vd_where(pure, p.lo, d.lo + (p.lo * down - v.lo));
        finish(d, slope ? slope + i : NULL,
               vd_where(pure, vd_all(how->pure[0]), vd_all(how->mixed[0])),
               vd_where(pure, vd_all(how->pure[1]), vd_all(how->mixed[1])),
               out + i);
    }
}

static void vjp(const double *e, const double *g, const double *slope, size_t n,
                const struct smx_vjp_scale *how, double *out)
{
    vd second = vd_all(how->power[1]);
    VECTORS(i, n)
    {
        struct two_vec f = two_vec_sum(vd_load(g + i), vd_all(-how->dot.hi));
        vl large = (vl)(f.hi > vd_all(0x1p800)) | (vl)(f.hi < vd_all(-0x1p800));
        vd down = vd_where(large, vd_all(0x1p-256), vd_all(1));
        f.hi *= down;
        f.lo = (f.lo - vd_all(how->dot.lo)) * down;
        f = two_vec_settle(f);
        finish(two_vec_mul(scaled(e + i, how->inverse), f),
               slope ? slope + i : NULL, vd_all(how->power[0]),
               vd_where(large, second * vd_all(0x1p256), second), out + i);
    }
}

const struct smx_row_kernels TIER(row_kernels) = {
    .refused_float = refused_float,
    .refused_double = refused_double,
    .widen = widen,
    .narrow = narrow,
    .peak = peak,
    .distance = distance,
    .cap = cap,
    .power = power_of,
    .sum = sum,
    .scale = scale,
    .logs = logs,
    .terms = terms,
    .times = times,
    .smooth = smooth,
    .costs = costs,
    .descend = descend,
    .vjp = vjp,
};
