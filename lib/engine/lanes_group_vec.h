/* SPDX-License-Identifier: MIT */
/** A group of rows in lanes (lanes.h): how it comes from the tensors and goes
 *  there. */
#ifndef SMX_LANES_GROUP_VEC_H
#define SMX_LANES_GROUP_VEC_H

#include "lanes.h"

#include "simd/dd_vec.h"

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
    vd argmax;  /* of z, where it is asked for, or hits are */
    vl empty;   /* every class is left out */
    vl one_hot; /* p is 1 at the argmax and 0 elsewhere */
    vl declined;
    struct vdd capped_top; /* the largest z' times the temperature, or in
                              sixteenths */
    struct vdd rest;       /* sum of e but for the argmax */
    struct vdd inverse;    /* 1 / (1 + rest) */
    struct vdd logsum;     /* log(1 + rest) */
    vd lse;
};

/** for each class */
#define CLASSES(c, g)                                                          \
    _Pragma("GCC unroll 4") for (int c = 0, end = (g)->classes; c < end; c++)

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

#define AS_IT_IS(v) (v)

/* Rows to classes, and back. */
#define GATHER(name, number, type, load, widen)                                \
    INLINE void name(const struct group *g, const number *x, lanes_array out)  \
    {                                                                          \
        SQUARES(c, g->classes)                                                 \
        {                                                                      \
            type square[LANES];                                                \
            EACH (r, LANES)                                                    \
                square[r] = load(x + g->at[r] + c);                            \
            TURN(type, square)                                                 \
            EACH (k, LANES)                                                    \
                vd_store(out[c + k], widen(square[k]));                        \
        }                                                                      \
    }

#define SCATTER(name, number, type, narrow, store)                             \
    INLINE void name(const struct group *g, number *x)                         \
    {                                                                          \
        SQUARES(c, g->classes)                                                 \
        {                                                                      \
            type square[LANES];                                                \
            EACH (k, LANES)                                                    \
                square[k] = narrow(vd_load(g->out[c + k]));                    \
            TURN(type, square)                                                 \
            EACH (r, LANES)                                                    \
                store(x + g->to[r] + c, square[r]);                            \
        }                                                                      \
    }

GATHER(gather_floats, float, vh, vh_load, vh_widen)
GATHER(gather_doubles, double, vd, vd_load, AS_IT_IS)
SCATTER(scatter_floats, float, vh, vd_narrow, vh_store)
SCATTER(scatter_doubles, double, vd, AS_IT_IS, vd_store)

/* Do the group's rows lie side by side, class by class, as in a register? */
INLINE bool are_together(const struct group *g, const size_t at[LANES])
{
    return g->logits->inner > 1 && g->count == LANES &&
           at[LANES - 1] == at[0] + LANES - 1;
}

/* floats: constant, as in the next. */
INLINE void gather_together(bool floats, const struct group *g,
                            const void *tensor, lanes_array out)
{
    size_t i = g->at[0], step = g->logits->inner;
    const float *f = tensor;
    const double *d = tensor;
    CLASSES(c, g)
    {
        vd_store(out[c], floats ? vd_widen(f + i) : vd_load(d + i));
        i += step;
    }
}

INLINE void scatter_together(bool floats, const struct group *g, void *tensor)
{
    size_t i = g->to[0], step = g->logits->inner;
    float *f = tensor;
    double *d = tensor;
    CLASSES(c, g)
    {
        vd v = vd_load(g->out[c]);
        floats ? vh_store(f + i, vd_narrow(v)) : vd_store(d + i, v);
        i += step;
    }
}

static inline void gather(const struct group *g, const void *tensor,
                          lanes_array out)
{
    size_t step = g->logits->inner;
    const float *f = tensor;
    const double *d = tensor;
    bool floats = g->logits->dtype == SMX_FLOAT32;
    if (are_together(g, g->at))
        floats ? gather_together(true, g, f, out)
               : gather_together(false, g, d, out);
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
        floats ? scatter_together(true, g, f) : scatter_together(false, g, d);
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

/* Rows so far from each other. */
INLINE void place_evenly(struct group *g, size_t at, size_t at_step, size_t to,
                         size_t to_step)
{
    EACH (r, LANES) {
        g->at[r] = at;
        g->to[r] = to;
        at += at_step;
        to += to_step;
    }
}

static inline void place_rows(struct group *g, size_t first, size_t count)
{
    const struct smx_logits *z = g->logits;
    g->first = first;
    g->count = count < LANES ? count : LANES;
    if (z->inner == 1 && count >= LANES) {
        place_evenly(g, first * z->stride, z->stride, first * z->out_stride,
                     z->out_stride);
        return;
    }
    size_t outer = first / z->inner, rest = first % z->inner;
    if (count >= LANES && z->inner - rest >= LANES) {
        place_evenly(g, outer * z->stride + rest, 1,
                     outer * z->out_stride + rest, 1);
        return;
    }
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

#endif
