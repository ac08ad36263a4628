/* SPDX-License-Identifier: MIT */
/** A context for every instruction set of this machine. */
#ifndef TIERS_H
#define TIERS_H

#include <stdbool.h>

#include "softmax.h"

/** By enum smx_isa; NULL: not on this machine, and SMX_ISA_BEST. */
extern struct smx_context *tiers[SMX_ISA_NEON + 1];

/** Of two threads each. false: one could not be made. */
bool tiers_open(void);

void tiers_close(void);

#endif
