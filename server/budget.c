// SPDX-License-Identifier: MIT
#include "budget.h"

bool budget_take(struct budget *budget, size_t bytes)
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

void budget_give(struct budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->taken, bytes, memory_order_relaxed);
}
