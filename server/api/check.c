// SPDX-License-Identifier: MIT
/* What needs more than one member: presence, ranks, shapes. */
#include <stdio.h>

#include "../datatype.h"
#include "members.h"
#include "outputs.h"

/* ---- who may come with whom --------------------------------------------- */

/* "labels, targets"; @return the one that a plain request has. */
static const char *list_criteria(char *text, size_t bytes)
{
    const char *usual = NULL;
    size_t used = 0;
    for (size_t i = 0; i < member_count && used < bytes; i++) {
        if (!members[i].criterion)
            continue;
        used += (size_t)snprintf(text + used, bytes - used, "%s%s",
                                 used ? ", " : "", members[i].name);
        if (members[i].usual)
            usual = members[i].name;
    }
    return usual;
}

static bool check_criterion(struct request *request, struct problem *problem)
{
    const struct member *member, *first = NULL, *second = NULL;
    char all[64];
    for (unsigned left = request->given;
         (member = member_next(request, &left));) {
        if (!member->criterion)
            continue;
        if (first)
            second = member;
        else
            first = member;
    }
    if (first && !second)
        return true;
    const char *usual = list_criteria(all, sizeof all);
    if (!first)
        return problem_member(problem, usual,
                              "got none, must be exactly one of %s", all);
    return problem_member(problem, second->name,
                          "got it beside %s, must be exactly one of %s",
                          first->name, all);
}

/* What says how to compare with a teacher, and what a teacher excludes. A value
 * that changes nothing is no harm. */
static bool is_out_of_place(const struct request *request,
                            const struct member *member)
{
    const void *given = (const char *)request + member->offset;
    bool teacher = request->teacher.type != TENSOR_NONE;
    if (member->beside == BESIDE_ANY)
        return false;
    if (member->beside == BESIDE_TEACHER)
        return !teacher;
    if (member->beside == BESIDE_JSD)
        return request->divergence != SMX_DIVERGENCE_JSD;
    if (!teacher || member->kind == MEMBER_TENSOR)
        return teacher;
    return member->kind == MEMBER_NUMBER ? *(const double *)given != 0
                                         : request->ignore_index != -100;
}

/* "of" decides what else a gradient takes, a teacher what else a loss does. */
static bool check_members(struct request *request, struct problem *problem)
{
    static const char *const rules[] = {
        [BESIDE_TEACHER] = "absent without teacher",
        [BESIDE_JSD] = "absent unless divergence is \"jsd\"",
        [BESIDE_NO_TEACHER] = "absent beside teacher",
    };
    enum task task = request_task(request);
    const struct member *member;
    for (unsigned left = request->given;
         (member = member_next(request, &left));) {
        if (!(member->tasks & task))
            return problem_member(
                problem, member->name,
                "got a value, must be absent while of is \"%s\"",
                member_find(TASK_JACOBIAN, "of")->names[request->of]);
        if (is_out_of_place(request, member))
            return problem_member(problem, member->name,
                                  "got a value, must be %s",
                                  rules[member->beside]);
    }
    return true;
}

static bool check_focal(const struct request *request, struct problem *problem)
{
    bool labels = request->labels.type != TENSOR_NONE;
    if (request->focal == 0 || (labels && request->label_smoothing == 0))
        return true;
    return problem_member(problem, "focal", "got %.9g, must be 0 %s",
                          request->focal,
                          labels ? "with label_smoothing" : "without labels");
}

/* ---- logits and axis ---------------------------------------------------- */

static bool check_axis(struct request *request, struct problem *problem)
{
    int rank = request->logits.rank;
    if (request->axis < -rank || request->axis >= rank)
        return problem_member(problem, "axis",
                              "got %lld, must be in [-%d, %d), logits have "
                              "rank %d",
                              (long long)request->axis, rank, rank, rank);
    if (request->axis < 0)
        request->axis += rank;
    return true;
}

static bool check_logits(struct request *request, struct problem *problem)
{
    const struct tensor *logits = &request->logits;
    if (logits->type == TENSOR_NONE)
        return problem_member(problem, "logits",
                              "got nothing, must be an array of numbers");
    if (logits->rank < 1 || logits->rank > LOGITS_MAX_RANK)
        return problem_member(problem, "logits",
                              "got rank %d, must be an array of rank 1 "
                              "to %d",
                              logits->rank, LOGITS_MAX_RANK);
    if (!check_axis(request, problem))
        return false;
    request->outer = request->inner = 1;
    for (int i = 0; i < logits->rank; i++) {
        if (i < request->axis)
            request->outer *= logits->shape[i];
        else if (i == request->axis)
            request->class_count = logits->shape[i];
        else
            request->inner *= logits->shape[i];
    }
    request->rows = request->outer * request->inner;
    if (request->class_count == 0)
        return problem_member(problem, "logits",
                              "got 0 classes along axis %lld, must be at "
                              "least 1",
                              (long long)request->axis);
    return true;
}

static bool check_top_k(const struct request *request, struct problem *problem)
{
    if ((uint64_t)request->top_k <= request->class_count)
        return true;
    return problem_member(problem, "top_k",
                          "got %lld, must be in [1, %zu], the number of "
                          "classes",
                          (long long)request->top_k, request->class_count);
}

/* ---- what is answered, and of which classes ----------------------------- */

static bool refuse_beside(const char *name, const char *other,
                          struct problem *problem)
{
    return problem_member(problem, name,
                          "got a value, must be absent beside %s", other);
}

static bool check_classes(struct request *request, struct problem *problem)
{
    const unsigned rank = 1u << OUTPUT_RANK;
    if (request->classes.type == TENSOR_NONE)
        return true;
    if (request->top_k)
        return refuse_beside("classes", "top_k", problem);
    if (request->statistics_only && !(request->include & rank))
        return refuse_beside(
            "classes", "statistics_only unless include has \"rank\"", problem);
    if (shape_picked(request) == 0)
        return problem_member(
            problem, "classes", "got %s, must be a list of at least one",
            request->classes.rank ? "none" : "a single value");
    return true;
}

static bool check_statistics(struct request *request, struct problem *problem)
{
    if (!request->statistics_only)
        return true;
    if (request->top_k)
        return refuse_beside("top_k", "statistics_only", problem);
    return request->include ||
           problem_member(problem, "include",
                          "got nothing, must name what statistics_only "
                          "is to answer");
}

/* The one output that some requests cannot give. */
static bool check_include(struct request *request, struct problem *problem)
{
    const struct output_kind *rank = &output_kinds[OUTPUT_RANK];
    if (!(request->include & 1u << OUTPUT_RANK) ||
        output_possible(rank, request))
        return true;
    return problem_member(
        problem, "include", "got \"%s\", must be asked for with %s", rank->name,
        request->operation == OPERATION_SOFTMAX ? "classes" : "labels");
}

/* ---- the tensors -------------------------------------------------------- */

/* Who fills a request settles the types first; this holds them to it. */
static bool check_tensors(struct request *request, struct problem *problem)
{
    enum tensor_type floats = request_float_type(request);
    const struct member *member;
    for (unsigned left = request->given;
         (member = member_next(request, &left));) {
        if (member->kind != MEMBER_TENSOR)
            continue;
        enum tensor_type must = member->element == READER_INT64  ? TENSOR_INT64
                                : member->element == READER_BOOL ? TENSOR_BOOL
                                                                 : floats;
        struct tensor *tensor = member_tensor(request, member);
        if (tensor->type != must)
            return problem_member(problem, member->name, "got %s, must be %s",
                                  datatype_of(tensor->type)->native,
                                  datatype_of(must)->native);
        if (!shape_check(request, member->name, tensor, member->shape, problem))
            return false;
    }
    return true;
}

bool request_check(struct request *request, struct problem *problem)
{
    if (request->weights.rank == 1 && request->weights.count == 0)
        tensor_free(&request->weights); /* an empty list is none */
    bool loss = request_task(request) & (TASK_LOSS | TASK_LOSS_GRADIENT);
    return check_members(request, problem) && check_logits(request, problem) &&
           check_top_k(request, problem) && check_classes(request, problem) &&
           check_statistics(request, problem) &&
           (!loss || (check_criterion(request, problem) &&
                      check_focal(request, problem))) &&
           check_include(request, problem) && check_tensors(request, problem);
}
