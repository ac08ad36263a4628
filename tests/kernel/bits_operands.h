/* SPDX-License-Identifier: MIT */
/** What test_bits.c computes with: operands made by integer arithmetic, the
 *  same on every machine. */
#ifndef BITS_OPERANDS_H
#define BITS_OPERANDS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "softmax.h"

enum { TOP = 3 };

/** Operands and outputs of one shape and type; wide enough for doubles. */
struct operands {
    struct smx_logits logits;
    size_t rows, elements;
    void *z, *t, *w, *g;
    uint8_t *mask;
    int64_t *y;
    void *out;      /* elements, or elements x classes for a Jacobian */
    void *a, *b;    /* one a row */
    int64_t *index; /* rows x TOP */
};

/* ---- inputs ----------------------------------------------------------- */

/* SplitMix64: Steele, Lea, Flood 2014. */
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void put(void *data, enum smx_dtype dtype, size_t i, double exact)
{
    if (dtype == SMX_FLOAT32)
        ((float *)data)[i] = (float)exact;
    else
        ((double *)data)[i] = exact;
}

/** A multiple of 2^-k below 2^bits in magnitude: no rounding anywhere. */
static double grid(uint64_t bits, int keep, double step)
{
    return ((double)(bits >> (64 - keep)) -
            (double)(UINT64_C(1) << (keep - 1))) *
           step;
}

/** By row: near 0, +-30, far offset, huge, subnormal results, holes. */
static double logit(uint64_t bits, size_t row)
{
    switch (row % 6) {
    case 0:
        return grid(bits, 24, 0x1p-21);
    case 1:
        return grid(bits, 24, 0x1p-18);
    case 2:
        return 10000 + grid(bits, 12, 0x1p-9);
    case 3:
        return grid(bits, 24, bits & 1 ? 0x1p102 : 0x1p-20);
    case 4:
        return grid(bits, 24, 0x1p-16);
    default:
        return (bits & 7) == 0 ? -INFINITY : grid(bits, 24, 0x1p-21);
    }
}

static size_t row_of(const struct smx_logits *l, size_t i)
{
    return i / (l->classes * l->inner) * l->inner + i % l->inner;
}

static void *array(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);

    if (!p) {
        fprintf(stderr, "test_bits: out of memory\n");
        exit(1);
    }
    return p;
}

static void fill(struct operands *o, uint64_t seed)
{
    enum smx_dtype dtype = o->logits.dtype;
    size_t classes = o->logits.classes;

    for (size_t i = 0; i < o->elements; i++) {
        put(o->z, dtype, i, logit(next(&seed), row_of(&o->logits, i)));
        put(o->t, dtype, i, grid(next(&seed), 8, 0x1p-8) + 0.5);
        put(o->g, dtype, i, grid(next(&seed), 20, 0x1p-19));
        o->mask[i] = next(&seed) % 5 != 0;
    }
    for (size_t c = 0; c < classes; c++)
        put(o->w, dtype, c, grid(next(&seed), 6, 0x1p-4) + 2);
    for (size_t r = 0; r < o->rows; r++) {
        o->y[r] = (int64_t)(next(&seed) % classes);
        if (next(&seed) % 7 == 0)
            o->y[r] = -100;
    }
}

static bool small(const struct operands *o)
{
    return o->elements * o->logits.classes <= 100000;
}

static void operands_init(struct operands *o, enum smx_dtype dtype,
                          const size_t shape[3])
{
    *o = (struct operands){.logits = {.size = sizeof o->logits,
                                      .dtype = dtype,
                                      .outer = shape[0],
                                      .classes = shape[1],
                                      .inner = shape[2]}};
    o->rows = shape[0] * shape[2];
    o->elements = o->rows * shape[1];
    o->logits.data = o->z = array(o->elements, 8);
    o->t = array(o->elements, 8);
    o->g = array(o->elements, 8);
    o->w = array(shape[1], 8);
    o->mask = array(o->elements, 1);
    o->y = array(o->rows, 8);
    o->out =
        array((o->elements + o->rows * TOP) * (small(o) ? shape[1] : 1), 8);
    o->a = array(o->rows, 8);
    o->b = array(o->rows, 8);
    o->index = array(o->rows * TOP, 8);
    fill(o, shape[0] + 1000 * shape[1] + shape[2]);
}

static void operands_free(struct operands *o)
{
    void *const all[] = {o->z, o->t, o->g, o->w,     o->mask,
                         o->y, o->a, o->b, o->index, o->out};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

#endif
