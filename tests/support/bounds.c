/* SPDX-License-Identifier: MIT */
#include "bounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "expect.h"

enum { CALLS = 16, KERNELS = 8, CASES = 32 };

struct random bounds_seed;

/* The kernels that a bound has timed on one instruction set. */
static struct timed {
    const char *call; /* the text of the call */
    double ns;        /* an element, the least */
} timed[KERNELS];
static size_t timed_count;

/* ---- the clock ----------------------------------------------------------- */

int bounds_calls(void)
{
    return getenv("BENCH") ? CALLS : 0;
}

double bounds_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void bounds_note(const char *call, double ns, size_t elements)
{
    size_t i = 0;

    if (bounds_calls() == 0)
        return;
    ns /= CALLS * (double)elements;
    while (i < timed_count && strcmp(timed[i].call, call) != 0)
        i++;
    assert_true(i < KERNELS);
    if (i == timed_count)
        timed[timed_count++] = (struct timed){call, ns};
    else
        timed[i].ns = fmin(timed[i].ns, ns);
}

/* The kernel's own name stands before the operands. */
static void print_times(enum smx_isa isa)
{
    for (size_t i = 0; i < timed_count; i++)
        printf("  %-26.*s %-7s %.2f ns an element\n",
               (int)strcspn(timed[i].call, "("), timed[i].call,
               smx_isa_name(isa), timed[i].ns);
}

/* ---- the bounds ---------------------------------------------------------- */

static void hold(const struct bound *bound, enum smx_isa isa)
{
    long double worst;

    timed_count = 0;
    worst = bound->worst_of(isa);
    printf("%-28s %-7s 2^%.2Lf, bound 2^%g\n", bound->what, smx_isa_name(isa),
           log2l(worst), bound->exponent);
    assert_true(worst <= exp2l(bound->exponent));
    assert_true(bounds_calls() == 0 || timed_count > 0);
    print_times(isa);
}

static void kernel_holds_its_bound(void **state)
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        if (smx_isa_available((enum smx_isa)isa))
            hold(*state, (enum smx_isa)isa);
}

int bounds_run(const struct bound *bounds, size_t count)
{
    struct CMUnitTest tests[CASES] = {{0}};

    if (count > CASES)
        return 1;
    for (size_t i = 0; i < count; i++)
        tests[i] =
            (struct CMUnitTest){.name = bounds[i].what,
                                .test_func = kernel_holds_its_bound,
                                .initial_state = (void *)(uintptr_t)&bounds[i]};
    random_seed(&bounds_seed);
    return _cmocka_run_group_tests("bounds", tests, count, NULL, NULL);
}
