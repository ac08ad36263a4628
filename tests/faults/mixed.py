#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mixed random traffic for DURATION seconds (30): good requests of every kind,
bad ones, noise, slow ones, clients that vanish at every stage. Good requests
are answered right, the daemon outlives it all, and a sanitizer, if one is
built in, says nothing. SEED repeats a run."""
import gzip
import json
import math
import os
import random
import socket
import threading
import time

from common import Daemon, Tests, ask, note, post, until

DURATION = float(os.environ.get("DURATION", "30"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 32))))
CLIENTS, POOL = 8, 40


def softmax(row):
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / sum(powers) for power in powers]


def random_rows(rng):
    classes = rng.choice([1, 2, 3, 10, 31, 32, 33, 100, 1000, 5000])
    rows = rng.choice([1, 1, 1, 2, 5, max(1, 60000 // classes)])
    return [[round(rng.gauss(0, 4), 4) for _ in range(classes)]
            for _ in range(rows)]


class Client(threading.Thread):
    def __init__(self, daemon, seed, end):
        super().__init__()
        self.server, self.rng, self.end = daemon, random.Random(seed), end
        # making them takes longer than answering them
        self.pool = [random_rows(self.rng) for _ in range(POOL)]
        self.bodies = [json.dumps({"logits": rows}).encode()
                       for rows in self.pool]
        self.count, self.wrong, self.reset = {}, [], 0

    def run(self):
        acts = [self.good, self.good, self.good, self.compressed, self.bad,
                self.noise, self.vanish, self.slow, self.chunked, self.probe,
                self.protocol]
        while time.monotonic() < self.end:
            act = self.rng.choice(acts)
            self.count[act.__name__] = self.count.get(act.__name__, 0) + 1
            try:
                with self.server.connect(60) as client:
                    act(client)
            except ConnectionError as error:
                if act not in (self.noise, self.vanish, self.bad):
                    self.wrong.append((act.__name__, repr(error)))

    def draw(self):
        at = self.rng.randrange(POOL)
        return self.pool[at], self.bodies[at]

    def expect(self, what, good, answer):
        if not good:
            self.wrong.append((what, str(answer)[:200]))

    def right(self, rows, answer):
        if not answer or answer[0] != 200:
            return False
        try:
            got = json.loads(answer[1])["probabilities"]
        except ValueError:  # chunked: read_answer keeps its end only
            return len(rows) * len(rows[0]) > 500
        row = self.rng.randrange(len(rows))
        return len(got) == len(rows) and all(math.isclose(a, b, rel_tol=3e-6, abs_tol=1e-30)
                   for a, b in zip(got[row], softmax(rows[row])))

    def good(self, client):
        for _ in range(self.rng.randrange(1, 10)):
            rows, body = self.draw()
            answer = ask(client, post("/softmax", body))
            self.expect("good", self.right(rows, answer), answer)

    def compressed(self, client):
        rows, body = self.draw()
        answer = ask(client, post("/softmax", gzip.compress(body, 1),
                                  "Content-Encoding: gzip"))
        self.expect("compressed", self.right(rows, answer), answer)

    def chunked(self, client):
        rows, body = self.draw()
        client.sendall(b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Type: "
                       b"application/json\r\nTransfer-Encoding: chunked\r\n"
                       b"\r\n")
        while body:
            n = self.rng.randrange(1, 50000)
            piece, body = body[:n], body[n:]
            client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        answer = ask(client, b"0\r\n\r\n")
        self.expect("chunked", self.right(rows, answer), answer)

    def bad(self, client):
        body = bytearray(self.draw()[1])
        for _ in range(self.rng.randrange(1, 4)):
            at = self.rng.randrange(len(body))
            body[at] = self.rng.randrange(256)
        answer = ask(client, post(self.rng.choice(
            ["/softmax", "/loss", "/gradient", "/nowhere"]), bytes(body)))
        self.expect("bad", answer and answer[0] in (200, 400, 404, 422, 413),
                    answer)

    def noise(self, client):
        client.settimeout(5)
        client.sendall(self.rng.randbytes(self.rng.randrange(1, 3000)) +
                       b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(1 << 16):
                pass
        except TimeoutError:
            pass

    def vanish(self, client):
        request = post("/softmax", self.draw()[1])
        cut = self.rng.choice([self.rng.randrange(1, 80),
                               self.rng.randrange(1, len(request)),
                               len(request)])
        client.sendall(request[:cut])
        if cut == len(request) and self.rng.random() < 0.5:
            client.recv(self.rng.randrange(1, 5000))
        if self.rng.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")  # with a reset

    def slow(self, client):
        rows, body = self.draw()
        request = post("/softmax", body)
        step = max(1, len(request) // 5)
        for at in range(0, len(request), step):
            client.sendall(request[at:at + step])
            time.sleep(self.rng.random() / 20)  # that is what makes it slow
        answer = ask(client, b"")
        self.expect("slow", self.right(rows, answer), answer)

    def probe(self, client):
        path = self.rng.choice(["/healthz", "/readyz", "/metrics", "/version",
                                "/openapi.json", "/", "/v2"])
        answer = ask(client, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"
                     .encode())
        self.expect(path, answer and answer[0] == 200, answer)

    def protocol(self, client):
        rows = self.draw()[0][:20]
        shape = [len(rows), len(rows[0])]
        answer = ask(client, post("/v2/models/softmax/infer", json.dumps(
            {"inputs": [{"name": "logits", "datatype": "FP32", "shape": shape,
                         "data": rows}]}).encode()))
        self.expect("protocol", answer and answer[0] == 200, answer)


def main():
    tests = Tests()
    with Daemon("--request-timeout", "10", "--max-in-flight", "100") as daemon:
        end = time.monotonic() + DURATION
        clients = [Client(daemon, SEED + i, end) for i in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        total = {}
        for client in clients:
            for name, count in client.count.items():
                total[name] = total.get(name, 0) + count
        wrong = [wrong for client in clients for wrong in client.wrong]
        note("mixed traffic", seed=SEED, seconds=DURATION, **total)
        tests.check("good requests get right answers", not wrong,
                    f"seed {SEED}: {len(wrong)}, {wrong[:3]}")
        tests.check("it lives", daemon.alive())
        # as soon as those that vanished are noticed
        tests.check("nothing of the budget is left taken",
                    until(lambda: daemon.metric("tensor_bytes") == 0))
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
