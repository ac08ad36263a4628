/* SPDX-License-Identifier: MIT */
/*
 * What a softmax of float32 cannot beat on this machine, ns an element: its
 * logits copied to the output, through the caches and past them, and its
 * kernels over one chunk that stays in the nearest caches. Best of many calls.
 */
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/kernels.h"
#include "softmax.h"

enum { ROUND_MS = 100, LEAST = 3, ROWS = 64 };

static const size_t shapes[][2] = {{64, 1000},   {4096, 1000},  {128, 8192},
                                   {32, 128256}, {128, 128256}, {1, 16777216}};

struct limit {
    const struct smx_kernels *kernels;
    struct smx_context *context;
    size_t rows, classes, threads;
    float *logits, *values;
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The best of a round, for each of n. */
static double best_of(void (*run)(const struct limit *), const struct limit *l,
                      size_t n)
{
    double best = 1e300, end = now_ns() + ROUND_MS * 1e6;

    for (int i = 0; i < LEAST || now_ns() < end; i++) {
        double start = now_ns();

        run(l);
        start = now_ns() - start;
        best = start < best ? start : best;
    }
    return best / (double)n;
}

/* A thread's share, whole lines. */
static void copy_with(const struct limit *l, bool past_cache)
{
    size_t n = l->rows * l->classes, share = n / l->threads / 16 * 16;

#pragma omp parallel for schedule(static, 1)
    for (size_t t = 0; t < l->threads; t++) {
        size_t start = t * share,
               count = t + 1 < l->threads ? share : n - start;

        if (past_cache)
            l->kernels->split->stream(l->logits + start, count,
                                      l->values + start);
        else
            memcpy(l->values + start, l->logits + start,
                   count * sizeof *l->values);
    }
}

static void copy(const struct limit *l)
{
    copy_with(l, false);
}

static void stream(const struct limit *l)
{
    copy_with(l, true);
}

static size_t chunk_of(const struct limit *l)
{
    return smx_chunk_classes(l->classes, 0);
}

/* A row is summed while that before the last is divided. */
static void compute_short(const struct limit *l)
{
    static _Alignas(64) float high[2][SMX_CHUNK], rest[2][SMX_CHUNK];
    static double totals[2] = {0x1p66, 0x1p66};
    const struct smx_split_exp by = smx_split_exp_of(1);
    struct smx_extent extent;
    size_t n = chunk_of(l);

    for (int r = 0; r < ROWS; r++) {
        int turn = n < SMX_CHUNK && r % 2;
        const struct smx_cached_exp before = {.high = high[turn],
                                              .rest = rest[turn],
                                              .sum = totals[turn],
                                              .out = l->values,
                                              .normal = true};

        totals[turn] = l->kernels->split->keep(l->logits, n, &by, &extent, NULL,
                                               high[turn], rest[turn], &before);
    }
}

/* Exponentials are summed, then computed again. */
static void compute_long(const struct limit *l)
{
    const struct smx_split_kernels *split = l->kernels->split;
    const struct smx_split_exp by = smx_split_exp_of(1);
    struct smx_extent extent;
    size_t n = chunk_of(l);

    for (int r = 0; r < ROWS; r++) {
        double total = split->sum(l->logits, n, &by, &extent, NULL);

        split->put(l->logits, n, &by, 1 / total, 0, extent.min, false,
                   l->values);
    }
}

static void softmax(const struct limit *l)
{
    const struct smx_logits z = {.size = sizeof z,
                                 .data = l->logits,
                                 .dtype = SMX_FLOAT32,
                                 .outer = l->rows,
                                 .classes = l->classes,
                                 .inner = 1};
    const struct smx_softmax_out out = {
        .size = sizeof out, .values = l->values, .early = true};

    if (smx_softmax(l->context, &z, NULL, &out, NULL) != SMX_OK)
        exit(1);
}

static void show(struct limit *l)
{
    size_t n = l->rows * l->classes;
    struct smx_config config = {.size = sizeof config, .threads = l->threads};

    if (smx_context_create(&l->context, &config) != SMX_OK)
        exit(1);
    omp_set_num_threads((int)l->threads);
    l->kernels = smx_kernels_of(smx_context_isa(l->context));
    double copied = best_of(copy, l, n), streamed = best_of(stream, l, n),
           computed = best_of(smx_chunks(l->classes) > 2 ? compute_long
                                                         : compute_short,
                              l, ROWS * chunk_of(l)) /
                      (double)l->threads,
           took = best_of(softmax, l, n);
    double least = copied < streamed ? copied : streamed;
    least = least > computed ? least : computed;
    printf("%6zu x %-9zu %zu %8.3f %8.3f %8.3f %8.3f %6.2fx\n", l->rows,
           l->classes, l->threads, copied, streamed, computed, took,
           took / least);
    smx_context_free(l->context);
}

static void fill(struct limit *l, size_t n)
{
    memset(l->values, 0, n * sizeof *l->values);
    for (size_t i = 0; i < n; i++)
        l->logits[i] = (float)(i * 2654435761u % 4096) / 512 - 4;
}

int main(void)
{
    bool filled = true;

    puts("  rows x classes   T     copy   stream  kernels  softmax  of the "
         "greatest");
    for (size_t s = 0; filled && s < sizeof shapes / sizeof *shapes; s++) {
        struct limit l = {.rows = shapes[s][0], .classes = shapes[s][1]};
        size_t n = l.rows * l.classes;

        l.logits = aligned_alloc(64, n * sizeof *l.logits);
        l.values = aligned_alloc(64, n * sizeof *l.values);
        filled = l.logits && l.values;
        if (filled)
            fill(&l, n);
        for (l.threads = 1; filled && l.threads <= 2; l.threads++)
            show(&l);
        free(l.logits);
        free(l.values);
    }
    return !filled;
}
