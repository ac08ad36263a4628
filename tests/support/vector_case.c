/* SPDX-License-Identifier: MIT */
#include "vector_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_numbers.h"
#include "reference.h"
#include "exact_row.h"
#include "ulp.h"

struct operands {
    json_t *root, *request, *answer, *scale;
    const char *path;
    struct smx_logits logits;
    struct smx_criterion criterion;
    void *data, *targets, *weights, *teacher, *row_weights, *upstream;
    int64_t *labels, *chosen;
    uint8_t *mask;
    size_t elements, rows, top_k, chosen_count;
    bool log, chosen_each_row;
};

/** Everything that an answer may name, widened. */
struct results {
    long double *values; /* probabilities, gradient or jacobian */
    long double *loss, *logsumexp, *entropy, *argmax, *indices, *rank;
    long double *logs; /* of a loss */
    long double divisor, accuracy, counted;
    size_t value_count, loss_count, row_count, index_count, rank_count;
    size_t element_count;
};

/* ---- JSON to arrays --------------------------------------------------- */

static void *floats(const struct operands *o, const char *name)
{
    size_t count;
    double *numbers = json_numbers(json_object_get(o->request, name), &count);

    if (!numbers || o->logits.dtype == SMX_FLOAT64)
        return numbers;
    float *narrow = must(calloc(count + 1, sizeof *narrow));
    for (size_t i = 0; i < count; i++)
        narrow[i] = (float)numbers[i];
    free(numbers);
    return narrow;
}

static int64_t *integers(const struct operands *o, const char *name)
{
    size_t count;
    double *numbers = json_numbers(json_object_get(o->request, name), &count);

    if (!numbers)
        return NULL;
    int64_t *whole = must(calloc(count + 1, sizeof *whole));
    for (size_t i = 0; i < count; i++)
        whole[i] = (int64_t)numbers[i];
    free(numbers);
    return whole;
}

static double number(const struct operands *o, const char *name,
                     double otherwise)
{
    const json_t *value = json_object_get(o->request, name);

    return value ? json_number_value(value) : otherwise;
}

static bool says(const struct operands *o, const char *name, const char *word)
{
    const char *text = json_string_value(json_object_get(o->request, name));

    return text && strcmp(text, word) == 0;
}

/* ---- the request ------------------------------------------------------ */

static void load_shape(struct operands *o)
{
    size_t shape[8] = {0}, rank = 0, axis;
    int64_t wanted = (int64_t)number(o, "axis", -1);

    for (const json_t *v = json_object_get(o->request, "logits");
         json_is_array(v); v = json_array_get(v, 0))
        shape[rank++] = json_array_size(v);
    axis = wanted < 0 ? (size_t)((int64_t)rank + wanted) : (size_t)wanted;
    o->logits.size = sizeof o->logits;
    o->logits.outer = o->logits.inner = 1;
    for (size_t i = 0; i < axis; i++)
        o->logits.outer *= shape[i];
    for (size_t i = axis + 1; i < rank; i++)
        o->logits.inner *= shape[i];
    o->logits.classes = shape[axis];
    o->rows = o->logits.outer * o->logits.inner;
    if (o->rows == 0) /* 0 as inner is 1 */
        o->logits.outer = 0;
    o->elements = o->rows * o->logits.classes;
}

static void load_mask(struct operands *o)
{
    const json_t *mask = json_object_get(o->request, "mask");
    size_t count;
    double *numbers = json_numbers(mask, &count);

    if (!numbers)
        return;
    o->mask = must(calloc(count, sizeof *o->mask));
    for (size_t i = 0; i < count; i++)
        o->mask[i] = numbers[i] != 0;
    free(numbers);
    o->logits.mask = o->mask;
    o->logits.mask_per_class =
        count == o->logits.classes && !json_is_array(json_array_get(mask, 0));
}

static void load_chosen(struct operands *o)
{
    const json_t *list = json_object_get(o->request, "classes");

    o->chosen = integers(o, "classes");
    o->chosen_each_row = json_is_array(json_array_get(list, 0));
    while (json_is_array(json_array_get(list, 0)))
        list = json_array_get(list, 0);
    o->chosen_count = json_array_size(list);
}

static void load_criterion(struct operands *o)
{
    o->criterion = (struct smx_criterion){
        .size = sizeof(struct smx_criterion),
        .labels = o->labels = integers(o, "labels"),
        .targets = o->targets = floats(o, "targets"),
        .teacher = o->teacher = floats(o, "teacher"),
        .weights = o->weights = floats(o, "weights"),
        .row_weights = o->row_weights = floats(o, "row_weights"),
        .ignore = true,
        .ignore_index = (int64_t)number(o, "ignore_index", -100),
        .label_smoothing = number(o, "label_smoothing", 0),
        .z_loss = number(o, "z_loss", 0),
        .entropy_weight = number(o, "entropy_weight", 0),
        .focal = number(o, "focal", 0),
        .divergence = says(o, "divergence", "jsd") ? SMX_DIVERGENCE_JSD
                      : says(o, "divergence", "reverse_kl")
                          ? SMX_DIVERGENCE_REVERSE_KL
                          : SMX_DIVERGENCE_FORWARD_KL,
        .beta = number(o, "beta", says(o, "divergence", "jsd") ? 0.5 : 0),
        .teacher_temperature = number(o, "teacher_temperature", 0),
        .reduction = says(o, "reduction", "sum")    ? SMX_REDUCTION_SUM
                     : says(o, "reduction", "none") ? SMX_REDUCTION_NONE
                                                    : SMX_REDUCTION_MEAN,
    };
}

static void load(struct operands *o, const char *line, enum smx_dtype dtype)
{
    *o = (struct operands){.root = json_loads(line, 0, NULL)};
    o->request = json_object_get(o->root, "request");
    o->answer = json_object_get(o->root, "answer");
    o->scale = json_object_get(o->root, "scale");
    o->path = json_string_value(json_object_get(o->root, "path"));
    o->logits.dtype = dtype;
    o->logits.data = o->data = floats(o, "logits");
    o->logits.temperature = number(o, "temperature", 1);
    o->logits.softcap = number(o, "softcap", 0);
    o->upstream = floats(o, "upstream");
    o->top_k = (size_t)number(o, "top_k", 0);
    o->log = json_is_true(json_object_get(o->request, "log")) ||
             says(o, "of", "log_softmax");
    load_shape(o);
    load_mask(o);
    load_chosen(o);
    load_criterion(o);
}

static void unload(struct operands *o)
{
    free(o->data);
    free(o->targets);
    free(o->weights);
    free(o->teacher);
    free(o->row_weights);
    free(o->upstream);
    free(o->labels);
    free(o->chosen);
    free(o->mask);
    json_decref(o->root);
}

enum kind { KIND_SOFTMAX, KIND_LOSS, KIND_GRADIENT, KIND_VJP, KIND_JACOBIAN };

static enum kind kind_of(const struct operands *o)
{
    if (strcmp(o->path, "/softmax") == 0)
        return KIND_SOFTMAX;
    if (strcmp(o->path, "/loss") == 0)
        return KIND_LOSS;
    if (o->criterion.labels || o->criterion.targets || o->criterion.teacher)
        return KIND_GRADIENT;
    return o->upstream ? KIND_VJP : KIND_JACOBIAN;
}

/* ---- the results ------------------------------------------------------ */

static long double *longs(size_t count)
{
    return must(calloc(count + 1, sizeof(long double)));
}

static void results_init(struct results *x, const struct operands *o)
{
    enum kind kind = kind_of(o);

    *x = (struct results){.row_count = o->rows,
                          .value_count = o->elements,
                          .element_count = o->elements};
    x->index_count = o->rows * (o->top_k ? o->top_k : o->chosen_count);
    x->rank_count = kind == KIND_SOFTMAX ? x->index_count : o->rows;
    x->loss_count = o->criterion.reduction == SMX_REDUCTION_NONE ? o->rows : 1;
    if (kind == KIND_SOFTMAX && x->index_count)
        x->value_count = x->index_count;
    if (kind == KIND_JACOBIAN)
        x->value_count = o->elements * o->logits.classes;
    x->values = longs(x->value_count);
    x->loss = longs(x->loss_count);
    x->logsumexp = longs(x->row_count);
    x->entropy = longs(x->row_count);
    x->argmax = longs(x->row_count);
    x->indices = longs(x->index_count);
    x->rank = longs(x->rank_count);
    x->logs = longs(o->elements);
}

static void results_free(struct results *x)
{
    free(x->values);
    free(x->loss);
    free(x->logsumexp);
    free(x->entropy);
    free(x->argmax);
    free(x->indices);
    free(x->rank);
    free(x->logs);
}

/** Outputs of the library before they are widened. */
struct raw {
    void *values, *loss, *logsumexp, *entropy, *logs;
    int64_t *argmax, *indices, *rank;
    double divisor, accuracy;
    size_t rows;
};

static void raw_init(struct raw *raw, const struct results *x)
{
    *raw = (struct raw){
        .values = must(calloc(x->value_count + 1, 8)),
        .loss = must(calloc(x->loss_count + 1, 8)),
        .logsumexp = must(calloc(x->row_count + 1, 8)),
        .entropy = must(calloc(x->row_count + 1, 8)),
        .argmax = must(calloc(x->row_count + 1, 8)),
        .indices = must(calloc(x->index_count + 1, 8)),
        .rank = must(calloc(x->rank_count + 1, 8)),
        .logs = must(calloc(x->element_count + 1, 8)),
    };
}

static void widen(long double *out, const void *in, enum smx_dtype dtype,
                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = reference_get(in, dtype, i);
}

static void widen_integers(long double *out, const int64_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = in[i];
}

static void raw_widen(struct raw *raw, enum smx_dtype dtype, struct results *x)
{
    widen(x->values, raw->values, dtype, x->value_count);
    widen(x->loss, raw->loss, dtype, x->loss_count);
    widen(x->logsumexp, raw->logsumexp, dtype, x->row_count);
    widen(x->entropy, raw->entropy, dtype, x->row_count);
    widen_integers(x->argmax, raw->argmax, x->row_count);
    widen_integers(x->indices, raw->indices, x->index_count);
    widen_integers(x->rank, raw->rank, x->rank_count);
    widen(x->logs, raw->logs, dtype, x->element_count);
    x->divisor = raw->divisor;
    x->accuracy = raw->accuracy;
    x->counted = raw->rows;
    free(raw->values);
    free(raw->loss);
    free(raw->logsumexp);
    free(raw->entropy);
    free(raw->argmax);
    free(raw->indices);
    free(raw->rank);
    free(raw->logs);
}

static enum smx_status call(struct smx_context *context,
                            const struct operands *o, struct raw *raw)
{
    struct smx_loss_out loss = {.size = sizeof loss,
                                .loss = raw->loss,
                                .divisor = &raw->divisor,
                                .rows = &raw->rows,
                                .logsumexp = raw->logsumexp,
                                .argmax = raw->argmax,
                                .accuracy = &raw->accuracy,
                                .entropy = raw->entropy,
                                .log_probabilities = raw->logs,
                                .rank = o->labels ? raw->rank : NULL};
    struct smx_softmax_options options = {.size = sizeof options,
                                          .log = o->log,
                                          .top_k = o->top_k,
                                          .chosen = o->chosen,
                                          .chosen_count = o->chosen_count,
                                          .chosen_each_row =
                                              o->chosen_each_row};
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = raw->values,
                                  .indices = o->top_k ? raw->indices : NULL,
                                  .logsumexp = raw->logsumexp,
                                  .entropy = raw->entropy,
                                  .argmax = raw->argmax,
                                  .rank = o->chosen ? raw->rank : NULL};

    switch (kind_of(o)) {
    case KIND_SOFTMAX:
        return smx_softmax(context, &o->logits, &options, &out, NULL);
    case KIND_LOSS:
        return smx_loss(context, &o->logits, &o->criterion, &loss, NULL);
    case KIND_GRADIENT:
        return smx_gradient(context, &o->logits, &o->criterion, o->upstream,
                            raw->values, &loss, NULL);
    case KIND_VJP:
        return smx_vjp(context, &o->logits, o->log, o->upstream, raw->values,
                       NULL);
    default:
        return smx_jacobian(context, &o->logits, o->log, raw->values, NULL);
    }
}

static enum smx_status by_library(struct smx_context *context,
                                  const struct operands *o, struct results *x)
{
    struct raw raw;
    enum smx_status status;

    raw_init(&raw, x);
    status = call(context, o, &raw);
    raw_widen(&raw, o->logits.dtype, x);
    return status;
}

static void by_reference(const struct operands *o, struct results *x)
{
    struct reference_loss loss = {.loss = x->loss,
                                  .scale = longs(x->loss_count)};
    long double *scale = longs(x->value_count);
    int64_t *whole = must(calloc(x->row_count + x->index_count + 1, 8));
    enum kind kind = kind_of(o);

    if (kind == KIND_SOFTMAX && o->top_k)
        reference_top_k(&o->logits, o->log, o->top_k, x->values, whole);
    else if (kind == KIND_SOFTMAX && o->chosen)
        reference_chosen(&o->logits, o->log, o->chosen, o->chosen_count,
                         o->chosen_each_row, x->values, x->rank);
    else if (kind == KIND_SOFTMAX)
        reference_softmax(&o->logits, o->log, x->values);
    else if (kind == KIND_LOSS || kind == KIND_GRADIENT)
        reference_softmax(&o->logits, true, x->logs);
    if (kind != KIND_SOFTMAX && o->labels)
        reference_label_ranks(&o->logits, &o->criterion, x->rank);
    widen_integers(x->indices, whole, x->index_count);
    reference_summaries(&o->logits, x->logsumexp, NULL, x->entropy, whole);
    widen_integers(x->argmax, whole, x->row_count);
    if (kind == KIND_LOSS || kind == KIND_GRADIENT)
        reference_loss(&o->logits, &o->criterion, &loss);
    x->divisor = loss.divisor;
    x->accuracy = loss.accuracy;
    x->counted = loss.rows;
    if (kind == KIND_GRADIENT)
        reference_gradient(&o->logits, &o->criterion, o->upstream, x->values,
                           scale);
    else if (kind == KIND_VJP)
        reference_vjp(&o->logits, o->log, o->upstream, x->values, scale);
    else if (kind == KIND_JACOBIAN)
        reference_jacobian(&o->logits, o->log, x->values, scale);
    free(loss.scale);
    free(scale);
    free(whole);
}

/* ---- the judgement ---------------------------------------------------- */

static const long double *find(const struct operands *o,
                               const struct results *x, const char *name,
                               size_t *count)
{
    bool softmax = kind_of(o) == KIND_SOFTMAX;
    const struct {
        const char *name;
        const long double *values;
        size_t count;
    } members[] = {
        {"probabilities", x->values, x->value_count},
        {"log_probabilities", softmax ? x->values : x->logs,
         softmax ? x->value_count : x->element_count},
        {"gradient", x->values, x->value_count},
        {"jacobian", x->values, x->value_count},
        {"loss", x->loss, x->loss_count},
        {"logsumexp", x->logsumexp, x->row_count},
        {"entropy", x->entropy, x->row_count},
        {"argmax", x->argmax, x->row_count},
        {"indices", x->indices, x->index_count},
        {"rank", x->rank, x->rank_count},
        {"divisor", &x->divisor, 1},
        {"accuracy", &x->accuracy, 1},
        {"rows", &x->counted, 1},
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i].name, name) == 0) {
            *count = members[i].count;
            return members[i].values;
        }
    *count = 0;
    return NULL;
}

static bool judge_member(const struct operands *o, const struct results *x,
                         const char *name, enum smx_dtype dtype, double ulps,
                         const char *who)
{
    size_t count, wanted, scales;
    const long double *got = find(o, x, name, &count);
    double *want = json_numbers(json_object_get(o->answer, name), &wanted);
    double *scale = json_numbers(json_object_get(o->scale, name), &scales);
    bool right = got && count == wanted && (scales <= 1 || scales == count);

    if (!right)
        printf("%s: %s has %zu elements, want %zu\n", who, name, count, wanted);
    for (size_t i = 0; right && i < count; i++) {
        double terms = scale ? scale[scales > 1 ? i : 0] : 0;
        right = ulp_error(dtype, got[i], want[i], terms) <= ulps;
        if (!right)
            printf("%s: %s[%zu] %.17Lg is not %.17g\n", who, name, i, got[i],
                   want[i]);
    }
    free(want);
    free(scale);
    return right;
}

static bool judge(const struct operands *o, const struct results *x,
                  enum smx_dtype dtype, double ulps, const char *who)
{
    const char *name;
    json_t *value;
    json_object_foreach(
        o->answer, name,
        value) if (!judge_member(o, x, name, dtype, ulps, who)) return false;
    return true;
}

bool vector_case_run(struct smx_context *context, const char *line,
                     size_t number, enum smx_dtype dtype, double ulps)
{
    struct operands o;
    struct results library, reference;
    enum smx_status status;
    bool right;

    load(&o, line, dtype);
    results_init(&library, &o);
    results_init(&reference, &o);
    by_reference(&o, &reference);
    status = by_library(context, &o, &library);
    if (status)
        printf("library: %s\n", smx_status_string(status));
    right = judge(&o, &reference, SMX_FLOAT64, 450, "reference");
    right &= status == SMX_OK && judge(&o, &library, dtype, ulps, "library");
    if (!right)
        printf("line %zu, %s: %.300s\n", number,
               dtype == SMX_FLOAT32 ? "float32" : "float64", line);
    results_free(&library);
    results_free(&reference);
    unload(&o);
    return right;
}
