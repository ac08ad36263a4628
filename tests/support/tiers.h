/* SPDX-License-Identifier: MIT */
/** A context for every instruction set of this machine. */
#ifndef TIERS_H
#define TIERS_H

#include "softmax.h"

/** By enum smx_isa; NULL: not on this machine, and SMX_ISA_BEST. */
extern struct smx_context *tiers[SMX_ISA_NEON + 1];

/** Opens them, of two threads each, and closes them, as cmocka's fixtures: not
 * 0 when one could not be made. */
int tiers_open(void **state);
int tiers_close(void **state);

/** The same, and expect_context. */
int tiers_start(void **state);
int tiers_stop(void **state);

#endif
