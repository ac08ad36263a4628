#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A million requests, good and bad, leave the resident memory as it was."""
import os
import threading

from common import Daemon, SANITIZED, SMALL, Tests, note, post

REQUESTS = int(os.environ.get("REQUESTS", "20000" if SANITIZED else "1000000"))
CLIENTS, BATCH, SLACK = 4, 50, 1 << 20
BATCHES = [
    SMALL * BATCH,
    post("/loss", b'{"logits":[[1,2,3]],"labels":[1]}') * BATCH,
    post("/softmax", b'{"logits":[1,2,') * BATCH,
    post("/softmax", b"{}") * BATCH,
]


def work(daemon, requests):
    """Pipelined, so that the client is not what takes the time."""
    with daemon.connect(60) as client:
        for done in range(0, requests, BATCH):
            client.sendall(BATCHES[done // BATCH % len(BATCHES)])
            got = b""
            while got.count(b"HTTP/1.1 ") < BATCH or not got.endswith(b"}\n"):
                part = client.recv(1 << 18)
                if not part:
                    raise RuntimeError("the connection ended")
                got += part


def run(daemon, requests):
    clients = [threading.Thread(target=work, args=(daemon,
                                                   requests // CLIENTS))
               for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def main():
    tests = Tests()
    with Daemon("--log-level", "warn") as daemon:
        run(daemon, REQUESTS // 10)
        before = daemon.resident()
        run(daemon, REQUESTS)
        after = daemon.resident()
        note("resident memory", requests=REQUESTS, before_kib=before // 1024,
             after_kib=after // 1024)
        tests.check("no growth of resident memory",
                    SANITIZED or after - before <= SLACK)
        tests.check("nothing of the budget is left taken",
                    daemon.metric("tensor_bytes") == 0)
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
