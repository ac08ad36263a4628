/* SPDX-License-Identifier: MIT */
/* A class's rank is a count over its row, which is read once: in front of the
 * class those that are at least as large precede it, behind it those that are
 * larger. Counts are whole numbers, so that a row's chunks may be counted by
 * any thread in any order. Where so many classes are chosen that a count for
 * each takes longer than to sort the row, it is sorted. */
#include "engine.h"

#include "narrow.h"
#include "rows.h"
#include "summary_kernels.h"
#include "tuning.h"

struct rank_call {
    const struct smx_summary_kernels *kernels;
    const struct smx_logits *rows;
    size_t k, chunks; /* chunks: of a row */
    const int64_t *chosen;
    int64_t *ranks;
};

/* How many of classes first to end of a row precede a class. */
static size_t count_range(const struct rank_call *call, size_t row,
                          size_t first, size_t end, size_t class, bool ties)
{
    const struct smx_logits *z = call->rows;
    size_t start = row * z->classes, n = end > first ? end - first : 0;
    if (z->dtype == SMX_FLOAT32) {
        const float *x = (const float *)z->data + start;
        return call->kernels->count_above(x + first, n, x[class], ties);
    }
    const double *x = (const double *)z->data + start;
    return call->kernels->count_above_double(x + first, n, x[class], ties);
}

static void count_chunk(void *argument, size_t i)
{
    const struct rank_call *call = argument;
    size_t row = i / call->chunks, chunk = i % call->chunks;
    size_t first = chunk * SMX_CHUNK;
    size_t end = first + smx_chunk_classes(call->rows->classes, chunk);
    for (size_t k = row * call->k; k < (row + 1) * call->k; k++) {
        if (call->chosen[k] < 0)
            continue;
        size_t class = (size_t)call->chosen[k];
        size_t middle = class < first ? first : class < end ? class : end;
        size_t count = count_range(call, row, first, middle, class, true) +
                       count_range(call, row, middle, end, class, false);
        __atomic_fetch_add(&call->ranks[k], (int64_t)count, __ATOMIC_RELAXED);
    }
}

static void count_all(struct smx_context *context, struct rank_call *call)
{
    size_t classes = call->rows->classes, count = call->rows->outer * call->k;
    size_t most = SMX_SMALL / smx_chunk_classes(classes, 0) / call->k;
    for (size_t i = 0; i < count; i++)
        call->ranks[i] = call->chosen[i] < 0 ? -1 : 0;
    smx_pool_each(context->pool, call->rows->outer * call->chunks, most,
                  count_chunk, call);
}

static void sort_rows(struct smx_context *context, const struct rank_call *call,
                      int64_t *order)
{
    const struct smx_logits *z = call->rows;
    size_t n = z->classes;
    int64_t *place = order + z->outer * n;
    smx_top_find(context, z, n, order);
    for (size_t r = 0; r < z->outer; r++, order += n) {
        const int64_t *chosen = call->chosen + r * call->k;
        for (size_t c = 0; c < n; c++)
            place[order[c]] = (int64_t)c;
        for (size_t i = 0; i < call->k; i++)
            call->ranks[r * call->k + i] =
                chosen[i] < 0 ? -1 : place[chosen[i]];
    }
}

/* Of few classes a count is short, and their order is not sure to name each
 * once in a row that another process writes to. */
static bool is_sorted(size_t classes, size_t k)
{
    return k > SMX_SORTED && classes > SMX_NARROW;
}

/* The order of a row, and a row of places. */
size_t smx_rank_bytes(size_t classes, size_t k)
{
    return is_sorted(classes, k) ? 2 * classes * sizeof(int64_t) : 0;
}

void smx_rank_find(struct smx_context *context, const struct smx_logits *rows,
                   size_t k, const int64_t *chosen, int64_t *ranks,
                   void *workspace)
{
    struct rank_call call = {.kernels = context->kernels->summary,
                             .rows = rows,
                             .k = k,
                             .chunks = smx_chunks(rows->classes),
                             .chosen = chosen,
                             .ranks = ranks};
    if (is_sorted(rows->classes, k))
        sort_rows(context, &call, workspace);
    else
        count_all(context, &call);
}
