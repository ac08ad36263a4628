/* SPDX-License-Identifier: MIT */
#ifndef SMX_CONTEXT_H
#define SMX_CONTEXT_H

#include "engine/kernels.h"
#include "runtime/pool.h"
#include "softmax.h"

struct smx_context {
    const struct smx_kernels *kernels;
    enum smx_isa isa;
    struct smx_pool *pool;
    size_t third_cache; /* bytes; 0: not known */
};

/** The one that SMX_ISA_BEST stands for. */
enum smx_isa smx_best_isa(void);

#endif
