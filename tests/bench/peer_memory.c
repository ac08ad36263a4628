/* SPDX-License-Identifier: MIT */
/*
 * What memory allows: copying the logits to the output, or reading them and
 * adding them up. usage: peer_memory copy|sum
 */
#include <omp.h>
#include <string.h>

#include "peer.h"

/* Below it a parallel region costs more than it saves. */
enum { SMALL = 800000 };

static bool adding;
static double sink;

static void release(void)
{
}

static bool prepare(struct peer_case *c)
{
    omp_set_num_threads((int)c->threads);
    return true;
}

static void copy(const char *from, char *to, size_t bytes)
{
    memcpy(to, from, bytes);
}

typedef float floats __attribute__((vector_size(64)));
typedef double doubles __attribute__((vector_size(64)));

/* As many sums side by side as hide the latency of an addition. */
static double add_floats(const char *from, size_t bytes)
{
    floats sum[4] = {{0}}, x[4];
    double total = 0;

    for (size_t i = 0; i + sizeof x <= bytes; i += sizeof x) {
        memcpy(x, from + i, sizeof x);
        for (int k = 0; k < 4; k++)
            sum[k] += x[k];
    }
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 16; i++)
            total += (double)sum[k][i];
    return total;
}

static double add_doubles(const char *from, size_t bytes)
{
    doubles sum[4] = {{0}}, x[4];
    double total = 0;

    for (size_t i = 0; i + sizeof x <= bytes; i += sizeof x) {
        memcpy(x, from + i, sizeof x);
        for (int k = 0; k < 4; k++)
            sum[k] += x[k];
    }
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 8; i++)
            total += sum[k][i];
    return total;
}

static double visit(const struct peer_case *c, size_t start, size_t bytes)
{
    const char *from = (const char *)c->logits + start;

    if (adding)
        return c->wide ? add_doubles(from, bytes) : add_floats(from, bytes);
    copy(from, (char *)c->out + start, bytes);
    return 0;
}

static void run(struct peer_case *c)
{
    size_t threads = c->bytes < SMALL ? 1 : c->threads;
    size_t share = c->bytes / threads / 64 * 64;
    double total = 0;

    if (threads == 1) {
        sink = visit(c, 0, c->bytes);
        return;
    }
#pragma omp parallel for reduction(+ : total) schedule(static, 1)
    for (size_t t = 0; t < threads; t++)
        total +=
            visit(c, t * share, t + 1 < threads ? share : c->bytes - t * share);
    sink = total;
}

int main(int argc, char **argv)
{
    const struct peer peer = {prepare, run, release};

    adding = argc > 1 && strcmp(argv[1], "sum") == 0;
    return peer_main(&peer);
}
