/* SPDX-License-Identifier: MIT */
#include "top.h"

/* A heap of classes, the lowest of them at its root. */
struct heap {
    const struct smx_row *row;
    int64_t *classes;
    size_t step, size;
};

/* By the logits: softcap, temperature and z' - max may round two to one. */
static bool below(const struct heap *heap, int64_t a, int64_t b)
{
    double za = smx_row_logit(heap->row, (size_t)a);
    double zb = smx_row_logit(heap->row, (size_t)b);
    return za < zb || (za == zb && a > b);
}

static int64_t *at(const struct heap *heap, size_t i)
{
    return &heap->classes[i * heap->step];
}

static void swap(const struct heap *heap, size_t i, size_t j)
{
    int64_t class = *at(heap, i);
    *at(heap, i) = *at(heap, j);
    *at(heap, j) = class;
}

static void sink(const struct heap *heap, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < heap->size; i = child) {
        if (child + 1 < heap->size &&
            below(heap, *at(heap, child + 1), *at(heap, child)))
            child++;
        if (!below(heap, *at(heap, child), *at(heap, i)))
            return;
        swap(heap, i, child);
    }
}

void smx_top_find(struct smx_row *row, size_t k, int64_t *classes, size_t step)
{
    struct heap heap = {row, classes, step, k};
    for (size_t c = 0; c < k; c++)
        *at(&heap, c) = (int64_t)c;
    for (size_t i = k / 2; i--;)
        sink(&heap, i);
    double least = smx_row_logit(row, (size_t)*classes);
    SMX_ROW_TILES (first, row, SMX_ROW_Z)
        for (size_t c = 0; c < row->count; c++) {
            if (first + c < k || !(row->z[c] > least))
                continue;
            *classes = (int64_t)(first + c);
            sink(&heap, 0);
            least = smx_row_logit(row, (size_t)*classes);
        }
    while (heap.size > 1) { /* the lowest goes last */
        swap(&heap, 0, --heap.size);
        sink(&heap, 0);
    }
}
