// SPDX-License-Identifier: MIT
/* From a checked request to calls of the library, and its outputs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "members.h"
#include "outputs.h"

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
        .size = sizeof(struct smx_logits),
        .data = data_of(&request->logits),
        .dtype = request->dtype,
        .outer = request->inner ? request->outer : 0,
        .classes = request->class_count,
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
        .size = sizeof(struct smx_criterion),
        .labels = data_of(&request->labels),
        .targets = data_of(&request->targets),
        .teacher = data_of(&request->teacher),
        .weights = data_of(&request->weights),
        .row_weights = data_of(&request->row_weights),
        .ignore = true,
        .ignore_index = request->ignore_index,
        .label_smoothing = request->label_smoothing,
        .z_loss = request->z_loss,
        .entropy_weight = request->entropy_weight,
        .focal = request->focal,
        .divergence = request->divergence,
        .beta = request->divergence == SMX_DIVERGENCE_JSD ? request->beta : 0,
        .teacher_temperature = request->teacher_temperature,
        .reduction = request->reduction,
    };
}

/* ---- outputs ------------------------------------------------------------ */

/* Where the library is to write an output; absent: not wanted. */
struct outputs {
    void *data[OUTPUT_COUNT];
    struct tensor *in_place; /* becomes the logits' tensor; NULL: none */
};

static bool add_output(struct request *request, const struct output_kind *kind,
                       struct answer *answer, struct outputs *outputs,
                       struct problem *problem)
{
    struct output *output = &answer->output[answer->count++];
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_shape(request, kind->shape, shape);
    output->name = kind->name;
    tensor_clear(&output->tensor);
    output->tensor.budget = request->budget;
    void *place = request->places[output_id(kind)];
    if (!place && rank == 0)
        place = &output->scalar;
    if (place) {
        tensor_borrow(&output->tensor, output_type(kind, request), rank, shape,
                      place);
        outputs->data[output_id(kind)] = place;
        return true;
    }
    if (kind->in_place & request_task(request) && !shape_picked(request) &&
        !tensor_is_borrowed(&request->logits)) {
        outputs->in_place = &output->tensor;
        outputs->data[output_id(kind)] = data_of(&request->logits);
        return true;
    }
    if (!tensor_shape(&output->tensor, output_type(kind, request), rank, shape,
                      problem))
        return false;
    outputs->data[output_id(kind)] = data_of(&output->tensor);
    return true;
}

/* Room for all that the request asks for. */
static bool add_outputs(struct request *request, struct answer *answer,
                        struct outputs *outputs, struct problem *problem)
{
    for (unsigned left = outputs_given(request); left; left &= left - 1)
        if (!add_output(request, &output_kinds[__builtin_ctz(left)], answer,
                        outputs, problem))
            return false;
    return true;
}

/* ---- what the library refuses ------------------------------------------- */

static double float_at(const struct tensor *tensor, size_t index)
{
    return tensor->type == TENSOR_FLOAT64
               ? ((const double *)tensor->data)[index]
               : (double)((const float *)tensor->data)[index];
}

static const struct member *member_of(enum smx_field field)
{
    size_t i = 0;
    while (members[i].kind != MEMBER_TENSOR || members[i].field != field)
        i++;
    return &members[i];
}

static bool refuse_class(const struct request *request, size_t index,
                         const char *pointer, struct problem *problem)
{
    return problem_set(problem, 422, pointer,
                       "classes: got %" PRId64 ", must be in [0, %zu), the "
                       "classes of a row",
                       ((const int64_t *)request->classes.data)[index],
                       request->class_count);
}

static bool refuse_label(const struct request *request, size_t index,
                         const char *pointer, struct problem *problem)
{
    const struct tensor *labels = &request->labels;
    char row[40] = "";
    if (labels->rank > 0)
        snprintf(row, sizeof row, " in row %zu", index);
    return problem_set(problem, 422, pointer,
                       "labels: got %" PRId64 "%s, must be in [0, %zu) or "
                       "ignore_index %" PRId64,
                       ((const int64_t *)labels->data)[index], row,
                       request->class_count, request->ignore_index);
}

static bool refuse_element(struct request *request,
                           const struct smx_where *where,
                           struct problem *problem)
{
    const struct member *member = member_of(where->field);
    const struct tensor *tensor = member_tensor(request, member);
    char pointer[sizeof problem->pointer];
    tensor_pointer(tensor, member->name, where->index, pointer, sizeof pointer);
    if (where->field == SMX_FIELD_CHOSEN)
        return refuse_class(request, where->index, pointer, problem);
    if (tensor->type == TENSOR_INT64)
        return refuse_label(request, where->index, pointer, problem);
    double value = float_at(tensor, where->index);
    return problem_set(problem, 422, pointer, "%s: got %s, must be finite%s",
                       member->name,
                       isnan(value) ? "NaN"
                       : value > 0  ? "Infinity"
                                    : "-Infinity",
                       member->infinity ? " or -Infinity" : "");
}

/* Finite, but outside its domain. */
static bool refuse_row_weight(struct request *request, size_t index,
                              struct problem *problem)
{
    const struct tensor *tensor = &request->row_weights;
    char pointer[sizeof problem->pointer];
    tensor_pointer(tensor, "row_weights", index, pointer, sizeof pointer);
    return problem_set(problem, 422, pointer,
                       "row_weights: got %.9g, must be 0 or above",
                       float_at(tensor, index));
}

static bool refuse_status(struct request *request, enum smx_status status,
                          const struct smx_where *where,
                          struct problem *problem)
{
    switch (status) {
    case SMX_ENONFINITE:
    case SMX_ELABEL:
        return refuse_element(request, where, problem);
    case SMX_EARGUMENT:
        if (where->field == SMX_FIELD_ROW_WEIGHTS)
            return refuse_row_weight(request, where->index, problem);
        return problem_set(problem, 500, NULL, "compute: %s: %s",
                           smx_field_name(where->field),
                           smx_status_string(status));
    case SMX_EOVERFLOW:
        return problem_member(problem, "logits", "%s",
                              smx_status_string(status));
    case SMX_ENOMEM:
    case SMX_ETHREAD:
        return problem_memory(problem);
    default:
        return problem_set(problem, 500, NULL, "compute: %s",
                           smx_status_string(status));
    }
}

/* ---- the tasks: a formula each ------------------------------------------ */

struct run {
    struct smx_context *compute;
    struct request *request;
    struct smx_logits logits;
    void *const *data; /* of the outputs */
    struct smx_where where;
};

/* Does any output lie at a client's? It may not be written before an error is
 * found, as those of the daemon's own may. */
static bool has_places(const struct request *request)
{
    for (int id = 0; id < OUTPUT_COUNT; id++)
        if (request->places[id])
            return true;
    return false;
}

static enum smx_status run_softmax(struct run *run)
{
    const bool log = run->request->log;
    const enum output_id id =
        log ? OUTPUT_LOG_PROBABILITIES : OUTPUT_PROBABILITIES;
    const struct smx_softmax_options options = {
        .size = sizeof options,
        .log = log,
        .top_k = (size_t)run->request->top_k,
        .chosen = data_of(&run->request->classes),
        .chosen_count = run->request->top_k ? 0 : shape_picked(run->request),
        .chosen_each_row = run->request->classes.rank > 1,
    };
    const struct smx_softmax_out out = {
        .size = sizeof out,
        .values = run->data[id],
        .indices = run->data[OUTPUT_INDICES],
        .logsumexp = run->data[OUTPUT_LOGSUMEXP],
        .entropy = run->data[OUTPUT_ENTROPY],
        .argmax = run->data[OUTPUT_ARGMAX],
        .rank = run->data[OUTPUT_RANK],
        .early = !has_places(run->request),
    };
    return smx_softmax(run->compute, &run->logits, &options, &out, &run->where);
}

/* A loss, with its gradient where there is room for one. */
static enum smx_status run_loss(struct run *run)
{
    const struct smx_criterion criterion = criterion_of(run->request);
    size_t rows = 0;
    const struct smx_loss_out out = {
        .size = sizeof out,
        .loss = run->data[OUTPUT_LOSS],
        .divisor = run->data[OUTPUT_DIVISOR],
        .rows = &rows,
        .logsumexp = run->data[OUTPUT_LOGSUMEXP],
        .argmax = run->data[OUTPUT_ARGMAX],
        .accuracy = run->data[OUTPUT_ACCURACY],
        .entropy = run->data[OUTPUT_ENTROPY],
        .rank = run->data[OUTPUT_RANK],
        .log_probabilities = run->data[OUTPUT_LOG_PROBABILITIES],
        .early = !has_places(run->request),
    };
    void *gradient = run->data[OUTPUT_GRADIENT];
    enum smx_status status =
        gradient ? smx_gradient(run->compute, &run->logits, &criterion,
                                data_of(&run->request->upstream), gradient,
                                &out, &run->where)
                 : smx_loss(run->compute, &run->logits, &criterion, &out,
                            &run->where);
    *(int64_t *)run->data[OUTPUT_ROWS] = (int64_t)rows;
    return status;
}

static enum smx_status run_task(struct run *run)
{
    const struct request *request = run->request;
    bool log = request->of == OF_LOG_SOFTMAX;
    switch (request_task(request)) {
    case TASK_SOFTMAX:
    case TASK_LOG_SOFTMAX:
        return run_softmax(run);
    case TASK_LOSS:
    case TASK_LOSS_GRADIENT:
        return run_loss(run);
    case TASK_PRODUCT:
        return (has_places(request) ? smx_vjp : smx_vjp_early)(
            run->compute, &run->logits, log, data_of(&request->upstream),
            run->data[OUTPUT_GRADIENT], &run->where);
    case TASK_JACOBIAN:
        return smx_jacobian(run->compute, &run->logits, log,
                            run->data[OUTPUT_JACOBIAN], &run->where);
    }
    return SMX_EARGUMENT;
}

/* To count the rank of one class of a row takes about as long as 64 times fewer
 * probabilities. */
size_t request_elements(const struct request *request)
{
    size_t elements = request->logits.count, more = 0;
    bool over = false;
    if (request->include & 1u << OUTPUT_RANK)
        over = __builtin_mul_overflow(elements / 64, shape_picked(request),
                                      &more) ||
               __builtin_add_overflow(elements, more, &elements);
    else if (request_task(request) == TASK_JACOBIAN)
        over =
            __builtin_mul_overflow(elements, request->class_count, &elements);
    return over ? SIZE_MAX : elements;
}

bool request_run(struct request *request, struct smx_context *compute,
                 struct answer *answer, struct problem *problem)
{
    struct outputs outputs = {.in_place = NULL};
    struct run run = {.where.size = sizeof run.where,
                      .compute = compute,
                      .request = request,
                      .logits = logits_of(request),
                      .data = outputs.data};
    answer->count = 0;
    enum smx_status status =
        add_outputs(request, answer, &outputs, problem)
            ? run_task(&run)
            : SMX_ENOMEM; /* the problem is set already and stands */
    if (status == SMX_OK && outputs.in_place) {
        *outputs.in_place = request->logits; /* it is the output now */
        tensor_clear(&request->logits);
    }
    if (status == SMX_OK)
        return true;
    answer_free(answer);
    return refuse_status(request, status, &run.where, problem);
}

void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        tensor_free(&answer->output[i].tensor);
    answer->count = 0;
}
