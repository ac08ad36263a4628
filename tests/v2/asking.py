# SPDX-License-Identifier: MIT
"""What the tests of stock clients have in common."""
import importlib.util
import json
import os
import sys
import urllib.request

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "http"))

RANDOM = np.random.default_rng(6)
LOGITS = RANDOM.normal(0, 4, (64, 33)).astype(np.float32)
LABELS = RANDOM.integers(0, 33, 64)


class Skipped(Exception):
    pass


def native(address, path, body):
    """The native endpoint's answer to the same question."""
    request = urllib.request.Request(
        f"http://{address}{path}", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def same_bits(got, expected, dtype=np.float32):
    expected = np.array(expected, dtype=dtype)
    assert got.dtype == expected.dtype, (got.dtype, expected.dtype)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    assert got.tobytes() == expected.tobytes(), np.abs(got - expected).max()


def probabilities(address):
    return native(address, "/softmax", {"logits": LOGITS.tolist()})[
        "probabilities"]


def triton():
    if importlib.util.find_spec("tritonclient") is None:
        raise Skipped("tritonclient is not installed: make check-clients")
    import tritonclient.http
    return tritonclient.http


def triton_input(name, array, datatype, binary=True):
    tensor = triton().InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def triton_client(address, **options):
    return triton().InferenceServerClient(address, **options)
