#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What server/number/write64_tmpl.c takes for granted of every double: what it
compares with an integer lies on it, or at least 2 NEAR away.

In units of 10^k a double is c x, and its interval ends at (c - 1/2) x and
(c + 1/2) x, where x = 2^q / 10^k. A multiple of a number is nearest to an
integer where the factor is a denominator of its continued fraction: those up to
2^54 + 1 halves for the ends, and, as the middle between integers is an odd
number of halves, up to 2^54 doubles for the value.
"""
import re
import sys
from fractions import Fraction
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "server/number/write64_tmpl.c"
UNIT = Fraction(1, 2**69)
REST = 2**62


def near():
    return int(re.search(r"NEAR UINT64_C\((\d+)\)", SOURCE.read_text())[1])


def floor_log10(q):
    """As find_scale computes it: of 2^q."""
    biased = ((343 << 22) - 1 + -q * 1262611) >> 22
    return 342 - biased


def least_distance(x, largest):
    """Of m x, 1 <= m <= largest, to the nearest integer, unless it is one."""
    top, bottom, least = x.numerator, x.denominator, Fraction(1, 2)
    before, denominator = 1, 0
    while bottom:
        before, denominator = denominator, top // bottom * denominator + before
        top, bottom = bottom, top % bottom
        if denominator > largest:
            break
        nearest = abs(x * denominator - round(x * denominator))
        least = min(least, nearest or Fraction(1, x.denominator))
    return least


def rest_of_half(x):
    """What shift_left leaves of x / 2 below 2^-7."""
    return int(x / 2 / UNIT) % REST


def main():
    margin, failed = 2 * near() * UNIT, []
    for q in range(1 - 1075, 2047 - 1075):
        k = floor_log10(q)
        x = Fraction(2) ** q / Fraction(10) ** k
        rest = rest_of_half(x)
        if not 1 <= x < 10:
            failed.append(f"2^{q} is not from 10^{k} to 10^{k + 1}")
        if least_distance(x / 2, 2**54 + 1) < margin:
            failed.append(f"q = {q}: an end is too near to an integer")
        if least_distance(2 * x, 2**53) / 2 < margin:
            failed.append(f"q = {q}: a value is too near to a middle")
        if rest < near() and x.denominator > 2**7:
            failed.append(f"q = {q}: half is too near to a unit")
    print(*failed, sep="\n", end="\n" if failed else "")
    print("[  FAILED  ] distances" if failed else "[       OK ] distances")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
