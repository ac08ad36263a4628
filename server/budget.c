// SPDX-License-Identifier: MIT
#include "budget.h"

#include <stdint.h>

void budget_init_part(struct budget *budget, struct budget *whole)
{
    *budget = (struct budget){.limit = whole->limit, .whole = whole};
}

static bool take_own(struct budget *budget, size_t bytes)
{
    size_t taken = atomic_load_explicit(&budget->taken, memory_order_relaxed);
    do {
        if (bytes > budget->limit || taken > budget->limit - bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &budget->taken, &taken, taken + bytes, memory_order_relaxed,
        memory_order_relaxed));
    return true;
}

static void give_own(struct budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->taken, bytes, memory_order_relaxed);
}

bool budget_take(struct budget *budget, size_t bytes)
{
    if (!take_own(budget, bytes))
        return false;
    if (!budget->whole || budget_take(budget->whole, bytes))
        return true;
    give_own(budget, bytes);
    return false;
}

bool budget_charge(struct budget *budget, size_t bytes, struct problem *problem)
{
    if (budget_take(budget, bytes))
        return true;
    size_t taken = atomic_load_explicit(&budget->taken, memory_order_relaxed);
    if (!budget->whole ||
        (bytes <= budget->limit && taken <= budget->limit - bytes))
        return problem_memory(problem);
    size_t needed = bytes > SIZE_MAX - taken ? SIZE_MAX : taken + bytes;
    return problem_set(problem, 413, NULL,
                       "memory: got a request that needs %zu bytes or more, "
                       "must be at most the %zu of --memory-limit",
                       needed, budget->limit);
}

void budget_give(struct budget *budget, size_t bytes)
{
    give_own(budget, bytes);
    if (budget->whole)
        budget_give(budget->whole, bytes);
}
