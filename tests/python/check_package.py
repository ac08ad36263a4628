#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed package: libsoftmax and a daemon give the same bits for every
option, and say what is wrong alike.
usage: check_package.py VERSION   (SOFTMAXD: the daemon)"""
import multiprocessing
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))

import numpy as np

import softmaxd
from daemon import Daemon, Tests

RNG = np.random.default_rng(7)


def logits(shape, dtype="f4", scale=5.0):
    return (RNG.normal(size=shape) * scale).astype(dtype)


Z = logits((5, 7))
CUBE = logits((2, 6, 3))
INFINITE = Z.copy()
INFINITE[1, 2] = -np.inf
INFINITE[3] = -np.inf
LABELS = np.array([0, 6, -100, 3, 2])
TARGETS = RNG.dirichlet(np.ones(7), 5)
WEIGHTS = RNG.uniform(0.1, 2, 7)
MASK = RNG.random((5, 7)) > 0.3
SOFT = ["logsumexp", "entropy", "argmax"]
LOSS = ["logsumexp", "argmax", "accuracy", "entropy", "log_probabilities"]

# What both must answer with the same bits, types and shapes; from 64 KiB on the
# client speaks another protocol.
CALLS = [
    ("softmax", Z, {}),
    ("softmax", [1, 2, 3], {"include": SOFT}),
    ("softmax", Z.astype("f8"), {"include": SOFT}),
    ("softmax", Z.astype("f2"), {}),
    ("softmax", Z[::2, ::-1], {"dtype": "float64"}),
    ("softmax", Z, {"temperature": 0.5, "softcap": 3, "mask": MASK,
                    "log": True, "include": SOFT}),
    ("softmax", INFINITE, {"include": SOFT, "mask": MASK[0]}),
    ("softmax", CUBE, {"axis": 1, "include": SOFT}),
    ("softmax", CUBE, {"axis": 1, "top_k": 2}),
    ("softmax", Z, {"top_k": 3, "log": True}),
    ("softmax", Z, {"classes": [6, 0, 6], "include": ["rank"]}),
    ("softmax", Z, {"classes": [[i, 0] for i in range(5)], "mask": None}),
    ("softmax", Z, {"statistics_only": True, "include": ["entropy"]}),
    ("softmax", np.zeros((0, 4), "f4"), {"include": SOFT}),
    ("softmax", logits((300, 500), scale=20), {"include": SOFT}),
    ("softmax", logits(20000), {"include": SOFT}),
    ("softmax", logits((200, 400)), {"top_k": 3, "include": ["entropy"]}),
    ("softmax", logits((200, 400)), {"statistics_only": True,
                                     "include": ["argmax"], "log": True}),
    ("softmax", logits((200, 400)), {"classes": [[i] for i in range(200)],
                                     "include": ["rank"], "softcap": 20}),
    ("loss", logits((40, 500), "f8"), {"labels": range(40), "include": LOSS}),
    ("loss", logits(20000), {"labels": 7, "include": LOSS + ["rank"],
                             "reduction": "none"}),
    ("gradient", logits((4, 900, 5)), {
        "labels": RNG.integers(0, 900, (4, 5)), "axis": 1, "upstream": 2,
        "weights": RNG.uniform(0, 1, 900)}),
    ("gradient", logits((90, 200)), {"of": "log_softmax",
                                     "upstream": logits((90, 200))}),
    ("gradient", logits((2, 130, 130)), {"of": "softmax"}),
    ("loss", Z, {"labels": LABELS, "include": LOSS + ["rank"]}),
    ("loss", Z[0], {"labels": 3, "include": LOSS}),
    ("loss", CUBE, {"labels": [[0, 1, 2], [5, 4, 3]], "axis": 1}),
    ("loss", Z, {"labels": LABELS, "weights": WEIGHTS, "reduction": "none",
                 "label_smoothing": 0.1, "z_loss": 1e-3}),
    ("loss", Z, {"labels": [9, 9, 9, 9, 9], "ignore_index": 9,
                 "weights": []}),
    ("loss", Z.astype("f8"), {"targets": TARGETS, "reduction": "sum"}),
    ("loss", INFINITE, {"targets": TARGETS, "mask": MASK, "softcap": 2}),
    ("gradient", Z, {"labels": LABELS}),
    ("loss", Z, {"teacher": -Z, "divergence": "jsd", "mask": MASK}),
    ("gradient", Z, {"teacher": -Z, "teacher_temperature": 3, "temperature": 2,
                     "row_weights": [1, 2, 0, 1, 3]}),
    ("gradient", Z, {"labels": LABELS, "focal": 2, "entropy_weight": 0.1,
                     "row_weights": [1, 2, 0, 1, 3]}),
    ("gradient", Z, {"labels": LABELS, "upstream": 0.3, "reduction": "sum",
                     "temperature": 2}),
    ("gradient", Z, {"labels": LABELS, "upstream": [1, 2, 3, 4, 5],
                     "reduction": "none", "include": ["accuracy"]}),
    ("gradient", CUBE, {"targets": np.abs(CUBE), "axis": 1, "z_loss": 0.1}),
    ("gradient", Z, {"of": "softmax", "upstream": TARGETS}),
    ("gradient", Z.astype("f8"), {"of": "log_softmax", "upstream": TARGETS,
                                  "mask": MASK}),
    ("gradient", CUBE, {"of": "softmax", "axis": 0}),
    ("gradient", [1, 2, 3], {"of": "log_softmax"}),
]

# (operation, logits, options, what the detail begins with, pointer)
ERRORS = [
    ("softmax", [], {}, "logits: ", None),
    ("softmax", [1, float("nan")], {}, "logits: ", "/logits/1"),
    ("softmax", [[1, 2], [np.inf, 1]], {}, "logits: ", "/logits/1/0"),
    ("softmax", Z, {"axis": 2}, "axis: got 2, must be", "/axis"),
    ("softmax", Z, {"temperature": 0}, "temperature: got 0, must be",
     "/temperature"),
    ("softmax", Z, {"top_k": 8}, "top_k: got 8, must be", "/top_k"),
    ("softmax", Z, {"mask": [True]}, "mask: ", "/mask"),
    ("softmax", Z, {"include": ["x"]}, "include: got ", "/include/0"),
    ("softmax", Z, {"frobnicate": 1}, "frobnicate: ", None),
    ("softmax", Z, {"classes": [7]}, "classes: got 7", "/classes/0"),
    ("softmax", np.where(np.arange(20000) == 19999, np.nan, 0), {},
     "logits: ", "/logits/19999"),
    ("loss", np.zeros((200, 200)), {"labels": [9] * 199 + [200]},
     "labels: got 200", "/labels/199"),
    ("loss", Z, {}, "labels: ", None),
    ("loss", Z, {"labels": [0, 7, 0, 0, 0]}, "labels: got 7", "/labels/1"),
    ("loss", Z, {"labels": [0]}, "labels: ", "/labels"),
    ("loss", Z, {"targets": TARGETS * np.nan}, "targets: ", "/targets/0/0"),
    ("loss", Z, {"labels": LABELS, "label_smoothing": 2},
     "label_smoothing: got 2, must be", "/label_smoothing"),
    ("loss", Z, {"labels": LABELS, "reduction": "max"}, "reduction: got ",
     "/reduction"),
]


def same(one, other):
    """Names, shapes, types and bits."""
    one, other = vars(one), vars(other)
    return one.keys() == other.keys() and all(
        np.asarray(one[name]).dtype == np.asarray(other[name]).dtype and
        np.asarray(one[name]).shape == np.asarray(other[name]).shape and
        np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes()
        for name in one)


def check_calls(tests, library, clients):
    for number, (operation, z, options) in enumerate(CALLS):
        name = f"{number}: {operation} {', '.join(options)}"
        mine = getattr(library, operation)(z, **options)
        theirs = [getattr(client, operation)(z, **options)
                  for client in clients]
        tests.check(f"same bits, {name}", all(same(mine, answer)
                                              for answer in theirs),
                    f"{mine}\n{theirs}")


def refusal(way, operation, z, options):
    try:
        return getattr(way, operation)(z, **options)
    except softmaxd.SoftmaxdError as error:
        return error


def check_errors(tests, ways):
    for operation, z, options, begin, pointer in ERRORS:
        said = [refusal(way, operation, z, options) for way in ways]
        tests.check(f"refused, {operation} {options.keys()}: {begin}", all(
            isinstance(error, softmaxd.SoftmaxdError) and
            error.status == 422 and error.detail.startswith(begin) and
            str(error) == error.detail and pointer in (None, error.pointer)
            for error in said),
            str([getattr(error, "__dict__", error) for error in said]))


class Foreign:
    """An array of another library, which speaks DLPack alone."""

    def __init__(self, array):
        self.array, self.dtype = array, array.dtype

    def __dlpack__(self, **options):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def check_arrays(tests, library):
    wanted = library.softmax(Z)
    for name, array in [("DLPack", Foreign(Z.copy())),
                        ("the buffer protocol", memoryview(Z)),
                        ("big-endian", Z.astype(">f4")),
                        ("Fortran order", np.asfortranarray(Z))]:
        tests.check(f"an array by {name}", same(library.softmax(array),
                                                wanted))
    before = Z.copy()
    answer = library.softmax(Z)
    answer.probabilities[0, 0] = 2
    tests.check("answers are writable and of their own",
                np.array_equal(Z, before))


def child_softmax(library, connection):
    connection.send(library.softmax([1, 2, 3]).probabilities.tobytes())


def check_fork(tests, library):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=child_softmax, args=(library, there))
    child.start()
    good = here.poll(30) and here.recv() == \
        library.softmax([1, 2, 3]).probabilities.tobytes()
    child.join(30)
    tests.check("a child of fork() computes", good and child.exitcode == 0)


def check_daemon(tests, client, daemon):
    client.softmax([1, 2, 3])
    daemon.stop()
    try:
        client.softmax([1, 2, 3])
        tests.check("nobody there is a ConnectionError", False)
    except ConnectionError:
        tests.check("nobody there is a ConnectionError", True)


def check_token(tests):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("secret\n")
        file.flush()
        with Daemon("--token-file", file.name) as daemon:
            url = f"http://127.0.0.1:{daemon.port}"
            error = refusal(softmaxd.Client(url), "softmax", [1], {})
            tests.check("a missing token is said", error.status == 401, error)
            answer = softmaxd.Client(url, token="secret").softmax([1])
            tests.check("a token is sent", answer.probabilities == [1])


def check_idle(tests):
    with Daemon("--idle-timeout", "1") as daemon:
        client = softmaxd.Client(f"http://127.0.0.1:{daemon.port}")
        client.softmax([1])
        sock = client._connection().sock
        sock.settimeout(20)
        sock.recv(1)  # the daemon closes
        tests.check("a connection that was closed is opened again",
                    client.softmax([1]).probabilities == [1])
        client.close()


def main():
    tests = Tests()
    tests.check("the version is that of softmax.h",
                softmaxd.__version__ == sys.argv[1])
    tests.check("the wheel has the library", os.path.exists(os.path.join(
        os.path.dirname(softmaxd.__file__), "libsoftmax.so.1")))
    library = softmaxd.Library()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "http.sock")
        with Daemon("--listen", f"unix:{path}") as daemon:
            url = f"http://127.0.0.1:{daemon.port}"
            clients = softmaxd.Client(url), softmaxd.Client(f"unix:{path}")
            check_calls(tests, library, clients)
            check_errors(tests, (library, clients[0]))
            os.environ["SOFTMAXD_URL"] = url
            tests.check("the functions ask SOFTMAXD_URL", same(
                softmaxd.loss(Z, labels=LABELS),
                library.loss(Z, labels=LABELS)) and
                isinstance(softmaxd._way, softmaxd.Client))
    check_arrays(tests, library)
    check_fork(tests, library)
    check_token(tests)
    check_idle(tests)
    daemon = Daemon()
    check_daemon(tests, softmaxd.Client(f"http://127.0.0.1:{daemon.port}"),
                 daemon)
    sys.exit(tests.failed != 0)


if __name__ == "__main__":
    main()
