/* SPDX-License-Identifier: MIT */
#include "exact_row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reference.h"

void sum_add(struct sum *sum, long double x)
{
    long double s = sum->value + x;

    if (fabsl(sum->value) >= fabsl(x))
        sum->error += (sum->value - s) + x;
    else
        sum->error += (x - s) + sum->value;
    sum->value = s;
}

long double sum_get(const struct sum *sum)
{
    return isinf(sum->value) ? sum->value : sum->value + sum->error;
}

long double reference_get(const void *data, enum smx_dtype dtype, size_t i)
{
    return dtype == SMX_FLOAT32 ? (long double)((const float *)data)[i]
                                : (long double)((const double *)data)[i];
}

void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "reference: out of memory\n");
        exit(1);
    }
    return p;
}

void row_init(struct row *row, const struct smx_logits *logits)
{
    size_t n = logits->classes;

    *row =
        (struct row){.logits = logits, .classes = n, .stride = logits->inner};
    row->logit = must(calloc(n, sizeof *row->logit));
    row->d = must(calloc(n, sizeof *row->d));
    row->factor = must(calloc(n, sizeof *row->factor));
    row->masked = must(calloc(n, sizeof *row->masked));
    row->log_p = must(calloc(n, sizeof *row->log_p));
    row->p = must(calloc(n, sizeof *row->p));
}

void row_free(struct row *row)
{
    free(row->logit);
    free(row->d);
    free(row->factor);
    free(row->masked);
    free(row->log_p);
    free(row->p);
}

size_t row_count(const struct smx_logits *logits)
{
    return logits->outer * logits->inner;
}

static bool is_masked(const struct row *row, size_t c)
{
    const struct smx_logits *l = row->logits;
    size_t i = row->first + c * row->stride;

    return l->mask && !l->mask[l->mask_per_class ? c : i];
}

static long double temperature(const struct row *row)
{
    double t = row->logits->temperature;

    return t != 0 ? t : 1;
}

static long double logit_of(const struct row *row, size_t c)
{
    const struct smx_logits *l = row->logits;

    return reference_get(l->data, l->dtype, row->first + c * row->stride);
}

/** z / cap, and what rounding it has left out. */
static long double quotient(long double z, long double cap, long double *rest)
{
    long double q = z / cap;

    *rest = -fmal(q, cap, -z) / cap;
    return q;
}

/** cosh(z / cap), to which a large z / cap would pass its rounding. */
static long double cosh_of(long double z, long double cap)
{
    long double rest, q = quotient(z, cap, &rest);

    return coshl(q) * (1 + rest * tanhl(q));
}

/** z before the temperature: the logit, capped where a cap is asked for. */
static long double capped(const struct row *row, size_t c, long double *slope)
{
    long double z = row->logit[c], cap = row->logits->softcap;

    *slope = 1;
    if (cap == 0)
        return z;
    /* 1 - tanh^2 = 1 / cosh^2 keeps its digits; cosh overflows to 0 */
    *slope = 1 / (cosh_of(z, cap) * cosh_of(z, cap));
    return cap * tanhl(z / cap);
}

/** 1 - tanh(z / cap), z >= 0. */
static long double below_one(long double z, long double cap)
{
    long double rest, q = quotient(z, cap, &rest);

    return 2 / (expl(2 * q) * (1 + 2 * rest) + 1);
}

/**
 * z' - max z', times the temperature. A difference of two capped logits would
 * lose digits. Where they are near, tanh a - tanh b = sinh(a - b) / (cosh a
 * cosh b); else, of one sign, they are as far apart as what they lack of 1.
 */
static long double below_top(const struct row *row, size_t c, long double top)
{
    long double cap = row->logits->softcap, z = row->logit[c];
    long double best = row->logit[row->argmax], gap;

    if (cap == 0 || signbit(z) != signbit(best))
        return row->d[c] - top;
    if (fabsl(z - best) <= cap && fabsl(z) <= 1000 * cap)
        return cap * sinhl((z - best) / cap) /
               (cosh_of(z, cap) * cosh_of(best, cap));
    gap = below_one(fabsl(z), cap) - below_one(fabsl(best), cap);
    return signbit(z) ? cap * gap : -cap * gap;
}

/** Exponentials of all classes but the largest, added up. */
static void row_sum(struct row *row)
{
    struct sum rest = {0, 0};

    for (size_t c = 0; c < row->classes; c++)
        if (c != row->argmax && !isinf(row->d[c]))
            sum_add(&rest, expl(row->d[c]));
    row->log_z = log1pl(sum_get(&rest));
    row->lse = row->top + row->log_z;
    for (size_t c = 0; c < row->classes; c++) {
        row->log_p[c] = row->d[c] - row->log_z;
        row->p[c] = expl(row->log_p[c]);
    }
}

/**
 * Differences are taken before the division by the temperature, where they
 * lose least: z - top is exact for float32 and off by 2^-64 for float64.
 */
void row_load(struct row *row, size_t r)
{
    const struct smx_logits *l = row->logits;
    long double top = -INFINITY, largest = -INFINITY;

    row->first = r / l->inner * l->classes * l->inner + r % l->inner;
    row->argmax = 0;
    for (size_t c = 0; c < row->classes; c++) {
        row->logit[c] = logit_of(row, c);
        row->d[c] = capped(row, c, &row->factor[c]);
        row->factor[c] /= temperature(row);
        row->masked[c] = is_masked(row, c);
        if (row->masked[c] || isinf(row->logit[c])) {
            row->logit[c] = row->d[c] = -INFINITY;
            row->factor[c] = l->softcap != 0 ? 0 : 1 / temperature(row);
        }
        if (row->masked[c])
            row->factor[c] = 0;
        if (row->logit[c] > largest) {
            largest = row->logit[c];
            top = row->d[c];
            row->argmax = c;
        }
    }
    row->dead = isinf(top);
    row->top = row->lse = row->dead ? -INFINITY : top / temperature(row);
    for (size_t c = 0; c < row->classes; c++) {
        row->log_p[c] = -INFINITY;
        row->p[c] = 0;
        if (!isinf(row->d[c]))
            row->d[c] = below_top(row, c, top) / temperature(row);
    }
    if (!row->dead)
        row_sum(row);
}

long double row_lse_scale(const struct row *row)
{
    return row->dead ? 0 : fabsl(row->top) + row->log_z;
}
