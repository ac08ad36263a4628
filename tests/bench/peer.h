/* SPDX-License-Identifier: MIT */
/**
 * A measured program of bench_kernels.py. It obeys lines on stdin:
 *
 *   case OP DTYPE ROWS CLASSES THREADS   prepare; answers "ready" or "no"
 *   run MILLISECONDS                     answers the median ns of a call
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_op { PEER_SOFTMAX, PEER_LOSS, PEER_GRADIENT, PEER_DISTILL };

struct peer_case {
    enum peer_op op;
    bool wide; /* float64, else float32 */
    size_t rows, classes, threads;
    size_t bytes;    /* of the logits */
    void *logits;    /* N(0, 2), 64-byte aligned */
    void *out;       /* of the same size */
    void *teacher;   /* likewise N(0, 2), for PEER_DISTILL */
    int64_t *labels; /* one a row */
};

struct peer {
    /** What must exist before the first call; false: not this one. */
    bool (*prepare)(struct peer_case *c);
    void (*run)(struct peer_case *c);
    void (*release)(void);
};

/** Serve lines until the end of stdin; the exit status. */
int peer_main(const struct peer *peer);

#endif
