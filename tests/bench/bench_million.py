#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A million logits as JSON to /softmax and a million probabilities back on one
kept connection, client and daemon on all cores and on one, beside json.loads
and json.dumps of the same numbers.

All cores and one take turns, and the quickest turn of each counts: what else
runs on the machine only makes them slower.

usage: bench_million.py EXCHANGE_MILLION [ROUNDS]     (SOFTMAXD: the daemon)
"""
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "http"))
from daemon import Daemon  # noqa: E402

ROWS, CLASSES, TURNS = 128, 8192, 3


def float32_text(x):
    """The fewest digits that read back to the float32 nearest to x."""
    x, = struct.unpack("f", struct.pack("f", x))
    for digits in range(1, 10):
        text = f"{x:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == x:
            break
    return text


def body():
    draw = random.Random(1)
    rows = ([float32_text(draw.gauss(0, 4)) for _ in range(CLASSES)]
            for _ in range(ROWS))
    return '{"logits":[%s]}' % ",".join(f"[{','.join(row)}]" for row in rows)


def python_ms(text, rounds):
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        json.dumps(json.loads(text), separators=(",", ":"))
        took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


def exchange(program, rounds, path, cores):
    """Its median in ms and the bytes of an answer, all of it on those cores."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        with Daemon("--log-level", "error") as daemon:
            url = f"http://127.0.0.1:{daemon.port}/softmax"
            line = subprocess.run([program, url, path, str(rounds)],
                                  check=True, capture_output=True, text=True)
    finally:
        os.sched_setaffinity(0, every)
    ms, answer = line.stdout.split()
    return float(ms), answer


def main():
    program, rounds = sys.argv[1], int((sys.argv + ["31"])[2])
    text = body()
    cores = os.sched_getaffinity(0)
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        turns = [[exchange(program, rounds, file.name, on)
                  for on in (cores, {min(cores)})] for _ in range(TURNS)]
    (all_of_them, answer), (one, _) = map(min, zip(*turns))
    python = python_ms(text, max(rounds // 6, 1))
    print(f"{ROWS} x {CLASSES} logits, {len(text)} bytes in, {answer} bytes "
          f"out, least of {TURNS} medians")
    print(f"softmaxd, the whole exchange    {all_of_them:8.1f} ms")
    print(f"client and daemon on one core   {one:8.1f} ms"
          f"  (on {len(cores)}: {all_of_them / one:.2f} of it)")
    print(f"Python, json.loads + json.dumps {python:8.1f} ms"
          f"  ({python / all_of_them:.1f} times as long)")


main()
