// SPDX-License-Identifier: MIT
#include "request_id.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "../clock.h"

/** splitmix64 (Steele, Lea, Flood 2014), seeded once a thread. */
static uint64_t random_number(void)
{
    static _Thread_local uint64_t state;
    if (state == 0 && getrandom(&state, sizeof state, 0) != sizeof state)
        state = clock_ns();
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/** In hexadecimal, its digits in whatever order, all at once. */
void request_id_make(char id[REQUEST_ID_BYTES])
{
    typedef unsigned char digits __attribute__((vector_size(16)));
    uint64_t number = random_number();
    uint64_t halves[] = {number, number >> 4};
    digits digit;
    memcpy(&digit, halves, sizeof digit);
    digit &= 0x0f;
    digit += '0' + ((digits)(digit > 9) & ('a' - '0' - 10));
    memcpy(id, &digit, sizeof digit);
    id[sizeof digit] = '\0';
}
