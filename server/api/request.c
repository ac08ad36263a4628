// SPDX-License-Identifier: MIT
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "../json/path.h"
#include "members.h"

void request_init(struct request *request, enum operation operation,
                  struct budget *budget)
{
    *request = (struct request){
        .operation = operation,
        .axis = -1,
        .dtype = SMX_FLOAT32,
        .temperature = 1,
        .ignore_index = -100,
        .reduction = SMX_MEAN,
        .of = OF_LOSS,
    };
    for (size_t i = 0; i < member_count; i++)
        if (members[i].kind == MEMBER_TENSOR)
            member_tensor(request, &members[i])->budget = budget;
}

void request_free(struct request *request)
{
    for (size_t i = 0; i < member_count; i++)
        if (members[i].kind == MEMBER_TENSOR)
            tensor_free(member_tensor(request, &members[i]));
}

/* Of logits; no other tensor needs more. */
enum { MAX_RANK = 8 };

static enum reader_element element_of(const struct request *request,
                                      const struct member *member)
{
    if (member->element != READER_FLOAT || !request->dtype_given)
        return member->element;
    return request->dtype == SMX_FLOAT32 ? READER_FLOAT32 : READER_FLOAT64;
}

bool request_tensor(struct request *request, const char *name,
                    struct reader_lift *lift)
{
    const struct member *member =
        member_find(member_takers(request->operation), name);
    if (!member || member->kind != MEMBER_TENSOR)
        return false;
    *lift = (struct reader_lift){
        .tensor = member_tensor(request, member),
        .element = element_of(request, member),
        .max_rank = MAX_RANK,
        .infinity = member->infinity,
        .bare = member->bare,
    };
    return true;
}

bool request_has_option(const struct request *request, const char *name)
{
    const struct member *member =
        member_find(member_takers(request->operation), name);
    return member && member->kind != MEMBER_TENSOR;
}

/* kind is what may be meant: "member", or "parameter", which is no tensor. */
static bool refuse_name(const struct request *request, const char *name,
                        const char *kind, bool tensors, struct problem *problem)
{
    unsigned takers = member_takers(request->operation);
    char pointer[sizeof problem->pointer], known[256];
    size_t used = 0;
    known[0] = '\0';
    for (size_t i = 0; i < member_count && used < sizeof known; i++)
        if ((members[i].takers & takers) &&
            (tensors || members[i].kind != MEMBER_TENSOR))
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                     used ? ", " : "", members[i].name);
    pointer[0] = '/';
    path_text(&(struct reader_path){.depth = 1, .step = {{.name = name}}},
              pointer + 1, sizeof pointer - 1);
    return problem_set(problem, 422, pointer,
                       "%.64s: got an unknown %s, must be one of %s",
                       *name ? name : "\"\"", kind, known);
}

bool request_unknown(const struct request *request, const char *name,
                     struct problem *problem)
{
    return refuse_name(request, name, "member", true, problem);
}

static bool refuse(const struct member *member, const struct value *value,
                   size_t element, struct problem *problem)
{
    char pointer[sizeof problem->pointer], got[128];
    bool whole = element == SIZE_MAX;
    if (whole) {
        snprintf(pointer, sizeof pointer, "/%s", member->name);
    } else {
        snprintf(pointer, sizeof pointer, "/%s/%zu", member->name, element);
        value = value_at(value, element);
    }
    value_print(value, got, sizeof got);
    return problem_set(
        problem, 422, pointer, "%s: got %s, must be %s%s", member->name, got,
        whole && member->kind == MEMBER_SET ? "an array of " : "",
        member->rule ? member->rule : "a tensor");
}

bool request_set(struct request *request, const char *name,
                 const struct value *value, struct problem *problem)
{
    const struct member *member =
        member_find(member_takers(request->operation), name);
    size_t element = SIZE_MAX;
    if (!member)
        return refuse_name(request, name, "parameter", false, problem);
    return member_set(request, member, value, &element) ||
           refuse(member, value, element, problem);
}
