# SPDX-License-Identifier: MIT
"""JSONTestSuite's files, as a crate carries them, in three places of a request.

A name begins with y_ (JSON), n_ (not JSON) or i_ (either is right). What is
JSON is never told that it is not (400), what is not never gets an answer, and
nothing is answered with a fault of the server.
"""
import glob
import os

JSON = {"Content-Type": "application/json"}
OPENED = b'{"inputs":[{"name":"logits","shape":[1,2],"datatype":"FP32",' \
         b'"data":[1,2]}],"x":'

# Words that encoders write for an infinity; the contract has them among logits.
UNDERSTOOD = {("logits", "n_number_minus_infinity.json"): (200,)}


def places(text):
    yield "body", "/softmax", text
    yield "logits", "/softmax", b'{"logits":' + text + b"}"
    # a member that the protocol asks to ignore, so that nothing else is wrong
    yield "ignored member", "/v2/models/softmax/infer", OPENED + text + b"}"


def statuses(kind, place):
    """What may be answered."""
    if kind == "y":
        return (200,) if place == "ignored member" else (200, 422)
    if kind == "n":
        # native members are checked in the order they come: an earlier mistake
        # of another kind is told first
        return (400,) if place == "ignored member" else (400, 422)
    return (200, 400, 422)


def run(remote, tally, folder):
    files = glob.glob(os.path.join(folder, "crates", "vendor", "json-syntax",
                                   "tests", "inputs", "*.json"))
    for path in sorted(files):
        name = os.path.basename(path)
        with open(path, "rb") as file:
            text = file.read()
        for place, url, body in places(text):
            status, _, answer = remote.post(url, body, JSON)
            allowed = UNDERSTOOD.get((place, name),
                                     statuses(name[0], place))
            tally.check(f"{name} as {place}", status in allowed,
                        f"{body[:300]!r}: {status} {answer[:300]!r}, "
                        f"must be {allowed}")
