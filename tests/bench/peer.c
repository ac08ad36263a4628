/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CALLS = 100000 };

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
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
    free(c->teacher);
    free(c->labels);
    *c = (struct peer_case){0};
}

static void fill(const struct peer_case *c, uint64_t *state, void *numbers)
{
    for (size_t i = 0; i < c->rows * c->classes; i++)
        if (c->wide)
            ((double *)numbers)[i] = 2 * normal(state);
        else
            ((float *)numbers)[i] = (float)(2 * normal(state));
}

static void case_fill(struct peer_case *c)
{
    uint64_t state = 1;

    fill(c, &state, c->logits);
    if (c->teacher)
        fill(c, &state, c->teacher);
    for (size_t r = 0; r < c->rows; r++)
        c->labels[r] = (int64_t)(unit(&state) * (double)c->classes);
}

static bool case_read(struct peer_case *c, const char *line)
{
    static const char *const ops[] = {"softmax", "loss", "gradient", "distill"};
    char op[16], dtype[16];

    if (sscanf(line, "case %15s %15s %zu %zu %zu", op, dtype, &c->rows,
               &c->classes, &c->threads) != 5)
        return false;
    for (int i = 0; i < 4; i++)
        if (strcmp(op, ops[i]) == 0)
            c->op = (enum peer_op)i;
    c->wide = strcmp(dtype, "float64") == 0;
    c->bytes = c->rows * c->classes * (c->wide ? 8 : 4);
    c->logits = room(c->bytes);
    c->out = room(c->bytes);
    if (c->op == PEER_DISTILL)
        c->teacher = room(c->bytes);
    c->labels = room(c->rows * sizeof *c->labels);
    case_fill(c);
    return true;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/** Median ns of a call, after two that warm up. */
static double measure(const struct peer *peer, struct peer_case *c, double ms)
{
    static double took[MOST_CALLS];
    size_t count = 0;

    peer->run(c);
    peer->run(c);
    for (double end = now_ns() + ms * 1e6;
         count < MOST_CALLS && (count < 3 || now_ns() < end); count++) {
        double start = now_ns();

        peer->run(c);
        took[count] = now_ns() - start;
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
        if (sscanf(line, "run %lf", &ms) == 1) {
            printf("%.1f\n", measure(peer, &c, ms));
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
