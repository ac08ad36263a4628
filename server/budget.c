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

/** How much a part holds of the whole when it has taken so much itself. */
static size_t of_whole(const struct budget *budget, size_t taken)
{
    return taken > budget->reserved ? taken : budget->reserved;
}

bool budget_take(struct budget *budget, size_t bytes)
{
    if (!budget)
        return true;
    if (!take_own(budget, bytes))
        return false;
    if (!budget->whole)
        return true;
    size_t taken = budget->taken;
    size_t more = of_whole(budget, taken) - of_whole(budget, taken - bytes);
    if (more == 0 || take_own(budget->whole, more))
        return true;
    give_own(budget, bytes);
    return false;
}

static bool refuse_charge(struct budget *budget, struct problem *problem)
{
    struct budget *whole = budget->whole ? budget->whole : budget;
    atomic_fetch_add_explicit(&whole->refused, 1, memory_order_relaxed);
    return problem_memory(problem);
}

bool budget_reserve(struct budget *budget, size_t bytes,
                    struct problem *problem)
{
    if (bytes <= budget->limit && !take_own(budget->whole, bytes))
        return refuse_charge(budget, problem);
    if (bytes <= budget->limit)
        budget->reserved = bytes;
    return true; /* what is larger is refused when it is charged */
}

void budget_release(struct budget *budget)
{
    give_own(budget->whole, of_whole(budget, 0));
    budget->reserved = 0;
}

bool budget_charge(struct budget *budget, size_t bytes, struct problem *problem)
{
    if (budget_take(budget, bytes))
        return true;
    size_t taken = atomic_load_explicit(&budget->taken, memory_order_relaxed);
    if (!budget->whole ||
        (bytes <= budget->limit && taken <= budget->limit - bytes))
        return refuse_charge(budget, problem);
    size_t needed = bytes > SIZE_MAX - taken ? SIZE_MAX : taken + bytes;
    return problem_reject(problem, CAUSE_TOO_LARGE,
                          "memory: got a request that needs %zu bytes or "
                          "more, must be at most the %zu of --memory-limit",
                          needed, budget->limit);
}

void budget_give(struct budget *budget, size_t bytes)
{
    if (!budget || bytes == 0)
        return;
    give_own(budget, bytes);
    if (!budget->whole)
        return;
    size_t taken = budget->taken;
    give_own(budget->whole,
             of_whole(budget, taken + bytes) - of_whole(budget, taken));
}
