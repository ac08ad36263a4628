# SPDX-License-Identifier: MIT
"""What one more wish costs: each option at each shape beside the plain call of
its kind and beside PyTorch at the same work, in the time of one thread.

A part of bench_kernels.py, which has the peers. The peer "plain" is softmaxd
again; it computes the plain call in turns with the option.
"""
LOADS = ["temperature", "softcap", "mask", "mask-class", "axis"]
ROWS = ["argmax", "logsumexp", "entropy"]
LOSS = LOADS + ROWS + ["accuracy", "weights", "row-weights", "smoothing",
                       "z-loss", "targets", "entropy-weight", "focal"]
OPTIONS = {"softmax": LOADS + ROWS + ["log", "top-k"], "loss": LOSS,
           "gradient": LOSS, "product": LOADS + ["log"]}
DTYPES = ["float32", "float64"]
SHAPES = ["65536x10", "4096x1000", "32x128256"]
# Times the plain call that an option may take; 2 where it is not named. A
# softcap is a tanh a logit, targets are a second tensor to read.
BARS = {"softcap": 4, "top-k": 4, "axis": 4, "targets": 3}
ROUNDS, MILLISECONDS = 3, 12


def measure(peers, case, option):
    """{peer: ns a call}, the least of the rounds: all take turns."""
    words = {"plain": case}
    able = [p for p in peers if
            p.ask(words.get(p.name, f"{case} {option}")) == "ready"]
    took = {p.name: [] for p in able}
    for _ in range(ROUNDS):
        for p in able:
            took[p.name].append(float(p.ask(f"cpu {MILLISECONDS}")))
    return {name: min(t) for name, t in took.items()}


def row_of(op, dtype, shape, option, ns):
    mine, rows, classes = ns["softmaxd"], *map(int, shape.split("x"))
    n = rows * classes
    return {"op": op, "dtype": dtype, "case": shape, "option": option,
            "softmaxd_ns": round(mine / n, 4), "plain": round(mine / ns["plain"], 3),
            **({"peer": "pytorch", "peer_ns": round(ns["pytorch"] / n, 4),
                "ratio": round(ns["pytorch"] / mine, 3)}
               if "pytorch" in ns else {})}


def show(row):
    beyond = row["plain"] > BARS.get(row["option"], 2)
    slow = row.get("ratio", 2) < 2
    print(f"{row['op']:8} {row['dtype']} {row['case']:>10} {row['option']:15}"
          f"{row['softmaxd_ns']:9.3f} {row['plain']:6.2f}x"
          f"{'!' if beyond else ' '} {row.get('peer_ns', 0):9.3f} "
          f"{row.get('ratio', 0):6.2f}x{'!' if slow else ''}", flush=True)


def summary(rows):
    for op in OPTIONS:
        mine = [row for row in rows if row["op"] == op]
        for key, what in (("plain", "times the plain call"),
                          ("ratio", "times as fast as PyTorch")):
            numbers = [row[key] for row in mine if key in row]
            if numbers:
                print(f"{op}: {min(numbers):.2f} to {max(numbers):.2f} {what}")


def run(peers, words):
    """All cases, or those of which words has the operation, the type, the
    shape and the option; rows for a table."""
    def chosen(values, kind=None):
        named = set(words) & set(kind or values)
        return [v for v in values if not named or v in named]

    print("ns an element, one thread; how many times the plain call that is; "
          "PyTorch's, and how many times ours\n! beyond twice the plain call "
          f"(but {', '.join(f'{o} {b}' for o, b in BARS.items())}), less than "
          "twice as fast as PyTorch")
    rows = []
    for op in chosen(list(OPTIONS)):
        for dtype in chosen(DTYPES):
            for shape in chosen(SHAPES):
                case = f"case {op} {dtype} {shape.replace('x', ' ')} 1"
                for option in chosen(OPTIONS[op], LOSS + OPTIONS["softmax"]):
                    ns = measure(peers, case, option)
                    rows.append(row_of(op, dtype, shape, option, ns))
                    show(rows[-1])
    summary(rows)
    return rows
