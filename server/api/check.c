// SPDX-License-Identifier: MIT
/* What needs more than one member: presence, ranks, shapes. */
#include <stdio.h>

#include "../number/number.h"
#include "members.h"

static const char *of_name(enum gradient_of of)
{
    static const char *const names[] = {"loss", "softmax", "log_softmax"};
    return names[of];
}

static const char *type_name(enum tensor_type type)
{
    static const char *const names[] = {"nothing", "float32", "float64",
                                        "int64", "bool"};
    return names[type];
}

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

static bool shape_is(const struct tensor *tensor, int rank, const size_t *shape)
{
    if (tensor->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (tensor->shape[i] != shape[i])
            return false;
    return true;
}

/* "name: got shape [2], must be shape [3], why" */
static bool check_shape(const char *name, const struct tensor *tensor, int rank,
                        const size_t *shape, const char *why,
                        struct problem *problem)
{
    char pointer[32], got[SHAPE_TEXT], must[SHAPE_TEXT];
    if (shape_is(tensor, rank, shape))
        return true;
    snprintf(pointer, sizeof pointer, "/%s", name);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s, %s",
                       name, shape_print(got, tensor->rank, tensor->shape),
                       shape_print(must, rank, shape), why);
}

/* ---- who may come with whom --------------------------------------------- */

static bool check_takers(struct request *request, struct problem *problem)
{
    if (request->operation != OPERATION_GRADIENT)
        return true;
    unsigned taker =
        request->of == OF_LOSS ? TAKER_LOSS_GRADIENT : TAKER_SOFTMAX_GRADIENT;
    for (size_t i = 0; i < member_count; i++) {
        const struct member *member = &members[i];
        char pointer[32];
        if ((member->takers & taker) || !(member->takers & TAKER_GRADIENTS) ||
            !member_given(request, member))
            continue;
        snprintf(pointer, sizeof pointer, "/%s", member->name);
        return problem_set(problem, 422, pointer,
                           "%s: got a value, must be absent while of is \"%s\"",
                           member->name, of_name(request->of));
    }
    return true;
}

static bool check_criterion(const struct request *request,
                            struct problem *problem)
{
    bool labels = request->labels.type != TENSOR_NONE;
    bool targets = request->targets.type != TENSOR_NONE;
    if (labels && targets)
        return problem_set(problem, 422, "/targets",
                           "targets: got targets beside labels, must be "
                           "exactly one of the two");
    if (!labels && !targets)
        return problem_set(problem, 422, "/labels",
                           "labels: got neither labels nor targets, must be "
                           "exactly one of the two");
    return true;
}

/* ---- logits and axis ---------------------------------------------------- */

static bool check_axis(struct request *request, struct problem *problem)
{
    int rank = request->logits.rank;
    if (request->axis < -rank || request->axis >= rank)
        return problem_set(problem, 422, "/axis",
                           "axis: got %lld, must be in [-%d, %d), logits have "
                           "rank %d",
                           (long long)request->axis, rank, rank, rank);
    if (request->axis < 0)
        request->axis += rank;
    return true;
}

static bool check_logits(struct request *request, struct problem *problem)
{
    const struct tensor *logits = &request->logits;
    if (logits->type == TENSOR_NONE)
        return problem_set(problem, 422, "/logits",
                           "logits: got nothing, must be an array of numbers");
    if (logits->rank < 1 || logits->rank > 8)
        return problem_set(problem, 422, "/logits",
                           "logits: got rank %d, must be an array of rank 1 "
                           "to 8",
                           logits->rank);
    if (!check_axis(request, problem))
        return false;
    request->outer = request->inner = 1;
    for (int i = 0; i < logits->rank; i++) {
        if (i < request->axis)
            request->outer *= logits->shape[i];
        else if (i == request->axis)
            request->classes = logits->shape[i];
        else
            request->inner *= logits->shape[i];
    }
    request->rows = request->outer * request->inner;
    if (request->classes == 0)
        return problem_set(problem, 422, "/logits",
                           "logits: got 0 classes along axis %lld, must be at "
                           "least 1",
                           (long long)request->axis);
    return true;
}

static bool check_top_k(const struct request *request, struct problem *problem)
{
    if ((uint64_t)request->top_k <= request->classes)
        return true;
    return problem_set(problem, 422, "/top_k",
                       "top_k: got %lld, must be in [1, %zu], the number of "
                       "classes",
                       (long long)request->top_k, request->classes);
}

/* ---- the other tensors -------------------------------------------------- */

static bool check_mask(const struct request *request, struct problem *problem)
{
    const struct tensor *mask = &request->mask, *logits = &request->logits;
    char got[SHAPE_TEXT], must[SHAPE_TEXT];
    if (mask->type == TENSOR_NONE || shape_is(mask, 1, &request->classes))
        return true;
    if (logits->rank == 1 || shape_is(mask, logits->rank, logits->shape))
        return check_shape("mask", mask, logits->rank, logits->shape,
                           "as logits", problem);
    return problem_set(problem, 422, "/mask",
                       "mask: got %s, must be %s, as logits, or "
                       "shape [%zu], one a class",
                       shape_print(got, mask->rank, mask->shape),
                       shape_print(must, logits->rank, logits->shape),
                       request->classes);
}

int request_row_shape(const struct request *request, size_t *shape)
{
    int rank = 0;
    for (int i = 0; i < request->logits.rank; i++)
        if (i != request->axis)
            shape[rank++] = request->logits.shape[i];
    return rank;
}

static bool check_labels(const struct request *request, struct problem *problem)
{
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_row_shape(request, shape);
    if (request->labels.type == TENSOR_NONE)
        return true;
    return check_shape("labels", &request->labels, rank, shape,
                       "logits without the class axis", problem);
}

static bool check_targets(const struct request *request,
                          struct problem *problem)
{
    const struct tensor *logits = &request->logits;
    if (request->targets.type == TENSOR_NONE)
        return true;
    return check_shape("targets", &request->targets, logits->rank,
                       logits->shape, "as logits", problem);
}

static bool check_weights(const struct request *request,
                          struct problem *problem)
{
    const struct tensor *weights = &request->weights;
    if (weights->type == TENSOR_NONE)
        return true;
    if (!check_shape("weights", weights, 1, &request->classes, "one a class",
                     problem))
        return false;
    bool is_double = weights->type == TENSOR_FLOAT64;
    for (size_t i = 0; i < weights->count; i++) {
        double weight = is_double ? ((const double *)weights->data)[i]
                                  : ((const float *)weights->data)[i];
        char pointer[32], got[NUMBER_MAX_TEXT];
        if (!(weight < 0))
            continue;
        size_t bytes = is_double ? number_write_float64(got, weight)
                                 : number_write_float32(got, (float)weight);
        tensor_pointer(weights, "weights", i, pointer, sizeof pointer);
        return problem_set(problem, 422, pointer,
                           "weights: got %.*s in class %zu, must be 0 or above",
                           (int)bytes, got, i);
    }
    return true;
}

static bool check_upstream(const struct request *request,
                           struct problem *problem)
{
    const struct tensor *upstream = &request->upstream;
    const struct tensor *logits = &request->logits;
    size_t shape[TENSOR_MAX_RANK];
    if (upstream->type == TENSOR_NONE)
        return true;
    if (request->of != OF_LOSS)
        return check_shape("upstream", upstream, logits->rank, logits->shape,
                           "as logits", problem);
    if (request->reduction != SMX_NONE)
        return check_shape("upstream", upstream, 0, NULL,
                           "one for the whole loss", problem);
    return check_shape("upstream", upstream, request_row_shape(request, shape),
                       shape, "one a row", problem);
}

/* Who fills a request settles the types first; this holds them to it. */
static bool check_types(struct request *request, struct problem *problem)
{
    enum tensor_type floats =
        request->dtype == SMX_FLOAT32 ? TENSOR_FLOAT32 : TENSOR_FLOAT64;
    for (size_t i = 0; i < member_count; i++) {
        const struct member *member = &members[i];
        if (member->kind != MEMBER_TENSOR || !member_given(request, member))
            continue;
        enum tensor_type must = member->element == READER_INT64  ? TENSOR_INT64
                                : member->element == READER_BOOL ? TENSOR_BOOL
                                                                 : floats;
        enum tensor_type got = member_tensor(request, member)->type;
        char pointer[32];
        if (got == must)
            continue;
        snprintf(pointer, sizeof pointer, "/%s", member->name);
        return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                           member->name, type_name(got), type_name(must));
    }
    return true;
}

bool request_check(struct request *request, struct problem *problem)
{
    if (!check_takers(request, problem) || !check_logits(request, problem) ||
        !check_types(request, problem) || !check_top_k(request, problem) ||
        !check_mask(request, problem) || !check_upstream(request, problem))
        return false;
    bool loss =
        request->operation == OPERATION_LOSS ||
        (request->operation == OPERATION_GRADIENT && request->of == OF_LOSS);
    return !loss ||
           (check_criterion(request, problem) &&
            check_labels(request, problem) && check_targets(request, problem) &&
            check_weights(request, problem));
}
