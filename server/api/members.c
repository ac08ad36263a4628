// SPDX-License-Identifier: MIT
#include "members.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "../number/read.h"
#include "outputs.h"

/* ---- the table ---------------------------------------------------------- */

static const char *const dtypes[] = {
    [SMX_FLOAT32] = "float32", [SMX_FLOAT64] = "float64", NULL};
static const char *const reductions[] = {[SMX_REDUCTION_MEAN] = "mean",
                                         [SMX_REDUCTION_SUM] = "sum",
                                         [SMX_REDUCTION_NONE] = "none",
                                         NULL};
static const char *const divergences[] = {
    [SMX_DIVERGENCE_FORWARD_KL] = "forward_kl",
    [SMX_DIVERGENCE_REVERSE_KL] = "reverse_kl",
    [SMX_DIVERGENCE_JSD] = "jsd",
    NULL};
static const char *const ofs[] = {[OF_LOSS] = "loss",
                                  [OF_SOFTMAX] = "softmax",
                                  [OF_LOG_SOFTMAX] = "log_softmax",
                                  NULL};
static const char *const encodings[] = {
    [ENCODING_JSON] = "json", [ENCODING_BASE64] = "base64", NULL};
enum {
    ALL = TASK_SOFTMAX | TASK_LOG_SOFTMAX | TASK_LOSS | TASK_LOSS_GRADIENT |
          TASK_PRODUCT | TASK_JACOBIAN,
    SOFTMAXES = TASK_SOFTMAX | TASK_LOG_SOFTMAX,
    LOSSES = TASK_LOSS | TASK_LOSS_GRADIENT,
    GRADIENTS = TASK_LOSS_GRADIENT | TASK_PRODUCT | TASK_JACOBIAN
};

/* Of a mask the library takes any bits, so no error of its names that field. */
#define NO_FIELD ((enum smx_field) - 1)

#define TENSOR(member, tasks_, element_, shape_, field_, ...)                  \
    {                                                                          \
        .name = #member, .offset = offsetof(struct request, member),           \
        .tasks = tasks_, .kind = MEMBER_TENSOR, .element = READER_##element_,  \
        .shape = SHAPE_##shape_, .field = field_, ##__VA_ARGS__                \
    }
#define OPTION(member, tasks_, kind_, ...)                                     \
    {                                                                          \
        .name = #member, .offset = offsetof(struct request, member),           \
        .tasks = tasks_, .kind = MEMBER_##kind_, ##__VA_ARGS__                 \
    }
#define ANY_INTEGER .least = -0x1p63, .most = 0x1p63
#define NOT_NEGATIVE .rule = "a number, 0 or above", .least = 0, .most = DBL_MAX
#define POSITIVE .least = DBL_TRUE_MIN, .most = DBL_MAX

const struct member members[] = {
    TENSOR(logits, ALL, FLOAT, LOGITS, SMX_FIELD_LOGITS, .infinity = true,
           .required = true, .usual = true),
    TENSOR(labels, LOSSES, INT64, ROWS, SMX_FIELD_LABELS, .criterion = true,
           .usual = true),
    TENSOR(targets, LOSSES, FLOAT, LOGITS, SMX_FIELD_TARGETS,
           .criterion = true),
    TENSOR(teacher, LOSSES, FLOAT, LOGITS, SMX_FIELD_TEACHER, .infinity = true,
           .criterion = true),
    TENSOR(weights, LOSSES, FLOAT, CLASSES, SMX_FIELD_WEIGHTS,
           .beside = BESIDE_NO_TEACHER),
    TENSOR(row_weights, LOSSES, FLOAT, ROWS, SMX_FIELD_ROW_WEIGHTS),
    TENSOR(mask, ALL, BOOL, MASK, NO_FIELD),
    TENSOR(classes, SOFTMAXES, INT64, CHOSEN, SMX_FIELD_CHOSEN,
           .chooses = true),
    TENSOR(upstream, GRADIENTS, FLOAT, UPSTREAM, SMX_FIELD_UPSTREAM),
    OPTION(axis, ALL, INTEGER, .rule = "an integer in [-rank, rank) of logits",
           ANY_INTEGER),
    OPTION(dtype, ALL, CHOICE, .names = dtypes),
    OPTION(temperature, ALL, NUMBER, .rule = "a number above 0", POSITIVE),
    OPTION(softcap, ALL, NUMBER, .rule = "a number above 0", POSITIVE),
    OPTION(log, SOFTMAXES, BOOL, .rule = "true or false"),
    OPTION(top_k, SOFTMAXES, INTEGER, .rule = "an integer in [1, classes]",
           .least = 1, .most = 0x1p63),
    OPTION(statistics_only, SOFTMAXES, BOOL, .rule = "true or false"),
    OPTION(ignore_index, LOSSES, INTEGER, .rule = "an integer", ANY_INTEGER,
           .beside = BESIDE_NO_TEACHER),
    OPTION(label_smoothing, LOSSES, NUMBER, .rule = "a number in [0, 1]",
           .least = 0, .most = 1, .beside = BESIDE_NO_TEACHER),
    OPTION(z_loss, LOSSES, NUMBER, NOT_NEGATIVE),
    OPTION(entropy_weight, LOSSES, NUMBER, NOT_NEGATIVE),
    OPTION(focal, LOSSES, NUMBER, NOT_NEGATIVE),
    OPTION(divergence, LOSSES, CHOICE, .names = divergences,
           .beside = BESIDE_TEACHER),
    OPTION(beta, LOSSES, NUMBER, .rule = "a number in [0, 1]", .least = 0,
           .most = 1, .beside = BESIDE_JSD),
    OPTION(teacher_temperature, LOSSES, NUMBER, .rule = "a number above 0",
           POSITIVE, .beside = BESIDE_TEACHER),
    OPTION(reduction, LOSSES, CHOICE, .names = reductions),
    OPTION(of, GRADIENTS, CHOICE, .names = ofs),
    OPTION(include, SOFTMAXES | LOSSES, OUTPUTS),
    OPTION(encoding, ALL, CHOICE, .names = encodings, .native = true),
};
const size_t member_count = sizeof members / sizeof members[0];

_Static_assert(sizeof members / sizeof members[0] <= sizeof(unsigned) * 8,
               "struct request has a bit for each member");
_Static_assert(sizeof(enum smx_dtype) == sizeof(int) &&
                   sizeof(enum smx_reduction) == sizeof(int) &&
                   sizeof(enum smx_divergence) == sizeof(int) &&
                   sizeof(enum gradient_of) == sizeof(int) &&
                   sizeof(enum encoding) == sizeof(int),
               "a choice is stored as an int");

/* ---- looking up --------------------------------------------------------- */

const struct member *member_find(unsigned tasks, const char *name)
{
    for (size_t i = 0; i < member_count; i++)
        if (members[i].name[0] == name[0] && (members[i].tasks & tasks) &&
            !strcmp(members[i].name, name))
            return &members[i];
    return NULL;
}

static void *place_of(struct request *request, const struct member *member)
{
    return (char *)request + member->offset;
}

const struct member *member_next(struct request *request, unsigned *left)
{
    while (*left) {
        const struct member *member = &members[__builtin_ctz(*left)];
        *left &= *left - 1;
        if (member->kind != MEMBER_TENSOR ||
            member_tensor(request, member)->type != TENSOR_NONE)
            return member;
    }
    return NULL;
}

/* ---- setting ------------------------------------------------------------ */

static bool set_integer(const struct member *member, int64_t integer,
                        int64_t *place)
{
    if ((double)integer < member->least || (double)integer > member->most)
        return false;
    *place = integer;
    return true;
}

static bool set_number(const struct member *member, double number,
                       double *place)
{
    if (!(number >= member->least && number <= member->most))
        return false;
    *place = number;
    return true;
}

static bool choose_name(const struct member *member, const char *name,
                        void *place)
{
    int choice = 0;
    while (member->names[choice] && strcmp(member->names[choice], name))
        choice++;
    if (!member->names[choice])
        return false;
    memcpy(place, &choice, sizeof choice); /* an enum of its own type */
    return true;
}

/* May "include" name it, whatever else the request may still become? */
static bool may_include(const struct request *request,
                        const struct output_kind *kind)
{
    return kind->included & operation_tasks(request->operation);
}

bool member_add_output(const struct request *request, const char *name,
                       unsigned *bits)
{
    const struct output_kind *kind = output_find(name);
    if (!kind || !may_include(request, kind))
        return false;
    *bits |= 1u << output_id(kind);
    return true;
}

static bool set_outputs(const struct request *request,
                        const struct value *value, unsigned *place,
                        size_t *element)
{
    unsigned bits = 0;
    if (value_kind(value) != VALUE_ARRAY)
        return false;
    for (size_t i = 0; i < value_size(value); i++) {
        const struct value *name = value_at(value, i);
        if (value_kind(name) != VALUE_STRING ||
            !member_add_output(request, value_string(name), &bits)) {
            *element = i;
            return false;
        }
    }
    *place = bits;
    return true;
}

bool member_set(struct request *request, const struct member *member,
                const struct value *value, size_t *element)
{
    void *place = place_of(request, member);
    enum value_kind kind = value_kind(value);
    int64_t integer;
    switch (member->kind) {
    case MEMBER_BOOL:
        if (kind == VALUE_BOOL)
            *(bool *)place = value_boolean(value);
        return kind == VALUE_BOOL;
    case MEMBER_INTEGER:
        return value_to_integer(value, &integer) &&
               set_integer(member, integer, place);
    case MEMBER_NUMBER:
        return (kind == VALUE_INTEGER || kind == VALUE_REAL) &&
               set_number(member, value_number(value), place);
    case MEMBER_CHOICE:
        return kind == VALUE_STRING &&
               choose_name(member, value_string(value), place);
    case MEMBER_OUTPUTS:
        return set_outputs(request, value, place, element);
    case MEMBER_TENSOR:
        break;
    }
    return false;
}

bool member_set_text(struct request *request, const struct member *member,
                     const char *text)
{
    void *place = place_of(request, member);
    size_t bytes = strlen(text);
    int64_t integer;
    double number;
    switch (member->kind) {
    case MEMBER_BOOL:
        *(bool *)place = !strcmp(text, "true");
        return *(bool *)place || !strcmp(text, "false");
    case MEMBER_INTEGER:
        return number_read_int64(text, bytes, &integer) == NUMBER_INTEGER &&
               set_integer(member, integer, place);
    case MEMBER_NUMBER:
        return number_read_float64(text, bytes, &number) &&
               set_number(member, number, place);
    case MEMBER_CHOICE:
        return choose_name(member, text, place);
    default:
        return false;
    }
}

/* ---- rules -------------------------------------------------------------- */

/* "a", "b" or "c": text holds the count names before this one. */
static size_t list_name(char *text, size_t used, size_t bytes, const char *name,
                        size_t count, bool last)
{
    const char *before = count == 0 ? "" : last ? " or " : ", ";
    int more = used < bytes ? snprintf(text + used, bytes - used, "%s\"%s\"",
                                       before, name)
                            : 0;
    return used + (size_t)more;
}

static void list_choices(const struct member *member, char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; member->names[i]; i++)
        used = list_name(text, used, bytes, member->names[i], i,
                         !member->names[i + 1]);
}

static void list_outputs(const struct request *request, char *text,
                         size_t bytes)
{
    size_t used = 0, last = OUTPUT_COUNT, count = 0;
    while (last > 0 && !may_include(request, &output_kinds[last - 1]))
        last--;
    for (size_t i = 0; i < last; i++)
        if (may_include(request, &output_kinds[i]))
            used = list_name(text, used, bytes, output_kinds[i].name, count++,
                             i + 1 == last);
}

const char *member_rule(const struct request *request,
                        const struct member *member, bool element,
                        char text[static MEMBER_RULE])
{
    static const char array[] = "an array of ";
    size_t used = 0;
    switch (member->kind) {
    case MEMBER_TENSOR:
        return "a tensor";
    case MEMBER_CHOICE:
        list_choices(member, text, MEMBER_RULE);
        return text;
    case MEMBER_OUTPUTS:
        if (!element) {
            used = sizeof array - 1;
            memcpy(text, array, used);
        }
        list_outputs(request, text + used, MEMBER_RULE - used);
        return text;
    default:
        return member->rule;
    }
}
