/* SPDX-License-Identifier: MIT */
/**
 * The numbers behind 2^(t/16) in double: t = k + f, k an integer,
 * |f| <= 1/2; 2^(k/16) from a table of 16 and the exponent, 2^(f/16) =
 * 1 + f (C1 + f (C2 + f C3)) with a relative error below 2^-28.67.
 * Printed by scripts/exp_coefficients.py.
 *
 * Source       Tang 1989, "Table-driven implementation of the exponential
 *              function in IEEE floating-point arithmetic".
 */
#ifndef SMX_POWER_H
#define SMX_POWER_H

#include <stdint.h>

/* Adding it leaves the nearest integer in the low bits of a double. */
#define SMX_POWER_MAGIC 0x1.8p52

#define SMX_POWER_C1 0x1.62e42fefa39efp-5
#define SMX_POWER_C2 0x1.ebff917b28217p-11
#define SMX_POWER_C3 0x1.c6b299bd67a41p-17

/* 2^-1000: below it the answer is 0, far under what a float32 can show. */
#define SMX_POWER_LOWEST (-16000.0)

/* 16 log2(e): nats to sixteenths of a binade. */
#define SMX_POWER_NAT 0x1.71547652b82fep+4

/* 2^(j/16) as bits less j << 48, so that adding k << 48 to entry k mod 16
 * gives the bits of 2^(k/16). */
static const uint64_t SMX_POWER_TABLE[16] = {
    0x3ff0000000000000, 0x3fefb5586cf9890f, 0x3fef72b83c7d517b,
    0x3fef387a6e756238, 0x3fef06fe0a31b715, 0x3feedea64c123422,
    0x3feebfdad5362a27, 0x3feeab07dd485429, 0x3feea09e667f3bcd,
    0x3feea11473eb0187, 0x3feeace5422aa0db, 0x3feec49182a3f090,
    0x3feee89f995ad3ad, 0x3fef199bdd85529c, 0x3fef5818dcfba487,
    0x3fefa4afa2a490da,
};

#endif
