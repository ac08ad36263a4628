/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "exact_row.h"

void reference_softmax(const struct smx_logits *logits, bool log,
                       long double *values)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        for (size_t c = 0; c < row.classes; c++)
            values[row.first + c * row.stride] = log ? row.log_p[c] : row.p[c];
    }
    row_free(&row);
}

static long double row_entropy(const struct row *row)
{
    struct sum sum = {0, 0};

    for (size_t c = 0; c < row->classes; c++)
        if (row->p[c] > 0)
            sum_add(&sum, -row->p[c] * row->log_p[c]);
    return sum_get(&sum);
}

void reference_summaries(const struct smx_logits *logits,
                         long double *logsumexp, long double *scale,
                         long double *entropy, int64_t *argmax)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        if (logsumexp)
            logsumexp[r] = row.lse;
        if (scale)
            scale[r] = row_lse_scale(&row);
        if (entropy)
            entropy[r] = row_entropy(&row);
        if (argmax)
            argmax[r] = (int64_t)row.argmax;
    }
    row_free(&row);
}

/** The largest class not yet taken; the first of equals. */
static size_t best_of(const struct row *row, const bool *taken)
{
    size_t best = row->classes;

    for (size_t c = 0; c < row->classes; c++)
        if (!taken[c] &&
            (best == row->classes || row->logit[c] > row->logit[best]))
            best = c;
    return best;
}

void reference_top_k(const struct smx_logits *logits, bool log, size_t k,
                     long double *values, int64_t *indices)
{
    struct row row;
    bool *taken = must(calloc(logits->classes, sizeof *taken));

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        size_t at = r / logits->inner * k * logits->inner + r % logits->inner;

        row_load(&row, r);
        for (size_t c = 0; c < row.classes; c++)
            taken[c] = false;
        for (size_t i = 0; i < k; i++, at += logits->inner) {
            size_t c = best_of(&row, taken);

            taken[c] = true;
            if (values)
                values[at] = log ? row.log_p[c] : row.p[c];
            if (indices)
                indices[at] = (int64_t)c;
        }
    }
    free(taken);
    row_free(&row);
}

static long double rank_of(const struct row *row, size_t class)
{
    long double own = row->logit[class], rank = 0;

    for (size_t c = 0; c < row->classes; c++)
        rank += row->logit[c] > own || (c < class && row->logit[c] == own);
    return rank;
}

void reference_chosen(const struct smx_logits *logits, bool log,
                      const int64_t *chosen, size_t k, bool each_row,
                      long double *values, long double *rank)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        size_t at = r / logits->inner * k * logits->inner + r % logits->inner;

        row_load(&row, r);
        for (size_t i = 0; i < k; i++, at += logits->inner) {
            size_t c = (size_t)chosen[each_row ? r * k + i : i];

            values[at] = log ? row.log_p[c] : row.p[c];
            rank[at] = rank_of(&row, c);
        }
    }
    row_free(&row);
}

void reference_label_ranks(const struct smx_logits *logits,
                           const struct smx_criterion *criterion,
                           long double *rank)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        bool ignored = criterion->ignore &&
                       criterion->labels[r] == criterion->ignore_index;

        row_load(&row, r);
        rank[r] = ignored ? -1 : rank_of(&row, (size_t)criterion->labels[r]);
    }
    row_free(&row);
}

/* ---- softmax's own derivatives ---------------------------------------- */

static void vjp_row(const struct row *row, bool log, const void *upstream,
                    long double *gradient, long double *scale)
{
    enum smx_dtype dtype = row->logits->dtype;
    struct sum dot = {0, 0}, size = {0, 0};

    for (size_t c = 0; c < row->classes; c++) {
        long double g =
            reference_get(upstream, dtype, row->first + c * row->stride);

        if (row->masked[c])
            continue;
        sum_add(&dot, log ? g : g * row->p[c]);
        sum_add(&size, fabsl(log ? g : g * row->p[c]));
    }
    for (size_t c = 0; c < row->classes; c++) {
        size_t i = row->first + c * row->stride;
        long double g = reference_get(upstream, dtype, i), p = row->p[c];
        long double slope = row->factor[c];

        gradient[i] =
            slope * (log ? g - p * sum_get(&dot) : p * (g - sum_get(&dot)));
        scale[i] = slope * (log ? fabsl(g) + p * sum_get(&size)
                                : p * (fabsl(g) + sum_get(&size)));
    }
}

void reference_vjp(const struct smx_logits *logits, bool log,
                   const void *upstream, long double *gradient,
                   long double *scale)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        vjp_row(&row, log, upstream, gradient, scale);
    }
    row_free(&row);
}

/** d a_j / d z_i of a row. */
static long double jacobian_of(const struct row *row, bool log, size_t j,
                               size_t i, long double *scale)
{
    long double hot = i == j, slope = row->factor[i];
    long double a = row->masked[j] ? 0 : log ? 1 : row->p[j];

    *scale = slope * a * (i == j ? 1 : row->p[i]);
    return slope * a * (hot - row->p[i]);
}

void reference_jacobian(const struct smx_logits *logits, bool log,
                        long double *jacobian, long double *scale)
{
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        for (size_t j = 0; j < row.classes; j++)
            for (size_t i = 0; i < row.classes; i++) {
                size_t at = (row.first + j * row.stride) * row.classes + i;

                jacobian[at] = jacobian_of(&row, log, j, i, &scale[at]);
            }
    }
    row_free(&row);
}
