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
    bool even;           /* a row in each lane, all so far from the next: */
    size_t at, at_step;  /* its first element, of inputs */
    size_t to, to_step;  /* and of outputs */
    lanes_array z;       /* logits; -INFINITY: left out */
    lanes_array masked;  /* not 0: by the mask; where there is one */
    lanes_array hi, lo;  /* z' - max z'; wants_shifted */
    lanes_array e;       /* exponentials of that; then what is written */
    lanes_array slope;   /* dz'/dz, of a softcap */
    lanes_array mass;    /* of the target; or upstream of a product */
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
    int apart;        /* registers from a group's array to the next one's */
    void *out;        /* what is written of all classes, or NULL */
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

#define AS_IT_IS(v) (v)

/* Rows to classes, and back. */
#define GATHER(name, number, type, load, widen)                                \
    INLINE void name(const struct group *g, const number *x, lanes_array out)  \
    {                                                                          \
        SQUARES(c, g->classes)                                                 \
        {                                                                      \
            type square[LANES];                                                \
            EACH (r, LANES)                                                    \
                square[r] = load(x + g->at + (size_t)r * g->at_step + c);      \
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
                square[k] = narrow(vd_load(g->e[c + k]));                      \
            TURN(type, square)                                                 \
            EACH (r, LANES)                                                    \
                store(x + g->to + (size_t)r * g->to_step + c, square[r]);      \
        }                                                                      \
    }

/* Not 0 where a byte of a mask is 0. */
INLINE vd left_out(const uint8_t *mask)
{
    return (vd)(vl)(vl_bytes(mask) == 0);
}

GATHER(gather_left_out, uint8_t, vd, left_out, AS_IT_IS)
GATHER(gather_floats, float, vh, vh_load, vh_widen)
GATHER(gather_doubles, double, vd, vd_load, AS_IT_IS)
SCATTER(scatter_floats, float, vh, vd_narrow, vh_store)
SCATTER(scatter_doubles, double, vd, AS_IT_IS, vd_store)

/* Do the group's rows lie side by side, class by class, as in a register? */
INLINE bool is_together(const struct group *g)
{
    return g->logits->inner > 1 && g->even;
}

/* The first element of row r, of inputs or outputs. */
INLINE size_t place_of(const struct group *g, size_t r, size_t stride)
{
    size_t row = g->first + (r < g->count ? r : g->count - 1);
    size_t inner = g->logits->inner;
    return row / inner * stride + row % inner;
}

static inline void gather_group(const struct group *g, const void *tensor,
                                lanes_array out)
{
    const struct smx_logits *z = g->logits;
    const float *f = tensor;
    const double *d = tensor;
    bool floats = z->dtype == SMX_FLOAT32;
    if (g->even && z->inner == 1 && g->classes >= LANES) {
        floats ? gather_floats(g, f, out) : gather_doubles(g, d, out);
        return;
    }
    for (size_t r = 0; r < LANES; r++) {
        size_t i = place_of(g, r, z->stride);
        for (int c = 0; c < g->classes; c++, i += z->inner)
            out[c][r] = floats ? f[i] : d[i];
    }
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
    if (is_whole(g) && g->even && z->inner == 1 && g->classes >= LANES) {
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

/* The groups' arrays, given the first one's; floats: constant, as in the next.
 */
INLINE void gather_together(bool floats, const struct batch *b,
                            const void *tensor, lanes_array out)
{
    const struct group *g = b->group;
    const float *f = tensor;
    const double *d = tensor;
    for (int c = 0; c < g->classes; c++)
        for (int k = 0; k < b->groups; k++) {
            size_t i = g[k].at + (size_t)c * g->logits->inner;
            vd_store(out[k * b->apart + c],
                     floats ? vd_widen(f + i) : vd_load(d + i));
        }
}

INLINE void scatter_together(bool floats, const struct batch *b, void *tensor)
{
    const struct group *g = b->group;
    float *f = tensor;
    double *d = tensor;
    for (int c = 0; c < g->classes; c++)
        for (int k = 0; k < b->groups; k++) {
            size_t i = g[k].to + (size_t)c * g->logits->inner;
            vd v = vd_load(g[k].e[c]);
            floats ? vh_store(f + i, vd_narrow(v)) : vd_store(d + i, v);
        }
}

/* Of rows side by side, class by class, the next batch's place of this group
 * arrives in the cache while this batch is computed, and where this group is
 * written: a stream a class is more than the processor foresees. */
INLINE void fetch_group(const struct batch *b, int k)
{
    const struct group *g = &b->group[k];
    const struct smx_lanes *l = g->lanes;
    size_t bytes = l->logits->dtype == SMX_FLOAT32 ? 4 : 8;
    size_t ahead = (size_t)b->groups * LANES;
    uintptr_t in = (uintptr_t)l->logits->data + (g->at + ahead) * bytes;
    uintptr_t out = (uintptr_t)b->out + g->to * bytes;
    size_t step = l->logits->inner * bytes;
    if (!is_together(g))
        return;
    for (int c = 0; c < g->classes; c++, in += step, out += step) {
        __builtin_prefetch((const void *)in);
        __builtin_prefetch((const void *)out, 1);
    }
}

static inline void gather(const struct batch *b, const void *tensor,
                          lanes_array out)
{
    bool floats = b->group->logits->dtype == SMX_FLOAT32, together = true;
    for (int k = 0; k < b->groups; k++)
        together &= is_together(&b->group[k]);
    if (together && floats)
        gather_together(true, b, tensor, out);
    else if (together)
        gather_together(false, b, tensor, out);
    else
        for (int k = 0; k < b->groups; k++)
            gather_group(&b->group[k], tensor, out + k * b->apart);
}

/* e to the tensor. */
static inline void scatter(const struct batch *b, void *tensor)
{
    bool floats = b->group->logits->dtype == SMX_FLOAT32, together = true;
    for (int k = 0; k < b->groups; k++)
        together &= is_whole(&b->group[k]) && is_together(&b->group[k]);
    if (together && floats)
        scatter_together(true, b, tensor);
    else if (together)
        scatter_together(false, b, tensor);
    else
        for (int k = 0; k < b->groups; k++)
            scatter_group(&b->group[k], tensor);
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

/* Row rest of those of index outer, and those behind it. */
INLINE void place_group(struct group *g, size_t outer, size_t rest,
                        size_t count)
{
    const struct smx_logits *z = g->logits;
    bool apart = z->inner == 1;
    g->first = outer * z->inner + rest;
    g->count = count < LANES ? count : LANES;
    g->even = count >= LANES && (apart || z->inner - rest >= LANES);
    g->at = outer * z->stride + rest;
    g->to = outer * z->out_stride + rest;
    g->at_step = apart ? z->stride : 1;
    g->to_step = apart ? z->out_stride : 1;
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

static inline void gather_mask(const struct group *g)
{
    const struct smx_logits *z = g->logits;
    const uint8_t *mask = z->mask;
    if (g->even && z->inner == 1 && g->classes >= LANES) {
        gather_left_out(g, mask, g->masked);
        return;
    }
    for (size_t r = 0; r < LANES; r++) {
        size_t i = place_of(g, r, z->stride);
        for (int c = 0; c < g->classes; c++, i += z->inner)
            g->masked[c][r] = !mask[i];
    }
}

static inline void load_mask(struct group *g)
{
    const struct smx_logits *z = g->logits;
    bool together = is_together(g);
    if (!z->mask_per_class && !together)
        gather_mask(g);
    for (int c = 0; c < g->classes; c++) {
        if (z->mask_per_class)
            vd_store(g->masked[c], vd_all(!z->mask[c]));
        else if (together)
            vd_store(g->masked[c],
                     left_out(z->mask + g->at + (size_t)c * z->inner));
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
