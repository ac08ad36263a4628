/* SPDX-License-Identifier: MIT */
/** The bytes that all requests in flight may hold together. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t limit;        /* bytes; SIZE_MAX: none */
    atomic_size_t taken; /* bytes */
};

/** Charge before allocating; false: over the limit, nothing is charged. */
bool budget_take(struct budget *budget, size_t bytes);

/** Give back what budget_take charged. */
void budget_give(struct budget *budget, size_t bytes);

#endif
