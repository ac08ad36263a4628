/* SPDX-License-Identifier: MIT */
/**
 * A request and its answer as plain structs, whoever speaks: the native JSON
 * endpoints and the Open Inference Protocol fill in the same struct, and every
 * rule about members, shapes and domains stands here once.
 *
 * The way of one: request_init -> members and tensors arrive in any order
 * (request_tensor, request_set) -> request_check -> request_run -> answer.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../json/reader.h"
#include "../json/value.h"
#include "../endpoint.h"
#include "../problem.h"
#include "../tensor.h"
#include "softmax.h"

/** No tensor of a request needs more. */
enum { LOGITS_MAX_RANK = TENSOR_MAX_RANK - 1 };

enum operation { OPERATION_SOFTMAX, OPERATION_LOSS, OPERATION_GRADIENT };

/** How the native endpoints write the tensors of an answer. */
enum encoding { ENCODING_JSON, ENCODING_BASE64 };

enum gradient_of { OF_LOSS, OF_SOFTMAX, OF_LOG_SOFTMAX };

/** What exactly is computed: the operation and what decides between its
 *  forms. A bit each, so that tables can say which tasks a row is for. */
enum task {
    TASK_SOFTMAX = 1,
    TASK_LOG_SOFTMAX = 2,
    TASK_LOSS = 4,
    TASK_LOSS_GRADIENT = 8,
    TASK_PRODUCT = 16, /* of upstream and the Jacobian of (log-)softmax */
    TASK_JACOBIAN = 32 /* of (log-)softmax, all of it */
};

/** The outputs, in the order in which answers have them: see outputs.h. */
enum output_id {
    OUTPUT_PROBABILITIES,
    OUTPUT_LOG_PROBABILITIES,
    OUTPUT_INDICES,
    OUTPUT_GRADIENT,
    OUTPUT_JACOBIAN,
    OUTPUT_LOSS,
    OUTPUT_DIVISOR,
    OUTPUT_ROWS,
    OUTPUT_LOGSUMEXP,
    OUTPUT_ENTROPY,
    OUTPUT_ARGMAX,
    OUTPUT_ACCURACY,
    OUTPUT_RANK,
    OUTPUT_COUNT
};

struct request {
    enum operation operation;
    struct budget *budget; /* charged for tensors */

    /* tensors; TENSOR_NONE while absent */
    union {
        struct {
            struct tensor logits, labels, targets, teacher, weights,
                row_weights, mask, upstream, classes;
        };
        struct tensor tensors[9];
    };

    /* options, with the defaults of the contract after request_init */
    int64_t axis;                   /* -1; after request_check in [0, rank) */
    enum smx_dtype dtype;           /* SMX_FLOAT32 */
    bool dtype_given;               /* known before the body ended */
    double temperature;             /* 1 */
    double softcap;                 /* 0: none */
    bool log;                       /* false */
    int64_t top_k;                  /* 0: none */
    bool statistics_only;           /* false */
    unsigned include;               /* a bit for each output_id */
    int64_t ignore_index;           /* -100 */
    double label_smoothing;         /* 0 */
    double z_loss;                  /* 0 */
    double entropy_weight;          /* 0 */
    double focal;                   /* 0 */
    enum smx_divergence divergence; /* SMX_DIVERGENCE_FORWARD_KL */
    double beta;                    /* 0.5 */
    double teacher_temperature;     /* 0: temperature */
    enum smx_reduction reduction;   /* SMX_REDUCTION_MEAN */
    enum gradient_of of;            /* OF_LOSS */
    enum encoding encoding;         /* ENCODING_JSON */
    unsigned given;   /* members named: bits by place in members.c */
    unsigned queried; /* of them, options that the query string set */
    /* where outputs are to be written; NULL: into tensors of the answer */
    void *places[OUTPUT_COUNT];
    bool one_is_scalar; /* in a protocol without scalars, shape [1] is one */

    /* after request_check */
    size_t outer, class_count, inner, rows; /* rows = outer * inner */
};

/** One named output: a tensor (rank 0: a scalar). */
struct output {
    const char *name; /* static: "probabilities", "loss", "divisor" ... */
    struct tensor tensor;
    max_align_t scalar; /* the data of one of rank 0 */
};

/** Outputs in the order of enum output_id. */
struct answer {
    struct output output[OUTPUT_COUNT];
    size_t count;
};

/** Defaults; tensors absent and charged to budget. */
void request_init(struct request *request, enum operation operation,
                  struct budget *budget);

void request_free(struct request *request);

/**
 * The tensor that a member of that name is for this operation, and how to
 * read it: labels READER_INT64, mask READER_BOOL, the others READER_FLOAT, or
 * FLOAT32/FLOAT64 once dtype is known.
 *
 * @return false where the name is not a tensor of this operation.
 */
bool request_tensor(struct request *request, const char *name,
                    struct reader_destination *destination);

/** The logits of a request that has no other tensor, to be filled in. */
struct tensor *request_logits(struct request *request);

/** Is it an option (not a tensor) of this operation? */
bool request_has_option(const struct request *request, const char *name);

/** The 422 for a name that is neither; returns false. */
bool request_unknown(const struct request *request, const char *name,
                     struct problem *problem);

/**
 * Set an option from a JSON value; name and value are named in the 422 when
 * the operation has no option of that name or the value is outside its domain.
 */
bool request_set(struct request *request, const char *name,
                 const struct value *value, struct problem *problem);

/** The same from bare text: 2, true, mean, "logsumexp,argmax". */
bool request_set_text(struct request *request, const char *name,
                      const char *text, struct problem *problem);

/**
 * Set the options that the query string has. Each may be there once, and then
 * not in the body too.
 */
bool request_set_query(struct request *request, const struct head *head,
                       struct problem *problem);

/**
 * Everything that needs more than one member: required and excluded ones,
 * ranks and shapes, axis, top_k ... Each tensor must have its type by then (see
 * reader_settle): INT64 labels, BOOL mask, the others as dtype says. labels and
 * upstream of a single row have rank 0. After it, axis is in [0, rank) and
 * outer, class_count, inner and rows are set.
 */
bool request_check(struct request *request, struct problem *problem);

/** Elements of the logits, or of the Jacobian where that is the answer: how
 *  much work a checked request is. */
size_t request_elements(const struct request *request);

/**
 * Compute. The logits' buffer becomes the largest output where it can
 * (softmax and gradient are in place), so the request gives up its tensor.
 *
 * @return false: NaN or +infinity in an operand, a label out of range (422,
 *         pointing at the element), memory (503); *answer is empty.
 */
bool request_run(struct request *request, struct smx_context *compute,
                 struct answer *answer, struct problem *problem);

void answer_free(struct answer *answer);

#endif
