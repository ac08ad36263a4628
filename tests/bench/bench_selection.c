/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a row instead of all its probabilities, beside the loss of
 * one label, which reads each logit once.
 *
 * usage: bench_selection [ROUNDS]     (15)
 *
 * All questions take turns, so that what else the machine does meets all
 * alike; a figure is the least of the rounds. Prints ns a logit and how many
 * times the loss that is. Exit status 1: chosen log-probabilities of a large
 * vocabulary take more than MOST times the loss of a label, in one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "softmax.h"

#define MOST 1.1

enum { CHOSEN = 8 };

struct operands {
    struct smx_context *context;
    struct smx_logits logits;
    struct smx_criterion criterion;
    int64_t *labels, *rank;
    float *values, *rows;
};

static const int64_t chosen[CHOSEN] = {7, 0, 999, 512, 3, 3, 640, 128};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static enum smx_status lose(struct operands *o, void *rank)
{
    struct smx_loss_out out = {
        .size = sizeof out, .loss = o->rows, .rank = rank};

    return smx_loss(o->context, &o->logits, &o->criterion, &out, NULL);
}

static enum smx_status ask(struct operands *o, bool log, size_t count,
                           struct smx_softmax_out out)
{
    struct smx_softmax_options options = {.size = sizeof options,
                                          .log = log,
                                          .chosen = count ? chosen : NULL,
                                          .chosen_count = count};

    out.size = sizeof out;
    return smx_softmax(o->context, &o->logits, &options, &out, NULL);
}

static enum smx_status loss(struct operands *o)
{
    return lose(o, NULL);
}

static enum smx_status loss_and_rank(struct operands *o)
{
    return lose(o, o->rank);
}

static enum smx_status all_logs(struct operands *o)
{
    return ask(o, true, 0, (struct smx_softmax_out){.values = o->values});
}

static enum smx_status one_log(struct operands *o)
{
    return ask(o, true, 1, (struct smx_softmax_out){.values = o->values});
}

static enum smx_status some_logs(struct operands *o)
{
    return ask(o, true, CHOSEN, (struct smx_softmax_out){.values = o->values});
}

static enum smx_status some_probabilities(struct operands *o)
{
    return ask(o, false, CHOSEN, (struct smx_softmax_out){.values = o->values});
}

static enum smx_status ranks(struct operands *o)
{
    return ask(o, false, CHOSEN, (struct smx_softmax_out){.rank = o->rank});
}

static enum smx_status logsumexp(struct operands *o)
{
    return ask(o, false, 0, (struct smx_softmax_out){.logsumexp = o->rows});
}

static enum smx_status argmax(struct operands *o)
{
    return ask(o, false, 0, (struct smx_softmax_out){.argmax = o->rank});
}

static enum smx_status entropy(struct operands *o)
{
    return ask(o, false, 0, (struct smx_softmax_out){.entropy = o->rows});
}

static const struct {
    const char *name;
    enum smx_status (*run)(struct operands *o);
} questions[] = {
    {"loss of a label", loss},
    {"and its rank", loss_and_rank},
    {"all log-probabilities", all_logs},
    {"1 log-probability", one_log},
    {"8 log-probabilities", some_logs},
    {"8 probabilities", some_probabilities},
    {"8 ranks", ranks},
    {"log-sum-exp", logsumexp},
    {"argmax", argmax},
    {"entropy", entropy},
};

enum { QUESTIONS = sizeof questions / sizeof *questions };

static void *must(void *p)
{
    if (p)
        return p;
    fprintf(stderr, "bench_selection: out of memory\n");
    exit(1);
}

/* N(0, 2), by the sum of twelve. */
static void fill(float *z, size_t count)
{
    uint64_t state = 1;

    for (size_t i = 0; i < count; i++) {
        double sum = -6;

        for (int k = 0; k < 12; k++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            sum += (double)(state >> 11) * 0x1p-53;
        }
        z[i] = (float)(2 * sum);
    }
}

/* How many times the loss of a label chosen log-probabilities take. */
static double measure(struct operands *o, size_t rounds, size_t threads)
{
    double ratio = 0;

    double least[QUESTIONS];
    size_t rows = o->logits.outer, classes = o->logits.classes;

    for (size_t q = 0; q < QUESTIONS; q++)
        least[q] = INFINITY;
    for (size_t i = 0; i < rounds + 2; i++)
        for (size_t q = 0; q < QUESTIONS; q++) {
            double start = now_ns();

            if (questions[q].run(o) != SMX_OK)
                exit(1);
            if (i > 1)
                least[q] = fmin(least[q], now_ns() - start);
        }
    printf("%zu x %zu float32, threads: %zu\n", rows, classes, threads);
    for (size_t q = 0; q < QUESTIONS; q++) {
        printf("  %-24s %8.4f ns %6.2f\n", questions[q].name,
               least[q] / (double)(rows * classes), least[q] / least[0]);
        if (questions[q].run == some_logs)
            ratio = least[q] / least[0];
    }
    return ratio;
}

/* That ratio with one thread. */
static double try_shape(size_t rows, size_t classes, size_t rounds)
{
    double ratio[2];
    size_t count = rows * classes;
    float *z = must(malloc(count * sizeof *z));
    struct operands o = {.labels = must(calloc(rows, sizeof *o.labels)),
                         .rank = must(calloc(rows * CHOSEN, sizeof *o.rank)),
                         .values = must(malloc(count * sizeof *o.values)),
                         .rows = must(calloc(rows, sizeof *o.rows))};

    fill(z, count);
    for (size_t r = 0; r < rows; r++)
        o.labels[r] = (int64_t)(r * 7919 % classes);
    o.logits = (struct smx_logits){
        .size = sizeof o.logits, .data = z, .outer = rows, .classes = classes};
    o.criterion = (struct smx_criterion){.size = sizeof o.criterion,
                                         .labels = o.labels,
                                         .reduction = SMX_REDUCTION_NONE};
    for (size_t threads = 1; threads <= 2; threads++) {
        struct smx_config config = {.size = sizeof config, .threads = threads};

        if (smx_context_create(&o.context, &config) != SMX_OK)
            exit(1);
        ratio[threads - 1] = measure(&o, rounds, threads);
        smx_context_free(o.context);
    }
    free(z);
    free(o.labels);
    free(o.rank);
    free(o.values);
    free(o.rows);
    return ratio[0];
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 15;
    double ratio = try_shape(32, 128256, rounds);

    try_shape(4096, 1000, rounds);
    if (ratio > MOST)
        printf("log-probabilities of 32 x 128256: %.2f times the loss of a "
               "label, must be at most %.1f\n",
               ratio, MOST);
    return ratio > MOST;
}
