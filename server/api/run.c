// SPDX-License-Identifier: MIT
/* From a checked request to calls of the library, and its outputs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "members.h"

/* ---- operands ----------------------------------------------------------- */

/* NULL means "absent" to the library; a tensor without elements is there. */
static void *data_of(const struct tensor *tensor)
{
    static max_align_t empty;
    if (tensor->type == TENSOR_NONE)
        return NULL;
    return tensor->data ? tensor->data : &empty;
}

static struct smx_logits logits_of(const struct request *request)
{
    return (struct smx_logits){
        .data = data_of(&request->logits),
        .dtype = request->dtype,
        .outer = request->outer,
        .classes = request->classes,
        .inner = request->inner,
        .temperature = request->temperature,
        .softcap = request->softcap,
        .mask = data_of(&request->mask),
        .mask_per_class = request->mask.rank != request->logits.rank,
    };
}

static struct smx_criterion criterion_of(const struct request *request)
{
    return (struct smx_criterion){
        .labels = data_of(&request->labels),
        .targets = data_of(&request->targets),
        .weights = data_of(&request->weights),
        .ignore_index = request->ignore_index,
        .label_smoothing = request->label_smoothing,
        .z_loss = request->z_loss,
        .reduction = request->reduction,
    };
}

/* ---- outputs ------------------------------------------------------------ */

/* An answer in the making. The functions that add to it remember a failure,
 * whose problem is set then, so that callers look once. */
struct outputs {
    struct request *request;
    struct answer *answer;
    struct problem *problem;
    bool failed;
};

static enum tensor_type float_type(const struct request *request)
{
    return request->dtype == SMX_FLOAT32 ? TENSOR_FLOAT32 : TENSOR_FLOAT64;
}

/* The next output, still without a tensor. */
static struct tensor *add(struct outputs *outputs, const char *name)
{
    struct answer *answer = outputs->answer;
    struct output *output = &answer->output[answer->count++];
    output->name = name;
    output->tensor = (struct tensor){.budget = outputs->request->logits.budget};
    return &output->tensor;
}

/* These return the elements to be written, NULL after a failure. */

static void *add_shaped(struct outputs *outputs, const char *name,
                        enum tensor_type type, int rank, const size_t *shape)
{
    struct tensor *tensor = add(outputs, name);
    if (!outputs->failed)
        outputs->failed =
            !tensor_shape(tensor, type, rank, shape, outputs->problem);
    return data_of(tensor);
}

static void *add_scalar(struct outputs *outputs, const char *name,
                        enum tensor_type type)
{
    return add_shaped(outputs, name, type, 0, NULL);
}

static void *add_rows(struct outputs *outputs, const char *name,
                      enum tensor_type type)
{
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_row_shape(outputs->request, shape);
    return add_shaped(outputs, name, type, rank, shape);
}

/* The same, NULL too where the client did not ask for it. */

static void *add_logsumexp(struct outputs *outputs)
{
    if (!(outputs->request->include & INCLUDE_LOGSUMEXP))
        return NULL;
    return add_rows(outputs, "logsumexp", float_type(outputs->request));
}

static void *add_entropy(struct outputs *outputs)
{
    if (!(outputs->request->include & INCLUDE_ENTROPY))
        return NULL;
    return add_rows(outputs, "entropy", float_type(outputs->request));
}

static void *add_argmax(struct outputs *outputs)
{
    if (!(outputs->request->include & INCLUDE_ARGMAX))
        return NULL;
    return add_rows(outputs, "argmax", TENSOR_INT64);
}

static void *add_accuracy(struct outputs *outputs)
{
    if (!(outputs->request->include & INCLUDE_ACCURACY))
        return NULL;
    return add_scalar(outputs, "accuracy", TENSOR_FLOAT64);
}

/* Computed in place: the logits' tensor is the output now. */
static void give_logits(struct request *request, struct tensor *output)
{
    *output = request->logits;
    request->logits = (struct tensor){.budget = output->budget};
}

/* ---- what the library refuses ------------------------------------------- */

static const char *nonfinite_name(const struct tensor *tensor, size_t index)
{
    double value = tensor->type == TENSOR_FLOAT64
                       ? ((const double *)tensor->data)[index]
                       : ((const float *)tensor->data)[index];
    return isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

static bool refuse_element(const struct request *request,
                           const struct smx_where *where,
                           struct problem *problem)
{
    const struct {
        const char *name;
        const struct tensor *tensor;
    } operands[] = {
        [SMX_LOGITS] = {"logits", &request->logits},
        [SMX_LABELS] = {"labels", &request->labels},
        [SMX_TARGETS] = {"targets", &request->targets},
        [SMX_WEIGHTS] = {"weights", &request->weights},
        [SMX_UPSTREAM] = {"upstream", &request->upstream},
    };
    const char *name = operands[where->operand].name;
    const struct tensor *tensor = operands[where->operand].tensor;
    char pointer[sizeof problem->pointer], row[40] = "";
    tensor_pointer(tensor, name, where->index, pointer, sizeof pointer);
    if (where->operand != SMX_LABELS)
        return problem_set(problem, 422, pointer,
                           "%s: got %s, must be finite%s", name,
                           nonfinite_name(tensor, where->index),
                           where->operand == SMX_LOGITS ? " or -Infinity" : "");
    if (tensor->rank > 0)
        snprintf(row, sizeof row, " in row %zu", where->index);
    return problem_set(problem, 422, pointer,
                       "labels: got %" PRId64 "%s, must be in [0, %zu) or "
                       "ignore_index %" PRId64,
                       ((const int64_t *)tensor->data)[where->index], row,
                       request->classes, request->ignore_index);
}

static bool refuse(const struct request *request, enum smx_status status,
                   const struct smx_where *where, struct problem *problem)
{
    switch (status) {
    case SMX_ENONFINITE:
    case SMX_ELABEL:
        return refuse_element(request, where, problem);
    case SMX_EOVERFLOW:
        return problem_set(problem, 422, "/logits", "logits: %s",
                           smx_status_string(status));
    case SMX_ENOMEM:
    case SMX_ETHREAD:
        return problem_memory(problem);
    default:
        return problem_set(problem, 500, NULL, "compute: %s",
                           smx_status_string(status));
    }
}

/* ---- the operations ----------------------------------------------------- */

/* Each returns what the library said; SMX_ENOMEM as well for outputs that
 * failed, whose problem is set already and stands. */

static enum smx_status run_softmax(struct outputs *outputs,
                                   struct smx_context *compute,
                                   struct smx_where *where)
{
    struct request *request = outputs->request;
    struct smx_logits logits = logits_of(request);
    struct smx_softmax_out out = {.values = data_of(&request->logits),
                                  .log = request->log,
                                  .top_k = (size_t)request->top_k};
    struct tensor *values =
        add(outputs, request->log ? "log_probabilities" : "probabilities");
    if (out.top_k) {
        size_t shape[TENSOR_MAX_RANK];
        int rank = request->logits.rank;
        for (int i = 0; i < rank; i++)
            shape[i] = request->logits.shape[i];
        shape[request->axis] = out.top_k;
        outputs->failed = !tensor_shape(values, float_type(request), rank,
                                        shape, outputs->problem);
        out.values = data_of(values);
        out.indices = add_shaped(outputs, "indices", TENSOR_INT64, rank, shape);
    }
    out.logsumexp = add_logsumexp(outputs);
    out.entropy = add_entropy(outputs);
    out.argmax = add_argmax(outputs);
    if (outputs->failed)
        return SMX_ENOMEM;
    enum smx_status status = smx_softmax(compute, &logits, &out, where);
    if (status == SMX_OK && !out.top_k)
        give_logits(request, values);
    return status;
}

/* What /loss answers, and /gradient behind its gradient. */
static struct smx_loss_out add_loss(struct outputs *outputs, size_t *rows)
{
    const struct request *request = outputs->request;
    enum tensor_type type = float_type(request);
    struct smx_loss_out out = {.rows = rows};
    out.loss = request->reduction == SMX_NONE
                   ? add_rows(outputs, "loss", type)
                   : add_scalar(outputs, "loss", type);
    out.divisor = add_scalar(outputs, "divisor", TENSOR_FLOAT64);
    add_scalar(outputs, "rows", TENSOR_INT64);
    out.logsumexp = add_logsumexp(outputs);
    out.argmax = add_argmax(outputs);
    out.accuracy = add_accuracy(outputs);
    return out;
}

static void set_rows(struct answer *answer, size_t rows)
{
    for (size_t i = 0; i < answer->count; i++)
        if (!strcmp(answer->output[i].name, "rows"))
            *(int64_t *)answer->output[i].tensor.data = (int64_t)rows;
}

static enum smx_status run_loss(struct outputs *outputs,
                                struct smx_context *compute,
                                struct smx_where *where)
{
    struct smx_logits logits = logits_of(outputs->request);
    struct smx_criterion criterion = criterion_of(outputs->request);
    size_t rows = 0;
    struct smx_loss_out out = add_loss(outputs, &rows);
    if (outputs->failed)
        return SMX_ENOMEM;
    enum smx_status status =
        smx_loss(compute, &logits, &criterion, &out, where);
    set_rows(outputs->answer, rows);
    return status;
}

static enum smx_status run_gradient(struct outputs *outputs,
                                    struct smx_context *compute,
                                    struct smx_where *where)
{
    struct request *request = outputs->request;
    struct smx_logits logits = logits_of(request);
    struct smx_criterion criterion = criterion_of(request);
    size_t rows = 0;
    struct tensor *gradient = add(outputs, "gradient");
    struct smx_loss_out out = add_loss(outputs, &rows);
    if (outputs->failed)
        return SMX_ENOMEM;
    enum smx_status status =
        smx_gradient(compute, &logits, &criterion, data_of(&request->upstream),
                     data_of(&request->logits), &out, where);
    set_rows(outputs->answer, rows);
    if (status == SMX_OK)
        give_logits(request, gradient);
    return status;
}

static enum smx_status run_vjp(struct outputs *outputs,
                               struct smx_context *compute,
                               struct smx_where *where)
{
    struct request *request = outputs->request;
    struct smx_logits logits = logits_of(request);
    struct tensor *gradient = add(outputs, "gradient");
    enum smx_status status =
        smx_vjp(compute, &logits, request->of == OF_LOG_SOFTMAX,
                data_of(&request->upstream), data_of(&request->logits), where);
    if (status == SMX_OK)
        give_logits(request, gradient);
    return status;
}

static enum smx_status run_jacobian(struct outputs *outputs,
                                    struct smx_context *compute,
                                    struct smx_where *where)
{
    struct request *request = outputs->request;
    struct smx_logits logits = logits_of(request);
    int rank = request->logits.rank;
    size_t shape[TENSOR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        shape[i] = request->logits.shape[i];
    shape[rank] = request->classes;
    void *jacobian =
        add_shaped(outputs, "jacobian", float_type(request), rank + 1, shape);
    if (outputs->failed)
        return SMX_ENOMEM;
    return smx_jacobian(compute, &logits, request->of == OF_LOG_SOFTMAX,
                        jacobian, where);
}

static bool is_jacobian(const struct request *request)
{
    return request->operation == OPERATION_GRADIENT && request->of != OF_LOSS &&
           request->upstream.type == TENSOR_NONE;
}

size_t request_elements(const struct request *request)
{
    size_t elements = request->logits.count;
    if (is_jacobian(request) &&
        __builtin_mul_overflow(elements, request->classes, &elements))
        return SIZE_MAX;
    return elements;
}

static enum smx_status run(struct outputs *outputs, struct smx_context *compute,
                           struct smx_where *where)
{
    const struct request *request = outputs->request;
    switch (request->operation) {
    case OPERATION_SOFTMAX:
        return run_softmax(outputs, compute, where);
    case OPERATION_LOSS:
        return run_loss(outputs, compute, where);
    case OPERATION_GRADIENT:
        break;
    }
    if (request->of == OF_LOSS)
        return run_gradient(outputs, compute, where);
    if (is_jacobian(request))
        return run_jacobian(outputs, compute, where);
    return run_vjp(outputs, compute, where);
}

bool request_run(struct request *request, struct smx_context *compute,
                 struct answer *answer, struct problem *problem)
{
    struct outputs outputs = {request, answer, problem, false};
    struct smx_where where = {0};
    *answer = (struct answer){0};
    enum smx_status status = run(&outputs, compute, &where);
    if (status == SMX_OK)
        return true;
    answer_free(answer);
    return refuse(request, status, &where, problem);
}

void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        tensor_free(&answer->output[i].tensor);
    answer->count = 0;
}
