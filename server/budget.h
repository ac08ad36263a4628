/* SPDX-License-Identifier: MIT */
/** Bytes that may be held: by all requests in flight together, by one alone. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

struct budget {
    size_t limit;         /* bytes; SIZE_MAX: none */
    atomic_size_t taken;  /* bytes */
    struct budget *whole; /* what this is a part of; NULL: nothing */
};

/** Make budget that of one request: what it takes is taken of the whole, too,
 *  and it may take no more than the whole has in all. */
void budget_init_part(struct budget *budget, struct budget *whole);

/** Charge before allocating; false: over the limit, nothing is charged. */
bool budget_take(struct budget *budget, size_t bytes);

/**
 * budget_take for a request. What does not fit beside others is a 503: it may
 * fit later. What would not fit alone either never will: 413.
 *
 * @retval false nothing is charged, the problem is set.
 */
bool budget_charge(struct budget *budget, size_t bytes,
                   struct problem *problem);

/** Give back what was charged. */
void budget_give(struct budget *budget, size_t bytes);

#endif
