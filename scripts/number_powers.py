#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print server/codec/number_write_powers.c: the powers of ten of the writer.

Entry k is floor(10^k / 2^e) + 1 with e so that the quotient has 128 bits
(float32: 64 bits): from above, as the proof of Schubfach asks.
"""
import sys
from fractions import Fraction


def from_above(exponent, bits):
    power = Fraction(10) ** exponent
    shift = bits
    while power * Fraction(2) ** shift >= 1 << bits:
        shift -= 1
    while power * Fraction(2) ** shift < 1 << (bits - 1):
        shift += 1
    scaled = power * Fraction(2) ** shift
    assert 1 << (bits - 1) <= scaled < 1 << bits
    return scaled.numerator // scaled.denominator + 1


def print_table(first, last, bits):
    for k in range(first, last + 1):
        g = from_above(k, bits)
        words = [g >> shift & (1 << 64) - 1 for shift in range(bits - 64, -1, -64)]
        text = ", ".join(f"0x{word:016x}" for word in words)
        print(f"    {{{text}}}," if len(words) > 1 else f"    {text},")


print("/* SPDX-License-Identifier: MIT */")
print("/* Made by scripts/number_powers.py; do not edit. */")
print('#include "number_write.h"\n')
print("const uint64_t number_powers32[NUMBER_POWERS32] = {")
print_table(-31, 45, 64)
print("};\n")
print("const uint64_t number_powers64[NUMBER_POWERS64][2] = {")
print_table(-292, 324, 128)
print("};")
