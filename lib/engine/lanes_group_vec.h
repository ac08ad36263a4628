/* SPDX-License-Identifier: MIT */
/** A group of rows in lanes (lanes.h): how it comes from the tensors and goes
 *  there. */
#ifndef SMX_LANES_GROUP_VEC_H
#define SMX_LANES_GROUP_VEC_H

#include "lanes.h"

#include "simd/dd_vec.h"

/* Registers that lie across two cache lines would take twice as long. */
#define LINES __attribute__((aligned(64)))
typedef double (*lanes_array)[LANES]; /* a register a class */

/* As many rows as a register has lanes; the last one again where there are
 * less. */
struct group {
    const struct smx_lanes *lanes;
    const struct smx_logits *logits;
    int classes;
    size_t first, count; /* rows */
    bool even;           /* a row in each lane, all as far from the next */
    size_t at, to;       /* the first element, of inputs and outputs */
    lanes_array z;       /* logits; -INFINITY: left out */
    lanes_array masked;  /* not 0: by the mask; where there is one */
    lanes_array hi, lo;  /* z' - max z'; wants_shifted */
    lanes_array e;       /* exponentials of that; then what is written */
    lanes_array slope;   /* dz'/dz, of a softcap */
    lanes_array mass;    /* of the target; or upstream of a product */
    vd top;
    vd argmax;             /* of z, where it is asked for, or hits are */
    vl empty;              /* every class is left out */
    vl one_hot;            /* p is 1 at the argmax and 0 elsewhere */
    vl declined, hits;     /* the marks */
    struct vdd capped_top; /* the largest z' times the temperature, or in
                              sixteenths */
    struct vdd rest;       /* sum of e but for the argmax */
    struct vdd inverse;    /* 1 / (1 + rest) */
    struct vdd logsum;     /* log(1 + rest) */
    vd lse;
};

/* Groups of the longest call. All of them take a step before the next: what
 * one's waits for, others' fill, and of rows side by side, class by class,
 * whole cache lines are read and written one after the other. */
#define GROUPS ((int)SMX_LANES_ROWS / LANES)

/* Doubles of their arrays, which stay in the first cache; a group's at most. */
#define ROOM 5120
#define MOST_ARRAYS 7

struct batch {
    struct group group[GROUPS];
    int groups, most; /* for more there is no room */
    LINES double room[ROOM];
};

/** for each class */
#define CLASSES(c, g)                                                          \
    _Pragma("GCC unroll 4") for (int c = 0, end = (g)->classes; c < end; c++)

#define INF __builtin_inf()

/* What is asked of numbers that lanes multiply, unless they are 0: products
 * stay in range. */
#define LARGE 0x1p300
#define TINY 0x1p-300

INLINE vl moderate_lanes(vd x)
{
    vd size = vd_max(x, -x);
    return (vl)(x == vd_all(0)) |
           ((vl)(size <= vd_all(LARGE)) & (vl)(size >= vd_all(TINY)));
}

/* Numbers of which three can be multiplied with one that is moderate. */
INLINE vl near_one(vd x)
{
    return (vl)(x == vd_all(0)) |
           ((vl)(x <= vd_all(0x1p100)) & (vl)(x >= vd_all(0x1p-100)));
}

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

/* The first element of row r, of inputs or outputs. */
INLINE size_t place_of(const struct group *g, size_t r, size_t stride)
{
    size_t row = g->first + (r < g->count ? r : g->count - 1);
    size_t inner = g->logits->inner;
    return row / inner * stride + row % inner;
}

/* Do the group's rows lie side by side, class by class, as in a register? */
INLINE bool is_together(const struct group *g)
{
    return g->logits->inner > 1 && g->even;
}

/* Or one after the other, each with a register of classes? */
INLINE bool is_square(const struct group *g)
{
    return g->logits->inner == 1 && g->even && g->classes >= LANES;
}

/* What is seen of each row while it is gathered. */
struct seen {
    vd top;
    vd sum; /* NaN or INFINITY if there is one, or if it overflows */
};

INLINE void keep_class(double *place, vd v, struct seen *seen)
{
    vd_store(place, v);
    seen->top = vd_max(v, seen->top);
    seen->sum += v;
}

/* Rows to classes. */
#define GATHER(name, number, load, one)                                        \
    INLINE struct seen name(const struct group *g, const void *tensor,         \
                            lanes_array out)                                   \
    {                                                                          \
        const size_t step = g->logits->inner, stride = g->logits->stride;      \
        const number *x = (const number *)tensor + g->at;                      \
        struct seen seen = {vd_all(-INF), vd_all(0)};                          \
        if (is_together(g)) {                                                  \
            CLASSES(c, g)                                                      \
            keep_class(out[c], load(x + (size_t)c * step), &seen);             \
            return seen;                                                       \
        }                                                                      \
        if (is_square(g)) {                                                    \
            SQUARES(c, g->classes)                                             \
            {                                                                  \
                vd square[LANES];                                              \
                EACH (r, LANES)                                                \
                    square[r] = load(x + (size_t)r * stride + c);              \
                TURN(vd, square)                                               \
                EACH (k, LANES)                                                \
                    keep_class(out[c + k], square[k], &seen);                  \
            }                                                                  \
            return seen;                                                       \
        }                                                                      \
        x = tensor;                                                            \
        for (size_t r = 0; r < LANES; r++) {                                   \
            size_t i = place_of(g, r, stride);                                 \
            for (int c = 0; c < g->classes; c++, i += step)                    \
                out[c][r] = one(x[i]);                                         \
        }                                                                      \
        CLASSES(c, g)                                                          \
        keep_class(out[c], vd_load(out[c]), &seen);                            \
        return seen;                                                           \
    }

#define SCATTER(name, number, store)                                           \
    INLINE void name(const struct group *g, number *x)                         \
    {                                                                          \
        size_t stride = g->logits->out_stride;                                 \
        SQUARES(c, g->classes)                                                 \
        {                                                                      \
            vd square[LANES];                                                  \
            EACH (k, LANES)                                                    \
                square[k] = vd_load(g->e[c + k]);                              \
            TURN(vd, square)                                                   \
            EACH (r, LANES)                                                    \
                store(x + g->to + (size_t)r * stride + c, square[r]);          \
        }                                                                      \
    }

/* Not 0 where a byte of a mask is 0. */
INLINE vd left_out(const uint8_t *mask)
{
    return (vd)(vl)(vl_bytes(mask) == 0);
}

INLINE void store_narrow(float *x, vd v)
{
    vh_store(x, vd_narrow(v));
}

GATHER(gather_left_out, uint8_t, left_out, !)
GATHER(gather_floats, float, vd_widen, (double))
GATHER(gather_doubles, double, vd_load, (double))
SCATTER(scatter_floats, float, store_narrow)
SCATTER(scatter_doubles, double, vd_store)

INLINE struct seen gather_group(bool wide, const struct group *g,
                                const void *tensor, lanes_array out)
{
    return wide ? gather_doubles(g, tensor, out)
                : gather_floats(g, tensor, out);
}

INLINE vd find_max(const struct group *g, lanes_array x)
{
    vd top = vd_all(-INF);
    CLASSES(c, g)
    top = vd_max(vd_load(x[c]), top);
    return top;
}

/* Is there a row in each lane that is to be written? */
INLINE bool is_whole(const struct group *g)
{
    return g->count == LANES && !vl_any(g->declined);
}

/* Rows that decline, or that are not there, are not written. */
static inline void scatter_group(const struct group *g, void *tensor)
{
    const struct smx_logits *z = g->logits;
    float *f = tensor;
    double *d = tensor;
    bool floats = z->dtype == SMX_FLOAT32;
    if (is_whole(g) && is_square(g)) {
        floats ? scatter_floats(g, f) : scatter_doubles(g, d);
        return;
    }
    for (size_t r = 0; r < g->count; r++) {
        size_t i = place_of(g, r, z->out_stride);
        for (int c = 0; !g->declined[r] && c < g->classes; c++, i += z->inner)
            if (floats)
                f[i] = (float)g->e[c][r];
            else
                d[i] = g->e[c][r];
    }
}

/* Where a group's classes are written: in the tensor, if all of their registers
 * lie there, or first in the place of e. */
struct sink {
    double *doubles;
    float *floats; /* or NULL */
    size_t step;
};

INLINE bool is_direct(const struct group *g)
{
    return is_whole(g) && is_together(g) && !g->logits->mask;
}

INLINE void *written(const struct smx_lanes *l)
{
    return l->gradient ? l->gradient : l->values;
}

INLINE struct sink sink_of(bool wide, const struct group *g)
{
    void *out = written(g->lanes);
    if (!is_direct(g))
        return (struct sink){(void *)g->e, NULL, LANES};
    return (struct sink){(double *)out + g->to,
                         wide ? NULL : (float *)out + g->to, g->logits->inner};
}

INLINE void put_class(bool wide, const struct sink *s, int c, vd v)
{
    size_t i = (size_t)c * s->step;
    if (!wide && s->floats)
        store_narrow(s->floats + i, v);
    else
        vd_store(s->doubles + i, v);
}

/* What is given of each class beside the logits, or NULL. */
INLINE const void *other_input(const struct smx_lanes *l)
{
    return l->vjp_upstream ? l->vjp_upstream
           : l->criterion  ? l->criterion->targets
                           : NULL;
}

/* Of rows side by side, class by class, the next batch's place of this group
 * arrives in the cache while this batch is computed, and where this group is
 * written: a stream a class is more than the processor foresees. What is in a
 * cache already had better be let alone. */
INLINE void fetch_group(const struct batch *b, const struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    const void *other = other_input(l) ? other_input(l) : l->logits->data;
    size_t bytes = l->logits->dtype == SMX_FLOAT32 ? 4 : 8;
    size_t next = (g->at + (size_t)b->groups * LANES) * bytes;
    size_t to = g->to * bytes, step = l->logits->inner * bytes;
    if (!l->distant || !is_together(g))
        return;
    for (int c = 0; c < g->classes; c++, next += step, to += step) {
        __builtin_prefetch((const void *)((uintptr_t)l->logits->data + next));
        __builtin_prefetch((const void *)((uintptr_t)other + next));
        __builtin_prefetch((const void *)((uintptr_t)written(l) + to), 1);
    }
}

/* One number a row; floats: constant in most calls. */
INLINE void put_numbers(bool floats, const struct group *g, vd numbers,
                        void *out)
{
    float *f = (float *)out + g->first;
    double *d = (double *)out + g->first;
    if (is_whole(g)) {
        floats ? store_narrow(f, numbers) : vd_store(d, numbers);
        return;
    }
    for (size_t r = 0; r < g->count; r++)
        if (!g->declined[r] && floats)
            f[r] = (float)numbers[r];
        else if (!g->declined[r])
            d[r] = numbers[r];
}

/* Row rest of those of index outer, and those behind it. */
INLINE void place_group(struct group *g, size_t outer, size_t rest,
                        size_t count)
{
    const struct smx_logits *z = g->logits;
    g->first = outer * z->inner + rest;
    g->count = count < LANES ? count : LANES;
    g->even = count >= LANES && (z->inner == 1 || z->inner - rest >= LANES);
    g->at = outer * z->stride + rest;
    g->to = outer * z->out_stride + rest;
}

/* As many of so many rows as there is room for: returned. */
INLINE size_t place_batch(struct batch *b, size_t first, size_t count)
{
    size_t rows = 0, inner = b->group->logits->inner;
    size_t outer = first / inner, rest = first % inner;
    for (b->groups = 0; b->groups < b->most && rows < count; b->groups++) {
        place_group(&b->group[b->groups], outer, rest, count - rows);
        rows += LANES;
        rest += LANES;
        if (rest >= inner) {
            outer += inner == 1 ? rest : rest / inner;
            rest = inner == 1 ? 0 : rest % inner;
        }
    }
    return rows;
}

static inline void load_mask(struct group *g)
{
    const struct smx_logits *z = g->logits;
    if (!z->mask_per_class)
        gather_left_out(g, z->mask, g->masked);
    for (int c = 0; c < g->classes; c++) {
        if (z->mask_per_class)
            vd_store(g->masked[c], vd_all(!z->mask[c]));
        vl out = (vl)(vd_load(g->masked[c]) != vd_all(0));
        vd_store(g->z[c], vd_where(out, vd_all(-INF), vd_load(g->z[c])));
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
