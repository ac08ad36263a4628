/* SPDX-License-Identifier: MIT */
/** Rows of which everything is asked in several ways, to the same bits. */
#ifndef TESTS_INVARIANCE_H
#define TESTS_INVARIANCE_H

#include "expect.h"

#include <string.h>

#include "draw.h"

enum { MOST_ROWS = 40, MOST = MOST_ROWS * 9000 };

/** Rows and classes. */
enum { SHAPES = 12 };
extern const size_t shapes[SHAPES][2];

/* Room for doubles. */
struct answers {
    double p[MOST], logs[MOST];
    double lse[MOST_ROWS], entropy[MOST_ROWS];
    int64_t argmax[MOST_ROWS], top[MOST];
};

extern struct random seed;
extern double z[MOST], turned[MOST]; /* turned: class by class */
extern struct answers plain;
extern uint8_t ones[MOST];

/** Fills z, turned and ones. */
void fill(const struct smx_logits *logits);

void same(const struct smx_logits *logits, const void *a, const void *b,
          size_t count);

/** Each question alone. */
void ask_each(struct smx_context *context, const struct smx_logits *logits,
              struct answers *a);

double at(const struct smx_logits *logits, const void *data, size_t i);
void set(const struct smx_logits *logits, double *tensor, size_t i, double x);

/** A tensor that lies class by class, row by row again. */
void turn(const struct smx_logits *logits, double *tensor);

#endif
