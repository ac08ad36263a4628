#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A day in the life, in SOAK_MINUTES (60): three replicas behind HAProxy, two of
them restarted in turn, all reloaded again and again and stalled as by a machine
with no time for them, beside clients that vanish, bodies that fill the memory
limit, and good requests that must never be lost.

The third replica lives as long as the run: its resident set and its descriptors
must not grow. Of a request that was lost, HAProxy's log tells how it ended.
usage: soak.py PICTURE.svg (latencies of each second, and RSS)
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from common import Daemon, RIGHT, SMALL, Tests, ask, note, percentile, post, stall

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
CLIENTS, VANISHING, RESTART_SECONDS, RELOAD_SECONDS = 6, 2, 5, 1
STALL_SECONDS = 0.5
# The least held in a second, in the second half of the run against the first.
# The allocator keeps some MB more or less of what it may need again, the proxy
# as many connections as it likes: only what is never given back raises both.
GROWTH = {"resident set": 2 << 20, "descriptors": CLIENTS}
MEMORY_LIMIT = "24M"
HEAVY = post("/softmax", b'{"logits":[' + b"1," * 4000000 + b"1]}")
CONFIGURATION = """
global
    maxconn 2000
    log stdout format raw local0
defaults
    log global
    option httplog
    option dontlog-normal
    mode http
    timeout connect 2s
    # else a replica that is slow to answer a check counts as down
    timeout check 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
    retries 5
    option redispatch 1
    retry-on all-retryable-errors 503
    http-reuse safe
frontend front
    bind 127.0.0.1:{front}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 200ms fall 1 rise 1
{servers}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Good(threading.Thread):
    """Small requests through the proxy; each must be answered right."""

    def __init__(self, port, stop, began):
        super().__init__()
        self.port, self.stopping, self.began = port, stop, began
        self.times, self.lost = [], []

    def run(self):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              60) as client:
                    self.ask_often(client)
            except OSError as error:
                self.lose(None, repr(error))
                time.sleep(0.1)

    def ask_often(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(200):
            begin = time.monotonic()
            try:
                answer = ask(client)
            except OSError as error:
                answer = repr(error)
            end = time.monotonic()
            if answer != (200, RIGHT):
                self.lose(client, answer)
                return
            self.times.append((end - self.began, end - begin))
            if self.stopping.is_set():
                return

    def lose(self, client, answer):
        """With the address by which the proxy's log calls the client."""
        address = "%s:%d" % client.getsockname() if client else "not connected"
        self.lost.append((time.monotonic() - self.began, address, answer))


class Bad(threading.Thread):
    """Straight to a replica: leaves in the middle, or asks for all memory."""

    def __init__(self, port, stop, seed):
        super().__init__()
        self.port, self.stopping = port, stop
        self.random, self.count = random.Random(seed), 0

    def act(self, client):
        kind = self.random.randrange(4)
        if kind == 0:
            client.sendall(SMALL[:self.random.randrange(1, len(SMALL))])
        elif kind == 1:
            client.sendall(SMALL)  # and never reads
        elif kind == 2:
            client.sendall(HEAVY[:self.random.randrange(1, 4000000)])
        else:
            client.sendall(HEAVY)
            client.recv(1000)

    def run(self):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              20) as client:
                    self.act(client)
            except OSError:
                pass
            self.count += 1
            self.stopping.wait(0.05)


class Samples(threading.Thread):
    """Once a second: resident bytes and descriptors of a process."""

    def __init__(self, daemon, stop):
        super().__init__()
        self.server, self.stopping, self.taken = daemon, stop, []

    def look(self):
        return self.server.resident(), len(os.listdir(
            f"/proc/{self.server.process.pid}/fd"))

    def run(self):
        while not self.stopping.wait(1):
            self.taken.append(self.look())

    def least(self):
        """Of each half, without the first seconds, in which it fills up."""
        taken = self.taken[len(self.taken) // 20:]
        middle = len(taken) // 2
        return [[min(values) for values in zip(*half)]
                for half in (taken[:middle], taken[middle:])]


def by_second(times, share):
    seconds = {}
    for at, taken in times:
        seconds.setdefault(int(at), []).append(taken * 1000)
    return [(second, percentile(sorted(values), share))
            for second, values in sorted(seconds.items())]


def curve(points, top, color, width=760, height=150):
    """A polyline of a picture's panel; the largest value is its ceiling."""
    most = max(x for x, _ in points) or 1
    text = " ".join(f"{40 + width * x / most:.1f},"
                    f"{height - height * min(y, top) / top:.1f}"
                    for x, y in points)
    return (f'<polyline fill="none" stroke="{color}" stroke-width="1" '
            f'points="{text}"/>')


def panel(offset, title, curves):
    """Curves [(name, color, points)] under one scale."""
    top = max(y for _, _, points in curves for _, y in points) * 1.05 or 1
    names = "".join(
        f'<text x="{460 + 120 * i}" y="-6" fill="{color}">{name}</text>'
        for i, (name, color, _) in enumerate(curves))
    return (f'<g transform="translate(0,{offset})">'
            f'<text x="40" y="-6">{title}, up to {top:.4g}</text>{names}'
            '<path d="M40 0V150H800" fill="none" stroke="#888"/>' +
            "".join(curve(points, top, color) for _, color, points in curves) +
            "</g>")


def draw(path, times, samples):
    resident = [(i, rss / 1e6) for i, (rss, _) in enumerate(samples)]
    files = [(i, count) for i, (_, count) in enumerate(samples)]
    with open(path, "w", encoding="utf-8") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="840" '
                   'height="620" font-family="sans-serif" font-size="12">'
                   '<rect width="840" height="620" fill="white"/>')
        file.write(panel(40, "latency of each second, ms", [
            ("median", "#1f77b4", by_second(times, 0.5)),
            ("99 %", "#d62728", by_second(times, 0.99))]))
        file.write(panel(240, "resident set of the replica that stays, MB",
                         [("RSS", "#2ca02c", resident)]))
        file.write(panel(440, "its descriptors",
                         [("open", "#9467bd", files)]))
        file.write("</svg>\n")


def start(port):
    return Daemon("--drain-delay", "1", "--memory-limit", MEMORY_LIMIT,
                  "--log-level", "error", port=port)


def disturb(replicas, ports, end):
    """Restart the first two in turn, stall and reload all, until then."""
    restarts = reloads = 0
    restart = time.monotonic() + RESTART_SECONDS
    while time.monotonic() < end:
        time.sleep(RELOAD_SECONDS)
        for replica in replicas:
            replica.process.send_signal(signal.SIGHUP)
            reloads += 1
        if time.monotonic() >= restart:
            stall(replicas, STALL_SECONDS)
            victim = restarts % 2
            status = replicas[victim].stop()
            if status != 0:
                raise RuntimeError(f"exit status {status} after SIGTERM")
            replicas[victim] = start(ports[victim])
            restarts += 1
            restart = time.monotonic() + RESTART_SECONDS
    return restarts, reloads


def configuration(front, ports):
    servers = "\n".join(f"    server replica{i} 127.0.0.1:{port}"
                        for i, port in enumerate(ports))
    return CONFIGURATION.format(front=front, servers=servers)


def how_it_ended(loss, log):
    """A loss, and what the proxy says of that client."""
    log.seek(0)
    at, address, answer = loss
    lines = [line for line in log if line.startswith(address + " ")]
    return f"{at:.3f} s: {answer}; {lines[-1:] or 'not in the log'}"


def soak(proxy_program, seconds, log):
    """(times, losses, samples, held before and after, counts) of the run."""
    ports = [free_port() for _ in range(3)]
    replicas = [start(port) for port in ports]
    front, stop = free_port(), threading.Event()
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(configuration(front, ports))
        file.flush()
        proxy = subprocess.Popen([proxy_program, "-db", "-f", file.name],
                                 stdout=log, stderr=subprocess.STDOUT)
        began = time.monotonic()
        while time.monotonic() - began < 30:
            try:
                socket.create_connection(("127.0.0.1", front), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        began = time.monotonic()
        good = [Good(front, stop, began) for _ in range(CLIENTS)]
        bad = [Bad(ports[2], stop, seed) for seed in range(VANISHING)]
        samples = Samples(replicas[2], stop)
        for thread in (*good, *bad, samples):
            thread.start()
        try:
            restarts, reloads = disturb(replicas, ports, began + seconds)
        finally:
            stop.set()
            for thread in (*good, *bad, samples):
                thread.join(90)
            proxy.terminate()
            proxy.wait(30)
            ends = [replica.stop() for replica in replicas]
    if any(ends):
        raise RuntimeError(f"exit statuses {ends} after SIGTERM")
    counts = {"restarts": restarts, "reloads": reloads,
              "mistreated": sum(thread.count for thread in bad)}
    return ([t for thread in good for t in thread.times],
            [loss for thread in good for loss in thread.lost], samples.taken,
            dict(zip(GROWTH, zip(*samples.least()))), counts)


def main(picture):
    tests = Tests()
    haproxy = shutil.which("haproxy", path="/usr/sbin:" + os.environ["PATH"])
    if not haproxy:
        tests.skip("soak", "haproxy is not installed")
        tests.end()
    with tempfile.TemporaryFile("w+") as log:
        times, lost, samples, held, counts = soak(haproxy, 60 * MINUTES, log)
        reasons = "\n".join(how_it_ended(loss, log) for loss in lost[:5])
    draw(picture, times, samples)
    taken = sorted(taken * 1000 for _, taken in times)
    note("soak", minutes=MINUTES, answered=len(times), lost=len(lost), **counts,
         p50_ms=round(percentile(taken, 0.5), 3),
         p99_ms=round(percentile(taken, 0.99), 3), max_ms=round(taken[-1], 1))
    tests.check("nothing lost", times and not lost, reasons)
    for name, (before, after) in held.items():
        tests.check(f"no growth: {name} {before} to {after}",
                    after - before <= GROWTH[name])
    print(f"picture: {picture}")
    tests.end()


if __name__ == "__main__":
    main(sys.argv[1])
