#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write what server/number/powers_of_ten.h declares: 128 bits of every power of
ten that a double can need, to be read (-342 to 308) or to be written (-292 to
324). Exact integers; rounded down, so that the true value is less than one unit
of the last bit above the entry.

usage: scripts/powers_of_ten.py >powers_of_ten.c
"""

FIRST, LAST, BITS = -342, 324, 128


def significand(exponent):
    """floor(10^exponent * 2^s), s such that the result has exactly BITS bits"""
    if exponent >= 0:
        power = 10**exponent
        shift = BITS - power.bit_length()
        return power << shift if shift >= 0 else power >> -shift
    divisor = 10**-exponent
    quotient = (1 << (BITS + divisor.bit_length())) // divisor
    return quotient >> (quotient.bit_length() - BITS)


def main():
    print("// SPDX-License-Identifier: MIT")
    print("/* Written by scripts/powers_of_ten.py. */")
    print('#include "powers_of_ten.h"')
    print()
    print("const uint64_t powers_of_ten[][2] = {")
    entries = []
    for exponent in range(FIRST, LAST + 1):
        value = significand(exponent)
        assert value >> (BITS - 1) == 1
        entries.append("{0x%016x,0x%016x}" % (value >> 64, value & (2**64 - 1)))
    for i in range(0, len(entries), 2):
        print("    %s," % ", ".join(entries[i : i + 2]))
    print("};")
    print()
    print("const uint64_t tenths[32] = {")
    for exponent in range(32):
        print("    0x%016x," % (significand(-exponent) >> 64))
    print("};")


if __name__ == "__main__":
    main()
