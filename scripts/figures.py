#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put what the benches measured into the tables of README.md and docs/.

usage: figures.py BUILD_FOLDER FILE...

A table stands between `<!-- NAME -->` and `<!-- end -->`; NAME is that of the
table, see WRITERS for its file in BUILD_FOLDER. Without the file it stays.
"""
import json
import re
import sys

TEXT_MB = 9.96    # of bench_http.py's 1,048,576 logits
NAMES = {"simdjson": "simdjson", "strtof": "strtof", "jansson": "Jansson",
         "to_chars": "std::to_chars", "fmt": "fmt", "printf": "printf",
         "zmij": "zmij", "ryu": "ryu", "sonic-rs": "sonic-rs",
         "fast-float2": "fast-float2", "onednn": "oneDNN", "pytorch": "PyTorch", "memcpy": "memcpy"}


def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def edition(row):
    """A peer's name, version and year."""
    name = f"{NAMES[row['peer']]} {row['version']}".rstrip()
    return f"{name} ({row['year']}):" if row["year"] else f"{name}:"


def bench_json(rows):
    """One line a case; peers that do the same job share a column."""
    cases = {"short": "read shortest float32 text", "long": "read 17 digits",
             "float32": "write float32", "float64": "write float64"}
    columns = [("simdjson", "zmij"), ("fast-float2", "ryu"),
               ("sonic-rs", "to_chars"), ("jansson",)]
    lines = []
    for case, title in cases.items():
        mine = [row for row in rows if row["case"] == case]
        cells = [next((f"{edition(row)} {row['peer_ns']:.3g} "
                       f"({row['ratio']:.2g}×)" for row in mine
                       if row["peer"] in column), "–") for column in columns]
        lines.append([title, f"**{mine[0]['softmaxd_ns']:.1f}**"] + cells)
    return table(["`make bench-json`, ns a number", "softmaxd"] +
                 [""] * len(columns), lines)


def times(rows):
    """The least and the most of a ratio."""
    ratios = [amount(pick(row["ratio"] for row in rows))
              for pick in (min, max) if rows]
    return f"{' – '.join(ratios)}×" if ratios else "–"


def bench_kernels(rows):
    """How far ahead, over the shapes that the plot shows one by one, and in
    brackets over those and the options of bench_options.py."""
    columns = [("onednn", "float32"), ("pytorch", "float32"),
               ("pytorch", "float64"), ("memcpy", "float32")]
    titles = {"softmax": "softmax", "loss": "loss",
              "gradient": "loss and gradient"}

    def cell(op, column, option):
        return times([row for row in rows if row["op"] == op and
                      (row.get("peer"), row["dtype"]) == column and
                      ("option" in row) == option])

    lines = []
    for op, title in titles.items():
        plain = [{"ratio": row["plain"]} for row in rows
                 if row["op"] == op and "option" in row]
        lines.append([f"{title} ({times(plain)} the plain call)"] + [
            cell(op, column, False) + (f" ({cell(op, column, True)})"
                                       if column[0] == "pytorch" else "")
            for column in columns])
    return table(["`make bench-kernels`, peer's time ÷ ours (with one option)"] +
                 [f"{NAMES[peer]}, {dtype}" for peer, dtype in columns], lines)


def amount(value):
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", "\u2009")


def bench_http(rows):
    peers = list(dict.fromkeys(row["peer"] for row in rows))[:3]
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        if case.startswith("/softmax "):
            continue  # a form of the table in the guide
        mine = [row for row in rows if row["case"] == case]
        values = {row["peer"]: amount(row["peer_value"]) for row in mine}
        if peers[0] in values or peers[-1] in values:
            lines.append([f"{case}, {mine[0]['unit']}",
                          f"**{amount(mine[0]['softmaxd'])}**"] +
                         [values.get(peer, "–") for peer in peers])
    return table(["`make bench-http`", "softmaxd"] + peers, lines)


def sizing(rows):
    """What one busy core does, from the time it takes for a request."""
    own = {row["case"]: row["softmaxd"] for row in rows}
    small = own["10 logits, the server's CPU time"]
    large = own["1,048,576 logits, the server's CPU time"]
    lines = [["small requests as JSON", f"{amount(1e6 / small)} requests/s"],
             ["large requests as JSON", f"{amount(1.048576e3 / large)} million "
              f"logits/s, {amount(TEXT_MB * 1e3 / large)} MB/s of text in"],
             ["memory, idle",
              f"{amount(own['resident memory, idle'])} MiB"],
             ["memory, for each logit in flight", "4 bytes (float64: 8), at "
              "most 6; the text is never stored whole, of a large request "
              "1 MiB of it, of a large answer 2 MiB"]]
    return table(["a core, `make bench-http`", ""], lines)


def forms(rows):
    """Which form to send: what it costs, what it needs, when to choose it."""
    own = {row["case"]: row["softmaxd"] for row in rows}
    own["numbers"] = next(row["peer_value"] for row in rows
                          if row["peer"] == "softmaxd, /softmax")
    lines = [
        ["JSON numbers", "10 to 20", "numbers", "nothing",
         "for small requests, and to read what goes over the wire"],
        ["base64 in JSON", "5.3 (float16: 2.7)",
         "/softmax base64, 1,048,576 logits",
         "a base64 function and the bytes of an array",
         "from any language, for thousands of logits and more"],
        ["`/softmax`, `.npy`", "4 (float16: 2)",
         "/softmax .npy, 4 MiB each way", "NumPy, or a header of 128 bytes",
         "from Python, for one tensor of logits"],
        ["`/v2`, binary", "4 (FP16: 2)", "/v2 binary, 4 MiB each way",
         "a client of Triton or KServe, or to count bytes",
         "where such a client is there already"],
        ["`/v2`, shared memory", "0", "/v2 shared memory, 4 MiB each way",
         "a shared `/dev/shm`, the same user, `--shared-memory`",
         "on one machine, for millions of logits"]]
    echo = next(row["peer_value"] for row in rows if row["peer"] == "bare echo")
    for line in lines:
        line[2] = amount(own[line[2]])
    return table(["form", "bytes a logit",
                  "ms, 1,048,576 float32 in and out (`make bench-binary`, the "
                  f"least; a bare echo of 4 MiB: {amount(echo)})", "what a client needs", "choose it"],
                 lines)


# A table's name: what writes it, and the files that it is made of.
WRITERS = {"bench-json": (bench_json, "bench-json"),
           "bench-kernels": (bench_kernels, "bench-kernels", "bench-options"),
           "bench-http": (bench_http, "bench-http"),
           "sizing": (sizing, "bench-http"), "forms": (forms, "bench-binary")}


def write_tables(folder, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, (write, *sources) in WRITERS.items():
        if f"<!-- {name} -->" not in text:
            continue
        rows = []
        try:
            for source in sources:
                with open(f"{folder}/{source}.json", encoding="utf-8") as file:
                    rows += json.load(file)
        except FileNotFoundError:
            print(f"{source}.json is not there, table {name} stays")
            continue
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                      lambda m: m[1] + write(rows) + m[2],
                      text, flags=re.S)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


for page in sys.argv[2:]:
    write_tables(sys.argv[1], page)
