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


def softmax_of(option, x, axis):
    """What softmaxd answers in one call, in as few as PyTorch has."""
    out = torch.empty_like(x)
    calls = {
        "log": lambda: torch.log_softmax(x, axis, out=out),
        "top-k": lambda: torch.topk(torch.softmax(x, axis), 5, axis),
        "argmax": lambda: (torch.softmax(x, axis), x.argmax(axis)),
        "logsumexp": lambda: (torch.softmax(x, axis),
                              torch.logsumexp(x, axis)),
        "entropy": lambda: entropy_of(x, axis),
    }
    return calls.get(option, lambda: torch.softmax(x, axis, out=out))


def entropy_of(x, axis):
    p = torch.softmax(x, axis)
    return p, -(p * torch.log_softmax(x, axis)).sum(axis)


def loaded(option, dtype, rows, classes):
    """Logits, what is done to them first, and their class axis."""
    axis = 0 if option == "axis" else 1
    shape = (classes, rows) if option == "axis" else (rows, classes)
    x = torch.randn(shape, dtype=dtype) * 2
    mask = torch.rand((1 if option == "mask-class" else rows, classes)) < 0.1
    loads = {
        "temperature": lambda z: z / 0.7,
        "softcap": lambda z: 30 * torch.tanh(z / 30),
        "mask": lambda z: z.masked_fill(mask, -torch.inf),
        "mask-class": lambda z: z.masked_fill(mask, -torch.inf),
    }
    return x, loads.get(option, lambda z: z), axis


def loss_of(option, dtype, rows, classes):
    """A function of loaded logits: the loss, and what is asked beside it."""
    y = torch.randint(0, classes, (rows,))
    weights = 1 + torch.rand(classes, dtype=dtype)
    row_weights = 1 + torch.rand(rows, dtype=dtype)
    targets = torch.rand((rows, classes), dtype=dtype) * 2 / classes

    def focal(z):
        nats = F.cross_entropy(z, y, reduction="none")
        return ((1 - torch.exp(-nats))**2 * nats).mean()

    def rewarded(z):
        p, entropy = entropy_of(z, -1)
        return F.cross_entropy(z, y) - 0.1 * entropy.mean()

    return {
        "axis": lambda z: F.cross_entropy(z[None], y[None]),
        "argmax": lambda z: (F.cross_entropy(z, y), z.argmax(-1))[0],
        "accuracy": lambda z: (F.cross_entropy(z, y), torch.mean(
            (z.argmax(-1) == y).double()))[0],
        "logsumexp": lambda z: (F.cross_entropy(z, y), torch.logsumexp(
            z.detach(), -1))[0],
        "entropy": lambda z: (F.cross_entropy(z, y),
                              entropy_of(z.detach(), -1))[0],
        "weights": lambda z: F.cross_entropy(z, y, weight=weights),
        "row-weights": lambda z: (row_weights * F.cross_entropy(
            z, y, reduction="none")).sum() / row_weights.sum(),
        "smoothing": lambda z: F.cross_entropy(z, y, label_smoothing=0.1),
        "z-loss": lambda z: F.cross_entropy(z, y) + 1e-4 * (
            torch.logsumexp(z, -1)**2).mean(),
        "targets": lambda z: F.cross_entropy(z, targets),
        "entropy-weight": rewarded,
        "focal": focal,
    }.get(option, lambda z: F.cross_entropy(z, y))


def option_call(op, dtype, rows, classes, option):
    x, load, axis = loaded(option, dtype, rows, classes)
    if op == "softmax":
        if option in ("temperature", "softcap", "mask", "mask-class"):
            return lambda: torch.softmax(load(x), axis)
        return softmax_of(option, x, axis)
    loss = loss_of(option, dtype, rows, classes)
    if op == "loss":
        return lambda: loss(load(x))
    x.requires_grad_(True)
    if op == "gradient":
        return lambda: torch.autograd.grad(loss(load(x)), x)
    g = torch.randn_like(x)
    values = torch.log_softmax if option == "log" else torch.softmax
    return lambda: torch.autograd.grad(values(load(x), axis), x, g)


def call_of(op, dtype, rows, classes, option, onednn):
    """A function that computes the case once; None: not this one."""
    torch.manual_seed(1)
    if not onednn and op != "distill":
        return option_call(op, getattr(torch, dtype), rows, classes, option)
    x = torch.randn(rows, classes, dtype=getattr(torch, dtype)) * 2
    if onednn:
        if (op, dtype, option) != ("softmax", "float32", "plain"):
            return None
        x = x.to_mkldnn()
        return lambda: torch.softmax(x, -1)
    x.requires_grad_(True)
    teacher = torch.randn(rows, classes, dtype=x.dtype) * 2
    return lambda: torch.autograd.grad(
        F.kl_div(F.log_softmax(x, -1), F.log_softmax(teacher, -1),
                 reduction="batchmean", log_target=True), x)


def measure(call, ms, now):
    call()
    call()
    took, end = [], now() + ms * 1e6
    while len(took) < 3 or now() < end:
        start = now()
        call()
        took.append(now() - start)
    return sorted(took)[len(took) // 2]


def version_of(onednn):
    if not onednn:
        return torch.__version__
    found = re.search(r"MKL-DNN v([0-9.]+)", torch.__config__.show())
    return f"{found[1]} in PyTorch {torch.__version__}" if found else ""


def main():
    call, onednn = None, sys.argv[1:] == ["onednn"]
    clocks = {"run": time.perf_counter_ns, "cpu": time.process_time_ns}
    print(version_of(onednn), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] in clocks:
            print(measure(call, float(words[1]), clocks[words[0]]), flush=True)
            continue
        op, dtype, rows, classes, threads, option = (words[1:] + ["plain"])[:6]
        torch.set_num_threads(int(threads))
        call = call_of(op, dtype, int(rows), int(classes), option, onednn)
        print("ready" if call else "no", flush=True)


if __name__ == "__main__":
    main()
