#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A request of N float32 logits holds at most 1.5 x 4 N bytes + 4 MB more than
an idle daemon at its peak, whatever the text of the logits looks like, and
whatever is computed from them; 8 N while nobody can know that they are not
float64, for their dtype may come after them.

usage: check_memory.py [N ...]     (default: 1, 4 and 16 times 2^20)
"""
import os
import random
import re
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "http"))
from daemon import Daemon, Tests, is_sanitized  # noqa: E402

CLASSES = 4096
BOUND_A_LOGIT, BOUND_UNDECIDED, BOUND_MORE = 1.5 * 4, 8, 4 << 20
DTYPE = b'"dtype":"float32",'
SANITIZED = is_sanitized()


def row(style):
    """The text of one row of logits."""
    draw = random.Random(1)
    logits = [draw.gauss(0, 4) for _ in range(CLASSES)]
    texts = {"short": [f"{x:.7g}" for x in logits],
             "17 digits": [f"{x:.17g}" for x in logits],
             "spaces": [f"{x:.7g}".center(60) for x in logits],
             "800 digits": [f"{x:.800f}" for x in logits]}
    return ("[" + ",".join(texts[style]) + "]").encode()


def pieces(style, count, head):
    """The body, which is never whole in this process either."""
    yield b"{" + head + b'"logits":['
    text = row(style)
    for i in range(count // CLASSES):
        yield b"," * (i > 0) + text
    yield b"]}"


def labelled(outer, inner, options):
    """outer x inner logits, whose labels are all 1."""
    yield b"{" + DTYPE + b'"logits":['
    text = b"[" + b",".join([b"0.5", b"-1.25"] * (inner // 2)) + b"]"
    for i in range(outer):
        yield b"," * (i > 0) + text
    rows = inner if b'"axis":0' in options else outer
    yield b"]," + options + b',"labels":[' + b",".join([b"1"] * rows) + b"]}"


def products(rows, classes):
    """rows x classes logits and as large an upstream gradient."""
    text = b"[" + b",".join([b"0.5", b"-1.25"] * (classes // 2)) + b"]"
    yield b"{" + DTYPE + b'"of":"softmax"'
    for member in (b"logits", b"upstream"):
        yield b',"' + member + b'":['
        for i in range(rows):
            yield b"," * (i > 0) + text
        yield b"]"
    yield b"}"


def exchange(port, path, body):
    """Bytes of the answer to a chunked request, read as it is sent."""
    client = socket.create_connection(("127.0.0.1", port), 60)

    def send():
        client.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n"
                       b"Content-Type: application/json\r\n"
                       b"Connection: close\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in body:
            client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.sendall(b"0\r\n\r\n")

    with client:
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        buffer = bytearray(1 << 18)
        got, first = 0, b""
        while read := client.recv_into(buffer):
            first = first or bytes(buffer[:12])
            got += read
        sender.join(60)
    return got if first == b"HTTP/1.1 200" else 0


def status_bytes(daemon, name):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return int(re.search(rf"{name}:\s+(\d+)", file.read())[1]) * 1024


def forget_peak(daemon):
    with open(f"/proc/{daemon.process.pid}/clear_refs", "w",
              encoding="ascii") as file:
        file.write("5")


def check(tests, name, count, path, body, answer, bound=BOUND_A_LOGIT):
    """answer: bytes that it has at least; bound: bytes a logit."""
    name = f"memory of {count} logits, {name}"
    with tests.part(name), \
            Daemon("--max-body", "4294967296", "--log-level", "error") as daemon:
        daemon.ask("POST", "/softmax", b'{"logits":[1,2,3]}',
                   {"Content-Type": "application/json"})
        forget_peak(daemon)
        idle = status_bytes(daemon, "VmRSS")
        answered = exchange(daemon.port, path, body)
        more = status_bytes(daemon, "VmHWM") - idle
        bound = count * bound + BOUND_MORE
        print(f"{more} bytes above idle, {100 * more / bound:.0f} % of the "
              "bound")
        tests.check(name, answered >= answer and 0 < more <= bound,
                    f"{answered} bytes of answer, {more} > {bound:.0f}")


def check_text(tests, count, style, head):
    name = style + ", dtype first" * bool(head)
    check(tests, name, count, b"/softmax", pieces(style, count, head),
          count + 1, BOUND_A_LOGIT if head else BOUND_UNDECIDED)


def check_room(tests):
    """Many rows of few classes and a class axis that is not the last need the
    most room beside the logits."""
    rows, classes = 1 << 18, 16
    for path, answer in ((b"/loss", 20), (b"/gradient", rows * classes)):
        for options in (b'"axis":-1,"label_smoothing":0.1', b'"axis":0'):
            first = options == b'"axis":0'
            body = labelled(*((classes, rows) if first else (rows, classes)),
                            options)
            check(tests, f"{path.decode()} {options.decode()}",
                  rows * classes, path, body, answer)
    check(tests, "a product with the Jacobian", 2 * rows * classes,
          b"/gradient", products(rows, classes), rows * classes)


def main():
    tests = Tests()
    if SANITIZED or not os.access("/proc/self/clear_refs", os.W_OK):
        print("[  SKIPPED ] memory: the sanitizer's own, or no /proc")
        return 0
    counts = [int(n) for n in sys.argv[1:]] or [1 << 20, 1 << 22, 1 << 24]
    for count in counts:
        for style in ("short", "17 digits", "spaces"):
            check_text(tests, count, style, b"")
            check_text(tests, count, style, DTYPE)
    check_text(tests, counts[0], "800 digits", b"")
    check_room(tests)
    return int(tests.failed != 0)


sys.exit(main())
