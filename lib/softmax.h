/* SPDX-License-Identifier: MIT */
/**
 * libsoftmax: softmax, its cross-entropy loss and their gradients.
 *
 * @code
 * float z[2][3] = {{1, 2, 3}, {0, 0, 0}}, p[2][3];
 * struct smx_context *context;
 * struct smx_logits logits = {
 *     .size = sizeof logits, .data = z, .outer = 2, .classes = 3};
 * struct smx_softmax_out out = {.size = sizeof out, .values = p};
 * if (smx_context_create(&context, NULL) == SMX_OK) {
 *     enum smx_status status = smx_softmax(context, &logits, NULL, &out, NULL);
 *     puts(smx_status_string(status));
 *     smx_context_free(context);
 * }
 * @endcode
 *
 * Notation: row z in R^C (C = classes), p = softmax(z), l = log p,
 * lse = log sum exp z; H = -sum p l; w class weights, r the row's weight,
 * e label smoothing, y label, t targets, q a teacher's softmax, k = log q,
 * L z-loss coefficient, n entropy weight, f focal exponent.
 *
 * Structs      Each begins with its size: sizeof of it, as the caller was
 *              compiled. All other members may be 0, which is their default. A
 *              caller with a smaller struct than the library's keeps the
 *              defaults of what was added since; one with a larger struct is
 *              refused where it sets what the library does not know.
 * Shapes       A tensor is outer x classes x inner, row-major; row r =
 *              o * inner + i holds the elements o * stride + c * inner + i,
 *              stride being classes * inner where there are no gaps between
 *              the outer parts. With the class axis last, inner is 1. "One a
 *              row" is outer x inner elements.
 * Accuracy     float32: 2 ulp of the exact value; float64: 4 ulp, for any
 *              range of logits and up to 2^24 classes (lib/NUMERICS.md). Where
 *              terms cancel, of the terms: max(|p|, |y|) in a gradient; |g_c|
 *              and sum |g_k p_k| in a product; the sum of |w_c q_c l_c| in a
 *              loss by targets of both signs; |max z'| and log(1 + rest) in a
 *              log-sum-exp near 0; the loss, the z-loss and the entropy where
 *              these are added, and p_c times each of them in a gradient. A
 *              divergence keeps its digits where p and q nearly agree, and
 *              costs exactly 0 where they are the same. A focal exponent f
 *              above 1 makes f times as much of an error of 1 - p_y: float64
 *              is within 4 f ulp.
 * Range        What overflows dtype is +-INFINITY, never NaN: 0 times an
 *              overflow is 0. A loss in which both infinities meet is
 *              +INFINITY, such an element of a gradient 0. Weights, targets,
 *              coefficients, temperature and upstream may be as small and as
 *              large as their type: a product of them overflows only where
 *              the answer does. But a probability or a slope below 2^-1100,
 *              and a power of 1 - p_y below 2^-1074, may count as 0; a row's
 *              loss that overflows with its weight makes a mean infinite; and
 *              what a teacher is compared with, the distance of a logit from
 *              the largest over the temperature, overflows as a double.
 * Determinism  The same bits for every instruction set, thread count,
 *              alignment and neighbour rows.
 * Threads      Every call may be made concurrently on one context. Who changes
 *              numbers of an operand meanwhile, as in shared memory, gets any
 *              outputs or SMX_ENONFINITE, and harms nothing else; labels, and
 *              logits with a top-k, must not change.
 * Ownership    The caller owns every buffer; nothing is kept.
 * Memory       Beside its operands a call takes a megabyte or an eighth of the
 *              logits, whichever is more, but room for a row of logits with a
 *              mask or gaps, and for 32 rows, or all, of each operand whose
 *              class axis is not the last; 28 bytes for each class of a row
 *              that is chosen or in a top-k, 16 for each class of a row of
 *              which more than 4096 ranks are asked; and 16 bytes a row of a
 *              loss.
 * Stack        128 KiB is enough for any call.
 * Errors       Outputs are untouched unless SMX_OK is returned, or may be
 *              written early (smx_softmax_out, smx_loss_out, smx_vjp_early);
 *              then struct smx_where tells the argument that is wrong. The
 *              library never prints, exits, aborts or reads the environment.
 * Fork         A context does not live on in a child of fork(), which has none
 *              of its threads: create one there.
 */
#ifndef SMX_SOFTMAX_H
#define SMX_SOFTMAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SMX_VERSION "1.0.0"
#define SMX_VERSION_NUMBER 10000 /* major * 10000 + minor * 100 + patch */

/** SMX_VERSION_NUMBER of the library that runs. */
unsigned smx_version(void);

/** name, sentence */
#define SMX_STATUSES(X)                                                        \
    X(SMX_OK, "no error")                                                      \
    X(SMX_EARGUMENT, "an argument is outside its domain")                      \
    X(SMX_ENONFINITE, "NaN or an infinity where a number is needed")           \
    X(SMX_ELABEL, "a label or class is outside [0, classes)")                  \
    X(SMX_EOVERFLOW, "the sizes do not fit into memory addresses")             \
    X(SMX_ENOMEM, "out of memory")                                             \
    X(SMX_ETHREAD, "a thread could not be started")                            \
    X(SMX_EISA, "this machine does not have that instruction set")

enum smx_status {
#define SMX_ENUM(name, sentence) name,
    SMX_STATUSES(SMX_ENUM)
#undef SMX_ENUM
};

/** The sentence of a status; static storage, never NULL. */
const char *smx_status_string(enum smx_status status);

enum smx_dtype { SMX_FLOAT32, SMX_FLOAT64 };

/** Bytes of one element: 4 or 8. */
size_t smx_dtype_bytes(enum smx_dtype dtype);

enum smx_isa {
    SMX_ISA_BEST,
    SMX_ISA_BASE,
    SMX_ISA_AVX2,
    SMX_ISA_AVX512,
    SMX_ISA_NEON
};

/** "best", "base", "avx2", "avx512", "neon"; static storage. */
const char *smx_isa_name(enum smx_isa isa);

/** Can this build run that instruction set on this machine? */
bool smx_isa_available(enum smx_isa isa);

/* ---- context ---------------------------------------------------------- */

/** The kernels in use and the compute pool. */
struct smx_context;

struct smx_config {
    size_t size;
    size_t threads;   /* that compute, the caller's included; at most 4096;
                         0: one for each processor the caller may run on */
    enum smx_isa isa; /* SMX_ISA_BEST (0): the best this machine has */
};

/**
 * Start a context. config NULL: all defaults.
 *
 * Ownership    *context is new; smx_context_free releases it.
 * @retval SMX_EARGUMENT, SMX_EISA, SMX_ENOMEM, SMX_ETHREAD
 *         *context is NULL.
 */
enum smx_status smx_context_create(struct smx_context **context,
                                   const struct smx_config *config);

/** Joins the threads. No call may be under way. NULL is ignored. */
void smx_context_free(struct smx_context *context);

/** The instruction set in use, never SMX_ISA_BEST. */
enum smx_isa smx_context_isa(const struct smx_context *context);

/** Threads that compute, the caller's included; at least 1. */
size_t smx_context_threads(const struct smx_context *context);

/* ---- errors ------------------------------------------------------------ */

/** name, member or parameter as it is written here */
#define SMX_FIELDS(X)                                                          \
    X(SMX_FIELD_NONE, "") /* the error is about no argument */                 \
    X(SMX_FIELD_LOGITS, "logits.data")                                         \
    X(SMX_FIELD_LABELS, "criterion.labels")                                    \
    X(SMX_FIELD_TARGETS, "criterion.targets")                                  \
    X(SMX_FIELD_TEACHER, "criterion.teacher")                                  \
    X(SMX_FIELD_WEIGHTS, "criterion.weights")                                  \
    X(SMX_FIELD_ROW_WEIGHTS, "criterion.row_weights")                          \
    X(SMX_FIELD_UPSTREAM, "upstream")                                          \
    X(SMX_FIELD_LOGITS_SIZE, "logits.size")                                    \
    X(SMX_FIELD_DTYPE, "logits.dtype")                                         \
    X(SMX_FIELD_OUTER, "logits.outer")                                         \
    X(SMX_FIELD_CLASSES, "logits.classes")                                     \
    X(SMX_FIELD_STRIDE, "logits.stride")                                       \
    X(SMX_FIELD_OUT_STRIDE, "logits.out_stride")                               \
    X(SMX_FIELD_TEMPERATURE, "logits.temperature")                             \
    X(SMX_FIELD_SOFTCAP, "logits.softcap")                                     \
    X(SMX_FIELD_CRITERION_SIZE, "criterion.size")                              \
    X(SMX_FIELD_LABEL_SMOOTHING, "criterion.label_smoothing")                  \
    X(SMX_FIELD_Z_LOSS, "criterion.z_loss")                                    \
    X(SMX_FIELD_ENTROPY_WEIGHT, "criterion.entropy_weight")                    \
    X(SMX_FIELD_FOCAL, "criterion.focal")                                      \
    X(SMX_FIELD_DIVERGENCE, "criterion.divergence")                            \
    X(SMX_FIELD_BETA, "criterion.beta")                                        \
    X(SMX_FIELD_TEACHER_TEMPERATURE, "criterion.teacher_temperature")          \
    X(SMX_FIELD_REDUCTION, "criterion.reduction")                              \
    X(SMX_FIELD_OPTIONS_SIZE, "options.size")                                  \
    X(SMX_FIELD_TOP_K, "options.top_k")                                        \
    X(SMX_FIELD_CHOSEN, "options.chosen")                                      \
    X(SMX_FIELD_CHOSEN_COUNT, "options.chosen_count")                          \
    X(SMX_FIELD_OUT_SIZE, "out.size")                                          \
    X(SMX_FIELD_RANK, "out.rank")                                              \
    X(SMX_FIELD_GRADIENT, "gradient")                                          \
    X(SMX_FIELD_JACOBIAN, "jacobian")

enum smx_field {
#define SMX_ENUM(name, text) name,
    SMX_FIELDS(SMX_ENUM)
#undef SMX_ENUM
};

/** "logits.temperature" of SMX_FIELD_TEMPERATURE; static storage. */
const char *smx_field_name(enum smx_field field);

/** Which argument an error is about, and where in it. Calls that take one set
 *  it whenever they do not return SMX_OK; NULL: not wanted. */
struct smx_where {
    size_t size;
    enum smx_field field;
    size_t index; /* of a tensor: the first offending element, counted in its
                     shape without gaps; else 0 */
};

/* ---- operands --------------------------------------------------------- */

/** The logits and what is done to them first. */
struct smx_logits {
    size_t size;
    const void *data; /* outer x classes x inner, of dtype; -INFINITY leaves a
                         class out; NaN and +INFINITY: SMX_ENONFINITE */
    enum smx_dtype dtype;
    size_t outer;        /* 0 is a tensor without rows */
    size_t classes;      /* >= 1 */
    size_t inner;        /* 0: 1 */
    size_t stride;       /* elements from one outer part to the next of every
                            input of this shape; 0: classes * inner, no gaps */
    size_t out_stride;   /* likewise of every output of this shape. What lies
                            in gaps is neither read nor written */
    double temperature;  /* z' = z / temperature; > 0, finite; 0: 1 */
    double softcap;      /* z' = s tanh(z / s), before the temperature;
                            > 0, finite; 0: none */
    const uint8_t *mask; /* 0: class left out; NULL: none. In every value as
                            -INFINITY, but as no answer depends on its logit,
                            its gradient is 0 everywhere */
    bool mask_per_class; /* mask is [classes], else the shape of data */
};

enum smx_reduction {
    SMX_REDUCTION_MEAN,
    SMX_REDUCTION_SUM,
    SMX_REDUCTION_NONE
};

/** How far the teacher's distribution q is from p. */
enum smx_divergence {
    SMX_DIVERGENCE_FORWARD_KL, /* KL(q || p) */
    SMX_DIVERGENCE_REVERSE_KL, /* KL(p || q) */
    SMX_DIVERGENCE_JSD         /* beta KL(q || m) + (1 - beta) KL(p || m),
                                  m = beta q + (1 - beta) p */
};

/** What the logits are compared with: exactly one of labels, targets and
 *  teacher. */
struct smx_criterion {
    size_t size;
    const int64_t *labels;   /* one a row, or NULL; in [0, classes) or to be
                                ignored, else SMX_ELABEL */
    const void *targets;     /* class probabilities, shape and dtype of the
                                logits, or NULL. Need not sum to 1; finite */
    const void *teacher;     /* logits of another model, shape and dtype of the
                                logits, or NULL; the mask counts for both,
                                softcap for the logits alone; as logits.data
                                otherwise */
    const void *weights;     /* [classes], dtype of the logits, finite; NULL:
                                all 1; not with a teacher */
    const void *row_weights; /* one a row, dtype of the logits, finite, >= 0;
                                NULL: all 1 */
    bool ignore;             /* leave out the rows whose label is ignore_index;
                                of no effect without labels */
    int64_t ignore_index;    /* PyTorch: -100 */
    double label_smoothing;  /* in [0, 1]; 0 with a teacher */
    double z_loss;           /* coefficient of lse^2; finite, >= 0 */
    double entropy_weight;   /* coefficient of -H; finite, >= 0 */
    double focal;            /* exponent of 1 - p_y; finite, >= 0; needs labels,
                                and no smoothing */
    enum smx_divergence divergence; /* from the teacher */
    double beta;                /* of a JSD, in [0, 1]; 0 and 1 are the forward
                                   and the reverse KL, as in GKD */
    double teacher_temperature; /* > 0, finite; 0: that of the logits */
    enum smx_reduction reduction;
};

/* ---- softmax ---------------------------------------------------------- */

struct smx_softmax_options {
    size_t size;
    bool log;     /* values are log-probabilities */
    size_t top_k; /* 0: all classes in place; else in [1, classes] */
    /* the classes to answer, in this order, instead of all; NULL: all. Each is
       in [0, classes), else SMX_ELABEL; one may be there more than once. Not
       with top_k */
    const int64_t *chosen;
    size_t chosen_count;  /* classes a row; >= 1 where there are any */
    bool chosen_each_row; /* chosen has a list for each row, outer x inner x
                             chosen_count; else one for all */
};

/** What is wanted of a softmax. Every pointer may be NULL: not wanted. */
struct smx_softmax_out {
    size_t size;
    void *values;     /* dtype; top_k == 0: shape of the logits, may be the
                         logits themselves; top_k > 0: outer x top_k x inner
                         without gaps, largest first, ties by lower class;
                         chosen: outer x chosen_count x inner without gaps, the
                         same bits as among all; NaN never */
    int64_t *indices; /* outer x top_k x inner: the classes of values; without
                         top_k not written */
    void *logsumexp;  /* one a row, dtype: log sum exp z' */
    void *entropy;    /* one a row, dtype: -sum p log p, nats */
    int64_t *argmax;  /* one a row: first class of the largest logit; a row
                         all masked: 0 */
    int64_t *rank;    /* outer x chosen_count x inner: how many classes come
                         before the chosen one in the order of a top-k; only
                         with chosen */
    bool early;       /* outputs may be written before an error is found: after
                         one they hold anything, the row it is about aside. The
                         logits are then read once */
};

/**
 * Softmax along the class axis: p_c = exp(z'_c - lse).
 *
 * A row whose classes are all masked: p = 0, log p = -INFINITY, lse =
 * -INFINITY, entropy 0; its top-k are the first classes with p = 0.
 * options      NULL: probabilities of all classes.
 * Aliasing     out->values == logits->data is allowed where their strides are
 *              equal, no other overlap.
 * @retval SMX_EARGUMENT, SMX_EOVERFLOW, SMX_ENONFINITE, SMX_ENOMEM
 */
enum smx_status smx_softmax(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct smx_softmax_options *options,
                            const struct smx_softmax_out *out,
                            struct smx_where *where);

/* ---- cross-entropy ---------------------------------------------------- */

/** What is wanted of a loss. Every pointer may be NULL: not wanted. */
struct smx_loss_out {
    size_t size;
    void *loss;       /* dtype; mean and sum: one; none: one a row */
    double *divisor;  /* what mean divides by, whatever the reduction: the sum
                         of r times the label's weight over rows not ignored;
                         with targets or a teacher the sum of r */
    size_t *rows;     /* rows not ignored */
    void *logsumexp;  /* one a row, dtype */
    int64_t *argmax;  /* one a row */
    double *accuracy; /* share of rows not ignored whose argmax is the label
                         (with targets: the first class of the largest target,
                         with a teacher: of its largest logit);
                         0 without rows */
    void *entropy;    /* one a row, dtype, ignored ones too */
    int64_t *rank;    /* one a row: that of its label, see smx_softmax_out; -1
                         of a row that is ignored; only with labels */
    void *log_probabilities; /* shape and dtype of the logits; overlaps
                                nothing */
    bool early; /* the gradient and what is one a row may be written before an
                   error is found: after one they hold anything, a gradient
                   over the logits aside. The operands are then read once */
};

/**
 * Cross-entropy, or how far a teacher is. Row loss, before r:
 *   labels    (1-e)(-w_y l_y) + (e/C) sum_c(-w_c l_c)   [+ L lse^2 - n H]
 *   focal     (1 - p_y)^f (-w_y l_y)                    [+ L lse^2 - n H]
 *   targets   -sum_c w_c q_c l_c, q = (1-e) t + e/C     [+ L lse^2 - n H]
 *   teacher   as enum smx_divergence has it             [+ L lse^2 - n H]
 *   ignored   0
 * with 0 * log 0 = 0. mean divides the sum of the first part by the divisor
 * (see smx_loss_out) and that of the others by the sum of r over the rows not
 * ignored; a divisor of 0 gives loss 0 and gradient 0, all parts included, as
 * does a tensor without rows. A row all masked costs +INFINITY unless it is
 * ignored, its weight is 0 or its target mass is zero everywhere (weights
 * included); its z-loss and entropy count 0. A Kullback-Leibler divergence is
 * +INFINITY where its first distribution has mass and its second none.
 *
 * One confident row keeps its digits: z = [20,0,0,0], y = 0 is 6.183461e-09.
 * @retval SMX_EARGUMENT, SMX_EOVERFLOW, SMX_ENONFINITE, SMX_ELABEL,
 *         SMX_ENOMEM
 */
enum smx_status smx_loss(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_criterion *criterion,
                         const struct smx_loss_out *out,
                         struct smx_where *where);

/**
 * Gradient of the cross-entropy with respect to the logits:
 *   labels    A p_c - [(1-e) w_y [c=y] + (e/C) w_c],
 *             A = (1-e) w_y + (e/C) sum_k w_k           [+ 2 L lse p_c]
 *   focal     w_y (f (1-p_y)^(f-1) p_y l_y - (1-p_y)^f) ([c=y] - p_c)
 *   targets   (sum_k w_k q_k) p_c - w_c q_c             [+ 2 L lse p_c]
 *   forward   p_c - q_c
 *   reverse   p_c (l_c - k_c - KL)
 *   JSD       (1 - beta) p_c (log(p_c / m_c) - KL(p || m))
 *   ignored   0
 * and for the entropy + n p_c (l_c + H), times 1/temperature, times
 * 1 - tanh^2(z_c / softcap), times r, times the reduction factor (mean:
 * 1/divisor, for z-loss and entropy 1/sum of r; none: as sum), times upstream.
 * Exactly 0 at a class that the mask leaves out, whatever mass lies on it; and,
 * the z-loss's part aside, where one class has p = 1 and all the mass.
 *
 * upstream     dtype; NULL: 1; mean and sum: one; none: one a row. Finite.
 * gradient     shape and dtype of the logits; may be the logits' data where
 *              the strides are equal, no other overlap.
 * loss         may be NULL; as in smx_loss.
 * @retval as smx_loss.
 */
enum smx_status smx_gradient(struct smx_context *context,
                             const struct smx_logits *logits,
                             const struct smx_criterion *criterion,
                             const void *upstream, void *gradient,
                             const struct smx_loss_out *loss,
                             struct smx_where *where);

/* ---- derivatives of softmax itself ------------------------------------ */

/**
 * Product of an upstream gradient g with the Jacobian of softmax,
 * p_c (g_c - sum_k g_k p_k), or of log-softmax, g_c - p_c sum_k g_k,
 * times the derivatives of temperature and softcap. Where the mask leaves a
 * class out, the Jacobian has neither row nor column: sums over k leave it out
 * too, and its element is exactly 0. A class of -INFINITY follows the formula
 * with p_c = 0: softmax gives it 0, log-softmax g_c; with softcap, which is
 * flat there, both give it 0.
 *
 * upstream     shape and dtype of the logits; finite.
 * gradient     shape and dtype of the logits; may be logits->data or
 *              upstream where the strides are equal, no other overlap.
 * @retval SMX_EARGUMENT, SMX_EOVERFLOW, SMX_ENONFINITE, SMX_ENOMEM
 */
enum smx_status smx_vjp(struct smx_context *context,
                        const struct smx_logits *logits, bool log,
                        const void *upstream, void *gradient,
                        struct smx_where *where);

/** smx_vjp whose gradient may be written before an error is found: after one it
 *  holds anything, but an operand that it lies over keeps the row in question.
 *  The operands are then read once, but those of float64 or of narrow rows
 *  that it lies over. */
enum smx_status smx_vjp_early(struct smx_context *context,
                              const struct smx_logits *logits, bool log,
                              const void *upstream, void *gradient,
                              struct smx_where *where);

/**
 * The Jacobian itself, output first as PyTorch has it: element [o, j, n, i]
 * of the logits' shape + [classes] is d a_j / d z_i in row (o, n), which is
 * a_j (delta_ij - a_i) for softmax and delta_ij - a_i for log-softmax, times
 * the derivatives of temperature and softcap at z_i. Classes that are left out:
 * as for smx_vjp.
 *
 * jacobian     outer x classes x inner x classes without gaps, dtype; no
 *              overlap.
 * @retval SMX_EARGUMENT, SMX_EOVERFLOW, SMX_ENONFINITE, SMX_ENOMEM
 */
enum smx_status smx_jacobian(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             void *jacobian, struct smx_where *where);

#ifdef __cplusplus
}
#endif
#endif
