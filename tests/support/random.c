/* SPDX-License-Identifier: MIT */
#include "random.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void random_seed(struct random *random)
{
    const char *text = getenv("TEST_SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    random->state =
        text ? strtoull(text, NULL, 0)
             : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    printf("TEST_SEED=%" PRIu64 "\n", random->state);
    fflush(stdout);
}

/* SplitMix64: Steele, Lea, Flood 2014. */
uint64_t random_bits(struct random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t random_below(struct random *random, size_t n)
{
    return (size_t)(random_bits(random) % n);
}

bool random_once_in(struct random *random, size_t n)
{
    return random_below(random, n) == 0;
}

double random_unit(struct random *random)
{
    return (double)(random_bits(random) >> 11) * 0x1p-53;
}

double random_normal(struct random *random)
{
    double radius = sqrt(-2 * log1p(-random_unit(random)));

    return radius * cos(6.283185307179586 * random_unit(random));
}
