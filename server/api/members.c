// SPDX-License-Identifier: MIT
#include "members.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- the table ---------------------------------------------------------- */

static const char *const dtypes[] = {
    [SMX_FLOAT32] = "float32", [SMX_FLOAT64] = "float64", NULL};
static const char *const reductions[] = {
    [SMX_MEAN] = "mean", [SMX_SUM] = "sum", [SMX_NONE] = "none", NULL};
static const char *const ofs[] = {[OF_LOSS] = "loss",
                                  [OF_SOFTMAX] = "softmax",
                                  [OF_LOG_SOFTMAX] = "log_softmax",
                                  NULL};
/* in the order of the bits of enum include */
static const char *const includes[] = {"logsumexp", "entropy", "argmax",
                                       "accuracy", NULL};

#define TENSOR(member, takers_, element_, ...)                                 \
    {                                                                          \
        .name = #member, .offset = offsetof(struct request, member),           \
        .takers = takers_, .kind = MEMBER_TENSOR, .element = element_,         \
        ##__VA_ARGS__                                                          \
    }
#define OPTION(member, takers_, kind_, rule_, ...)                             \
    {                                                                          \
        .name = #member, .offset = offsetof(struct request, member),           \
        .takers = takers_, .kind = MEMBER_##kind_, .rule = rule_,              \
        ##__VA_ARGS__                                                          \
    }
#define ANY_INTEGER .least = -0x1p63, .most = 0x1p63
#define POSITIVE .least = DBL_TRUE_MIN, .most = DBL_MAX

const struct member members[] = {
    TENSOR(logits, TAKER_ALL, READER_FLOAT, .infinity = true),
    TENSOR(labels, TAKER_LOSSES, READER_INT64, .bare = true),
    TENSOR(targets, TAKER_LOSSES, READER_FLOAT),
    TENSOR(weights, TAKER_LOSSES, READER_FLOAT),
    TENSOR(mask, TAKER_ALL, READER_BOOL),
    TENSOR(upstream, TAKER_GRADIENTS, READER_FLOAT, .bare = true),
    OPTION(axis, TAKER_ALL, INTEGER, "an integer in [-rank, rank) of logits",
           ANY_INTEGER),
    OPTION(dtype, TAKER_ALL, CHOICE, "\"float32\" or \"float64\"",
           .names = dtypes),
    OPTION(temperature, TAKER_ALL, NUMBER, "a number above 0", POSITIVE),
    OPTION(softcap, TAKER_ALL, NUMBER, "a number above 0", POSITIVE),
    OPTION(log, TAKER_SOFTMAX, BOOL, "true or false"),
    OPTION(top_k, TAKER_SOFTMAX, INTEGER, "an integer in [1, classes]",
           .least = 1, .most = 0x1p63),
    OPTION(ignore_index, TAKER_LOSSES, INTEGER, "an integer", ANY_INTEGER),
    OPTION(label_smoothing, TAKER_LOSSES, NUMBER, "a number in [0, 1]",
           .least = 0, .most = 1),
    OPTION(z_loss, TAKER_LOSSES, NUMBER, "a number, 0 or above", .least = 0,
           .most = DBL_MAX),
    OPTION(reduction, TAKER_LOSSES, CHOICE, "\"mean\", \"sum\" or \"none\"",
           .names = reductions),
    OPTION(of, TAKER_GRADIENTS, CHOICE,
           "\"loss\", \"softmax\" or \"log_softmax\"", .names = ofs),
    OPTION(include, TAKER_SOFTMAX, SET,
           "\"logsumexp\", \"entropy\" or \"argmax\"", .names = includes,
           .allowed = INCLUDE_LOGSUMEXP | INCLUDE_ENTROPY | INCLUDE_ARGMAX),
    OPTION(include, TAKER_LOSSES, SET,
           "\"logsumexp\", \"argmax\" or \"accuracy\"", .names = includes,
           .allowed = INCLUDE_LOGSUMEXP | INCLUDE_ARGMAX | INCLUDE_ACCURACY),
};
const size_t member_count = sizeof members / sizeof members[0];

_Static_assert(sizeof members / sizeof members[0] <= sizeof(unsigned) * 8,
               "struct request has a bit for each member");
_Static_assert(sizeof(enum smx_dtype) == sizeof(int) &&
                   sizeof(enum smx_reduction) == sizeof(int) &&
                   sizeof(enum gradient_of) == sizeof(int),
               "a choice is stored as an int");

/* ---- looking up --------------------------------------------------------- */

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

static void *place_of(struct request *request, const struct member *member)
{
    return (char *)request + member->offset;
}

struct tensor *member_tensor(struct request *request,
                             const struct member *member)
{
    return place_of(request, member);
}

bool member_given(struct request *request, const struct member *member)
{
    if (member->kind == MEMBER_TENSOR)
        return member_tensor(request, member)->type != TENSOR_NONE;
    return request->given & 1u << (member - members);
}

/* ---- setting ------------------------------------------------------------ */

/* 3, 3.0 and 3e0 are the same integer; beyond 2^53 only the first form is. */
static bool integer_of(const struct value *value, int64_t *integer)
{
    if (value_kind(value) == VALUE_INTEGER) {
        *integer = value_integer(value);
        return true;
    }
    if (value_kind(value) != VALUE_REAL)
        return false;
    double number = value_number(value);
    if (!(fabs(number) <= 0x1p53) || number != trunc(number))
        return false;
    *integer = (int64_t)number;
    return true;
}

static bool set_integer(const struct member *member, const struct value *value,
                        int64_t *place)
{
    int64_t integer;
    if (!integer_of(value, &integer) || (double)integer < member->least ||
        (double)integer > member->most)
        return false;
    *place = integer;
    return true;
}

static bool set_number(const struct member *member, const struct value *value,
                       double *place)
{
    enum value_kind kind = value_kind(value);
    if (kind != VALUE_INTEGER && kind != VALUE_REAL)
        return false;
    double number = value_number(value);
    if (!(number >= member->least && number <= member->most))
        return false;
    *place = number;
    return true;
}

/* The place of a string among the names; -1: it is not there. */
static int name_of(const struct member *member, const struct value *value)
{
    if (value_kind(value) != VALUE_STRING)
        return -1;
    for (int i = 0; member->names[i]; i++)
        if (!strcmp(member->names[i], value_string(value)))
            return i;
    return -1;
}

static bool set_choice(const struct member *member, const struct value *value,
                       void *place)
{
    int choice = name_of(member, value);
    if (choice < 0)
        return false;
    memcpy(place, &choice, sizeof choice); /* an enum of its own type */
    return true;
}

static bool set_set(const struct member *member, const struct value *value,
                    unsigned *place, size_t *element)
{
    unsigned bits = 0;
    if (value_kind(value) != VALUE_ARRAY)
        return false;
    for (size_t i = 0; i < value_size(value); i++) {
        int name = name_of(member, value_at(value, i));
        if (name < 0 || !(member->allowed & 1u << name)) {
            *element = i;
            return false;
        }
        bits |= 1u << name;
    }
    *place = bits;
    return true;
}

static bool set_bool(const struct value *value, bool *place)
{
    if (value_kind(value) != VALUE_BOOL)
        return false;
    *place = value_boolean(value);
    return true;
}

static bool set(struct request *request, const struct member *member,
                const struct value *value, size_t *element)
{
    void *place = place_of(request, member);
    switch (member->kind) {
    case MEMBER_BOOL:
        return set_bool(value, place);
    case MEMBER_INTEGER:
        return set_integer(member, value, place);
    case MEMBER_NUMBER:
        return set_number(member, value, place);
    case MEMBER_CHOICE:
        return set_choice(member, value, place);
    case MEMBER_SET:
        return set_set(member, value, place, element);
    case MEMBER_TENSOR:
        break;
    }
    return false;
}

bool member_set(struct request *request, const struct member *member,
                const struct value *value, size_t *element)
{
    if (!set(request, member, value, element))
        return false;
    request->given |= 1u << (member - members);
    return true;
}
