/* SPDX-License-Identifier: MIT */
/** What the templates of one instruction set have of each other. */
#ifndef SMX_TIERS_H
#define SMX_TIERS_H

#include "divergence_kernels.h"
#include "lanes.h"
#include "load.h"
#include "loss_kernels.h"
#include "summary_kernels.h"
#include "simd/vec.h"

extern const struct smx_kernels TIER(kernels);
extern const struct smx_divergence_kernels TIER(divergence_kernels);
extern const struct smx_divergence_dd_kernels TIER(divergence_dd_kernels);
extern const struct smx_load_kernels TIER(load_kernels);
extern const struct smx_loss_kernels TIER(loss_kernels);
extern const struct smx_row_kernels TIER(row_kernels);
extern const struct smx_split_kernels TIER(split_kernels);
extern const struct smx_summary_kernels TIER(summary_kernels);

smx_lanes_kernel TIER(lanes);
smx_lanes_order_kernel TIER(lanes_order);

void TIER(narrow_keep)(const float *x, size_t rows, size_t classes,
                       const struct smx_split_exp *split,
                       struct smx_narrow *narrow);
void TIER(narrow_sum)(struct smx_narrow *narrow, size_t rows, size_t classes);
void TIER(narrow_put)(struct smx_narrow *narrow, size_t rows, size_t classes,
                      const double *factors, float *out);
bool TIER(narrow_softmax)(const float *x, size_t rows, size_t classes,
                          const struct smx_split_exp *split, float *out,
                          double *sums);
struct smx_split_dot TIER(split_dot)(const float *high, const float *rest,
                                     const float *g, size_t n);
void TIER(split_multiply)(const float *high, const float *rest, const float *g,
                          size_t n, const struct smx_split_product *how,
                          float *out);
size_t TIER(narrow_columns)(const float *x, size_t step, size_t rows,
                            size_t classes, const struct smx_split_exp *split,
                            float *out);
bool TIER(label_columns)(const struct smx_label_columns *rows,
                         const struct smx_split_exp *split);

#endif
