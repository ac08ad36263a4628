#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put what the benches measured into README.md's tables.

usage: figures.py BUILD_FOLDER README.md

A table stands between `<!-- NAME -->` and `<!-- end -->`; NAME is that of the
file, BUILD_FOLDER/NAME.json. Without the file its table stays as it is.
"""
import json
import re
import sys

NAMES = {"simdjson": "simdjson", "strtof": "strtof", "jansson": "Jansson",
         "to_chars": "std::to_chars", "fmt": "fmt", "printf": "printf",
         "onednn": "oneDNN", "pytorch": "PyTorch", "memcpy": "memcpy"}


def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def against(ns, ratio):
    """A peer's time and how many times ours it is."""
    return f"{ns:.3g} ({ratio:.2g}×)"


def spread(rows, key, ours, digits):
    """One line a key, one column a peer, ours first."""
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    lines = []
    for name in dict.fromkeys(map(key, rows)):
        mine = [row for row in rows if key(row) == name]
        cells = {row["peer"]: against(row["peer_ns"], row["ratio"])
                 for row in mine}
        lines.append([name, f"**{mine[0]['softmaxd_ns']:.{digits}f}**"] +
                     [cells.get(peer, "–") for peer in peers])
    return table([ours, "softmaxd"] + [NAMES.get(p, p) for p in peers], lines)


def bench_json(rows):
    texts = {"short": "shortest float32 text", "long": "17-digit text",
             "float32": "float32", "float64": "float64"}
    parts = [spread([row for row in rows if row["op"] == op],
                    lambda row: texts.get(row["case"], row["case"]), title, 1)
             for op, title in (("read", "reading, ns a number"),
                               ("write", "writing, ns a number"))]
    return "\n".join(parts)


def bench_kernels(rows):
    rows = [row for row in rows if row["dtype"] == "float32"]
    return spread(rows, lambda row: f"{row['op']} {row['case']}, "
                  f"{row['threads']} thread{'s' * (row['threads'] > 1)}",
                  "float32, ns an element", 3)


WRITERS = {"bench-json": bench_json, "bench-kernels": bench_kernels}


def main(folder, readme):
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    for name, write in WRITERS.items():
        try:
            with open(f"{folder}/{name}.json", encoding="utf-8") as file:
                rows = json.load(file)
        except FileNotFoundError:
            print(f"{name}.json is not there, its table stays")
            continue
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                      lambda m: m[1] + "\n" + write(rows) + "\n" + m[2],
                      text, flags=re.S)
    with open(readme, "w", encoding="utf-8") as file:
        file.write(text)


main(*sys.argv[1:])
