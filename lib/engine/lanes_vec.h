/* SPDX-License-Identifier: MIT */
/** A group of rows in lanes (lanes.h): how it comes from the tensors and goes
 *  there, its exponentials and their sum. wide is a constant where a function
 *  is inlined: double-double numbers, whose exponentials come times 2^128, or
 *  doubles, whose lo is not there. */
#ifndef SMX_LANES_VEC_H
#define SMX_LANES_VEC_H

#include "lanes.h"

#include "simd/cap_vec.h"
#include "simd/log_vec.h"
#include "simd/power_vec.h"
#include "simd/softcap_vec.h"

/* Registers that lie across two cache lines would take twice as long. */
#define LINES __attribute__((aligned(64)))
typedef double lanes_array[SMX_LANES_CLASSES][LANES] LINES;

/* As many rows as a register has lanes; the last one again where there are
 * less. */
struct group {
    const struct smx_lanes *lanes;
    const struct smx_logits *logits;
    int classes;
    size_t first, count;         /* rows */
    size_t at[LANES], to[LANES]; /* their first elements, of inputs, outputs */
    lanes_array z;               /* logits; -INFINITY: left out */
    lanes_array masked;          /* not 0: by the mask; where there is one */
    lanes_array hi, lo;          /* z' - max z' */
    lanes_array e;               /* exponentials of that */
    lanes_array slope;           /* dz'/dz, of a softcap */
    lanes_array mass;            /* of the target; or upstream of a product */
    lanes_array out;
    vd top;
    vd argmax;  /* of z; of doubles where it is asked for, or a loss is */
    vl empty;   /* every class is left out */
    vl one_hot; /* p is 1 at the argmax and 0 elsewhere */
    vl declined;
    struct vdd capped_top; /* the largest z' times the temperature, or in
                              sixteenths */
    struct vdd rest;       /* sum of e but for the argmax; of doubles */
    struct vdd inverse;    /* 1 / (1 + rest) */
    struct vdd logsum;     /* log(1 + rest) */
    vd lse;
};

/** for each class */
#define CLASSES(c, g) for (int c = 0; c < (g)->classes; c++)

#define INF __builtin_inf()

/* What is asked of numbers that lanes multiply: products stay in range. */
#define LARGE 0x1p300
#define TINY 0x1p-300

/* ---- to and from the tensors --------------------------------------------- */

/* Of two registers of a square those elements whose number has no bit h, and
 * those that have it: a round of a transposition. */
#if LANES == 8
#define WITHOUT(a, b, h)                                                       \
    ((h) == 1   ? __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)     \
     : (h) == 2 ? __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)      \
                : __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11))
#define WITH(a, b, h)                                                          \
    ((h) == 1   ? __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)     \
     : (h) == 2 ? __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)    \
                : __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#elif LANES == 4
#define WITHOUT(a, b, h)                                                       \
    ((h) == 1 ? __builtin_shufflevector(a, b, 0, 4, 2, 6)                      \
              : __builtin_shufflevector(a, b, 0, 1, 4, 5))
#define WITH(a, b, h)                                                          \
    ((h) == 1 ? __builtin_shufflevector(a, b, 1, 5, 3, 7)                      \
              : __builtin_shufflevector(a, b, 2, 3, 6, 7))
#else
#define WITHOUT(a, b, h) __builtin_shufflevector(a, b, 0, 2)
#define WITH(a, b, h) __builtin_shufflevector(a, b, 1, 3)
#endif

#define TURN(type, square)                                                     \
    _Pragma("GCC unroll 3") for (int h = 1; h < LANES; h *= 2) EACH (i, LANES) \
    {                                                                          \
        if ((i & h) || i + h >= LANES)                                         \
            continue;                                                          \
        type a = (square)[i], b = (square)[i + h];                             \
        (square)[i] = WITHOUT(a, b, h);                                        \
        (square)[i + h] = WITH(a, b, h);                                       \
    }

/** for each square of classes c on: the last one lies over the one before */
#define SQUARES(c, classes)                                                    \
    for (int c = 0, more = 1; more; more = c + LANES < (classes),              \
             c = c + 2 * LANES <= (classes) ? c + LANES : (classes)-LANES)

INLINE void gather_floats(const struct group *g, const float *x,
                          lanes_array out)
{
    SQUARES(c, g->classes)
    {
        vh square[LANES];
        EACH (r, LANES)
            square[r] = vh_load(x + g->at[r] + c);
        TURN(vh, square)
        EACH (k, LANES)
            vd_store(out[c + k], vh_widen(square[k]));
    }
}

INLINE void gather_doubles(const struct group *g, const double *x,
                           lanes_array out)
{
    SQUARES(c, g->classes)
    {
        vd square[LANES];
        EACH (r, LANES)
            square[r] = vd_load(x + g->at[r] + c);
        TURN(vd, square)
        EACH (k, LANES)
            vd_store(out[c + k], square[k]);
    }
}

INLINE void scatter_floats(const struct group *g, float *x)
{
    SQUARES(c, g->classes)
    {
        vh square[LANES];
        EACH (k, LANES)
            square[k] = vd_narrow(vd_load(g->out[c + k]));
        TURN(vh, square)
        EACH (r, LANES)
            vh_store(x + g->to[r] + c, square[r]);
    }
}

INLINE void scatter_doubles(const struct group *g, double *x)
{
    SQUARES(c, g->classes)
    {
        vd square[LANES];
        EACH (k, LANES)
            square[k] = vd_load(g->out[c + k]);
        TURN(vd, square)
        EACH (r, LANES)
            vd_store(x + g->to[r] + c, square[r]);
    }
}

/* Do the group's rows lie side by side, class by class, as in a register? */
INLINE bool are_together(const struct group *g, const size_t at[LANES])
{
    return g->logits->inner > 1 && g->count == LANES &&
           at[LANES - 1] == at[0] + LANES - 1;
}

static inline void gather(const struct group *g, const void *tensor,
                          lanes_array out)
{
    size_t step = g->logits->inner;
    const float *f = tensor;
    const double *d = tensor;
    bool floats = g->logits->dtype == SMX_FLOAT32;
    if (are_together(g, g->at))
        CLASSES(c, g)
        {
            size_t i = g->at[0] + (size_t)c * step;
            vd_store(out[c], floats ? vd_widen(f + i) : vd_load(d + i));
        }
    else if (step == 1 && g->classes >= LANES)
        floats ? gather_floats(g, f, out) : gather_doubles(g, d, out);
    else
        for (int r = 0; r < LANES; r++)
            CLASSES(c, g)
            {
                size_t i = g->at[r] + (size_t)c * step;
                out[c][r] = floats ? f[i] : d[i];
            }
}

/* Is there a row in each lane that is to be written? */
INLINE bool is_whole(const struct group *g)
{
    return g->count == LANES && !vl_any(g->declined);
}

/* out to the tensor; rows that decline, or that are not there, are not
 * written. */
static inline void scatter(const struct group *g, void *tensor)
{
    size_t step = g->logits->inner;
    float *f = tensor;
    double *d = tensor;
    bool floats = g->logits->dtype == SMX_FLOAT32;
    bool all = is_whole(g);
    if (all && are_together(g, g->to))
        CLASSES(c, g)
        {
            size_t i = g->to[0] + (size_t)c * step;
            vd v = vd_load(g->out[c]);
            floats ? vh_store(f + i, vd_narrow(v)) : vd_store(d + i, v);
        }
    else if (all && step == 1 && g->classes >= LANES)
        floats ? scatter_floats(g, f) : scatter_doubles(g, d);
    else
        for (size_t r = 0; r < g->count; r++)
            for (int c = 0; !g->declined[r] && c < g->classes; c++) {
                size_t i = g->to[r] + (size_t)c * step;
                if (floats)
                    f[i] = (float)g->out[c][r];
                else
                    d[i] = g->out[c][r];
            }
}

/* One number a row. */
static inline void scatter_numbers(const struct group *g, vd numbers,
                                   void *tensor)
{
    bool floats = g->logits->dtype == SMX_FLOAT32;
    float *f = tensor;
    double *d = tensor;
    if (is_whole(g)) {
        floats ? vh_store(f + g->first, vd_narrow(numbers))
               : vd_store(d + g->first, numbers);
        return;
    }
    for (size_t r = 0; r < g->count; r++)
        if (g->declined[r])
            continue;
        else if (floats)
            f[g->first + r] = (float)numbers[r];
        else
            d[g->first + r] = numbers[r];
}

/* Rows whose class axis is the last. */
INLINE void place_last(struct group *g, size_t first)
{
    const struct smx_logits *z = g->logits;
    size_t at = first * z->stride, to = first * z->out_stride;
    EACH (r, LANES) {
        g->at[r] = at;
        g->to[r] = to;
        at += z->stride;
        to += z->out_stride;
    }
}

static inline void place_rows(struct group *g, size_t first, size_t count)
{
    const struct smx_logits *z = g->logits;
    g->first = first;
    g->count = count < LANES ? count : LANES;
    if (z->inner == 1 && count >= LANES) {
        place_last(g, first);
        return;
    }
    size_t outer = first / z->inner, rest = first % z->inner;
    for (size_t r = 0; r < LANES; r++) {
        g->at[r] = outer * z->stride + rest;
        g->to[r] = outer * z->out_stride + rest;
        if (r + 1 < g->count && ++rest == z->inner) {
            rest = 0;
            outer++;
        }
    }
}

static inline void load_mask(struct group *g)
{
    const struct smx_logits *z = g->logits;
    EACH (r, LANES) {
        const uint8_t *mask = z->mask + (z->mask_per_class ? 0 : g->at[r]);
        size_t step = z->mask_per_class ? 1 : z->inner;
        CLASSES(c, g)
        g->masked[c][r] = !mask[(size_t)c * step];
    }
    CLASSES(c, g)
    {
        vl left_out = (vl)(vd_load(g->masked[c]) != vd_all(0));
        vd x = vd_where(left_out, vd_all(-INF), vd_load(g->z[c]));
        vd_store(g->z[c], x);
    }
}

/* What the mask leaves out has no part in it. */
static inline void zero_masked(struct group *g, lanes_array x)
{
    if (g->logits->mask)
        CLASSES(c, g)
        {
            vl left_out = (vl)(vd_load(g->masked[c]) != vd_all(0));
            vd_store(x[c], (vd)((vl)vd_load(x[c]) & ~left_out));
        }
}

/* ---- exponentials and their sum ------------------------------------------ */

INLINE vd find_max(const struct group *g, lanes_array x)
{
    vd top = vd_all(-INF);
    CLASSES(c, g)
    top = vd_max(vd_load(x[c]), top);
    return top;
}

/* The first class of x that is the largest. */
INLINE vd find_argmax(const struct group *g, lanes_array x, vd max)
{
    vd class = vd_all(0);
    for (int c = g->classes; c--;)
        class = vd_where((vl)(vd_load(x[c]) == max), vd_all(c), class);
    return class;
}

/* Those with NaN or +INFINITY. */
static inline vl nonfinite_rows(const struct group *g)
{
    vl fine = ~(vl){0};
    CLASSES(c, g)
    fine &= (vl)(vd_load(g->z[c]) < vd_all(INF));
    return ~fine;
}

/* Are logarithms wanted of probabilities, or shifted logits? */
INLINE bool wants_logs(const struct smx_lanes *l)
{
    return l->criterion || l->logsumexp || l->entropy ||
           (l->log && !l->vjp_upstream);
}

/* The sum of all but the first largest, as far as it is known. */
struct rest_so_far {
    vd sum;
    vl before; /* no class so far was the largest */
};

/* Of count classes from c on, relative to top, which is g->top or, in
 * sixteenths, what a softcap makes of it. */
INLINE void fill_classes(struct group *g, int c, int count, vd top, bool capped,
                         bool sloped, struct rest_so_far *rest)
{
    const struct smx_lanes *l = g->lanes;
    const bool logs = wants_logs(l);
    vd t[WIDE], slope[WIDE];
    EACH (v, count)
        t[v] = vd_load(g->z[c + v]);
    if (capped)
        cap_vectors(&l->cap, t, sloped ? slope : NULL, count);
    EACH (v, count) {
        t[v] -= top; /* of what is left out -INFINITY */
        if (capped && sloped)
            vd_store(g->slope[c + v], slope[v]);
        if (logs)
            vd_store(g->hi[c + v],
                     t[v] * vd_all(capped ? 1 / SMX_POWER_NAT
                                          : l->inverse_temperature));
        if (!capped)
            t[v] *= vd_all(l->scale);
    }
    power(t, count);
    EACH (v, count) {
        vl less = (vl)(vd_load(g->z[c + v]) != g->top);
        vd_store(g->e[c + v], t[v]);
        rest->sum += (vd)((vl)t[v] & (less | ~rest->before));
        rest->before &= less;
    }
}

INLINE void fill_doubles(struct group *g, bool capped, bool sloped)
{
    vd top = capped ? vd_capped(g->top, &g->lanes->cap, NULL) : g->top;
    struct rest_so_far rest = {vd_all(0), ~(vl){0}};
    int c = 0;
    g->capped_top.hi = top;
    for (; c + 4 <= g->classes; c += 4)
        fill_classes(g, c, 4, top, capped, sloped, &rest);
    for (; c < g->classes; c++)
        fill_classes(g, c, 1, top, capped, sloped, &rest);
    g->rest.hi = rest.sum;
}

INLINE void fill_dds(struct group *g, bool capped)
{
    const struct smx_shift how = g->lanes->shift;
    const bool logs = wants_logs(g->lanes);
    struct summit s = climb(&how, g->top);
    g->capped_top = (struct vdd){g->top, vd_all(0)};
    if (logs && capped && vl_any(~s.flat)) {
        struct vdd top = vdd_cap(g->top, g->logits->softcap, &how);
        g->capped_top.hi = vd_where(s.flat, g->top, top.hi);
        g->capped_top.lo = (vd)((vl)top.lo & ~s.flat);
    }
    CLASSES(c, g)
    {
        vd z = vd_load(g->z[c]);
        struct vdd d = vdd_sum(z, -g->top);
        if (!capped)
            d = straight(d, &how);
        else
            d = how.close ? bend_close(z, &s, g->slope[c])
                          : bend(z, d, &s, &how, g->slope[c]);
        if (logs) {
            vd_store(g->hi[c], d.hi);
            vd_store(g->lo[c], vdd_settle(d).lo);
        }
        vd_store(g->e[c], vdd_exp(d));
    }
}

/* The sum of e without that of one class. */
INLINE struct vdd sum_without(bool wide, const struct group *g, vd class)
{
    struct vdd sum = {vd_all(0), vd_all(0)};
    CLASSES(c, g)
    {
        vl counts = (vl)(class != vd_all(c));
        vd e = (vd)((vl)vd_load(g->e[c]) & counts);
        if (wide)
            vdd_accumulate(&sum, (struct vdd){e, vd_all(0)});
        else
            sum.hi += e;
    }
    if (wide)
        sum =
            (struct vdd){sum.hi * vd_all(0x1p-128), sum.lo * vd_all(0x1p-128)};
    return sum;
}

INLINE void finish_sum(bool wide, struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    const struct vdd one = {vd_all(1), vd_all(0)};
    struct vdd rest = wide ? sum_without(wide, g, g->argmax) : g->rest, lse;
    g->one_hot = (vl)(rest.hi == vd_all(0)) & ~g->empty;
    if (wide) {
        struct vdd sum = vdd_sum(one.hi, rest.hi);
        sum = vdd_fast(sum.hi, sum.lo + rest.lo);
        g->inverse = vdd_div(one, sum);
        if (!wants_logs(l))
            return;
        g->logsum = vdd_log1p(rest);
        struct vdd top = straight(g->capped_top, &l->shift);
        lse = vdd_sum(top.hi, g->logsum.hi);
        lse.lo += top.lo + g->logsum.lo;
        g->lse = lse.hi + vdd_settle(lse).lo;
    } else {
        bool capped = g->logits->softcap != 0;
        double unit = capped ? 1 / SMX_POWER_NAT : l->inverse_temperature;
        g->inverse.hi = one.hi / (one.hi + rest.hi);
        if (!wants_logs(l))
            return;
        g->logsum.hi = vd_log1p(rest.hi);
        g->lse = g->capped_top.hi * vd_all(unit) + g->logsum.hi;
    }
    g->lse = vd_where(g->empty, vd_all(-INF), g->lse);
}

INLINE void load_lanes(bool wide, struct group *g, size_t first, size_t count)
{
    const struct smx_logits *z = g->logits;
    place_rows(g, first, count);
    gather(g, z->data, g->z);
    if (z->mask)
        load_mask(g);
    if (g->lanes->vjp_upstream) {
        gather(g, g->lanes->vjp_upstream, g->mass);
        zero_masked(g, g->mass);
    }
    g->top = find_max(g, g->z);
    if (wide || g->lanes->criterion || g->lanes->argmax)
        g->argmax = find_argmax(g, g->z, g->top);
    g->empty = (vl)(g->top == vd_all(-INF));
    g->top = (vd)((vl)g->top & ~g->empty);
    g->declined = (vl){0};
    if (g->lanes->criterion && !wide) /* of others it is known */
        g->declined = nonfinite_rows(g);
    if (wide)
        g->declined |= (vl)(vd_max(g->top, -g->top) > vd_all(0x1p900));
}

INLINE void fill_group(bool wide, struct group *g)
{
    bool capped = g->logits->softcap != 0;
    if (wide)
        capped ? fill_dds(g, true) : fill_dds(g, false);
    else
        !capped ? fill_doubles(g, false, false)
        : g->lanes->gradient || g->lanes->vjp_upstream
            ? fill_doubles(g, true, true)
            : fill_doubles(g, true, false);
}

#endif
