#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the constants of the exponentials and logarithms in lib/, or with
--check FOLDER see that each of them stands in a source of that folder.

2^(f/16) = 1 + f q(f) for |f| <= 1/2; q is interpolated at Chebyshev nodes,
which comes within a bit of the minimax polynomial. Decimals of 60 digits.
"""
import contextlib
import io
import pathlib
import re
import struct
import sys
from decimal import ROUND_FLOOR, Decimal, getcontext

getcontext().prec = 60
LN2 = Decimal(2).ln()
STEP = LN2 / 16
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def cosine(x):
    term = total = Decimal(1)
    for n in range(1, 40):
        term *= -x * x / ((2 * n - 1) * (2 * n))
        total += term
    return total


def quotient(f):
    """(2^(f/16) - 1) / f as a series, exact at f = 0 too."""
    term = total = STEP
    for n in range(2, 30):
        term *= STEP * f / n
        total += term
    return total


def interpolate(nodes, values):
    """Coefficients, lowest first, of the polynomial through the points."""
    n = len(nodes)
    return solve([[x ** k if k else Decimal(1) for k in range(n)] + [y]
                  for x, y in zip(nodes, values)])


def solve(rows):
    """Of linear equations, each its factors and the right side."""
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i])]
    return [row[n] for row in rows]


def cut(x, bits):
    """x cut to so many bits, as a float."""
    unit = Decimal(2) ** (int((x.ln() / LN2).to_integral_value(ROUND_FLOOR)) -
                          bits + 1)
    return float((x / unit).to_integral_value(ROUND_FLOOR) * unit)


def in_two(x, bits):
    """x as a float cut to so many bits and the rest as another."""
    high = cut(x, bits)
    return high.hex(), float(x - Decimal(high)).hex()


def rise():
    """(exp(r) - 1 - r) / r^2 for |r| <= STEP, so that its error times r^2 is
    the least: with s = (r / STEP)^2 that is s (s - s1) (s - s2) (s - s3), a
    Chebyshev polynomial of degree 4 of which the lowest zero is moved to 0.
    """
    least = cosine(PI / 8)
    nodes, values = [], []
    for i in range(3):
        s = (cosine(PI * (2 * i + 1) / 8) + least) / (1 + least)
        for r in (STEP * s.sqrt(), -STEP * s.sqrt()):
            nodes.append(r)
            values.append((r.exp() - 1 - r) / (r * r))
    c = [float(v) for v in interpolate(nodes, values)]
    worst = Decimal(0)
    for i in range(-1000, 1001):
        r = STEP * i / 1000
        q = sum(Decimal(v) * (r ** k if k else 1) for k, v in enumerate(c))
        worst = max(worst, abs(1 + r + r * r * q - r.exp()))
    for k, v in enumerate(c, 2):
        print(f"#define RISE_{k} {v.hex()}")
    print(f"/* error 2^{worst.ln() / LN2:.2f} */")


def twofold():
    """log(2) / 16 and log(2) in two, what 2^(j/16) loses as one double."""
    print("#define STEP_HI {}\n#define STEP_LO {}".format(*in_two(STEP, 38)))
    print("#define LN2_HI {}\n#define LN2_LO {}".format(*in_two(LN2, 42)))
    for j in range(16):
        exact = (STEP * j).exp()
        high = Decimal(float(exact))
        print(f"    {float((exact - high) / high).hex()},")


def split_table():
    """The tables of lib/engine/split_exp.c."""
    for j in range(16):
        rounded = round(float((STEP * j).exp()) * 2048) / 2048
        bits, = struct.unpack("<I", struct.pack("<f", rounded))
        entry, = struct.unpack("<f", struct.pack("<I", bits - (j << 19)))
        rest = float(Decimal(rounded).ln() - STEP * j)
        print(f"{entry.hex()}f, {rest.hex()}")


# The largest |y| whose tanh a softcap takes from a quotient.
NEAR = Decimal("1.375")


def softcap():
    """tanh(y) / y = p(v) / q(v), v = y^2, |y| <= NEAR, both of degree 3, the last
    coefficient of q being 1; and 2^(f/16) as main has it, by two degrees
    more."""
    def tanh(y):
        return 1 - 2 / ((2 * y).exp() + 1)

    nodes = [NEAR * NEAR * (1 + cosine(PI * (2 * i + 1) / 14)) / 2
             for i in range(7)]
    ratios = [tanh(v.sqrt()) / v.sqrt() for v in nodes]
    rows = [[v ** k if k else Decimal(1) for k in range(4)] +
            [-r * v ** k if k else -r for k in range(3)] + [r * v ** 3]
            for v, r in zip(nodes, ratios)]
    c = [float(x) for x in solve(rows)]
    worst = Decimal(0)
    for i in range(1, 1001):
        v = (NEAR * i / 1000) ** 2
        p, q = (sum(Decimal(x) * (v ** k if k else 1) for k, x in enumerate(part))
                for part in (c[:4], c[4:] + [1.0]))
        worst = max(worst, abs(v.sqrt() * p / q - tanh(v.sqrt())))
    for x in c:
        print(f"    {x.hex()},")
    print(f"/* error 2^{worst.ln() / LN2:.2f} */")
    nodes = [cosine(PI * (2 * i + 1) / 10) / 2 for i in range(5)]
    c = [float(v) for v in interpolate(nodes, [quotient(x) for x in nodes])]
    worst = Decimal(0)
    for i in range(-1000, 1001):
        f = Decimal(i) / 2000
        p = 1 + sum(Decimal(v) * f * (f ** k if k else 1)
                    for k, v in enumerate(c))
        worst = max(worst, abs(p / (STEP * f).exp() - 1))
    for k, v in enumerate(c, 1):
        print(f"#define FAR_C{k} {v.hex()}")
    print(f"/* relative error 2^{worst.ln() / LN2:.2f} */")


def close_tail():
    """(tanh(y) / y - 1 + v) / v^2 in v = y^2 / 3, |y| <= 0.3."""
    def tail(v):
        y = (3 * v).sqrt()
        return ((1 - 2 / ((2 * y).exp() + 1)) / y - 1 + v) / (v * v)

    nodes = [Decimal("0.015") * (1 + cosine(PI * (2 * i + 1) / 16))
             for i in range(8)]
    c = [float(v) for v in interpolate(nodes, [tail(v) for v in nodes])]
    worst = Decimal(0)
    for i in range(1, 1001):
        v = (Decimal("0.3") * i / 1000) ** 2 / 3
        p = sum(Decimal(x) * (v ** k if k else 1) for k, x in enumerate(c))
        worst = max(worst, abs(p - tail(v)) * v * v * (3 * v).sqrt())
    for x in c:
        print(f"    {x.hex()},")
    print(f"/* error 2^{worst.ln() / LN2:.2f} */")


def main():
    nodes = [cosine(PI * (2 * i + 1) / 6) / 2 for i in range(3)]
    c = [float(v) for v in interpolate(nodes, [quotient(x) for x in nodes])]
    worst = Decimal(0)
    for i in range(-1000, 1001):
        f = Decimal(i) / 2000
        p = 1 + f * (Decimal(c[0]) + f * (Decimal(c[1]) + f * Decimal(c[2])))
        worst = max(worst, abs(p / (STEP * f).exp() - 1))
    for k, v in enumerate(c, 1):
        print(f"#define SMX_POWER_C{k} {v.hex()}")
    print(f"/* relative error 2^{worst.ln() / LN2:.2f} */")
    print(f"#define SMX_POWER_NAT {float(16 / LN2).hex()}")
    for j in range(16):
        bits, = struct.unpack("<q", struct.pack("<d", float((STEP * j).exp())))
        print(f"    0x{bits - (j << 48):016x},")
    split_table()
    twofold()
    rise()
    softcap()
    close_tail()


NUMBER = re.compile(r"-?0x[01](?:\.[0-9a-f]+)?p[+-]?\d+|0x[0-9a-f]{16}\b")


def numbers(text):
    return {float.fromhex(n) if "p" in n else int(n, 16)
            for n in NUMBER.findall(text)}


def check(folder):
    """Every number printed stands somewhere in the folder's sources."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main()
    want, have = numbers(printed.getvalue()), set()
    for path in pathlib.Path(folder).rglob("*.[ch]"):
        have |= numbers(path.read_text())
    missing = want - have
    for number in sorted(missing):
        print("not in", folder, float(number).hex())
    print("[  FAILED  ]" if missing or len(want) < 70 else "[       OK ]",
          f"{len(want)} constants of {folder}")
    return 1 if missing or len(want) < 70 else 0


if __name__ == "__main__":
    sys.exit(check(sys.argv[2]) if sys.argv[1:2] == ["--check"] else main())
