// SPDX-License-Identifier: MIT
#include "endpoints.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../observe/metrics.h"
#include "inputs.h"
#include "v2_response.h"

/*
 * A body is <JSON part><binary tensor>...; the header
 * Inference-Header-Content-Length tells how long the JSON part is. Without the
 * header all is JSON; 0 means that all is one tensor, a row of FP32 logits.
 */
struct infer {
    struct service *service;
    struct budget budget; /* of this request */
    struct message message;
    struct request request;
    struct answer answer;
    size_t binary_bytes; /* of all binary tensors */
    bool split;          /* the header was there */
    size_t header_bytes; /* of the JSON part; SIZE_MAX unless split */
    size_t body_bytes;   /* so far */
    bool parsed;         /* the JSON part is over */
    bool answered;
    uint64_t ns[INFERENCE_PHASES];
    uint64_t started, ready; /* clock_ns */
};

/* ---- begin ------------------------------------------------------------ */

static bool length_parse(const char *text, size_t *bytes,
                         struct problem *problem)
{
    *bytes = 0;
    /* Blanks may follow the value of a header. */
    for (const char *at = text; at == text || at[strspn(at, " \t")]; at++)
        if (*at < '0' || *at > '9' ||
            __builtin_mul_overflow(*bytes, (size_t)10, bytes) ||
            __builtin_add_overflow(*bytes, (size_t)(*at - '0'), bytes))
            return problem_set(problem, 400, NULL,
                               "Inference-Header-Content-Length: got %.60s, "
                               "must be a number of bytes",
                               text);
    return true;
}

/* One tensor, of a length that only the end of the body tells. */
static bool raw_begin(struct infer *infer, struct problem *problem)
{
    if (infer->message.model->operation != OPERATION_SOFTMAX)
        return problem_set(problem, 400, NULL,
                           "Inference-Header-Content-Length: got 0, must be "
                           "the length of the JSON part, as model %s takes "
                           "more than one input",
                           infer->message.model->name);
    struct tensor *logits = request_logits(&infer->request);
    logits->type = TENSOR_FLOAT32;
    infer->message.binary = true;
    infer->message.input_count = 1;
    infer->message.input[0].binary = true;
    infer->message.input[0].wire =
        (struct binary_tensor){.tensor = logits,
                               .name = "logits",
                               .datatype = datatype_of(TENSOR_FLOAT32),
                               .bytes = SIZE_MAX,
                               .isa = smx_context_isa(infer->service->compute)};
    infer->parsed = true;
    return true;
}

static bool infer_open(struct infer *infer, const struct model *model,
                       const struct head *head, struct problem *problem)
{
    struct budget *budget = &infer->budget;
    budget_init_part(budget, &infer->service->budget);
    model_request(model, &infer->request, budget);
    if (!message_init(&infer->message, model, infer->service, budget,
                      problem) ||
        !request_set_query(&infer->request, head, problem))
        return false;
    infer->header_bytes = SIZE_MAX;
    infer->split = head->inference_header_length;
    if (!infer->split)
        return true;
    if (!length_parse(head->inference_header_length, &infer->header_bytes,
                      problem))
        return false;
    size_t tensors = head->body_bytes > infer->header_bytes
                         ? head->body_bytes - infer->header_bytes
                         : 0;
    return budget_reserve(budget, tensors, problem) &&
           (infer->header_bytes > 0 || raw_begin(infer, problem));
}

static void infer_end(void *call)
{
    struct infer *infer = call;
    if (!infer)
        return;
    if (!infer->answered)
        infer->ns[INFERENCE_FAIL] = clock_ns() - infer->started;
    metrics_count_inference(infer->service->metrics,
                            (size_t)(infer->message.model - models),
                            infer->answered, infer->request.rows, infer->ns);
    answer_free(&infer->answer);
    response_release(&infer->message, &infer->budget);
    request_free(&infer->request);
    message_free(&infer->message);
    budget_release(&infer->budget);
    free(infer);
}

static void *infer_begin(struct service *service, const struct head *head,
                         struct problem *problem)
{
    struct target target;
    if (!target_parse(&target, head->path, "POST", problem))
        return NULL;
    struct infer *infer = calloc(1, sizeof *infer);
    if (!infer) {
        problem_memory(problem);
        return NULL;
    }
    infer->service = service;
    infer->started = clock_ns();
    if (infer_open(infer, target.model, head, problem))
        return infer;
    infer_end(infer);
    return NULL;
}

/* ---- the body --------------------------------------------------------- */

/* The JSON part is over: from here the binary tensors have their places. */
static bool header_end(struct infer *infer, struct problem *problem)
{
    struct message *message = &infer->message;
    infer->parsed = true;
    if (!message_finish(message, problem))
        return false;
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].binary && !infer->split)
            return problem_set(problem, 400, NULL,
                               "Inference-Header-Content-Length: got nothing, "
                               "must be the length of the JSON part, as input "
                               "'%.60s' has a binary_data_size",
                               message->input[i].wire.name);
    size_t used = infer->split ? infer->header_bytes : 0;
    size_t limit = infer->service->max_body;
    return inputs_bind(message, &infer->request, &infer->binary_bytes,
                       used < limit ? limit - used : 0,
                       smx_context_isa(infer->service->compute), problem) &&
           inputs_apply_parameters(message, &infer->request, problem) &&
           inputs_check_dtype(&infer->request, problem);
}

/* Raw: twice the room whenever it is too little. */
static bool raw_reserve(struct infer *infer, size_t count,
                        struct problem *problem)
{
    struct tensor *logits = &infer->request.logits;
    size_t need = infer->message.input[0].wire.taken + count;
    size_t room = need + logits->bytes, limit = infer->service->max_body;
    if (room > limit && need <= limit)
        room = limit;
    return need <= logits->bytes || tensor_reserve(logits, room, problem);
}

/* Bytes beyond the last tensor are only counted, by infer->body_bytes. */
static bool tensors_feed(struct infer *infer, const char *bytes, size_t count,
                         struct problem *problem)
{
    struct message *message = &infer->message;
    if (infer->header_bytes == 0 && !raw_reserve(infer, count, problem))
        return false;
    size_t done = 0;
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].binary)
            done += binary_tensor_feed(&message->input[i].wire,
                                       (const unsigned char *)bytes + done,
                                       count - done);
    return true;
}

static bool take_body(struct infer *infer, const char *bytes, size_t count,
                      struct problem *problem)
{
    if (!infer->parsed) {
        size_t left = infer->header_bytes - infer->body_bytes;
        size_t text = count < left ? count : left;
        if (!reader_feed(infer->message.reader, bytes, text, problem))
            return false;
        infer->body_bytes += text;
        if (text < left)
            return true;
        if (!header_end(infer, problem))
            return false;
        bytes += text;
        count -= text;
    }
    infer->body_bytes += count;
    return tensors_feed(infer, bytes, count, problem);
}

static bool infer_feed(void *call, const char *bytes, size_t count,
                       struct problem *problem)
{
    struct infer *infer = call;
    uint64_t start = clock_ns();
    bool good = take_body(infer, bytes, count, problem);
    infer->ns[INFERENCE_INPUT] += clock_ns() - start;
    return good;
}

/* ---- its end ---------------------------------------------------------- */

static bool raw_end(struct infer *infer, struct problem *problem)
{
    struct tensor *logits = &infer->request.logits;
    size_t bytes = infer->message.input[0].wire.taken;
    if (bytes % sizeof(float))
        return problem_set(problem, 400, NULL,
                           "input 'logits': got %zu bytes, must be a multiple "
                           "of 4, the bytes of FP32",
                           bytes);
    const size_t shape[] = {1, bytes / sizeof(float)};
    if (!tensor_shape(logits, TENSOR_FLOAT32, 2, shape, problem))
        return false;
    tensor_to_little_endian(logits); /* its own inverse */
    return true;
}

static bool length_check(const struct infer *infer, struct problem *problem)
{
    const struct message *message = &infer->message;
    for (size_t i = 0; i < message->input_count; i++) {
        const struct binary_tensor *tensor = &message->input[i].wire;
        if (message->input[i].binary && tensor->taken < tensor->bytes)
            return problem_set(problem, 400, NULL,
                               "input '%.60s': got %zu bytes, must be %zu by "
                               "its shape and datatype",
                               tensor->name, tensor->taken, tensor->bytes);
    }
    size_t all = infer->header_bytes + infer->binary_bytes;
    if (infer->split && infer->body_bytes != all)
        return problem_set(problem, 400, NULL,
                           "body: got %zu bytes, must be %zu: %zu of JSON and "
                           "%zu of binary tensors",
                           infer->body_bytes, all, infer->header_bytes,
                           infer->binary_bytes);
    return true;
}

static bool end_body(struct infer *infer, struct problem *problem)
{
    if (infer->header_bytes == 0)
        return raw_end(infer, problem);
    if (!infer->parsed && infer->split)
        return problem_set(problem, 400, NULL,
                           "Inference-Header-Content-Length: got %zu, must be "
                           "at most %zu, the bytes of the body",
                           infer->header_bytes, infer->body_bytes);
    return (infer->parsed || header_end(infer, problem)) &&
           length_check(infer, problem);
}

/* Is each output that was asked for one that this request gives? */
static bool outputs_check(const struct infer *infer, struct problem *problem)
{
    const struct message *message = &infer->message;
    unsigned given = outputs_given(&infer->request);
    char names[MODEL_LIST];
    for (size_t i = 0; i < message->output_count; i++)
        if (!(given & 1u << output_id(message->output[i].kind)))
            return problem_set(
                problem, 400, NULL,
                "output '%s': must be one of %s, which these parameters and "
                "inputs give",
                message->output[i].name,
                model_list_outputs(message->model, &infer->request, names));
    return true;
}

static bool infer_ready(void *call, struct work *work, struct problem *problem)
{
    struct infer *infer = call;
    uint64_t start = clock_ns();
    struct request *request = &infer->request;
    if (!end_body(infer, problem) || !request_check(request, problem) ||
        !outputs_check(infer, problem) ||
        !response_check_room(&infer->message, request, problem))
        return false;
    *work = (struct work){.rows = request->rows,
                          .classes = request->class_count,
                          .elements = request_elements(request)};
    infer->ready = clock_ns();
    infer->ns[INFERENCE_INPUT] += infer->ready - start;
    return true;
}

static bool infer_run(void *call, struct problem *problem)
{
    struct infer *infer = call;
    uint64_t start = clock_ns();
    infer->ns[INFERENCE_QUEUE] = start - infer->ready;
    struct smx_context *compute = infer->service->compute;
    struct message *message = &infer->message;
    struct request *request = &infer->request;
    bool good = inputs_read_shared(message, request, problem) &&
                response_place(message, request, problem) &&
                request_run(request, compute, &infer->answer, problem) &&
                response_store(message, &infer->answer, problem) &&
                inputs_check_shared(message, problem);
    infer->ns[INFERENCE_COMPUTE] = clock_ns() - start;
    return good;
}

static bool infer_answer(void *call, struct reply *reply,
                         struct problem *problem)
{
    struct infer *infer = call;
    uint64_t start = clock_ns();
    infer->answered =
        response_describe(&infer->message, &infer->answer, reply, problem);
    reply->held = infer->budget.taken;
    uint64_t now = clock_ns();
    infer->ns[INFERENCE_OUTPUT] = now - start;
    infer->ns[INFERENCE_SUCCESS] = now - infer->started;
    return infer->answered;
}

const struct endpoint infer_endpoint = {.any_type = true,
                                        .computes = true,
                                        .begin = infer_begin,
                                        .feed = infer_feed,
                                        .ready = infer_ready,
                                        .run = infer_run,
                                        .answer = infer_answer,
                                        .end = infer_end};
