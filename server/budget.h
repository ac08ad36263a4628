/* SPDX-License-Identifier: MIT */
/** Bytes that may be held: by all requests in flight together, by one alone. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

struct budget {
    size_t limit;          /* bytes; SIZE_MAX: none */
    atomic_size_t taken;   /* bytes */
    struct budget *whole;  /* what this is a part of; NULL: nothing */
    size_t reserved;       /* bytes held of the whole, used or not */
    atomic_size_t refused; /* how often the whole had too little left */
};

/** Is a sixteenth of it free, so that it is worth asking for some? */
static inline bool budget_has_room(const struct budget *budget)
{
    return atomic_load_explicit(&budget->taken, memory_order_relaxed) <
           budget->limit - budget->limit / 16;
}

/** Make budget the part of one request. What the part takes is taken from the
 *  whole too, and a part may take as much as the whole holds. */
void budget_init_part(struct budget *budget, struct budget *whole);

/**
 * Reserve what a request is sure to need before its body has arrived: where
 * several requests do not fit together, the last of them is refused at once and
 * not in mid-body. Later charges use up the reserve first. Call it once a part;
 * budget_release gives the reserve back.
 *
 * @retval false nothing is reserved, the problem is set.
 */
bool budget_reserve(struct budget *budget, size_t bytes,
                    struct problem *problem);
void budget_release(struct budget *budget);

/* A budget that is NULL is nobody's: in what follows it has no limit. */

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
