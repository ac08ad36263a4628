// SPDX-License-Identifier: MIT
#include "native.h"

#include <string.h>

#include "../datatype.h"
#include "../freelist.h"
#include "../npy.h"
#include "members.h"
#include "outputs.h"

/* The most that an encoder writes for one number in JSON. */
enum {
    TEXT_BYTES_A_NUMBER = 32,
    LEAST_BYTES = 512 /* of a tensor that is read, be it ever so small */
};

struct call {
    struct service *service;
    struct budget budget;       /* of this request */
    struct reader *reader;      /* of JSON, until the body is read; else NULL */
    bool wants_npy, takes_json; /* of the answer, see struct head */
    struct request request;
    struct answer answer;
    struct npy_reader npy; /* of a body that is no JSON */
};

/* ---- the body ----------------------------------------------------------- */

static bool choose_destination(void *cls, const struct reader_path *path,
                               struct reader_destination *destination,
                               struct problem *problem)
{
    struct request *request = &((struct call *)cls)->request;
    const char *name = path->step[0].name;
    if (path->depth != 1 || !name)
        return true;
    destination->encoded = request_tensor(request, name, destination);
    return destination->encoded || request_has_option(request, name) ||
           request_unknown(request, name, problem);
}

/* Tensors after dtype are read as that type at once; those before it are
 * converted when the body has ended. A wrong dtype is refused with the other
 * options. */
static void end_scalar(void *cls, const struct reader_path *path,
                       const char *text, size_t bytes)
{
    struct request *request = &((struct call *)cls)->request;
    if (path->depth != 1 || !path->step[0].name ||
        strcmp(path->step[0].name, "dtype"))
        return;
    if (bytes == 9 && !memcmp(text, "\"float32\"", 9))
        request->dtype = SMX_FLOAT32;
    else if (bytes == 9 && !memcmp(text, "\"float64\"", 9))
        request->dtype = SMX_FLOAT64;
    else
        return;
    request->dtype_given = true;
}

static void call_end(void *cls)
{
    struct call *call = cls;
    if (!call)
        return;
    reader_free(call->reader);
    request_free(&call->request);
    answer_free(&call->answer);
    budget_release(&call->budget);
    freelist_give(call);
}

static bool begin_body(struct call *call, const struct head *head,
                       struct problem *problem)
{
    enum smx_isa isa = smx_context_isa(call->service->compute);
    const char *document =
        head->variant == OPERATION_SOFTMAX
            ? "an object such as {\"logits\":[1,2,3]}"
            : "an object such as {\"logits\":[1,2,3],\"labels\":0}";
    size_t sure =
        head->body_bytes / TEXT_BYTES_A_NUMBER * sizeof(float) + LEAST_BYTES;
    if (head->npy) {
        npy_begin(&call->npy, request_logits(&call->request), head->body_bytes,
                  call->service->max_body, isa);
        return budget_reserve(&call->budget, head->body_bytes, problem);
    }
    call->reader =
        reader_create(&(struct reader_client){.begin = choose_destination,
                                              .scalar = end_scalar,
                                              .cls = call,
                                              .document = document,
                                              .isa = isa,
                                              .jobs = call->service->jobs},
                      &call->budget);
    return call->reader ? budget_reserve(&call->budget, sure, problem)
                        : problem_memory(problem);
}

static void *call_begin(struct service *service, const struct head *head,
                        struct problem *problem)
{
    struct call *call = freelist_take(sizeof *call);
    if (!call) {
        problem_memory(problem);
        return NULL;
    }
    call->service = service;
    call->reader = NULL;
    call->wants_npy = head->wants_npy;
    call->takes_json = head->takes_json;
    call->answer.count = 0;
    budget_init_part(&call->budget, &service->budget);
    request_init(&call->request, (enum operation)head->variant, &call->budget);
    if (begin_body(call, head, problem) &&
        request_set_query(&call->request, head, problem))
        return call;
    call_end(call);
    return NULL;
}

static bool call_feed(void *cls, const char *bytes, size_t count,
                      struct problem *problem)
{
    struct call *call = cls;
    return call->reader ? reader_feed(call->reader, bytes, count, problem)
                        : npy_feed(&call->npy, bytes, count, problem);
}

/* ---- the end of the body ------------------------------------------------ */

struct visit {
    struct request *request;
    struct problem *problem;
    bool good;
};

static bool visit_member(void *cls, const char *name, const struct value *value)
{
    struct visit *visit = cls;
    if (request_has_option(visit->request, name))
        visit->good = request_set(visit->request, name, value, visit->problem);
    return visit->good;
}

static bool take_options(struct request *request, const struct value *document,
                         struct problem *problem)
{
    struct visit visit = {request, problem, true};
    value_each(document, visit_member, &visit);
    return visit.good;
}

static bool finish_body(struct call *call, struct problem *problem)
{
    if (!call->reader)
        return npy_finish(&call->npy, problem);
    struct value *document = reader_finish(call->reader, problem);
    bool good = document && take_options(&call->request, document, problem);
    value_free(document);
    return good;
}

/* Logits that came with a type of their own say what to compute in, where the
 * request does not. */
static void choose_dtype(struct call *call)
{
    struct request *request = &call->request;
    unsigned tasks = operation_tasks(request->operation);
    if ((!call->reader || reader_was_encoded(call->reader, &request->logits)) &&
        !(request->given & member_bit(member_find(tasks, "dtype"))))
        request->dtype =
            request->logits.type == TENSOR_FLOAT64 ? SMX_FLOAT64 : SMX_FLOAT32;
}

static bool settle(struct call *call, struct problem *problem)
{
    struct request *request = &call->request;
    const struct member *member;
    choose_dtype(call);
    struct reader_destination logits;
    if (!call->reader)
        return request_tensor(request, "logits", &logits) &&
               reader_settle_whole(&logits, request_float_type(request),
                                   "logits", problem);
    for (unsigned left = request->given;
         (member = member_next(request, &left));)
        if (member->kind == MEMBER_TENSOR && member->element == READER_FLOAT &&
            !reader_settle(call->reader, member_tensor(request, member),
                           request_float_type(request), member->name, problem))
            return false;
    return true;
}

/* A file of NumPy's holds one tensor. */
static bool choose_media(struct call *call, struct problem *problem)
{
    if (!call->wants_npy)
        return true;
    int outputs = __builtin_popcount(outputs_given(&call->request));
    call->wants_npy = outputs == 1;
    return call->wants_npy || call->takes_json ||
           problem_set(problem, 406, NULL,
                       "Accept: got application/x-npy, must allow "
                       "application/json, as the answer is %d tensors",
                       outputs);
}

static bool call_ready(void *cls, struct work *work, struct problem *problem)
{
    struct call *call = cls;
    struct request *request = &call->request;
    bool good = finish_body(call, problem) && settle(call, problem) &&
                request_check(request, problem) && choose_media(call, problem);
    reader_free(call->reader);
    call->reader = NULL;
    if (!good)
        return false;
    *work = (struct work){
        .rows = request->rows,
        .classes = request->class_count,
        .elements = request_elements(request),
    };
    return true;
}

/* ---- the answer --------------------------------------------------------- */

static bool call_run(void *cls, struct problem *problem)
{
    struct call *call = cls;
    return request_run(&call->request, call->service->compute, &call->answer,
                       problem);
}

/* Dtype and shape first: a reader may use them while the text arrives. */
static void write_base64(struct writer *writer, struct tensor *tensor)
{
    writer_format(writer, "{\"dtype\":%s,\"shape\":[",
                  datatype_of(tensor->type)->native);
    for (int i = 0; i < tensor->rank; i++) {
        writer_text(writer, i ? "," : "");
        writer_int64(writer, (int64_t)tensor->shape[i]);
    }
    writer_text(writer, "],\"base64\":\"");
    tensor_to_little_endian(tensor);
    writer_base64(writer, tensor);
    writer_text(writer, "\"}");
}

static void write_document(struct writer *writer, struct call *call)
{
    for (size_t i = 0; i < call->answer.count; i++) {
        writer_name(writer, i ? ',' : '{', call->answer.output[i].name);
        struct tensor *tensor = &call->answer.output[i].tensor;
        if (call->request.encoding == ENCODING_BASE64 && tensor->rank > 0)
            write_base64(writer, tensor);
        else
            writer_tensor(writer, tensor, true);
    }
    writer_text(writer, "}\n");
}

static bool call_answer(void *cls, struct reply *reply, struct problem *problem)
{
    struct call *call = cls;
    struct tensor *first = &call->answer.output[0].tensor;
    (void)problem;
    if (call->wants_npy) {
        tensor_to_little_endian(first);
        npy_write_header(reply->writer, first);
        reply->content_type = "application/x-npy";
        reply->tensors[reply->tensor_count++] = first;
    } else {
        write_document(reply->writer, call);
        reply->content_type = "application/json";
    }
    reply->held = call->budget.taken;
    return true;
}

/* ---- the table ---------------------------------------------------------- */

#define ROUTE(path_, name_, ...)                                               \
    {                                                                          \
        .method = "POST", .path = path_, .name = name_, .compressible = true,  \
        .endpoint = &(const struct endpoint)                                   \
        {                                                                      \
            .computes = true, .begin = call_begin, .feed = call_feed,          \
            .ready = call_ready, .run = call_run, .answer = call_answer,       \
            .end = call_end, .variant = __VA_ARGS__                            \
        }                                                                      \
    }

const struct route api_routes[] = {
    ROUTE("/softmax", "softmax", OPERATION_SOFTMAX, .npy = true),
    ROUTE("/loss", "loss", OPERATION_LOSS),
    ROUTE("/gradient", "gradient", OPERATION_GRADIENT),
};
const size_t api_route_count = sizeof api_routes / sizeof api_routes[0];
