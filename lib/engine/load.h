/* SPDX-License-Identifier: MIT */
/**
 * The load stage: rows of a tensor side by side in a copy, as the kernels read
 * them, wherever their class axis lies and whatever the mask leaves out; and
 * the way back.
 */
#ifndef SMX_LOAD_H
#define SMX_LOAD_H

#include "rows.h"

/** Kernels of one instruction set: x where the mask is not 0, else instead;
 *  out may be x. */
struct smx_load_kernels {
    void (*mask_floats)(const float *x, const uint8_t *mask, size_t n,
                        float instead, float *out);
    void (*mask_doubles)(const double *x, const uint8_t *mask, size_t n,
                         double instead, double *out);
};

/** Do the logits have to be loaded before a kernel can read them? */
static inline bool smx_load_needed(const struct smx_logits *logits)
{
    return smx_rows_moved(logits) || logits->mask;
}

/** Rows first to first + count of the logits, -INFINITY where the mask is 0. */
void smx_load_logits(struct smx_context *context,
                     const struct smx_logits *logits, size_t first,
                     size_t count, void *copy);

/** The same rows of another tensor of the logits' shape and type. */
void smx_load_rows(struct smx_context *context, const struct smx_logits *logits,
                   const void *tensor, size_t first, size_t count, void *copy);

/** Of rows first to first + count, side by side, what the mask leaves out
 *  becomes instead. to may be from. */
void smx_mask_rows(struct smx_context *context, const struct smx_logits *logits,
                   size_t first, size_t count, double instead, const void *from,
                   void *to);

/** The way back of smx_load_rows. */
void smx_store_rows(struct smx_context *context,
                    const struct smx_logits *logits, const void *copy,
                    size_t first, size_t count, void *tensor);

#endif
