#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the tables of server/codec/number_write_tmpl.c.

usage: scripts/number_tables.py scales > server/codec/number_write_scales.c
       scripts/number_tables.py layouts > server/codec/number_write_layouts.c
"""
import sys
from fractions import Fraction

HEAD = """// SPDX-License-Identifier: MIT
/* Written by scripts/number_tables.py. */
#include "number_write.h"

// clang-format off"""


def floor_log10(biased, narrow):
    """As number_write.h computes it: of 2^q, or of 3/4 2^q."""
    return ((biased - 150) * 1262611 - (524031 if narrow else 0)) >> 22


def scale(biased):
    """2^q / 10^k, from above, to 60 bits behind the point."""
    ratio = Fraction(2) ** (biased - 150)
    ratio /= Fraction(10) ** floor_log10(biased, False)
    scaled = ratio * 2**60
    return -(-scaled.numerator // scaled.denominator)


def shortest_power_of_two(biased):
    """Digits and exponent of the nearest among the shortest decimals."""
    value = Fraction(2) ** (biased - 127)
    ulp = Fraction(2) ** (biased - 150)
    low, high = value - ulp / (4 if biased > 1 else 2), value + ulp / 2
    for exponent in range(40, -60, -1):
        unit = Fraction(10) ** exponent
        inside = range(-(-low // unit), high // unit + 1)
        if len(inside):
            return min(inside, key=lambda d: abs(d * unit - value)), exponent


def answer(biased):
    """A scale that makes 2^23 the answer itself, a whole number."""
    digits, exponent = shortest_power_of_two(biased)
    whole = digits * 10 ** (exponent - floor_log10(biased, True))
    assert 10**6 <= whole < 2**27
    return whole << 37


def print_scales():
    finite = range(1, 255)
    values = [scale(b) if b in finite else 0 for b in range(256)]
    values += [answer(b) if b in finite else 0 for b in range(256)]
    print("const uint64_t number_scales[NUMBER_SCALES] = {")
    for i in range(0, len(values), 4):
        print("    %s," % ", ".join("0x%016x" % v for v in values[i : i + 4]))
    print("};")


# Bytes of a number_source.
DIGITS = [8, 0, 1, 2, 3, 4, 5, 6, 7]
POINT, ZERO, E, MINUS, TENS, UNITS, COMMA = range(9, 16)


def positional(exponent, n):
    digits = DIGITS[:n]
    if exponent < 0:
        return [ZERO, POINT] + [ZERO] * (-exponent - 1) + digits
    if exponent + 1 >= n:
        return digits + [ZERO] * (exponent + 1 - n)
    return digits[: exponent + 1] + [POINT] + digits[exponent + 1 :]


def scientific(exponent, n):
    text = DIGITS[:1] + ([POINT] if n > 1 else []) + DIGITS[1:n] + [E]
    text += [MINUS] if exponent < 0 else []
    return text + ([TENS] if abs(exponent) > 9 else []) + [UNITS]


def layout(text):
    """15 indices, then the length less one: a text of 16 ends in COMMA,
    whose index is just that."""
    text = text + [COMMA]
    assert len(text) <= 16
    filled = text + [COMMA] * (16 - len(text))
    assert filled[15] == 15
    return filled[:15] + [len(text) - 1]


def print_layouts():
    print("const uint8_t number_layouts[NUMBER_LAYOUTS][16]")
    print("    __attribute__((aligned(64))) = {")
    for exponent in range(-10, 14):  # the ends stand for all beyond
        for sign in [], [MINUS]:
            for n in range(1, 10):
                text = scientific(exponent, n)
                if -10 < exponent < 13:
                    other = positional(exponent, n)
                    text = other if len(other) <= len(text) else text
                print("    {%s}," % ", ".join(map(str, layout(sign + text))))
    for zero in [ZERO], [MINUS, ZERO, POINT, ZERO]:
        print("    {%s}," % ", ".join(map(str, layout(zero))))
    print("};")


print(HEAD)
{"scales": print_scales, "layouts": print_layouts}[sys.argv[1]]()
