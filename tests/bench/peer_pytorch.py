#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch as a peer of bench_kernels.py: the protocol of peer.h.

usage: peer_pytorch.py [onednn]    (onednn: softmax by the oneDNN inside it)
"""
import re
import sys
import time

import torch
import torch.nn.functional as F


def call_of(op, dtype, rows, classes, onednn):
    """A function that computes the case once; None: not this one."""
    torch.manual_seed(1)
    x = torch.randn(rows, classes, dtype=getattr(torch, dtype)) * 2
    if onednn:
        if (op, dtype) != ("softmax", "float32"):
            return None
        x = x.to_mkldnn()
        return lambda: torch.softmax(x, -1)
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


def version_of(onednn):
    if not onednn:
        return torch.__version__
    found = re.search(r"MKL-DNN v([0-9.]+)", torch.__config__.show())
    return f"{found[1]} in PyTorch {torch.__version__}" if found else ""


def main():
    call, onednn = None, sys.argv[1:] == ["onednn"]
    print(version_of(onednn), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            print(measure(call, float(words[1])), flush=True)
            continue
        op, dtype, rows, classes, threads = words[1:]
        torch.set_num_threads(int(threads))
        call = call_of(op, dtype, int(rows), int(classes), onednn)
        print("ready" if call else "no", flush=True)


if __name__ == "__main__":
    main()
