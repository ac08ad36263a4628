// SPDX-License-Identifier: MIT
#include "outputs.h"

#include <string.h>

static bool has_values(const struct request *request)
{
    return !request->statistics_only;
}

static bool has_indices(const struct request *request)
{
    return request->top_k > 0 && !request->statistics_only;
}

/* Of the classes chosen, of the labels of a loss. */
static bool has_ranked(const struct request *request)
{
    const struct tensor *of = request->operation == OPERATION_SOFTMAX
                                  ? &request->classes
                                  : &request->labels;
    return of->type != TENSOR_NONE;
}

enum {
    ANY_SOFTMAX = TASK_SOFTMAX | TASK_LOG_SOFTMAX,
    ANY_LOSS = TASK_LOSS | TASK_LOSS_GRADIENT
};

const struct output_kind output_kinds[OUTPUT_COUNT] = {
    [OUTPUT_PROBABILITIES] = {"probabilities", TASK_SOFTMAX, TENSOR_NONE,
                              SHAPE_VALUES, .in_place = TASK_SOFTMAX,
                              .given = has_values},
    [OUTPUT_LOG_PROBABILITIES] = {"log_probabilities",
                                  TASK_LOG_SOFTMAX | ANY_LOSS, TENSOR_NONE,
                                  SHAPE_VALUES, .in_place = TASK_LOG_SOFTMAX,
                                  .included = ANY_LOSS, .given = has_values},
    [OUTPUT_INDICES] = {"indices", ANY_SOFTMAX, TENSOR_INT64, SHAPE_VALUES,
                        .given = has_indices},
    [OUTPUT_GRADIENT] = {"gradient", TASK_LOSS_GRADIENT | TASK_PRODUCT,
                         TENSOR_NONE, SHAPE_LOGITS,
                         .in_place = TASK_LOSS_GRADIENT | TASK_PRODUCT},
    [OUTPUT_JACOBIAN] = {"jacobian", TASK_JACOBIAN, TENSOR_NONE,
                         .shape = SHAPE_JACOBIAN},
    [OUTPUT_LOSS] = {"loss", ANY_LOSS, TENSOR_NONE, .shape = SHAPE_LOSS},
    [OUTPUT_DIVISOR] = {"divisor", ANY_LOSS, TENSOR_FLOAT64,
                        .shape = SHAPE_SCALAR},
    [OUTPUT_ROWS] = {"rows", ANY_LOSS, TENSOR_INT64, .shape = SHAPE_SCALAR},
    [OUTPUT_LOGSUMEXP] = {"logsumexp", ANY_SOFTMAX | ANY_LOSS, TENSOR_NONE,
                          SHAPE_ROWS, .included = ANY_SOFTMAX | ANY_LOSS},
    [OUTPUT_ENTROPY] = {"entropy", ANY_SOFTMAX | ANY_LOSS, TENSOR_NONE,
                        SHAPE_ROWS, .included = ANY_SOFTMAX | ANY_LOSS},
    [OUTPUT_ARGMAX] = {"argmax", ANY_SOFTMAX | ANY_LOSS, TENSOR_INT64,
                       SHAPE_ROWS, .included = ANY_SOFTMAX | ANY_LOSS},
    [OUTPUT_ACCURACY] = {"accuracy", ANY_LOSS, TENSOR_FLOAT64, SHAPE_SCALAR,
                         .included = ANY_LOSS},
    [OUTPUT_RANK] = {"rank", ANY_SOFTMAX | ANY_LOSS, TENSOR_INT64, SHAPE_RANK,
                     .included = ANY_SOFTMAX | ANY_LOSS, .given = has_ranked},
};

/* Those that are answered without being named; the others follow them. */
enum { UNNAMED = (1 << OUTPUT_LOGSUMEXP) - 1 };

_Static_assert(OUTPUT_COUNT <= sizeof(unsigned) * 8,
               "include has a bit for each output");

const struct output_kind *output_find(const char *name)
{
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (!strcmp(output_kinds[i].name, name))
            return &output_kinds[i];
    return NULL;
}

enum tensor_type output_usual_type(const struct output_kind *kind)
{
    return kind->type == TENSOR_NONE ? TENSOR_FLOAT32 : kind->type;
}

enum tensor_type output_type(const struct output_kind *kind,
                             const struct request *request)
{
    return kind->type == TENSOR_NONE ? request_float_type(request) : kind->type;
}

static bool is_possible(const struct output_kind *kind, enum task task,
                        const struct request *request)
{
    return (kind->tasks & task) && (!kind->given || kind->given(request));
}

bool output_possible(const struct output_kind *kind,
                     const struct request *request)
{
    return is_possible(kind, request_task(request), request);
}

unsigned outputs_given(const struct request *request)
{
    enum task task = request_task(request);
    unsigned bits = 0;
    for (unsigned left = request->include | UNNAMED; left; left &= left - 1) {
        const struct output_kind *kind = &output_kinds[__builtin_ctz(left)];
        unsigned bit = left & -left;
        if (is_possible(kind, task, request) &&
            (!(kind->included & task) || request->include & bit))
            bits |= bit;
    }
    return bits;
}
