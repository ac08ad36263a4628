/* SPDX-License-Identifier: MIT */
/**
 * Vectors of numbers of twice the precision (dd.h: what they are and
 * whose algorithms), and the exponential of them. lo need not be below half a
 * unit of hi unless a comment says so. A lo that left the range is NaN until
 * vdd_settle drops it; it never touches hi.
 */
#ifndef SMX_DD_VEC_H
#define SMX_DD_VEC_H

#include "dd.h"
#include "vec.h"

struct vdd {
    vd hi, lo;
};

INLINE struct vdd vdd_all(struct smx_dd x)
{
    return (struct vdd){vd_all(x.hi), vd_all(x.lo)};
}

/** Of a double. */
INLINE struct vdd vdd_of(vd x)
{
    return (struct vdd){x, vd_all(0)};
}

INLINE struct vdd vdd_negate(struct vdd a)
{
    return (struct vdd){-a.hi, -a.lo};
}

/** Zeros elsewhere. */
INLINE struct vdd vdd_only(struct vdd a, vl where)
{
    return (struct vdd){(vd)((vl)a.hi & where), (vd)((vl)a.lo & where)};
}

INLINE struct vdd vdd_where(vl which, struct vdd a, struct vdd b)
{
    return (struct vdd){vd_where(which, a.hi, b.hi),
                        vd_where(which, a.lo, b.lo)};
}

INLINE struct vdd vdd_load(const double *hi, const double *lo)
{
    return (struct vdd){vd_load(hi), vd_load(lo)};
}

INLINE struct vdd vdd_settle(struct vdd x)
{
    vl finite = (vl)(x.lo - x.lo == vd_all(0));
    return (struct vdd){x.hi, (vd)((vl)x.lo & finite)};
}

/** a + b, |a| >= |b| or a = 0; lo is below half a unit of hi. */
INLINE struct vdd vdd_fast(vd a, vd b)
{
    vd s = a + b;
    return (struct vdd){s, b - (s - a)};
}

/** a + b exactly. */
INLINE struct vdd vdd_sum(vd a, vd b)
{
    vd s = a + b, t = s - a;
    return (struct vdd){s, (a - (s - t)) + (b - t)};
}

/** a * b, exactly unless lo is subnormal. */
INLINE struct vdd vdd_product(vd a, vd b)
{
    vd p = a * b;
    return (struct vdd){p, vd_product_rest(a, b, p)};
}

/** a * b, relative error 2^-102. */
INLINE struct vdd vdd_mul(struct vdd a, struct vdd b)
{
    struct vdd p = vdd_product(a.hi, b.hi);
    p.lo += a.hi * b.lo + a.lo * b.hi;
    return p;
}

/** a / b, relative error 2^-100: the rest of the division is exact. */
INLINE struct vdd vdd_div(struct vdd a, struct vdd b)
{
    vd inverse = vd_all(1) / b.hi, q = a.hi * inverse;
    struct vdd p = vdd_product(q, b.hi);
    vd rest = (a.hi - p.hi) - p.lo + (a.lo - q * b.lo);
    return vdd_fast(q, rest * inverse);
}

INLINE void vdd_accumulate(struct vdd *sum, struct vdd x)
{
    vd one = vd_all(1), s = sum->hi + x.hi;
    vd t = vd_less_product(s, sum->hi, one), u = vd_less_product(s, t, one);
    sum->lo += x.lo + ((sum->hi - u) + (x.hi - t));
    sum->hi = s;
}

/** The same of a double. */
INLINE void vdd_accumulate_double(struct vdd *sum, vd x)
{
    struct vdd s = vdd_sum(sum->hi, x);
    sum->hi = s.hi;
    sum->lo += s.lo;
}

/** The 16 lanes of a block: i + (i + 8), then i + (i + 4) ... in every tier. */
INLINE struct smx_dd vdd_total(struct vdd sums[VECS])
{
    for (int half = VECS / 2; half; half /= 2)
        for (int v = 0; v < half; v++)
            vdd_accumulate(&sums[v], sums[v + half]);
    _Pragma("GCC unroll 4") for (int half = LANES / 2; half; half /= 2)
    {
        struct vdd other = {vd_beside(sums[0].hi, half),
                            vd_beside(sums[0].lo, half)};
        vdd_accumulate(&sums[0], other);
    }
    return dd_settle((struct smx_dd){sums[0].hi[0], sums[0].lo[0]});
}

/* ---- exponentials ------------------------------------------------------- */

/* log(2) / 16 in 38 bits, so that up to 2^15 times it is exact, and rest. */
#define STEP_HI 0x1.62e42fefa0000p-5
#define STEP_LO 0x1.cf79abc9e3b3ap-44

/* The polynomial of rise(): scripts/exp_coefficients.py prints it, too. */
#define RISE_2 0x1.000000000010fp-1
#define RISE_3 0x1.55555555555cep-3
#define RISE_4 0x1.55555547f6cccp-5
#define RISE_5 0x1.1111110b1ff36p-7
#define RISE_6 0x1.6c1cc1860e77bp-10
#define RISE_7 0x1.a01f570abd61cp-13

/* What 2^(j/16) loses when it is rounded to SMX_POWER_TABLE, as a share of
 * it; scripts/exp_coefficients.py prints these. */
static const double SIXTEENTH_RESTS[16] = {
    0x0.0p+0,
    0x1.79aa65d837b6dp-54,
    -0x1.01b15eaa59348p-55,
    0x1.68efde3a8a894p-54,
    0x1.34d754db0abb6p-55,
    0x1.59f48a72a4c6dp-55,
    0x1.690cebb7aafb0p-56,
    0x1.063e1e21c5409p-54,
    -0x1.3b3efbf5e2228p-54,
    -0x1.b32dcb94da51dp-56,
    0x1.db72fc1f0eab4p-55,
    0x1.1affc2b91ce27p-56,
    0x1.c1a7792cb3387p-55,
    0x1.36eae30af0cb3p-56,
    0x1.4a385a63d07a7p-56,
    -0x1.ff7128fd391f0p-55,
};

/* Beside MAGIC, 2^128 times the power: digits of what is subnormal in the
 * end are kept. */
#define SHIFTED (SMX_POWER_MAGIC + 16 * 128)

/* exp of what is below is 0; times 2^128 it would be subnormal. */
#define EXP_LOWEST (-796.0)

/** x = k log(2)/16 + hi + lo, |hi| < 0.022, and exp(x) = power (1 + share)
 *  exp(hi + lo), power 2^(k/16) times 2^0 or 2^128. */
struct reduced {
    vd hi, lo, power, share;
};

INLINE struct reduced reduce(struct vdd x, double magic)
{
    struct reduced r;
    vd shifted = x.hi * vd_all(SMX_POWER_NAT) + vd_all(magic);
    vd k = shifted - vd_all(magic);
    r.hi = vd_less_product(x.hi, k, vd_all(STEP_HI));
    r.lo = x.lo - k * vd_all(STEP_LO);
    r.power = vd_sixteenths(shifted);
    r.share = vd_pick(SIXTEENTH_RESTS, shifted);
    return r;
}

/* exp(r) - 1, |r| < 0.0434, within 2^-58; what is small keeps its digits. */
INLINE vd rise(vd r)
{
    vd square = r * r;
    vd a = vd_all(RISE_2) + vd_all(RISE_3) * r;
    vd b = vd_all(RISE_4) + vd_all(RISE_5) * r;
    vd c = vd_all(RISE_6) + vd_all(RISE_7) * r;
    return r + square * (a + square * (b + square * c));
}

/**
 * 2^128 exp(x), x <= 0, within 0.55 units in the last place: but for the last
 * addition all roundings are of numbers below 2^-5 of the result.
 */
INLINE vd vdd_exp(struct vdd x)
{
    struct reduced s = reduce(x, SHIFTED);
    vd more = s.power * (s.share + rise(s.hi + s.lo));
    return vd_add_above(s.power, more, x.hi, vd_all(EXP_LOWEST));
}

/* So many temperatures from 0 a logit is k steps and a rest that is exact. */
#define NEAR_MOST 512.0

/** A step is STEP temperatures, the largest logit k of them and rest. */
struct near {
    vd magic; /* SHIFTED - k */
    vd rest;
    vd nat, hi, mid; /* steps of a nat; a step in twice 38 bits */
    vd inverse;      /* 1 / temperature */
    vd reach;        /* EXP_LOWEST temperatures */
    vd lowest;
};

INLINE double leading_38_bits(double x)
{
    double y = x * 0x1.0002p15;
    return y - (y - x);
}

INLINE vd near_rest(vd x, vd k, const struct near *near)
{
    return vd_less_product(vd_less_product(x, k, near->hi), k, near->mid);
}

/** All but what depends on the largest logit. */
INLINE struct near near_of(double temperature, double inverse)
{
    struct smx_dd step = dd_product(STEP_HI, temperature);
    double hi = leading_38_bits(step.hi);
    double mid = (step.hi - hi) + (step.lo + STEP_LO * temperature);
    return (struct near){.nat = vd_all(SMX_POWER_NAT * inverse),
                         .hi = vd_all(hi),
                         .mid = vd_all(leading_38_bits(mid)),
                         .inverse = vd_all(inverse),
                         .reach = vd_all(EXP_LOWEST * temperature)};
}

/** The largest logit of a row, or of the row in each lane. */
INLINE void near_move(struct near *near, vd top)
{
    vd magic = vd_all(SMX_POWER_MAGIC), k = (top * near->nat + magic) - magic;
    near->magic = vd_all(SHIFTED) - k;
    near->rest = near_rest(top, k, near);
    near->lowest = top + near->reach;
}

/** (x - top) / temperature = k STEP + r; shifted holds k. */
struct near_reduced {
    vd shifted, r;
};

/** scaled: is the temperature not 1? */
INLINE struct near_reduced near_reduce(vd x, const struct near *near,
                                       bool scaled)
{
    vd shifted = x * near->nat + near->magic;
    vd r = near_rest(x, shifted - near->magic, near) - near->rest;
    return (struct near_reduced){shifted, scaled ? r * near->inverse : r};
}

/**
 * 2^128 exp((x - top) / temperature), x <= top, within 0.57 units in the last
 * place: the shifted logit of the steps is exact and that of the rests is
 * small, so that nobody has to know it in double-double precision.
 */
INLINE vd near_power(struct near_reduced s, vd x, const struct near *near)
{
    vd power = vd_sixteenths(s.shifted);
    vd share = vd_pick(SIXTEENTH_RESTS, s.shifted);
    return vd_add_above(power, power * (share + rise(s.r)), x, near->lowest);
}

/** power times exp(x) / power - 1: product.hi exactly and rest. */
struct growth {
    vd power, hi, rest;
};

/* r + r^2/2 are double-double; of what follows one double holds 2^-70. */
INLINE struct growth exp_dd(struct vdd x, double magic)
{
    struct reduced s = reduce(x, magic);
    struct vdd reduced = vdd_sum(s.hi, s.lo);
    vd r = reduced.hi, sum = vd_all(1.0 / 362880);
    struct vdd square = vdd_product(r, r);
    sum = sum * r + vd_all(1.0 / 40320);
    sum = sum * r + vd_all(1.0 / 5040);
    sum = sum * r + vd_all(1.0 / 720);
    sum = sum * r + vd_all(1.0 / 120);
    sum = sum * r + vd_all(1.0 / 24);
    sum = sum * r + vd_all(1.0 / 6);
    struct vdd p = vdd_fast(r, vd_all(0.5) * square.hi);
    p.lo += vd_all(0.5) * square.lo + reduced.lo * (vd_all(1) + r) +
            r * square.hi * sum;
    struct vdd product = vdd_product(s.power, p.hi);
    vd rest = p.lo + s.share * (vd_all(1) + p.hi);
    return (struct growth){s.power, product.hi, product.lo + s.power * rest};
}

/** 2^128 exp(x), x <= 0, relative error 2^-65. */
INLINE struct vdd vdd_exp_wide(struct vdd x)
{
    vl some = (vl)(x.hi > vd_all(EXP_LOWEST));
    struct growth g = exp_dd(x, SHIFTED);
    struct vdd e = vdd_fast(g.power, g.hi);
    e = vdd_fast(e.hi, e.lo + g.rest);
    return vdd_only(e, some);
}

/* exp of what is below is lost beside 1. */
#define ONE_LESS_LOWEST (-60.0)

/** 1 - exp(x), x <= 0, relative error 2^-64. Where x is near 0 the power is 1
 *  and nothing cancels; elsewhere at most a bit does. */
INLINE struct vdd vdd_one_less_exp(struct vdd x)
{
    vl some = (vl)(x.hi > vd_all(ONE_LESS_LOWEST));
    x.hi = vd_where(some, x.hi, vd_all(ONE_LESS_LOWEST));
    x.lo = (vd)((vl)x.lo & some);
    struct growth g = exp_dd(x, SMX_POWER_MAGIC);
    struct vdd one = vdd_fast(vd_all(1), -g.power);
    struct vdd d = vdd_sum(one.hi, -g.hi);
    return vdd_fast(d.hi, d.lo + (one.lo - g.rest));
}

/** The same within 2^-50. */
INLINE vd vd_one_less_exp(vd x)
{
    x = vd_max(x, vd_all(ONE_LESS_LOWEST));
    struct reduced s = reduce(vdd_of(x), SMX_POWER_MAGIC);
    return (vd_all(1) - s.power) - s.power * rise(s.hi + s.lo);
}

#endif
