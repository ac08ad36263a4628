/* SPDX-License-Identifier: MIT */
#ifndef SMX_CONTEXT_H
#define SMX_CONTEXT_H

#include "engine/kernels.h"
#include "engine/split_exp.h"
#include "runtime/pool.h"
#include "softmax.h"

struct smx_context {
    const struct smx_kernels *kernels;
    enum smx_isa isa;
    struct smx_pool *pool;
    size_t third_cache;         /* bytes; 0: not known */
    struct smx_split_exp split; /* of temperature 1 */
};

/** smx_split_exp_of, at once of the usual temperature. */
static inline struct smx_split_exp
smx_context_split(const struct smx_context *context, double temperature)
{
    return temperature == 1 ? context->split : smx_split_exp_of(temperature);
}

/** The one that SMX_ISA_BEST stands for. */
enum smx_isa smx_best_isa(void);

#endif
