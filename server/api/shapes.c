// SPDX-License-Identifier: MIT
#include "shapes.h"

#include <stdio.h>

/* Where there are no scalars, an array of one stands for them. */
static const struct {
    int usual_rank;
    bool scalar;       /* for some request */
    const char *words; /* for "must be SHAPE, WORDS" */
} kinds[] = {
    [SHAPE_SCALAR] = {1, true, "one for the whole loss"},
    [SHAPE_LOGITS] = {2, false, "as logits"},
    [SHAPE_ROWS] = {1, true, "one a row"},
    [SHAPE_CLASSES] = {1, false, "one a class"},
    [SHAPE_MASK] = {2, false, "as logits"},
    [SHAPE_LOSS] = {1, true, NULL},
    [SHAPE_UPSTREAM] = {1, true, NULL},
    [SHAPE_VALUES] = {2, false, NULL},
    [SHAPE_RANK] = {2, false, NULL},
    [SHAPE_CHOSEN] = {1, false, "a list a row"},
    [SHAPE_JACOBIAN] = {3, false, NULL},
};

/* Some kinds depend on the request: the kind they are. */
static enum shape_kind settle_kind(const struct request *request,
                                   enum shape_kind kind)
{
    if (kind == SHAPE_UPSTREAM)
        kind = request->of == OF_LOSS ? SHAPE_LOSS : SHAPE_LOGITS;
    if (kind == SHAPE_RANK)
        kind =
            request->operation == OPERATION_SOFTMAX ? SHAPE_VALUES : SHAPE_ROWS;
    if (kind == SHAPE_LOSS)
        kind = request->reduction == SMX_REDUCTION_NONE ? SHAPE_ROWS
                                                        : SHAPE_SCALAR;
    return kind;
}

size_t shape_picked(const struct request *request)
{
    const struct tensor *classes = &request->classes;
    if (request->top_k)
        return (size_t)request->top_k;
    return classes->rank > 0 ? classes->shape[classes->rank - 1] : 0;
}

int request_shape(const struct request *request, enum shape_kind kind,
                  size_t *shape)
{
    const struct tensor *logits = &request->logits;
    int rank = 0;
    kind = settle_kind(request, kind);
    if (kind == SHAPE_SCALAR)
        return 0;
    if (kind == SHAPE_CLASSES) {
        shape[0] = request->class_count;
        return 1;
    }
    for (int i = 0; i < logits->rank; i++)
        if ((kind != SHAPE_ROWS && kind != SHAPE_CHOSEN) || i != request->axis)
            shape[rank++] = logits->shape[i];
    if (kind == SHAPE_VALUES && shape_picked(request))
        shape[request->axis] = shape_picked(request);
    if (kind == SHAPE_CHOSEN)
        shape[rank++] = shape_picked(request);
    if (kind == SHAPE_JACOBIAN)
        shape[rank++] = request->class_count;
    return rank;
}

int shape_usual_rank(enum shape_kind kind)
{
    return kinds[kind].usual_rank;
}

bool shape_may_be_scalar(enum shape_kind kind)
{
    return kinds[kind].scalar;
}

static bool shape_is(const struct tensor *tensor, int rank, const size_t *shape)
{
    if (tensor->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (tensor->shape[i] != shape[i])
            return false;
    return true;
}

/* ---- what is wrong with one --------------------------------------------- */

enum { SHAPE_TEXT = TENSOR_MAX_RANK * 22 + 8 };

/* "shape [2, 3]"; rank 0 is "a single value". */
static const char *shape_print(char *text, int rank, const size_t *shape)
{
    if (rank == 0)
        return "a single value";
    size_t used = (size_t)snprintf(text, SHAPE_TEXT, "shape [");
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%zu",
                                 i ? ", " : "", shape[i]);
    snprintf(text + used, SHAPE_TEXT - used, "]");
    return text;
}

static bool refuse_shape(const struct request *request, const char *name,
                         const struct tensor *tensor, enum shape_kind kind,
                         const char *other, struct problem *problem)
{
    char pointer[32], got[SHAPE_TEXT], must[SHAPE_TEXT];
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_shape(request, kind, shape);
    const char *words = kind == SHAPE_ROWS
                            ? "logits without the class axis"
                            : kinds[settle_kind(request, kind)].words;
    snprintf(pointer, sizeof pointer, "/%s", name);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s, %s%s",
                       name, shape_print(got, tensor->rank, tensor->shape),
                       shape_print(must, rank, shape), words, other);
}

bool shape_check(const struct request *request, const char *name,
                 struct tensor *tensor, enum shape_kind kind,
                 struct problem *problem)
{
    char other[64] = "";
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_shape(request, kind, shape);
    if (rank == 0 && request->one_is_scalar && tensor->rank == 1 &&
        tensor->shape[0] == 1)
        tensor->rank = 0;
    if (shape_is(tensor, rank, shape))
        return true;
    if (kind == SHAPE_CHOSEN && tensor->rank == 1)
        return true;
    if (kind == SHAPE_MASK && request->logits.rank > 1) {
        if (shape_is(tensor, 1, &request->class_count))
            return true;
        snprintf(other, sizeof other, ", or shape [%zu], one a class",
                 request->class_count);
    }
    if (kind == SHAPE_CHOSEN && rank > 1)
        snprintf(other, sizeof other, ", or one list for all");
    return refuse_shape(request, name, tensor, kind, other, problem);
}
