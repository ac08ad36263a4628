#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch as a peer of bench_kernels.py: the protocol of peer.h."""
import sys
import time

import torch
import torch.nn.functional as F


def call_of(op, dtype, rows, classes):
    """A function that computes the case once."""
    torch.manual_seed(1)
    x = torch.randn(rows, classes, dtype=getattr(torch, dtype)) * 2
    y = torch.randint(0, classes, (rows,))
    if op == "softmax":
        out = torch.empty_like(x)
        return lambda: torch.softmax(x, -1, out=out)
    if op == "loss":
        return lambda: F.cross_entropy(x, y)
    x.requires_grad_(True)
    if op == "distill":
        teacher = torch.randn(rows, classes, dtype=x.dtype) * 2
        return lambda: torch.autograd.grad(
            F.kl_div(F.log_softmax(x, -1), F.log_softmax(teacher, -1),
                     reduction="batchmean", log_target=True), x)
    return lambda: torch.autograd.grad(F.cross_entropy(x, y), x)


def measure(call, ms):
    call()
    call()
    took, end = [], time.perf_counter_ns() + ms * 1e6
    while len(took) < 3 or time.perf_counter_ns() < end:
        start = time.perf_counter_ns()
        call()
        took.append(time.perf_counter_ns() - start)
    return sorted(took)[len(took) // 2]


def main():
    call = None
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            print(measure(call, float(words[1])), flush=True)
            continue
        op, dtype, rows, classes, threads = words[1:]
        torch.set_num_threads(int(threads))
        call = call_of(op, dtype, int(rows), int(classes))
        print("ready", flush=True)


if __name__ == "__main__":
    main()
