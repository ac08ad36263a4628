// SPDX-License-Identifier: MIT
#include "request.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../json/nesting.h"
#include "members.h"

void request_init(struct request *request, enum operation operation,
                  struct budget *budget)
{
    static const struct request plain = {
        .axis = -1,
        .dtype = SMX_FLOAT32,
        .temperature = 1,
        .ignore_index = -100,
        .beta = 0.5,
        .reduction = SMX_REDUCTION_MEAN,
        .of = OF_LOSS,
    };
    enum { OPTIONS = offsetof(struct request, axis) };
    request->operation = operation;
    request->budget = budget;
    for (size_t i = 0; i < sizeof request->tensors / sizeof(struct tensor); i++)
        tensor_clear(&request->tensors[i]);
    memcpy((char *)request + OPTIONS, (const char *)&plain + OPTIONS,
           sizeof plain - OPTIONS);
}

void request_free(struct request *request)
{
    /* member_next leaves out a tensor that was read in part. */
    for (unsigned left = request->given; left; left &= left - 1) {
        const struct member *member = &members[__builtin_ctz(left)];
        if (member->kind == MEMBER_TENSOR)
            tensor_free(member_tensor(request, member));
    }
}

static enum reader_element element_of(const struct request *request,
                                      const struct member *member)
{
    if (member->element != READER_FLOAT || !request->dtype_given)
        return member->element;
    return request->dtype == SMX_FLOAT32 ? READER_FLOAT32 : READER_FLOAT64;
}

bool request_tensor(struct request *request, const char *name,
                    struct reader_destination *destination)
{
    const struct member *member =
        member_find(operation_tasks(request->operation), name);
    if (!member || member->kind != MEMBER_TENSOR)
        return false;
    struct tensor *tensor = member_tensor(request, member);
    tensor->budget = request->budget;
    request->given |= member_bit(member);
    *destination = (struct reader_destination){
        .tensor = tensor,
        .element = element_of(request, member),
        .max_rank = LOGITS_MAX_RANK,
        .infinity = member->infinity,
        .required = member->required,
        .bare = shape_may_be_scalar(member->shape),
    };
    return true;
}

struct tensor *request_logits(struct request *request)
{
    struct reader_destination logits;
    request_tensor(request, "logits", &logits);
    return logits.tensor;
}

/* NULL: who asks has no member of that name. */
static const struct member *find_member(const struct request *request,
                                        const char *name)
{
    const struct member *member =
        member_find(operation_tasks(request->operation), name);
    return member && member->native && request->one_is_scalar ? NULL : member;
}

bool request_has_option(const struct request *request, const char *name)
{
    const struct member *member = find_member(request, name);
    return member && member->kind != MEMBER_TENSOR;
}

/* Where an option can come from: what it is called there, what a problem points
 * at, and whether tensors can come from there as well. */
enum origin { SOURCE_BODY, SOURCE_PARAMETERS, SOURCE_QUERY };

static bool refuse_name(const struct request *request, const char *name,
                        enum origin source, struct problem *problem)
{
    static const char *const kinds[] = {[SOURCE_BODY] = "member",
                                        [SOURCE_PARAMETERS] = "parameter",
                                        [SOURCE_QUERY] = "query parameter"};
    bool tensors = source == SOURCE_BODY;
    unsigned tasks = operation_tasks(request->operation);
    char pointer[sizeof problem->pointer], known[384];
    size_t used = 0;
    known[0] = '\0';
    for (size_t i = 0; i < member_count && used < sizeof known; i++)
        if ((members[i].tasks & tasks) &&
            !(members[i].native && request->one_is_scalar) &&
            (tensors || members[i].kind != MEMBER_TENSOR))
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                     used ? ", " : "", members[i].name);
    pointer[0] = '/';
    nesting_pointer(&(struct reader_path){.depth = 1, .step = {{.name = name}}},
                    pointer + 1, sizeof pointer - 1);
    return problem_set(problem, 422, source == SOURCE_QUERY ? NULL : pointer,
                       "%.64s: got an unknown %s, must be one of %s",
                       *name ? name : "\"\"", kinds[source], known);
}

bool request_unknown(const struct request *request, const char *name,
                     struct problem *problem)
{
    return refuse_name(request, name, SOURCE_BODY, problem);
}

static bool refuse_option(const struct request *request,
                          const struct member *member,
                          const struct value *value, size_t element,
                          struct problem *problem)
{
    char pointer[sizeof problem->pointer], got[128], rule[MEMBER_RULE];
    bool whole = element == SIZE_MAX;
    if (whole) {
        snprintf(pointer, sizeof pointer, "/%s", member->name);
    } else {
        snprintf(pointer, sizeof pointer, "/%s/%zu", member->name, element);
        value = value_at(value, element);
    }
    value_print(value, got, sizeof got);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                       member->name, got,
                       member_rule(request, member, !whole, rule));
}

static bool refuse_twice(const struct member *member, struct problem *problem)
{
    return problem_member(problem, member->name,
                          "got it in the query string and in the body, must "
                          "be in one of the two");
}

/* What clients write into a body whose list was left empty. */
static bool names_nothing(const struct member *member,
                          const struct value *value)
{
    return member->kind == MEMBER_OUTPUTS && value_kind(value) == VALUE_ARRAY &&
           value_size(value) == 0;
}

bool request_set(struct request *request, const char *name,
                 const struct value *value, struct problem *problem)
{
    const struct member *member = find_member(request, name);
    size_t element = SIZE_MAX;
    if (!member)
        return refuse_name(request, name, SOURCE_PARAMETERS, problem);
    if (request->queried & member_bit(member))
        return names_nothing(member, value) || refuse_twice(member, problem);
    if (!member_set(request, member, value, &element))
        return refuse_option(request, member, value, element, problem);
    request->given |= member_bit(member);
    return true;
}

/* Each name of "logsumexp, argmax", beside those that the query has named
 * before; false: *bad is one that cannot be there. */
static bool set_names(struct request *request, const char *text, char *bad,
                      size_t bad_bytes)
{
    unsigned bits = request->include;
    for (const char *end; *text || bits; text = end + 1) {
        text += strspn(text, " ");
        end = text + strcspn(text, ",");
        size_t bytes = (size_t)(end - text);
        while (bytes > 0 && text[bytes - 1] == ' ')
            bytes--;
        snprintf(bad, bad_bytes, "%.*s", (int)(bytes < 80 ? bytes : 80), text);
        if (!member_add_output(request, bad, &bits))
            return false;
        if (!*end)
            break;
    }
    request->include = bits;
    return true;
}

/* A problem points at nothing: the text stands in no document. */
static bool set_from_text(struct request *request, const struct member *member,
                          const char *text, struct problem *problem)
{
    char got[96], rule[MEMBER_RULE];
    bool names = member->kind == MEMBER_OUTPUTS;
    const char *quote = names || member->kind == MEMBER_CHOICE ? "\"" : "";
    snprintf(got, sizeof got, "%.80s", *text || *quote ? text : "nothing");
    if (names ? set_names(request, text, got, sizeof got)
              : member_set_text(request, member, text)) {
        request->given |= member_bit(member);
        return true;
    }
    return problem_set(problem, 422, NULL, "%s: got %s%s%s, must be %s",
                       member->name, quote, got, quote,
                       member_rule(request, member, names, rule));
}

bool request_set_text(struct request *request, const char *name,
                      const char *text, struct problem *problem)
{
    const struct member *member = find_member(request, name);
    if (!member || member->kind == MEMBER_TENSOR)
        return refuse_name(request, name, SOURCE_PARAMETERS, problem);
    if (request->queried & member_bit(member))
        return refuse_twice(member, problem);
    return set_from_text(request, member, text, problem);
}

static bool set_argument(struct request *request,
                         const struct argument *argument,
                         struct problem *problem)
{
    const struct member *member = find_member(request, argument->name);
    if (!member || member->kind == MEMBER_TENSOR)
        return refuse_name(request, argument->name, SOURCE_QUERY, problem);
    if (request->queried & member_bit(member) && member->kind != MEMBER_OUTPUTS)
        return problem_set(problem, 422, NULL,
                           "%s: got it twice in the query string, must be "
                           "given once",
                           member->name);
    if (!set_from_text(request, member, argument->value ? argument->value : "",
                       problem))
        return false;
    request->queried |= member_bit(member);
    return true;
}

bool request_set_query(struct request *request, const struct head *head,
                       struct problem *problem)
{
    if (head->query_count == 0)
        return true;
    if (head->query_count > QUERY_MAX)
        return problem_set(problem, 422, NULL,
                           "query: got %zu parameters, must be at most %d",
                           head->query_count, QUERY_MAX);
    for (size_t i = 0; i < head->query_count; i++)
        if (!set_argument(request, &head->query[i], problem))
            return false;
    request->dtype_given |=
        (request->queried & member_bit(find_member(request, "dtype"))) != 0;
    return true;
}
