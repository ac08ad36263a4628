#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a table of server/number/write32_tmpl.c and ..64_tmpl.c.

usage: number_tables.py scales|layouts32|layouts64 >write_TABLE.c
"""
import sys
from fractions import Fraction

HEAD = """// SPDX-License-Identifier: MIT
/* Written by scripts/number_tables.py. */
#include "write.h"
"""


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


def print_layouts32():
    print("const uint8_t number_layouts32[NUMBER_LAYOUTS32][16]")
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


def print_packed(entries, a_line):
    for i in range(0, len(entries), a_line):
        print("    %s," % ", ".join(entries[i : i + a_line]))
    print("};")


def layout64(exponent, n):
    """See struct number_layout64; exponent 17 stands for all scientific."""
    rest = n - 1
    point = (0, 1, 0, n) if rest else (0, 0, 0, 0)
    power_bytes = 2 if 10 <= exponent <= 16 else 1
    scientific_bytes = n + (n > 1) + 1 + (exponent < 0) + power_bytes
    if exponent == 17 or len(positional64(exponent, n)) > scientific_bytes:
        return (0, *point, 0)
    if exponent < 0:
        return (1 - exponent, rest, 0, 0, rest, 1)
    if exponent >= rest:
        return (0, exponent, 0, 0, exponent, 1)
    return (0, exponent, exponent + 1, exponent, n, 1)


def positional64(exponent, n):
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + "9" * n
    return "9" * max(n, exponent + 1) + ("." if exponent + 1 < n else "")


def print_layouts64():
    print("const struct number_layout64 number_layouts64[NUMBER_LAYOUTS64] = {")
    print_packed(["{%d, %d, %d, %d, %d, %d}" % layout64(exponent, n)
                  for exponent in range(-3, 18) for n in range(1, 18)], 3)
    print()
    print("const struct number_suffix number_suffixes[NUMBER_SUFFIXES] = {")
    texts = ["e%d," % exponent for exponent in range(-308, 309)] + [","]
    print_packed(['{"%s", %d}' % (text, len(text)) for text in texts], 5)


print(HEAD)
{
    "scales": print_scales,
    "layouts32": print_layouts32,
    "layouts64": print_layouts64,
}[sys.argv[1]]()
