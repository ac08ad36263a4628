/* SPDX-License-Identifier: MIT */
/** Softcap of float32 logits whose range keeps all exponentials in doubles. */
#ifndef SMX_SOFTCAP_H
#define SMX_SOFTCAP_H

#include <stdbool.h>

#include "softmax.h"

/* Coefficients of tanh's numerator. */
#define SMX_CAP_TERMS 4

struct smx_cap {
    bool possible;
    double inverse; /* 1 / s */
    double span;    /* 16 log2(e) s / temperature, at most SMX_UNSHIFTED */
    double near[SMX_CAP_TERMS]; /* span times that */
};

/** Of logits with a softcap. Not possible: it needs double-double. */
struct smx_cap smx_cap_of(const struct smx_logits *logits);

#endif
