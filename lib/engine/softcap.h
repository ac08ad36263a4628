/* SPDX-License-Identifier: MIT */
/** Softcap of float32 logits whose range keeps all exponentials in doubles. */
#ifndef SMX_SOFTCAP_H
#define SMX_SOFTCAP_H

#include <stdbool.h>

#include "softmax.h"

struct smx_cap {
    bool possible;
    double steep; /* -2 / s */
    double span;  /* 16 log2(e) s / temperature, at most SMX_UNSHIFTED */
};

/** Of logits with a softcap. Not possible: it needs double-double. */
struct smx_cap smx_cap_of(const struct smx_logits *logits);

#endif
