/* SPDX-License-Identifier: MIT */
/** Random numbers that a printed seed brings back. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/** TEST_SEED of the environment, else the clock; says which on stdout. */
void random_seed(struct random *random);

uint64_t random_bits(struct random *random);

/** In [0, n), n >= 1. */
size_t random_below(struct random *random, size_t n);

/** True once in n times. */
bool random_once_in(struct random *random, size_t n);

/** In [0, 1). */
double random_unit(struct random *random);

/** Standard normal. */
double random_normal(struct random *random);

#endif
