#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Heads of requests that nobody should send, over plain TCP, TLS and to a
daemon with tokens: request lines, arguments, fields, cookies, framing and chunk
framing, with sizes around every limit.

usage: heads.py [SEED [CASE]]; a case is run alone that way.

After each batch the daemon is alive, answers a good request, and neither a
request nor a byte is still taken. No connection outlives its timeouts. A head
that is broken never leads to an answer of success: neither itself nor what it
carries.
"""
import os
import random
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from common import RIGHT, SMALL, Daemon, Tests, note, read_answer, read_to_end
from daemon import certificate, trusting

SECONDS = 60 * float(os.environ.get("HEADS_MINUTES", "0")) or 4
TIMEOUT = 1  # of a request and of an idle connection, seconds
SLACK = 8  # a sanitizer on a shared machine is slow
BATCH, CLIENTS = 96, 32
TOKEN = "heads-token-heads-token"
OPTIONS = ("--request-timeout", str(TIMEOUT), "--idle-timeout", str(TIMEOUT),
           "--log-level", "warn", "--max-body", "100K", "--io-threads", "2")
NEAR = (0, 1, 2, 60, 100, 101, 255, 256, 400, 448, 512, 1024, 2048, 4096, 8192,
        12288, 16384, 24576, 30000, 32000, 32768, 40000, 65536)
GOOD = b'{"logits":[1,2,3]}'
CANARY = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


class Head:
    """One request, from parts that the twists below spoil. `broken` once no
    server may take it for a request."""

    def __init__(self, rng):
        self.rng = rng
        self.broken = False
        self.method = rng.choice((b"POST", b"POST", b"GET", b"HEAD",
                                  b"OPTIONS", b"PUT"))
        self.target = rng.choice((b"/softmax", b"/healthz", b"/metrics", b"/",
                                  b"/v2/models/softmax/infer", b"/nowhere"))
        self.version = b"HTTP/1.1"
        self.lines = [b"Host: x", b"Content-Type: application/json"]
        if rng.random() < 0.5:
            self.lines.append(b"Authorization: Bearer " + TOKEN.encode())
        if rng.random() < 0.2:
            self.lines.append(b"Expect: 100-continue")
        self.body = b""
        if self.method in (b"POST", b"PUT"):
            self.body = GOOD if rng.random() < 0.8 else b" " * self.size()
            if rng.random() < 0.6:
                self.lines.append(b"Content-Length: %d" % len(self.body))
            else:
                self.lines.append(b"Transfer-Encoding: chunked")
                self.body = self.chunks(self.body)

    def size(self):
        return max(0, self.rng.choice(NEAR) + self.rng.randint(-3, 3))

    def chunks(self, body):
        parts = []
        while body:
            n = self.rng.randint(1, len(body))
            extension = b""
            if self.rng.random() < 0.1:
                extension = b";" + b"e" * self.size()
            parts.append(b"%x%s\r\n%s\r\n" % (n, extension, body[:n]))
            body = body[n:]
        return b"".join(parts) + b"0\r\n\r\n"

    def insert(self, line):
        self.lines.insert(self.rng.randint(0, len(self.lines)), line)

    def text(self):
        return b"\r\n".join([b" ".join((self.method, self.target,
                                        self.version)), *self.lines,
                             b"", b""]) + self.body


# ---- twists: what is odd, but may be a request

def long_path(head):
    head.target += b"/" + b"p" * head.size()


def arguments(head):
    form = head.rng.choice((b"&", b"a&", b"a=&", b"=&", b"a=1&", b"%26&",
                            b"a%00=b&", b"+&", b"&&?"))
    head.target += b"?" + form * head.rng.choice(
        (1, 5, 50, 99, 100, 101, 250, 400, 463, 489, 504, 600, 2000, 8000))


def fields(head):
    form = head.rng.choice((b"a: b", b"X-%d: y", b"A:", b"Accept: */*"))
    count = head.rng.choice((1, 20, 100, 200, 380, 400, 430, 450, 500, 3000))
    head.lines += [form.replace(b"%d", b"%d" % i) for i in range(count)]


def long_field(head):
    head.insert(b"X: " + b"v" * head.size())


def long_name(head):
    head.insert(b"n" * head.size() + b"n: v")


def cookies(head):
    form = head.rng.choice((b"c%d=%d; ", b"c=1;", b";", b"=;", b'a="b";', b"a,"))
    count = head.rng.choice((1, 50, 100, 200, 300, 390, 400, 500, 600, 3000))
    head.insert(b"Cookie: " + b"".join(form.replace(b"%d", b"%d" % i)
                                       for i in range(count)))


def long_cookie(head):
    head.insert(b"Cookie: a=" + b"c" * head.size())


def known_fields(head):
    name = head.rng.choice((b"Accept", b"Accept-Encoding", b"Authorization",
                            b"Content-Encoding", b"X-Request-Id", b"Expect",
                            b"traceparent", b"Connection", b"Upgrade",
                            b"Inference-Header-Content-Length"))
    value = head.rng.choice((b"", b"gzip", b"*;q=0", b"close", b"-1", b",",
                             b"\xff" * 40, b"9" * 40, b"q" * 300))
    head.insert(name + b": " + value)


def empty_lines(head):
    head.method = b"\r\n" * head.rng.choice((1, 2, 100)) + head.method


def pipelined(head):
    head.body += SMALL * head.rng.choice((1, 3, 100))


def old_version(head):
    head.version = head.rng.choice((b"HTTP/1.0", b"HTTP/1.2"))
    head.lines = [line for line in head.lines if b"chunked" not in line]


# ---- twists: what no server may take for a request

def breaks(twist):
    def broken(head):
        twist(head)
        head.broken = True
    broken.__name__ = twist.__name__
    return broken


@breaks
def empty_name(head):
    head.insert(head.rng.choice((b":", b": x", b" : x")))
    head.body += CANARY


@breaks
def folded(head):
    head.lines.insert(head.rng.randint(1, len(head.lines)),
                      head.rng.choice((b" ength: 5", b"\tfolded", b" ")))


@breaks
def blank_before_colon(head):
    head.insert(head.rng.choice((b"Content-Length : 33", b"X\t: y", b"a b: c",
                                 b"Transfer-Encoding : chunked")))
    head.body = CANARY


@breaks
def control(head):
    head.insert(b"X: a" + head.rng.choice((b"\0", b"\r", b"\x01", b"\x7f")) +
                b"b")


@breaks
def bare_end(head):
    head.insert(b"X: a\nY: b")


@breaks
def hosts(head):
    head.version = b"HTTP/1.1"  # the older one needs none
    if head.rng.random() < 0.5:
        head.insert(b"Host: y")
    else:
        head.lines = [line for line in head.lines if b"Host" not in line]


@breaks
def two_framings(head):
    head.lines = [line for line in head.lines if b"chunked" not in line and
                  b"Content-Length" not in line]
    head.lines += head.rng.choice((
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked"] * 2,
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: identity"],
        [b"Content-Length: 5, 5"], [b"Content-Length: 0x5"],
        [b"Content-Length: -5"], [b"Content-Length: " + b"9" * 30]))
    head.body = b"5\r\n[1,2]\r\n0\r\n\r\n" + CANARY


@breaks
def bad_chunk(head):
    head.method, head.target = b"POST", b"/softmax"
    head.lines = [line for line in head.lines if b"Content-Length" not in line
                  and b"chunked" not in line] + [b"Transfer-Encoding: chunked"]
    head.body = head.rng.choice((b"zz", b"-5", b" 5", b"+5", b"0x5", b"5 5",
                                 b"f" * 17, b"\0", b";5", b"5\r")) + \
        b"\r\n[1,2]\r\n0\r\n\r\n" + CANARY


@breaks
def bad_line(head):
    head.method, head.target, head.version = head.rng.choice((
        (b"GET", b"/healthz", b"HTTP/2.0"), (b"GET", b"/healthz", b"HTTP/1.1x"),
        (b"GET", b"/healthz", b""), (b"G\0T", b"/healthz", b"HTTP/"),
        (b"PRI", b"*", b"HTTP/2.0"), (b"\x16\x03\x01\x02", b"\0", b"\xfc"),
        (b"", b"/healthz", b"http/1.1")))


TWISTS = (long_path, arguments, fields, long_field, long_name, cookies,
          long_cookie, known_fields, empty_lines, pipelined, old_version)
BREAKS = (empty_name, folded, blank_before_colon, control, bare_end, hosts,
          two_framings, bad_chunk, bad_line)


def make_case(seed, case):
    """(bytes, is it broken, how it is sent, names of its twists)."""
    rng = random.Random(f"{seed}:{case}")
    head = Head(rng)
    twists = rng.sample(TWISTS, rng.choice((0, 1, 1, 1, 2, 3)))
    if rng.random() < 0.5:
        twists.append(rng.choice(BREAKS))
    for twist in twists:
        twist(head)
    text = head.text()
    if rng.random() < 0.1:
        text = text[:rng.randint(0, len(text))]
        head.broken = False  # nobody knows what is left
    for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 1, 5))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + bytes([rng.randrange(256)]) + text[at + 1:]
        head.broken = False
    cuts = sorted(rng.randrange(len(text) + 1)
                  for _ in range(rng.choice((0, 0, 1, 3, 20))))
    ending = rng.choice(("half", "half", "half", "wait", "leave"))
    return text, head.broken, (cuts, ending), [t.__name__ for t in twists]


class Target:
    """A daemon and how to reach it."""

    def __init__(self, name, *options, tls=None):
        self.name, self.tls = name, tls
        self.daemon = Daemon(*OPTIONS, *options)

    def connect(self):
        client = self.daemon.connect(TIMEOUT + SLACK)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(client) if self.tls else client

    def ask(self, request, read):
        """read() of the answer, on a connection of its own. Once more where a
        busy machine took longer for all of it than the daemon waits."""
        for attempt in range(5):
            began, got = time.monotonic(), None
            try:
                with self.connect() as client:
                    client.sendall(request)
                    got = read(client)
            except OSError:
                if time.monotonic() - began < TIMEOUT or attempt == 4:
                    raise
            if time.monotonic() - began < TIMEOUT:
                break
        return got

    def metric(self, name):
        # 1.0 has no chunks, whose sizes would stand between the lines
        text = self.ask(b"GET /metrics HTTP/1.0\r\nHost: x\r\n"
                        b"Authorization: Bearer " + TOKEN.encode() +
                        b"\r\nConnection: close\r\n\r\n", read_to_end)
        for line in text.decode().splitlines():
            if line.startswith(f"softmaxd_{name} "):
                return float(line.split()[1])
        raise RuntimeError(f"no metric {name}")

    def send(self, text, cuts, ending):
        """What came back; raises TimeoutError where the connection stays."""
        try:
            with self.connect() as client:
                for begin, end in zip([0, *cuts], [*cuts, len(text)]):
                    client.sendall(text[begin:end])
                if ending == "leave":
                    return b""
                if ending == "half" and not self.tls:
                    client.shutdown(socket.SHUT_WR)
                return read_to_end(client)
        except TimeoutError:
            raise
        except OSError:  # reset or no handshake in time: what it said is lost
            return b""

    def fault(self):
        """What is wrong after a batch; None: nothing."""
        if not self.daemon.alive():
            return f"the daemon is dead: {self.daemon.process.returncode}"
        good = SMALL.replace(b"Host: x\r\n", b"Host: x\r\nAuthorization: "
                             b"Bearer " + TOKEN.encode() + b"\r\n")
        answer = self.ask(good, read_answer)
        if answer != (200, RIGHT):
            return f"a good request gets {answer}"
        end = time.monotonic() + SLACK
        while time.monotonic() < end:
            # the request for the metrics is in flight itself
            if self.metric("in_flight_requests") <= 1 and \
                    self.metric("tensor_bytes") == 0:
                return None
            time.sleep(0.05)
        return "a request or a byte of the budget is still taken"


def run_case(target, seed, case):
    """None, or what is wrong."""
    text, broken, (cuts, ending), twists = make_case(seed, case)
    where = f"seed {seed} case {case} {twists} {ending} on {target.name}"
    try:
        got = target.send(text, cuts, ending)
    except TimeoutError:
        return f"{where}: the connection stays"
    if broken and any(got.startswith(b"HTTP/1.1 2") or
                      b"HTTP/1.1 " + status in got
                      for status in (b"200", b"204")):
        return f"{where}: broken, and yet {got[:300]}"
    return None


def targets(folder):
    tokens = os.path.join(folder, "tokens")
    with open(tokens, "w", encoding="ascii") as file:
        file.write(TOKEN + "\n")
    os.chmod(tokens, 0o600)
    yield Target("plain")
    yield Target("token", "--token-file", tokens)
    cert, key = certificate(folder)
    yield Target("tls", "--tls-cert", cert, "--tls-key", key, tls=trusting())


def run_seed(all_targets, seed, seconds):
    """(cases, faults) until the time is up or something is wrong."""
    end = time.monotonic() + seconds
    done, faults = 0, []
    with ThreadPoolExecutor(CLIENTS) as pool:
        while time.monotonic() < end and not faults:
            target = all_targets[done // BATCH % len(all_targets)]
            found = pool.map(lambda case: run_case(target, seed, case),
                             range(done, done + BATCH))
            faults = [fault for fault in found if fault]
            fault = target.fault()
            if fault:
                faults.append(f"seed {seed} cases {done} to {done + BATCH - 1} "
                              f"on {target.name}: {fault}")
            done += BATCH
    return done, faults


def main():
    tests = Tests()
    seeds = [1, random.SystemRandom().randrange(1 << 32)]
    if len(sys.argv) > 1:
        seeds = [int(sys.argv[1])]
    with tempfile.TemporaryDirectory() as folder:
        everyone = list(targets(folder))
        for seed in seeds:
            if len(sys.argv) > 2:
                done, case = 1, int(sys.argv[2])
                faults = [fault for target in everyone for fault in
                          (run_case(target, seed, case), target.fault())
                          if fault]
                print(make_case(seed, case))
            else:
                done, faults = run_seed(everyone, seed, SECONDS / len(seeds))
            note("heads", seed=seed, cases=done)
            tests.check(f"no head of seed {seed} does harm", not faults,
                        "\n".join(faults[:5]))
        for target in everyone:
            good = target.daemon.stop() == 0 and target.daemon.clean()
            tests.check(f"{target.name} ends well", good,
                        target.daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
