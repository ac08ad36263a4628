#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A day in the life, in SOAK_MINUTES (60): three replicas behind HAProxy, two of
them restarted in turn, all given new certificates and tokens again and again
and stalled as by a machine with no time for them, beside clients that vanish,
bodies that fill the memory limit, and good requests, SOAK_RATE (3000) a second,
that must never be lost.

The third replica lives as long as the run: its resident set and its descriptors
must not grow. Of a request that was lost, HAProxy's log tells how it ended.
usage: soak.py PICTURE.svg (latencies of each second, and RSS)
"""
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections import defaultdict

from common import Daemon, RIGHT, Tests, ask, note, percentile, post, stall, \
    until

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
RATE = float(os.environ.get("SOAK_RATE", "3000"))
CLIENTS, VANISHING, RESTART_SECONDS, RELOAD_SECONDS = 6, 2, 5, 1
BAD_PAUSE = 0.1
STALL_SECONDS = 0.5
# The least held in a second, in the second half of the run against the first.
# The allocator keeps some MB more or less of what it may need again, the proxy
# as many connections as it likes: only what is never given back raises both.
GROWTH = {"resident set": 2 << 20, "descriptors": CLIENTS}
MEMORY_LIMIT = "24M"
SMALL, HEAVY = b'{"logits":[1,2,3]}', b'{"logits":[' + b"1," * 4000000 + b"1]}"
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
    # asked without TLS, whose handshake would have to end within inter
    default-server ssl verify none check inter 200ms fall 1 rise 1
{servers}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Secrets:
    """The certificate, with its key, and the tokens of all replicas, in files."""

    # As many tokens are good at a time; the middle one is asked with, so that
    # neither a late reload nor a late request finds it gone.
    TOKENS = 7

    def __init__(self, folder):
        self.folder, self.turn = folder, 0
        self.pairs = [self.make_pair(i) for i in range(3)]
        self.renew()

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_pair(self, number):
        key, pair = self.path("key"), self.path(f"pair{number}")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             f"/CN=pair{number}", "-keyout", key, "-out", pair],
            check=True, capture_output=True)
        with open(pair, "a", encoding="ascii") as file, \
                open(key, encoding="ascii") as more:
            file.write(more.read())
        return pair

    def put(self, name, text):
        """At once: whoever reads sees the old or the new."""
        with open(self.path("new"), "w", encoding="ascii") as file:
            file.write(text)
        os.replace(self.path("new"), self.path(name))

    def certificate(self):
        with open(self.pairs[self.turn % 3], encoding="ascii") as file:
            return file.read()

    def renew(self):
        self.turn += 1
        self.put("pair", self.certificate())
        self.put("tokens", "".join(f"token{self.turn + i:032}\n"
                                   for i in range(self.TOKENS)))

    def post(self, body):
        token = self.turn + self.TOKENS // 2
        return post("/softmax", body, f"Authorization: Bearer token{token:032}")

    def options(self):
        return ("--tls-cert", self.path("pair"), "--tls-key", self.path("pair"),
                "--token-file", self.path("tokens"))


class Good(threading.Thread):
    """Small requests through the proxy; each must be answered right.

    times: latencies of each second"""

    def __init__(self, port, stop, began, secrets):
        super().__init__()
        self.port, self.stopping, self.began = port, stop, began
        self.secrets, self.count = secrets, 0
        self.times, self.lost = defaultdict(lambda: array("f")), []

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
            self.pace()
            begin = time.monotonic()
            try:
                answer = ask(client, self.secrets.post(SMALL))
            except OSError as error:
                answer = repr(error)
            end = time.monotonic()
            if answer != (200, RIGHT):
                self.lose(client, answer)
                return
            self.times[int(end - self.began)].append(end - begin)
            if self.stopping.is_set():
                return

    def pace(self):
        """Its share of the rate; what a stall kept back is made up for."""
        self.count += 1
        ahead = self.began + self.count * CLIENTS / RATE - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)

    def lose(self, client, answer):
        """With the address by which the proxy's log calls the client."""
        address = "%s:%d" % client.getsockname() if client else "not connected"
        self.lost.append((time.monotonic() - self.began, address, answer))


class Bad(threading.Thread):
    """Straight to a replica: leaves in the middle, or asks for all memory."""

    def __init__(self, port, stop, secrets, seed):
        super().__init__()
        self.port, self.stopping, self.secrets = port, stop, secrets
        self.random, self.count = random.Random(seed), 0
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def act(self, client):
        kind = self.random.randrange(5)
        if kind == 0:
            client.sendall(b"\x16\x03\x01\x02")  # of a handshake
            return
        client = self.context.wrap_socket(client)
        small, heavy = self.secrets.post(SMALL), self.secrets.post(HEAVY)
        if kind == 1:
            client.sendall(small[:self.random.randrange(1, len(small))])
        elif kind == 2:
            client.sendall(small)  # and never reads
        elif kind == 3:
            client.sendall(heavy[:self.random.randrange(1, 4000000)])
        else:
            client.sendall(heavy)
            client.recv(1000)
        client.close()

    def run(self):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              20) as client:
                    self.act(client)
            except OSError:
                pass
            self.count += 1
            self.stopping.wait(BAD_PAUSE)


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
    return [(second, 1000 * percentile(sorted(values), share))
            for second, values in sorted(times.items())]


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


def start(ports, secrets):
    return Daemon("--drain-delay", "1", "--memory-limit", MEMORY_LIMIT,
                  "--log-level", "error", "--admin-listen",
                  f"127.0.0.1:{ports[1]}", *secrets.options(), port=ports[0])


def disturb(replicas, ports, secrets, end):
    """Restart the first two in turn, stall and reload all, until then."""
    restarts = reloads = 0
    restart = time.monotonic() + RESTART_SECONDS
    while time.monotonic() < end:
        time.sleep(RELOAD_SECONDS)
        secrets.renew()
        for replica in replicas:
            replica.process.send_signal(signal.SIGHUP)
            reloads += 1
        if time.monotonic() >= restart:
            stall(replicas, STALL_SECONDS)
            victim = restarts % 2
            status = replicas[victim].stop()
            if status != 0:
                raise RuntimeError(f"exit status {status} after SIGTERM")
            replicas[victim] = start(ports[victim], secrets)
            restarts += 1
            restart = time.monotonic() + RESTART_SECONDS
    return restarts, reloads


def configuration(front, ports):
    servers = "\n".join(f"    server replica{i} 127.0.0.1:{port} port {admin}"
                        for i, (port, admin) in enumerate(ports))
    return CONFIGURATION.format(front=front, servers=servers)


def how_it_ended(loss, log):
    """A loss, and what the proxy says of that client."""
    log.seek(0)
    at, address, answer = loss
    lines = [line for line in log if line.startswith(address + " ")]
    return f"{at:.3f} s: {answer}; {lines[-1:] or 'not in the log'}"


def merged(clients):
    """Latencies of each second, of all clients."""
    times = defaultdict(lambda: array("f"))
    for client in clients:
        for second, taken in client.times.items():
            times[second].extend(taken)
    return times


def serves(port, certificate):
    """Is the certificate, of a file with its key, the one that is shown there?"""
    return ssl.get_server_certificate(("127.0.0.1", port)) in certificate


def soak(proxy_program, seconds, folder, log):
    """(times, losses, samples, held before and after, counts) of the run."""
    secrets = Secrets(folder)
    ports = [(free_port(), free_port()) for _ in range(3)]
    replicas = [start(pair, secrets) for pair in ports]
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
        good = [Good(front, stop, began, secrets) for _ in range(CLIENTS)]
        bad = [Bad(ports[2][0], stop, secrets, seed) for seed in range(VANISHING)]
        samples = Samples(replicas[2], stop)
        for thread in (*good, *bad, samples):
            thread.start()
        try:
            restarts, reloads = disturb(replicas, ports, secrets,
                                         began + seconds)
        finally:
            stop.set()
            for thread in (*good, *bad, samples):
                thread.join(90)
            proxy.terminate()
            proxy.wait(30)
            renewed = until(lambda: serves(ports[2][0], secrets.certificate()))
            ends = [replica.stop() for replica in replicas]
    if not renewed:
        raise RuntimeError("the last certificate is not served")
    if any(ends):
        raise RuntimeError(f"exit statuses {ends} after SIGTERM")
    counts = {"restarts": restarts, "reloads": reloads,
              "mistreated": sum(thread.count for thread in bad)}
    return (merged(good),
            [loss for thread in good for loss in thread.lost], samples.taken,
            dict(zip(GROWTH, zip(*samples.least()))), counts)


def main(picture):
    tests = Tests()
    haproxy = shutil.which("haproxy", path="/usr/sbin:" + os.environ["PATH"])
    if not haproxy:
        tests.skip("soak", "haproxy is not installed")
        tests.end()
    with tempfile.TemporaryFile("w+") as log, \
            tempfile.TemporaryDirectory() as folder:
        times, lost, samples, held, counts = soak(haproxy, 60 * MINUTES, folder,
                                                  log)
        reasons = "\n".join(how_it_ended(loss, log) for loss in lost[:5])
    draw(picture, times, samples)
    taken = sorted(one for second in times.values() for one in second)
    note("soak", minutes=MINUTES, answered=len(taken), lost=len(lost), **counts,
         p50_ms=round(1000 * percentile(taken, 0.5), 3),
         p99_ms=round(1000 * percentile(taken, 0.99), 3),
         max_ms=round(1000 * taken[-1], 1))
    tests.check("nothing lost", taken and not lost, reasons)
    for name, (before, after) in held.items():
        tests.check(f"no growth: {name} {before} to {after}",
                    after - before <= GROWTH[name])
    print(f"picture: {picture}")
    tests.end()


if __name__ == "__main__":
    main(sys.argv[1])
