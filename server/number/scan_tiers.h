/* SPDX-License-Identifier: MIT */
/** The scanners that scan_tmpl.c gives on this architecture. */
#ifndef SCAN_TIERS_H
#define SCAN_TIERS_H

#include "isa.h"
#include "scan.h"

#define SCAN_DECLARE(isa, name) extern const struct scanner scan_##name;
NUMBER_TIERS(SCAN_DECLARE)
#undef SCAN_DECLARE

#endif
