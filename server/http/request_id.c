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

/** Eight digits, in whatever order, all at once. */
static void write_hex(char *text, uint64_t number)
{
    const uint64_t each = 0x0101010101010101; /* in every byte */
    number = (number | number << 16) & 0x0000ffff0000ffff;
    number = (number | number << 8) & 0x00ff00ff00ff00ff;
    number = (number | number << 4) & 0x0f * each;
    uint64_t letters = (number + 6 * each) >> 4 & each;
    number += '0' * each + ('a' - '0' - 10) * letters;
    memcpy(text, &number, sizeof number);
}

void request_id_make(char id[REQUEST_ID_BYTES])
{
    uint64_t number = random_number();
    write_hex(id, number & UINT32_MAX);
    write_hex(id + 8, number >> 32);
    id[16] = '\0';
}
