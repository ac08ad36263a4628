/* SPDX-License-Identifier: MIT */
/** Kernels held to their bounds on every instruction set and, with BENCH in
 *  the environment, against the clock. */
#ifndef BOUNDS_H
#define BOUNDS_H

#include <math.h>

#include "random.h"
#include "softmax.h"

/** What a program draws its operands with. */
extern struct random bounds_seed;

/** A kernel's relative error, as a power of 2, and what measures it. A rounding
 *  to float32 is one of 2^-24, a rounding to float64 one of 2^-53. */
struct bound {
    const char *what;
    double exponent;
    long double (*worst_of)(enum smx_isa isa);
};

/** All of them as cases of a cmocka program, which prints the worst found;
 *  returns its exit status. */
int bounds_run(const struct bound *bounds, size_t count);

/** The larger of worst and the relative error. */
static inline long double worse(long double worst, long double got,
                                long double want)
{
    long double error = fabsl(got - want) / want;

    return error > worst ? error : worst;
}

/** How long a call of a kernel takes, in calls that follow each other; the
 *  least of all trials is printed beside the bound. What the call computes has
 *  been judged: it may be computed in place. */
#define TIME(elements, call)                                                   \
    do {                                                                       \
        double begin = bounds_clock();                                         \
        for (int run = 0; run < bounds_calls(); run++)                         \
            (void)(call);                                                      \
        bounds_note(#call, bounds_clock() - begin, (elements));                \
    } while (0)

/** Calls that are timed together; 0: none is. */
int bounds_calls(void);
double bounds_clock(void);
void bounds_note(const char *call, double ns, size_t elements);

#endif
