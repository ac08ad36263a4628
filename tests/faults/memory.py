#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The k-th allocation fails while a request is served, for k = 1, 2, 3 ...
until none is left to fail: the client gets its answer, a 503, or at worst a
closed connection; nobody else notices; nothing leaks. Not with TLS: libtasn1
and GMP, with which GnuTLS reads certificates and computes, crash where they have
no memory."""
import errno
import gzip
import os

from common import Daemon, RIGHT, SMALL, Tests, note, post, read_answer
from growth import as_type, floats, npy, texts, v2_binary
from plan import PRELOAD, Plan

MOST = 400
CASES = {
    "softmax": SMALL,
    "loss": post("/loss", b'{"logits":[[1,2,3],[4,5,6]],"labels":[0,2],'
                          b'"weights":[1,2,1],"include":["logsumexp"]}'),
    "gradient": post("/gradient", b'{"logits":[[1,2,3],[4,5,6]],'
                                  b'"targets":[[1,0,0],[0,0.5,0.5]]}'),
    "a wrong body": post("/softmax", b'{"logits":[1,2,"x"]}'),
    "an unknown path": post("/nowhere", b"{}"),
    "the protocol": post(
        "/v2/models/softmax/infer",
        b'{"inputs":[{"name":"logits","datatype":"FP32","shape":[1,3],'
        b'"data":[1,2,3]}]}'),
    "a teacher": post("/gradient", b'{"logits":[[1,2,3]],"teacher":[[3,2,1]],'
                                   b'"divergence":"jsd","row_weights":[2]}'),
    "chosen classes": post("/softmax", b'{"logits":[[1,2,3],[3,2,1]],'
                                       b'"classes":[2,0],"include":["rank"]}'),
    "base64": post("/softmax", b'{"logits":{"base64":"AACAPwAAAEA=",'
                               b'"dtype":"float32","shape":[2]},'
                               b'"encoding":"base64"}'),
    "a .npy": as_type(post("/softmax", npy(300)), b"application/x-npy"),
    "gzip": post("/softmax", gzip.compress(texts(2000)),
                 "Content-Encoding: gzip", "Accept-Encoding: gzip"),
    "binary tensors": as_type(v2_binary(200), b"application/octet-stream"),
    "names of any length": post(
        "/softmax", b'{"log\\u0069ts":[1,2],"' + b"x" * 300 + b'":1}'),
    "numbers of all kinds": post(
        "/loss", b'{"logits":[[16777217,0.1,9007199254740993],[1e39,2,3]],'
                 b'"labels":[9007199254740993,1],"dtype":"float64",'
                 b'"ignore_index":9007199254740993}'),
    "a tensor that grows": post(
        "/loss", b'{"logits":[' + b",".join([b"0.1"] * 3000) +
        b'],"labels":0,"dtype":"float64","mask":[' +
        b",".join([b"true"] * 3000) + b"]}"),
    "base64 whose type comes last": post(
        "/softmax", b'{"logits":{"shape":[1],"base64":"AAAAAAAA8D8=",'
                    b'"dtype":"float64"},"dtype":"float64"}'),
    "the protocol with all it has": post(
        "/v2/models/loss/infer",
        b'{"id":"a","x":{"y":[1,{"z":null}]},"parameters":{"include":'
        b'"logsumexp,entropy","label_smoothing":0.1},"inputs":[{"name":'
        b'"logits","datatype":"FP64","shape":[1,3],"data":[1,2,3]},{"name":'
        b'"labels","datatype":"INT64","shape":[1],"data":[2]}],"outputs":'
        b'[{"name":"loss"},{"name":"logsumexp","parameters":'
        b'{"binary_data":true}}]}'),
    "a region": post("/v2/systemsharedmemory/region/a/register",
                     b'{"key":"/none","offset":0,"byte_size":8}'),
    "an index": post("/v2/repository/index", b'{"ready":true}'),
    "metadata": b"GET /v2/models/loss HTTP/1.1\r\nHost: x\r\n\r\n",
    "metrics": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "a large answer": post(
        "/softmax", b'{"logits":[' + b",".join([b"1"] * 40000) + b"]}"),
}


OPTIONS = ("--io-threads", "1", "--compute-threads", "2", "--shared-memory",
           "--compress", "--admin-listen", "127.0.0.1:0", "--log-format", "json")


def try_once(daemon, request):
    try:
        with daemon.connect(20) as client:
            client.sendall(request)
            return read_answer(client)
    except ConnectionError:
        return None
    except TimeoutError:
        return "late", b""


def walk(tests, daemon, plan, name, request):
    """Fail each allocation in turn; the statuses seen."""
    expected = try_once(daemon, request)
    seen = {}
    for k in range(1, MOST):
        plan.fail("malloc", errno.ENOMEM, first=k)
        answer = try_once(daemon, request)
        unused = not plan.end()
        status = answer[0] if answer else 0
        seen[status] = seen.get(status, 0) + 1
        # metrics differ each time, but all of them end alike
        right = status in (0, 500, 503) or (
            status == expected[0] and answer[1][-8:] == expected[1][-8:])
        if not daemon.alive() or not right:
            tests.check(name, False, f"k = {k}: {answer}, alive: "
                        f"{daemon.alive()}, {daemon.complaint()}")
            return
        if unused:
            break
    healthy = try_once(daemon, SMALL) == (200, RIGHT)
    note(name, failed=k - 1, statuses=seen)
    tests.check(f"the k-th allocation of {name} fails",
                healthy and unused and daemon.metric("tensor_bytes") == 0)


def walk_all(tests, plan):
    """With one daemon, which serves them all; a dead one is a failed test."""
    def start():
        return Daemon(*OPTIONS, environment=plan.environment)

    daemon = start()
    for name, request in CASES.items():
        with tests.part(name):
            walk(tests, daemon, plan, name, request)
        if not daemon.alive():
            daemon = start()
    tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                daemon.complaint())


def main():
    tests = Tests()
    if os.path.exists(PRELOAD):
        tests.run(walk_all, Plan())
    else:
        tests.skip("failing allocations", f"no {PRELOAD}")
    tests.end()


if __name__ == "__main__":
    main()
