#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The compute core beside oneDNN, PyTorch and the speed of memory.

usage: bench_kernels.py FOLDER [OP ...]    (FOLDER: where the peers are built)
       bench_kernels.py FOLDER options [WORD ...]    (see bench_options.py)

Every peer is a process of its own (see peer.h). For each case they take
turns, ROUNDS times, so that what else the machine does meets all alike; a
figure is the median over the rounds of the median ns an element. base and
pytorch-base are softmaxd and PyTorch held to the instructions that every
processor has. Prints a table and writes build/bench-kernels.json, and with all
operations tests/bench/kernels.svg.
"""
import json
import os
import signal
import statistics
import subprocess
import sys

import bench_options
import kernels_svg

SHAPES = [(1, 1000), (64, 1000), (65536, 10), (4096, 1000), (128, 8192),
          (32, 128256), (128, 128256), (1, 16777216)]
OPS = ["softmax", "loss", "gradient"]
# Forward KL from a teacher with its gradient; asked for by name.
DISTILL = "distill"
DISTILL_SHAPES = [(4096, 1000), (32, 128256)]
DTYPES = ["float32", "float64"]
THREADS = [1, 2]
COLUMNS = ["base", "onednn", "pytorch", "pytorch-base", "memcpy",
           "read-and-sum"]
ROUNDS, MILLISECONDS = 5, 12
HERE = os.path.dirname(os.path.abspath(__file__))


class Peer:
    def __init__(self, name, command, **environment):
        self.name, self.version = name, ""
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment})

    def ask(self, line):
        """Its answer. It stands still until it is asked again: idle threads
        of PyTorch and OpenMP spin, at the cost of whose turn it is."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def start_option_peers(folder):
    """softmaxd twice, and PyTorch where it is importable."""
    python = os.environ.get("BENCH_PYTHON", sys.executable)
    peers = [Peer(name, [f"{folder}/peer_softmaxd"])
             for name in ("softmaxd", "plain")]
    torch = Peer("pytorch", [python, f"{HERE}/peer_pytorch.py"])
    torch.version = torch.process.stdout.readline().strip()
    if torch.version:
        peers.append(torch)
    else:
        print("without pytorch: not importable (make bench-deps)")
    return peers


def start_peers(folder):
    """Those that are built or importable; says which are not."""
    python = os.environ.get("BENCH_PYTHON", sys.executable)
    commands = [
        ("softmaxd", [f"{folder}/peer_softmaxd"]),
        ("base", [f"{folder}/peer_softmaxd", "base"]),
        ("memcpy", [f"{folder}/peer_memory", "copy"]),
        ("read-and-sum", [f"{folder}/peer_memory", "sum"]),
    ]
    peers = []
    for name, command in commands:
        if os.path.exists(command[0]):
            peers.append(Peer(name, command))
        else:
            print(f"without {name}: not built")
    torch = [python, f"{HERE}/peer_pytorch.py"]
    # oneDNN's answer is a new tensor each time: let malloc keep the memory, or
    # the pages that it gives back would be what is measured.
    keep = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
    for peer in (Peer("onednn", torch + ["onednn"], **keep),
                 Peer("pytorch", torch),
                 Peer("pytorch-base", torch, ATEN_CPU_CAPABILITY="default")):
        peer.version = peer.process.stdout.readline().strip()
        if peer.version:
            peers.append(peer)
        else:
            print(f"without {peer.name}: not importable (make bench-deps)")
    return peers


def measure(peers, op, dtype, shape, threads):
    """{peer: ns an element} of those that know the case."""
    case = f"case {op} {dtype} {shape[0]} {shape[1]} {threads}"
    able = [p for p in peers
            if (p.name != "read-and-sum" or op == "loss")
            and (op != DISTILL or p.name not in ("onednn", "memcpy"))
            and p.ask(case) == "ready"]
    took = {p.name: [] for p in able}
    for _ in range(ROUNDS):
        for p in able:
            took[p.name].append(float(p.ask(f"run {MILLISECONDS}")))
    n = shape[0] * shape[1]
    return {name: statistics.median(t) / n for name, t in took.items()}


def rows_of(op, dtype, shape, threads, ns):
    mine = ns["softmaxd"]
    return [{"op": op, "dtype": dtype, "case": f"{shape[0]}x{shape[1]}",
             "threads": threads, "peer": peer,
             "softmaxd_ns": round(mine, 4), "peer_ns": round(theirs, 4),
             "ratio": round(theirs / mine, 3)}
            for peer, theirs in ns.items() if peer != "softmaxd"]


def show(op, dtype, shape, threads, ns):
    mine = ns["softmaxd"]
    cells = [f"{op:8} {dtype} {shape[0]:>6} x {shape[1]:<9} {threads}"
             f" {mine:9.3f}"]
    for peer in COLUMNS:
        cells.append(f"{ns[peer]:9.3f} {ns[peer] / mine:5.2f}x"
                     if peer in ns else f"{'-':>9} {'':6}")
    print(" ".join(cells), flush=True)


def machine(peers):
    """Processor and versions, for the reader of the figures."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file
                  if line.startswith("model name")] or ["unknown processor"]
    versions = [f"{p.name} {p.version}" for p in peers
                if p.version and p.name != "pytorch-base"]
    return ", ".join([f"{len(models)} cores of {models[0]}"] + versions)


def finish(peers, name, rows):
    for peer in peers:
        peer.close()
    os.makedirs("build", exist_ok=True)
    with open(f"build/{name}.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


def main():
    folder, ops = sys.argv[1], sys.argv[2:] or OPS
    if ops[0] == "options":
        peers = start_option_peers(folder)
        print(machine(peers))
        rows = bench_options.run(peers, ops[1:])
        finish(peers, "bench-options", rows)
        return
    peers = start_peers(folder)
    print(machine(peers))
    print("ns an element; beside each peer how many times softmaxd's time it "
          "takes\n" + f"{'':8} {'':7} {'rows x classes':>18} T  softmaxd "
          + " ".join(f"{p[:12]:>12}    " for p in COLUMNS))
    rows = []
    for op in ops:
        for dtype in DTYPES:
            for shape in DISTILL_SHAPES if op == DISTILL else SHAPES:
                for threads in THREADS:
                    ns = measure(peers, op, dtype, shape, threads)
                    show(op, dtype, shape, threads, ns)
                    rows += rows_of(op, dtype, shape, threads, ns)
    finish(peers, "bench-kernels", rows)
    if ops == OPS:
        with open(f"{HERE}/kernels.svg", "w", encoding="utf-8") as file:
            file.write(kernels_svg.draw(rows, machine(peers)))


if __name__ == "__main__":
    main()
