/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CALLS = 100000 };

static double now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* SplitMix64 and Box-Muller: every peer sees the same numbers. */
static double unit(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double radius = sqrt(-2 * log1p(-unit(state)));

    return radius * cos(6.283185307179586 * unit(state));
}

static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (!p) {
        fprintf(stderr, "peer: out of memory\n");
        exit(1);
    }
    memset(p, 0, bytes);
    return p;
}

static void case_free(struct peer_case *c)
{
    free(c->logits);
    free(c->out);
    free(c->second);
    free(c->labels);
    free(c->mask);
    free(c->weights);
    free(c->numbers);
    free(c->classes_out);
    *c = (struct peer_case){0};
}

static void set(const struct peer_case *c, void *numbers, size_t i, double v)
{
    if (c->wide)
        ((double *)numbers)[i] = v;
    else
        ((float *)numbers)[i] = (float)v;
}

static void fill(const struct peer_case *c, uint64_t *state, void *numbers)
{
    for (size_t i = 0; i < c->rows * c->classes; i++)
        set(c, numbers, i, 2 * normal(state));
}

static void fill_targets(const struct peer_case *c, uint64_t *state)
{
    for (size_t i = 0; i < c->rows * c->classes; i++)
        set(c, c->second, i, 2 * unit(state) / (double)c->classes);
}

/* Where class y of row r lies. */
static size_t place(const struct peer_case *c, size_t r, size_t y)
{
    return c->option == PEER_AXIS ? y * c->rows + r : r * c->classes + y;
}

static void case_fill(struct peer_case *c)
{
    uint64_t state = 1;

    fill(c, &state, c->logits);
    if (c->option == PEER_TARGETS)
        fill_targets(c, &state);
    else if (c->second)
        fill(c, &state, c->second);
    for (size_t r = 0; r < c->rows; r++)
        c->labels[r] = (int64_t)(unit(&state) * (double)c->classes);
    for (size_t i = 0; i < c->rows + c->classes; i++)
        set(c, c->weights, i, 1 + unit(&state));
    if (c->option != PEER_MASK && c->option != PEER_MASK_CLASS)
        return;
    for (size_t i = 0; i < c->rows * c->classes; i++)
        c->mask[i] = unit(&state) >= 0.1;
    for (size_t r = 0; r < c->rows; r++)
        c->mask[place(c, r, (size_t)c->labels[r])] = 1;
}

/* Which of these words it is; -1: none. */
static int find(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -1;
}

static bool case_read(struct peer_case *c, const char *line)
{
    static const char *const ops[] = {"softmax", "loss", "gradient", "distill",
                                      "product"};
#define PEER_NAME(constant, name) name,
    static const char *const options[] = {PEER_OPTIONS(PEER_NAME)};
#undef PEER_NAME
    char op[16], dtype[16], option[16] = "plain";
    int read = sscanf(line, "case %15s %15s %zu %zu %zu %15s", op, dtype,
                      &c->rows, &c->classes, &c->threads, option);
    int which = find(op, ops, sizeof ops / sizeof *ops);
    int asked = find(option, options, sizeof options / sizeof *options);

    if (read < 5 || which < 0 || asked < 0)
        return false;
    c->op = (enum peer_op)which;
    c->option = (enum peer_option)asked;
    c->wide = strcmp(dtype, "float64") == 0;
    size_t element = c->wide ? 8 : 4;
    c->bytes = c->rows * c->classes * element;
    c->logits = room(c->bytes);
    c->out = room(c->bytes);
    if (c->op >= PEER_DISTILL || c->option == PEER_TARGETS)
        c->second = room(c->bytes);
    c->labels = room(c->rows * sizeof *c->labels);
    c->mask = room(c->rows * c->classes);
    c->weights = room((c->rows + c->classes) * element);
    c->numbers = room(c->rows * element);
    c->classes_out = room(PEER_TOP * c->rows * sizeof *c->classes_out);
    case_fill(c);
    return true;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/** Median ns of a call, after two that warm up. */
static double measure(const struct peer *peer, struct peer_case *c, double ms,
                      clockid_t clock)
{
    static double took[MOST_CALLS];
    size_t count = 0;

    peer->run(c);
    peer->run(c);
    for (double end = now_ns(clock) + ms * 1e6;
         count < MOST_CALLS && (count < 3 || now_ns(clock) < end); count++) {
        double start = now_ns(clock);

        peer->run(c);
        took[count] = now_ns(clock) - start;
    }
    qsort(took, count, sizeof *took, ascending);
    return took[count / 2];
}

int peer_main(const struct peer *peer)
{
    struct peer_case c = {0};
    char line[256];
    double ms;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        clockid_t clock =
            line[0] == 'r' ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
        if (sscanf(line, "run %lf", &ms) == 1 ||
            sscanf(line, "cpu %lf", &ms) == 1) {
            printf("%.1f\n", measure(peer, &c, ms, clock));
            continue;
        }
        peer->release();
        case_free(&c);
        puts(case_read(&c, line) && peer->prepare(&c) ? "ready" : "no");
    }
    peer->release();
    case_free(&c);
    return 0;
}
