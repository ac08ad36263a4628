// SPDX-License-Identifier: MIT
// unwind: 20
/* number_read: an exponent of any 4 bytes is read within them; and, by
 * induction over the digits of a text of any length, no more than 19 are held.
 */
#include "prove.h"

#include "server/number/read.c"

enum { BYTES = 4 };

static void exponent_of_any_bytes(void)
{
    const char *text = any_bytes(BYTES), *end = text + BYTES;
    int64_t exponent = 0;
    __CPROVER_assume(*text == 'e' || *text == 'E');
    const char *p = scan_exponent(text, end, &exponent);
    assert(!p || (p > text && p <= end));
    assert(exponent > -1000 && exponent < 1000);
}

/* Between two digits. */
static bool may_be(const struct gather *gather)
{
    return gather->count >= 0 && gather->count <= 19 && gather->zeros >= 0 &&
           gather->zeros <= NUMBER_READ_MAX_TEXT &&
           (gather->count > 0 || gather->zeros == 0);
}

int main(void)
{
    exponent_of_any_bytes();
    struct gather gather = {nondet_uint64(), (int)nondet_uint64(),
                            (int64_t)nondet_uint64(), 0, false};
    __CPROVER_assume(may_be(&gather) && gather.zeros < NUMBER_READ_MAX_TEXT);
    char digit = (char)nondet_uint64();
    __CPROVER_assume(is_digit(digit));
    gather_digit(&gather, digit, 1);
    assert(may_be(&gather));
    return 0;
}
