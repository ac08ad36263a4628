#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw what bench_kernels.py measured: one dot a peer, one line a shape."""
import math

# peer: (label, colour, radius); drawn in this order, so softmaxd on top
PEERS = {
    "memcpy": ("memcpy", "#9aa4ad", 3.5),
    "read-and-sum": ("read and sum", "#9aa4ad", 3.5),
    "pytorch": ("PyTorch", "#e0662f", 5),
    "onednn": ("oneDNN", "#2f74c0", 5),
    "softmaxd": ("softmaxd", "#1a9850", 6),
}
TITLES = {"softmax": "softmax", "loss": "cross-entropy loss",
          "gradient": "cross-entropy loss and gradient"}
LEFT, RIGHT, PANEL, GAP, LINE, TOP = 118, 52, 390, 24, 24, 92
LOW, HIGH = 0.02, 100.0   # ns an element


def x_of(left, ns):
    span = math.log(HIGH / LOW)
    ns = min(max(ns, LOW), HIGH)
    return left + math.log(ns / LOW) / span * (PANEL - RIGHT)


def text(x, y, words, size=12, anchor="start", colour="#24292f", weight=400):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{words}</text>')


def line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


def dot(x, y, r, colour):
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}" '
            f'stroke="#fff" stroke-width="1.2"/>')


def number(n):
    return f"{n:,}".replace(",", "\u2009")


def shape_name(case):
    return " \u00d7 ".join(number(int(n)) for n in case.split("x"))


def cases_of(rows, op, threads):
    """{case: {peer: ns}} in the order of the file, float32."""
    cases = {}
    for r in rows:
        if (r["op"], r["threads"], r["dtype"]) == (op, threads, "float32"):
            ns = cases.setdefault(r["case"], {"softmaxd": r["softmaxd_ns"]})
            ns[r["peer"]] = r["peer_ns"]
    return cases


def axis(left, y1, y2):
    out = []
    for ns in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        x = x_of(left, ns)
        colour = "#d0d7de" if ns in (0.1, 1, 10) else "#eef1f4"
        out.append(line(x, y1, x, y2, colour))
        out.append(text(x, y2 + 15, f"{ns:g}", 10, "middle", "#57606a"))
    return out


def best_ratio(ns):
    """How many times faster than the fastest library."""
    others = [ns[p] for p in ("onednn", "pytorch") if p in ns]
    return f"{min(others) / ns['softmaxd']:.1f}\u00d7" if others else ""


def panel(rows, op, threads, left, top, names):
    cases = cases_of(rows, op, threads)
    bottom = top + LINE * len(cases)
    out = axis(left, top - 4, bottom - 4)
    for i, (case, ns) in enumerate(cases.items()):
        y = top + LINE * i + LINE / 2 - 4
        if names:
            out.append(text(left - 12, y + 4, shape_name(case), 12, "end"))
        shown = {p: ns[p] for p in PEERS if p in ns and not (
            p == "memcpy" and "read-and-sum" in ns)}
        xs = [x_of(left, v) for v in shown.values()]
        out.append(line(min(xs), y, max(xs), y, "#c3cbd3", 2))
        out += [dot(x_of(left, v), y, PEERS[p][2], PEERS[p][1])
                for p, v in shown.items()]
        out.append(text(left + PANEL - 8, y + 4, best_ratio(ns), 12, "end",
                        PEERS["softmaxd"][1], 600))
    return out, bottom


def legend(x, y, names):
    out = []
    for name in names:
        label, colour, r = PEERS[name]
        out += [dot(x, y - 4, r, colour), text(x + 11, y, label, 12)]
        x += 32 + 7 * len(label)
    return out


def draw(rows, machine):
    width = LEFT + 2 * PANEL + GAP + 16
    body = [text(20, 32, "Nanoseconds an element, float32", 18, weight=600),
            text(20, 52, "logarithmic, left is faster; in green how many "
                 "times faster than the faster library", 12,
                 colour="#57606a")]
    body += legend(width - 390, 32, ["softmaxd", "onednn", "pytorch",
                                     "memcpy"])
    top = TOP
    for op, title in TITLES.items():
        if not cases_of(rows, op, 1):
            continue
        note = ("; grey: read and add" if op == "loss" else "")
        for i, threads in enumerate((1, 2)):
            left = LEFT + i * (PANEL + GAP)
            s = "" if threads == 1 else "s"
            body.append(text(left, top - 12,
                             f"{title}, {threads} thread{s}{note}", 13,
                             weight=600))
            shapes, bottom = panel(rows, op, threads, left, top, i == 0)
            body += shapes
        top = bottom + 56
    height = top - 4
    body.append(text(20, height - 14, machine, 11, colour="#57606a"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" '
            'font-family="-apple-system, Segoe UI, Helvetica, Arial, '
            'sans-serif">\n<!-- SPDX-License-Identifier: MIT -->\n'
            f'<rect width="{width}" height="{height:.0f}" rx="8" '
            'fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")

