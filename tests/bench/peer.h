/* SPDX-License-Identifier: MIT */
/**
 * A measured program of bench_kernels.py. It obeys lines on stdin:
 *
 *   case OP DTYPE ROWS CLASSES THREADS [OPTION]
 *                      prepare; answers "ready" or "no"
 *   run MILLISECONDS   answers the median ns of a call
 *   cpu MILLISECONDS   the same in the processor's time, which others on the
 *                      machine lengthen less
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_op {
    PEER_SOFTMAX,
    PEER_LOSS,
    PEER_GRADIENT,
    PEER_DISTILL,
    PEER_PRODUCT
};

/** constant, name: what is asked of an operation, at most one thing at a time;
 *  bench_options.py says which of which, and peer_pytorch.py in other words. */
#define PEER_OPTIONS(X)                                                        \
    X(PEER_PLAIN, "plain")                                                     \
    X(PEER_TEMPERATURE, "temperature")                                         \
    X(PEER_SOFTCAP, "softcap")                                                 \
    X(PEER_MASK, "mask")                                                       \
    X(PEER_MASK_CLASS, "mask-class")                                           \
    X(PEER_AXIS, "axis")                                                       \
    X(PEER_LOG, "log")                                                         \
    X(PEER_TOP_K, "top-k")                                                     \
    X(PEER_ARGMAX, "argmax")                                                   \
    X(PEER_LOGSUMEXP, "logsumexp")                                             \
    X(PEER_ENTROPY, "entropy")                                                 \
    X(PEER_ACCURACY, "accuracy")                                               \
    X(PEER_WEIGHTS, "weights")                                                 \
    X(PEER_ROW_WEIGHTS, "row-weights")                                         \
    X(PEER_SMOOTHING, "smoothing")                                             \
    X(PEER_Z_LOSS, "z-loss")                                                   \
    X(PEER_TARGETS, "targets")                                                 \
    X(PEER_BONUS, "entropy-weight")                                            \
    X(PEER_FOCAL, "focal")

enum peer_option {
#define PEER_ENUM(constant, name) constant,
    PEER_OPTIONS(PEER_ENUM)
#undef PEER_ENUM
};

struct peer_case {
    enum peer_op op;
    enum peer_option option;
    bool wide; /* float64, else float32 */
    size_t rows, classes, threads;
    size_t bytes;    /* of the logits */
    void *logits;    /* N(0, 2), 64-byte aligned */
    void *out;       /* of the same size */
    void *second;    /* likewise N(0, 2): a teacher, or an upstream gradient;
                        or targets, 1 / classes on the average */
    int64_t *labels; /* one a row */
    uint8_t *mask;   /* one a logit: 0 for one in ten, but for no label */
    void *weights;   /* one a row and one a class, from 1 to 2 */
    void *numbers;   /* room for one a row, like the next: of the dtype */
    int64_t *classes_out; /* PEER_TOP a row */
};

enum { PEER_TOP = 5 };

struct peer {
    /** What must exist before the first call; false: not this one. */
    bool (*prepare)(struct peer_case *c);
    void (*run)(struct peer_case *c);
    void (*release)(void);
};

/** Serve lines until the end of stdin; the exit status. */
int peer_main(const struct peer *peer);

#endif
