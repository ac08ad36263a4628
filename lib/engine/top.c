/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <float.h>
#include <math.h>

#include "narrow.h"
#include "rows.h"
#include "summary_kernels.h"
#include "tuning.h"

struct top_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *rows;
    size_t k, slices;
    int64_t *classes;
};

/* A heap of classes of a row, the lowest of them at its root. */
struct heap {
    enum smx_dtype dtype;
    const void *row;
    size_t size;
    int64_t *classes;
};

static double logit(const struct heap *heap, int64_t class)
{
    return smx_get(heap->row, heap->dtype, (size_t) class);
}

static bool is_below(const struct heap *heap, int64_t a, int64_t b)
{
    double za = logit(heap, a), zb = logit(heap, b);
    return za < zb || (za == zb && a > b);
}

static void swap(const struct heap *heap, size_t i, size_t j)
{
    int64_t class = heap->classes[i];
    heap->classes[i] = heap->classes[j];
    heap->classes[j] = class;
}

static void sink(const struct heap *heap, size_t i)
{
    const int64_t *classes = heap->classes;
    for (size_t child; (child = 2 * i + 1) < heap->size; i = child) {
        if (child + 1 < heap->size &&
            is_below(heap, classes[child + 1], classes[child]))
            child++;
        if (!is_below(heap, classes[child], classes[i]))
            return;
        swap(heap, i, child);
    }
}

/* The first class from c to n, at most, that is above a bound; n: none is. */
static size_t find_above(const struct top_call *call, const struct heap *heap,
                         size_t c, size_t n, double bound)
{
    const struct smx_summary_kernels *kernels = call->kernels->summary;
    const float *f = heap->row;
    const double *d = heap->row;
    return c + (heap->dtype == SMX_FLOAT32
                    ? kernels->first_above(f + c, n - c, (float)bound)
                    : kernels->first_above_double(d + c, n - c, bound));
}

/* The k-th largest. */
static double kth_of(const double *maxima, size_t groups, size_t k)
{
    double top[SMX_FEW]; /* the largest first */
    for (size_t i = 0; i < SMX_FEW; i++)
        top[i] = -INFINITY;
    for (size_t g = 0; g < groups; g++) {
        double rest = maxima[g]; /* without a branch that nobody foretells */
        for (size_t i = 0; i < k; i++) {
            double lesser = top[i] < rest ? top[i] : rest;
            top[i] = top[i] > rest ? top[i] : rest;
            rest = lesser;
        }
    }
    return top[k - 1];
}

/* What at least k classes of a row are above, so that those which are not can
 * be passed over: of its first chunk as many groups have maxima that reach the
 * least of these. */
static double bound_of(const struct top_call *call, const struct heap *heap)
{
    const struct smx_summary_kernels *kernels = call->kernels->summary;
    const bool narrow = heap->dtype == SMX_FLOAT32;
    size_t n = smx_chunk_classes(call->rows->classes, 0);
    size_t groups = narrow ? SMX_GROUPS(float) : SMX_GROUPS(double);
    double maxima[SMX_GROUPS(float)], least = narrow ? FLT_MIN : DBL_MIN;
    float floats[SMX_GROUPS(float)];
    if (heap->size > SMX_FEW || n <= groups)
        return -INFINITY;
    if (narrow)
        kernels->group_maxima(heap->row, n, floats);
    else
        kernels->group_maxima_double(heap->row, n, maxima);
    for (size_t g = 0; narrow && g < groups; g++)
        maxima[g] = floats[g];
    double kth = kth_of(maxima, groups, heap->size);
    /* a denormal bound would be 0 where a caller's processor flushes */
    if (fabs(kth) < least)
        return -least;
    return narrow ? (double)nextafterf((float)kth, -INFINITY)
                  : nextafter(kth, -INFINITY);
}

/* The first classes of a row that may be among the largest; the class behind
 * them. Who changes logits meanwhile may leave too few above the bound: the
 * last classes are taken then, so that none is outside the row. */
static size_t fill_heap(const struct top_call *call, struct heap *heap)
{
    size_t k = heap->size, n = call->rows->classes, c = 0;
    double bound = bound_of(call, heap);
    for (size_t i = 0; i < k; i++) {
        if (bound != -INFINITY)
            c = find_above(call, heap, c, n - (k - i), bound);
        heap->classes[i] = (int64_t)c++;
    }
    return c;
}

static void find_by_heap(const struct top_call *call, struct heap heap)
{
    size_t k = heap.size, n = call->rows->classes;
    size_t c = fill_heap(call, &heap);
    for (size_t i = k / 2; i--;)
        sink(&heap, i);
    for (;; c++) {
        c = find_above(call, &heap, c, n, logit(&heap, heap.classes[0]));
        if (c == n)
            break;
        heap.classes[0] = (int64_t)c;
        sink(&heap, 0);
    }
    while (heap.size > 1) { /* the lowest goes last */
        swap(&heap, 0, --heap.size);
        sink(&heap, 0);
    }
}

static void find_slice(void *argument, size_t slice)
{
    const struct top_call *call = argument;
    const struct smx_logits *z = call->rows;
    size_t end, r = smx_pool_slice(z->outer, call->slices, slice, &end);
    size_t row = z->classes * smx_dtype_bytes(z->dtype);
    const char *data = (const char *)z->data + r * row;
    int64_t *classes = call->classes + r * call->k;
    if (z->classes <= SMX_NARROW) {
        call->kernels->order(z, r, end - r, call->k, classes);
        return;
    }
    for (; r < end; r++, data += row, classes += call->k) {
        const struct heap heap = {z->dtype, data, call->k, classes};
        find_by_heap(call, heap);
    }
}

void smx_top_find(struct smx_context *context, const struct smx_logits *rows,
                  size_t k, int64_t *classes)
{
    struct top_call call = {
        .kernels = context->kernels, .rows = rows, .k = k, .classes = classes};
    size_t most = SMX_SMALL / rows->classes;
    call.slices = smx_pool_slices(context->pool, rows->outer, most + !most);
    smx_pool_for(context->pool, call.slices, find_slice, &call);
}
