#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A million requests, good and bad, of several formats and sizes: the first
tenth warms up, after the others resident memory, descriptors and threads are as
after it. Large bodies, whole and broken off, leave little behind. Sanitizers, whose memory grows by design, get fewer."""
import base64
import gzip
import json
import os
import re
import struct
import threading

from common import SANITIZED, SMALL, Daemon, Tests, ask, note, post, until

REQUESTS = int(os.environ.get("REQUESTS", "20000" if SANITIZED else "1000000"))
CLIENTS, BATCH, SLACK = 4, 50, 1 << 20
# What large ones leave: a ring of blocks, some slack in each of four arenas, and
# the memory of the clients that stay.
LARGE = post("/softmax", b'{"logits":[' + b"1," * 2000000 + b"1]}")
LARGE_ROUNDS, LARGE_SLACK = 8, 6 << 20
LENGTH = re.compile(rb"^content-length: *(\d+)", re.I | re.M)


def floats(count):
    return struct.pack(f"<{count}f", *(i % 7 - 3 for i in range(count)))


def npy(count):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},)}}"
    text = text.ljust(118) + "\n"
    return (b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() +
            floats(count))


def v2_binary(count):
    head = json.dumps({
        "inputs": [{"name": "logits", "datatype": "FP32", "shape": [1, count],
                    "parameters": {"binary_data_size": 4 * count}}],
        "outputs": [{"name": "probabilities"}, {"name": "logsumexp"}],
        "parameters": {"binary_data_output": True}}).encode()
    return post("/v2/models/softmax/infer", head + floats(count),
                f"Inference-Header-Content-Length: {len(head)}")


def as_type(request, name):
    return request.replace(b"application/json", name)


def texts(count):
    return json.dumps({"logits": [i % 7 - 3 for i in range(count)]}).encode()


BATCHES = [request * BATCH for request in (
    SMALL,
    post("/loss", b'{"logits":[[1,2,3]],"labels":[1]}'),
    post("/softmax", b'{"logits":[1,2,'),
    post("/softmax", b"{}"),
    post("/softmax", texts(500)),
    post("/gradient", b'{"logits":[1,2,3],"labels":1,"encoding":"base64"}'),
    post("/softmax", json.dumps({"logits": {
        "base64": base64.b64encode(floats(100)).decode(),
        "dtype": "float32", "shape": [100]}}).encode()),
    as_type(post("/softmax", npy(300)), b"application/x-npy"),
    as_type(v2_binary(200), b"application/octet-stream"),
    post("/softmax", gzip.compress(texts(200)), "Content-Encoding: gzip"),
    post("/nowhere", b"{}"))]


def read_answers(client):
    """Of a batch, which all have a Content-Length."""
    got, at, left = b"", 0, BATCH
    while left:
        end = got.find(b"\r\n\r\n", at) + 4
        found = LENGTH.search(got, at, end)
        if end >= 4 and len(got) >= end + int(found[1]):
            at, left = end + int(found[1]), left - 1
            continue
        part = client.recv(1 << 18)
        if not part:
            raise RuntimeError(f"the connection ended: {got[at:][:300]}")
        got, at = got[at:] + part, 0


def work(daemon, requests):
    """Pipelined, so that the client is not what takes the time."""
    with daemon.connect(60) as client:
        for done in range(0, requests, BATCH):
            client.sendall(BATCHES[done // BATCH % len(BATCHES)])
            read_answers(client)


def work_large(daemon, kept):
    """Bodies, every third of which breaks off. In the middle of each another
    client comes to stay: what it needs lies above what the body needs."""
    for done in range(LARGE_ROUNDS):
        with daemon.connect(60) as client:
            client.sendall(LARGE[:len(LARGE) // 2])
            kept.append(daemon.connect())
            ask(kept[-1])
            if done % 3 != 0:
                ask(client, LARGE[len(LARGE) // 2:])


def run(daemon, task, argument):
    clients = [threading.Thread(target=task, args=(daemon, argument))
               for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def measure(daemon):
    """Resident bytes, descriptors, threads."""
    process = f"/proc/{daemon.process.pid}"
    return (daemon.resident(), len(os.listdir(f"{process}/fd")),
            len(os.listdir(f"{process}/task")))


def same_files(daemon, before):
    """Descriptors and threads, once who asked last has been let go."""
    return until(lambda: measure(daemon)[1:] == before[1:])


def check_large(tests):
    with Daemon("--log-level", "warn", "--io-threads", "2",
                "--compute-threads", "2") as daemon:
        kept = []
        before = daemon.resident()
        run(daemon, work_large, kept)
        until(lambda: daemon.metric("open_connections") == len(kept) + 1)
        left = daemon.resident() - before
        note("large bodies", left_KiB=left // 1024, clients=len(kept))
        tests.check("large bodies leave little behind",
                    SANITIZED or left <= LARGE_SLACK, f"{left} bytes")
        for client in kept:
            client.close()


def main():
    tests = Tests()
    check_large(tests)
    with Daemon("--log-level", "warn") as daemon:
        fresh = measure(daemon)
        run(daemon, work, REQUESTS // 10 // CLIENTS)
        same_files(daemon, fresh)
        before = measure(daemon)
        run(daemon, work, REQUESTS * 9 // 10 // CLIENTS)
        after = measure(daemon)
        note("resident KiB, descriptors, threads", requests=REQUESTS,
             before=(before[0] // 1024, *before[1:]),
             after=(after[0] // 1024, *after[1:]))
        tests.check("no growth of resident memory",
                    SANITIZED or after[0] - before[0] <= SLACK)
        tests.check("nor of descriptors and threads",
                    same_files(daemon, fresh), f"{fresh} {after}")
        tests.check("nothing of the budget is left taken",
                    daemon.metric("tensor_bytes") == 0)
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
