#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions an element of each kernel, executed under qemu-user.

usage: count_insns.py X86_64_PROGRAM AARCH64_PROGRAM PLUGIN

A kernel runs once and three times; half the difference is one time, whatever
a start costs. The exit status is 1 where NEON takes more than twice as many as
AVX2, whose registers are twice as wide.
"""
import subprocess
import sys

MOST = 2.0
SHAPES = [
    f"{op}{bits}/{classes}"
    for bits in (32, 64)
    for op in ("softmax", "loss", "gradient")
    for classes in (10, 1000)
]
CODEC = ["read32/7", "read32/17", "read64/17", "write32", "write64", "base64"]


def run(command, isa, work, times):
    done = subprocess.run(
        command + [isa, work, str(times)],
        capture_output=True, text=True, check=True, timeout=120,
    )
    return int(done.stderr.split()[-1]), int(done.stdout)


def an_element(command, isa, work):
    once, count = run(command, isa, work, 1)
    thrice, _ = run(command, isa, work, 3)
    if count == 0:
        sys.exit(f"count_insns: {work} failed with {isa}")
    return (thrice - once) / 2 / count


def main():
    x86, arm, plugin = sys.argv[1:]
    x86 = ["qemu-x86_64", "-cpu", "max", "-plugin", plugin, x86]
    arm = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-plugin", plugin, arm]
    worst = 0
    print(f"{'instructions an element':24}{'avx2':>8}{'base':>8}{'neon':>8}"
          f"{'neon/avx2':>11}")
    for work in SHAPES + CODEC:
        avx2 = an_element(x86, "avx2", work)
        base = an_element(arm, "base", work)
        neon = an_element(arm, "neon", work)
        worst = max(worst, neon / avx2)
        print(f"{work:24}{avx2:8.2f}{base:8.2f}{neon:8.2f}{neon / avx2:11.2f}",
              flush=True)
    if worst > MOST:
        sys.exit(f"count_insns: got {worst:.2f}, must be at most {MOST}")


if __name__ == "__main__":
    main()
