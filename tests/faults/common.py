# SPDX-License-Identifier: MIT
"""A daemon to be mistreated, and clients that measure what it does."""
import json
import os
import re
import resource
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "http"))
import daemon  # noqa: E402
from daemon import PROGRAM, Tests, until  # noqa: E402,F401

SMALL = (b"POST /softmax HTTP/1.1\r\nHost: x\r\n"
         b"Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
         b'{"logits":[1,2,3]}')
RIGHT = b'{"probabilities":[0.09003057,0.24472848,0.66524094]}\n'
REPORT = re.compile(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|"
                    r"runtime error:")
SANITIZED = daemon.is_sanitized()


class Daemon(daemon.Daemon):
    """One that may be left in any state: its exit status is not looked at, its
    log is searched for what sanitizers say. files: the most it may open."""

    def __init__(self, *options, port=0, files=None, environment=None):
        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        super().__init__(*options, port=port, preexec_fn=limit,
                         env={**os.environ, **(environment or {})})

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def alive(self):
        return self.process.poll() is None

    def clean(self):
        """No sanitizer had anything to say."""
        return not REPORT.search(self.text())

    def complaint(self):
        """What a sanitizer said, or the end of the log."""
        text = self.text()
        found = REPORT.search(text)
        return text[found.start() - 50:][:4000] if found else text[-1000:]

    def resident(self):
        """Bytes."""
        path = f"/proc/{self.process.pid}/status"
        with open(path, encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def metric(self, name):
        with self.connect() as client:
            # 1.0 has no chunks, whose sizes would stand between the lines
            client.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n"
                           b"Connection: close\r\n\r\n")
            text = read_to_end(client).decode()
        return float(re.search(rf"^softmaxd_{name} (\S+)", text, re.M)[1])


def stall(daemons, seconds):
    """None of them runs for a while, as on a machine that is busy."""
    for one in daemons:
        one.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for one in daemons:
        one.process.send_signal(signal.SIGCONT)


def read_to_end(client):
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_answer(client, rest=b"", heads=None):
    """(status, body) of one answer; None where the connection ended first."""
    while b"\r\n\r\n" not in rest:
        part = client.recv(1 << 16)
        if not part:
            return None
        rest += part
    head, body = rest.split(b"\r\n\r\n", 1)
    if heads is not None:
        heads.append(head)
    status = int(head.split(None, 2)[1])
    found = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
    if found:
        while len(body) < int(found[1]):
            part = client.recv(1 << 16)
            if not part:
                return None
            body += part
        return status, body
    while not body.endswith(b"0\r\n\r\n"):  # chunked
        part = client.recv(1 << 18)
        if not part:
            return None
        body = body[-8:] + part
    return status, body


def ask(client, request=SMALL):
    client.sendall(request)
    return read_answer(client)


def post(path, body, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: x",
             "Content-Type: application/json",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def million(classes=8192, rows=128):
    """A request of rows x classes logits as JSON."""
    row = "[" + ",".join(f"{(i * 7919 % 1999) / 250 - 4:.6f}"
                         for i in range(classes)) + "]"
    body = '{"logits":[' + ",".join([row] * rows) + "]}"
    return post("/softmax", body.encode())


def latencies(daemon, seconds, gap=0.001):
    """Milliseconds of small requests one after the other, sorted."""
    taken = []
    end = time.monotonic() + seconds
    with daemon.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (began := time.monotonic()) < end:
            answer = ask(client)
            taken.append((time.monotonic() - began) * 1000)
            if answer != (200, RIGHT):
                raise RuntimeError(f"wrong answer: {answer}")
            time.sleep(gap)
    return sorted(taken)


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def note(text, **values):
    print(f"{text}: {json.dumps(values)}", flush=True)
