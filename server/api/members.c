// SPDX-License-Identifier: MIT
#include "members.h"

#include <math.h>
#include <string.h>

/* ---- values ------------------------------------------------------------- */

static bool is_number(const struct value *value)
{
    enum value_kind kind = value_kind(value);
    return kind == VALUE_INTEGER || kind == VALUE_REAL;
}

/* 3, 3.0 and 3e0 are the same integer; beyond 2^53 only the first form is. */
static bool integer(const struct value *value, int64_t *result)
{
    if (value_kind(value) == VALUE_INTEGER) {
        *result = value_integer(value);
        return true;
    }
    if (value_kind(value) != VALUE_REAL)
        return false;
    double number = value_number(value);
    if (!(fabs(number) <= 0x1p53) || number != trunc(number))
        return false;
    *result = (int64_t)number;
    return true;
}

static bool number_within(const struct value *value, double least, double most,
                          double *result)
{
    if (!is_number(value))
        return false;
    double number = value_number(value);
    if (!(number >= least && number <= most))
        return false;
    *result = number;
    return true;
}

static bool positive(const struct value *value, double *result)
{
    double number;
    if (!number_within(value, 0, HUGE_VAL, &number) || number == 0 ||
        isinf(number))
        return false;
    *result = number;
    return true;
}

/* The place of a string in a list that ends with NULL; -1: elsewhere. */
static int choice(const struct value *value, const char *const *names)
{
    if (value_kind(value) != VALUE_STRING)
        return -1;
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], value_string(value)))
            return i;
    return -1;
}

/* ---- setters, in the order of the table --------------------------------- */

static bool set_axis(struct request *request, const struct value *value,
                     size_t *element)
{
    (void)element;
    return integer(value, &request->axis);
}

static bool set_dtype(struct request *request, const struct value *value,
                      size_t *element)
{
    static const char *const names[] = {"float32", "float64", NULL};
    (void)element;
    int dtype = choice(value, names);
    if (dtype < 0)
        return false;
    request->dtype = dtype == 0 ? SMX_FLOAT32 : SMX_FLOAT64;
    request->dtype_given = true;
    return true;
}

static bool set_temperature(struct request *request, const struct value *value,
                            size_t *element)
{
    (void)element;
    return positive(value, &request->temperature);
}

static bool set_softcap(struct request *request, const struct value *value,
                        size_t *element)
{
    (void)element;
    return positive(value, &request->softcap);
}

static bool set_log(struct request *request, const struct value *value,
                    size_t *element)
{
    (void)element;
    if (value_kind(value) != VALUE_BOOL)
        return false;
    request->log = value_boolean(value);
    return true;
}

static bool set_top_k(struct request *request, const struct value *value,
                      size_t *element)
{
    (void)element;
    return integer(value, &request->top_k) && request->top_k >= 1;
}

static bool set_ignore_index(struct request *request, const struct value *value,
                             size_t *element)
{
    (void)element;
    return integer(value, &request->ignore_index);
}

static bool set_label_smoothing(struct request *request,
                                const struct value *value, size_t *element)
{
    (void)element;
    return number_within(value, 0, 1, &request->label_smoothing);
}

static bool set_z_loss(struct request *request, const struct value *value,
                       size_t *element)
{
    (void)element;
    return number_within(value, 0, 0x1.fffffffffffffp1023, &request->z_loss);
}

static bool set_reduction(struct request *request, const struct value *value,
                          size_t *element)
{
    static const char *const names[] = {"mean", "sum", "none", NULL};
    static const enum smx_reduction reductions[] = {SMX_MEAN, SMX_SUM,
                                                    SMX_NONE};
    (void)element;
    int reduction = choice(value, names);
    if (reduction < 0)
        return false;
    request->reduction = reductions[reduction];
    return true;
}

static bool set_of(struct request *request, const struct value *value,
                   size_t *element)
{
    static const char *const names[] = {"loss", "softmax", "log_softmax", NULL};
    static const enum gradient_of ofs[] = {OF_LOSS, OF_SOFTMAX, OF_LOG_SOFTMAX};
    (void)element;
    int of = choice(value, names);
    if (of < 0)
        return false;
    request->of = ofs[of];
    return true;
}

static bool set_include(struct request *request, const struct value *value,
                        unsigned allowed, size_t *element)
{
    static const char *const names[] = {"logsumexp", "entropy", "argmax",
                                        "accuracy", NULL};
    if (value_kind(value) != VALUE_ARRAY)
        return false;
    unsigned include = 0;
    for (size_t i = 0; i < value_size(value); i++) {
        int name = choice(value_at(value, i), names);
        if (name < 0 || !(allowed & 1u << name)) {
            *element = i;
            return false;
        }
        include |= 1u << name;
    }
    request->include = include;
    return true;
}

static bool set_softmax_include(struct request *request,
                                const struct value *value, size_t *element)
{
    return set_include(request, value,
                       INCLUDE_LOGSUMEXP | INCLUDE_ENTROPY | INCLUDE_ARGMAX,
                       element);
}

static bool set_loss_include(struct request *request, const struct value *value,
                             size_t *element)
{
    return set_include(request, value,
                       INCLUDE_LOGSUMEXP | INCLUDE_ARGMAX | INCLUDE_ACCURACY,
                       element);
}

/* ---- the table ---------------------------------------------------------- */

#define TENSOR(member, takers_, element_, infinity_)                           \
    {                                                                          \
        .name = #member, .takers = takers_,                                    \
        .tensor = offsetof(struct request, member), .element = element_,       \
        .infinity = infinity_                                                  \
    }
#define OPTION(member, takers_, rule_)                                         \
    {                                                                          \
        .name = #member, .takers = takers_, .rule = rule_, .set = set_##member \
    }

const struct member members[] = {
    TENSOR(logits, TAKER_ALL, READER_FLOAT, true),
    TENSOR(labels, TAKER_LOSSES, READER_INT64, false),
    TENSOR(targets, TAKER_LOSSES, READER_FLOAT, false),
    TENSOR(weights, TAKER_LOSSES, READER_FLOAT, false),
    TENSOR(mask, TAKER_ALL, READER_BOOL, false),
    TENSOR(upstream, TAKER_GRADIENTS, READER_FLOAT, false),
    OPTION(axis, TAKER_ALL, "an integer in [-rank, rank) of logits"),
    OPTION(dtype, TAKER_ALL, "\"float32\" or \"float64\""),
    OPTION(temperature, TAKER_ALL, "a number above 0"),
    OPTION(softcap, TAKER_ALL, "a number above 0"),
    OPTION(log, TAKER_SOFTMAX, "true or false"),
    OPTION(top_k, TAKER_SOFTMAX, "an integer in [1, classes]"),
    OPTION(ignore_index, TAKER_LOSSES, "an integer"),
    OPTION(label_smoothing, TAKER_LOSSES, "a number in [0, 1]"),
    OPTION(z_loss, TAKER_LOSSES, "a number, 0 or above"),
    OPTION(reduction, TAKER_LOSSES, "\"mean\", \"sum\" or \"none\""),
    OPTION(of, TAKER_GRADIENTS, "\"loss\", \"softmax\" or \"log_softmax\""),
    {.name = "include",
     .takers = TAKER_SOFTMAX,
     .rule = "an array of \"logsumexp\", \"entropy\", \"argmax\"",
     .set = set_softmax_include},
    {.name = "include",
     .takers = TAKER_LOSSES,
     .rule = "an array of \"logsumexp\", \"argmax\", \"accuracy\"",
     .set = set_loss_include},
};
const size_t member_count = sizeof members / sizeof members[0];

_Static_assert(sizeof members / sizeof members[0] <= sizeof(unsigned) * 8,
               "struct request has a bit for each member");

unsigned member_takers(enum operation operation)
{
    static const unsigned takers[] = {
        [OPERATION_SOFTMAX] = TAKER_SOFTMAX,
        [OPERATION_LOSS] = TAKER_LOSS,
        [OPERATION_GRADIENT] = TAKER_GRADIENTS,
    };
    return takers[operation];
}

const struct member *member_find(unsigned takers, const char *name)
{
    for (size_t i = 0; i < member_count; i++)
        if ((members[i].takers & takers) && !strcmp(members[i].name, name))
            return &members[i];
    return NULL;
}

struct tensor *member_tensor(struct request *request,
                             const struct member *member)
{
    return (struct tensor *)((char *)request + member->tensor);
}

bool member_given(struct request *request, const struct member *member)
{
    if (!member->set)
        return member_tensor(request, member)->type != TENSOR_NONE;
    return request->given & 1u << (member - members);
}
