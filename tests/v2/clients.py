#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stock clients of the Open Inference Protocol against the daemon.

usage: clients.py   (with the Python of build/venv; SOFTMAXD names the program)

tritonclient[http] in every way it sends a tensor, Triton's load generator,
KServe's SDK client, NumPy's own files, and two programs that build the binary
request by hand. A client that is not installed is skipped with a word.
"""
import asyncio
import concurrent.futures
import glob
import gzip
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np

from asking import (HERE, LABELS, LOGITS, RANDOM, Skipped, native,
                    probabilities, same_bits, triton, triton_client,
                    triton_input)
from client_triton_shared import (triton_shared_memory,
                                  triton_shared_memory_mixed,
                                  triton_shared_memory_refusals)
from daemon import Daemon, Tests

# ---- tritonclient[http] ---------------------------------------------------

def triton_tells_about_itself(address):
    client = triton_client(address)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("loss") and client.is_model_ready("loss", "1")
    assert not client.is_model_ready("resnet")
    server = client.get_server_metadata()
    assert "binary_tensor_data" in server["extensions"], server
    model = client.get_model_metadata("gradient")
    assert [i["name"] for i in model["inputs"]] == ["logits", "labels"]
    config = client.get_model_config("softmax")
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert config["parameters"]["optional_inputs"]["string_value"] == (
        "mask,classes")
    names = [m["name"] for m in client.get_model_repository_index()]
    assert names == ["softmax", "log_softmax", "loss", "gradient"], names


def triton_default_is_binary_both_ways(address):
    client = triton_client(address)
    result = client.infer("softmax", [triton_input("logits", LOGITS, "FP32")],
                          request_id="r-7")
    assert result.get_response()["id"] == "r-7"
    assert "binary_data_size" in result.get_output("probabilities")[
        "parameters"]
    same_bits(result.as_numpy("probabilities"), probabilities(address))


def triton_json_both_ways(address):
    outputs = [triton().InferRequestedOutput("probabilities",
                                             binary_data=False)]
    result = triton_client(address).infer(
        "softmax", [triton_input("logits", LOGITS, "FP32", False)],
        outputs=outputs)
    assert "data" in result.get_output("probabilities")
    same_bits(result.as_numpy("probabilities"), probabilities(address))


def triton_compresses_both_ways(address):
    for algorithm in ("gzip", "deflate"):
        for binary in (True, False):
            result = triton_client(address).infer(
                "softmax", [triton_input("logits", LOGITS, "FP32", binary)],
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm)
            same_bits(result.as_numpy("probabilities"),
                      probabilities(address))


def triton_datatypes(address):
    client = triton_client(address)
    half = LOGITS.astype(np.float16)
    result = client.infer("softmax", [triton_input("logits", half, "FP16")])
    expected = native(address, "/softmax",
                      {"logits": half.astype(np.float32).tolist()})
    same_bits(result.as_numpy("probabilities"), expected["probabilities"])
    import ml_dtypes  # numpy has no bfloat16 of its own
    brain = LOGITS.astype(ml_dtypes.bfloat16)
    result = client.infer("softmax", [triton_input("logits", brain, "BF16")])
    expected = native(address, "/softmax",
                      {"logits": brain.astype(np.float32).tolist()})
    same_bits(result.as_numpy("probabilities"), expected["probabilities"])
    wide = LOGITS.astype(np.float64)
    result = client.infer("log_softmax",
                          [triton_input("logits", wide, "FP64")])
    expected = native(address, "/softmax", {
        "dtype": "float64", "log": True, "logits": wide.tolist()})
    same_bits(result.as_numpy("log_probabilities"),
              expected["log_probabilities"], np.float64)


def triton_loss_and_gradient(address):
    client = triton_client(address)
    mask = RANDOM.random((64, 33)) < 0.9
    mask[np.arange(64), LABELS] = True
    for labels, datatype in ((LABELS.astype(np.int64), "INT64"),
                             (LABELS.astype(np.int32), "INT32")):
        inputs = [triton_input("logits", LOGITS, "FP32"),
                  triton_input("labels", labels, datatype, False),
                  triton_input("mask", mask, "BOOL")]
        result = client.infer(
            "gradient", inputs,
            outputs=[triton().InferRequestedOutput("gradient"),
                     triton().InferRequestedOutput("loss", binary_data=False),
                     triton().InferRequestedOutput("accuracy")],
            parameters={"label_smoothing": 0.1, "reduction": "sum"})
        expected = native(address, "/gradient", {
            "logits": LOGITS.tolist(), "labels": labels.tolist(),
            "mask": mask.tolist(), "label_smoothing": 0.1, "reduction": "sum",
            "include": ["accuracy"]})
        same_bits(result.as_numpy("gradient"), expected["gradient"])
        same_bits(result.as_numpy("loss"), [expected["loss"]])
        same_bits(result.as_numpy("accuracy"), [expected["accuracy"]],
                  np.float64)


def triton_masked_classes_stay_infinite(address):
    logits = np.array([[1, -np.inf, 2]], dtype=np.float32)
    for binary in (True, False):
        outputs = [triton().InferRequestedOutput("log_probabilities",
                                                 binary_data=binary)]
        result = triton_client(address).infer(
            "log_softmax", [triton_input("logits", logits, "FP32")],
            outputs=outputs)
        assert np.isneginf(result.as_numpy("log_probabilities")[0, 1])


def triton_async_and_at_once(address):
    client = triton_client(address, concurrency=8)
    rows = [LOGITS[i:i + 1] for i in range(64)]
    pending = [client.async_infer("softmax",
                                  [triton_input("logits", row, "FP32")])
               for row in rows]
    whole = np.array(probabilities(address), dtype=np.float32)
    for i, one in enumerate(pending):
        same_bits(one.get_result().as_numpy("probabilities"), whole[i:i + 1])

    def ask(i):
        mine = triton_client(address)
        result = mine.infer("softmax",
                            [triton_input("logits", rows[i], "FP32")])
        return result.as_numpy("probabilities")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for i, got in enumerate(pool.map(ask, range(64))):
            same_bits(got, whole[i:i + 1])


def triton_everything_at_once(address):
    """64 connections, each sending its own mixture, errors among it."""
    triton()
    from tritonclient.utils import InferenceServerException
    whole = np.array(probabilities(address), dtype=np.float32)
    bad = LOGITS.copy()
    bad[5, 6] = np.nan

    def ask(seed):
        draw = np.random.default_rng(seed)
        client = triton_client(address, network_timeout=120,
                               connection_timeout=120)
        for _ in range(8):
            binary = bool(draw.integers(2))
            way, back = draw.choice([None, "gzip", "deflate"], 2)
            broken = draw.integers(4) == 0
            rows = 64 if broken else int(draw.integers(1, 65))
            logits = (bad if broken else LOGITS)[:rows]
            try:
                result = client.infer(
                    "softmax", [triton_input("logits", logits, "FP32", binary
                                             or broken)],
                    request_compression_algorithm=way,
                    response_compression_algorithm=back)
            except InferenceServerException as error:
                assert broken and error.status() == "400", error
                continue
            assert not broken
            same_bits(result.as_numpy("probabilities"), whole[:rows])
        client.close()

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        list(pool.map(ask, range(64)))


def triton_aio(address):
    if importlib.util.find_spec("aiohttp") is None:
        raise Skipped("aiohttp is not installed")
    import tritonclient.http.aio as aio

    async def ask():
        async with aio.InferenceServerClient(address) as client:
            return await asyncio.gather(*[
                client.infer("softmax",
                             [triton_input("logits", LOGITS, "FP32", binary)],
                             response_compression_algorithm=algorithm)
                for binary in (True, False)
                for algorithm in (None, "gzip", "deflate")])

    for result in asyncio.run(ask()):
        same_bits(result.as_numpy("probabilities"), probabilities(address))


def triton_aio_reads_statistics(address):
    """It asks for gzip and deflate, and undoes them for inferences alone."""
    if importlib.util.find_spec("aiohttp") is None:
        raise Skipped("aiohttp is not installed")
    import tritonclient.http.aio as aio

    async def ask():
        async with aio.InferenceServerClient(address) as client:
            return await client.get_inference_statistics()

    models = asyncio.run(ask())["model_stats"]
    assert [m["name"] for m in models] == [
        "softmax", "log_softmax", "loss", "gradient"], models


def triton_raises_what_the_server_says(address):
    from tritonclient.utils import InferenceServerException
    client = triton_client(address)
    bad = LOGITS.copy()
    bad[3, 17] = np.nan
    for model, inputs, word in (
            ("softmax", [triton_input("logits", bad, "FP32")], "NaN"),
            ("resnet", [triton_input("logits", LOGITS, "FP32")], "resnet"),
            ("softmax", [triton_input("logits", LOGITS, "FP32"),
                         triton_input("pixels", LOGITS, "FP32")], "pixels")):
        try:
            client.infer(model, inputs)
        except InferenceServerException as error:
            assert word in error.message(), error
        else:
            raise AssertionError(f"{word} was accepted")


def triton_reads_statistics(address):
    client = triton_client(address)
    before = client.get_inference_statistics("log_softmax")["model_stats"][0]
    client.infer("log_softmax", [triton_input("logits", LOGITS, "FP32")])
    after = client.get_inference_statistics("log_softmax")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 64
    assert after["execution_count"] - before["execution_count"] == 1


# ---- perf_analyzer --------------------------------------------------------

def perf_analyzer():
    """The command line of the program, and its environment."""
    venv = os.path.abspath(os.environ.get("PERF_VENV", "none"))
    program = os.path.join(venv, "bin", "perf_analyzer")
    cuda = glob.glob(os.path.join(venv, "lib", "python3*", "site-packages",
                                  "nvidia", "cuda_runtime", "lib"))
    if not os.path.exists(program) or not cuda:
        raise Skipped("perf_analyzer is not installed: make check-clients")
    os.chmod(program, 0o755)
    environment = {**os.environ, "LD_LIBRARY_PATH": cuda[0]}
    loads = subprocess.run([program, "--version"], env=environment,
                           capture_output=True, text=True, timeout=60)
    if "error while loading shared libraries" in loads.stderr:
        raise Skipped(loads.stderr.strip().split(": ", 1)[1])
    return program, environment


def perf_analyzer_drives_every_model(address, *more):
    """It sends each input of the metadata and asks for each output. Its random
    logits hold NaN, so it sends zeros."""
    program, environment = perf_analyzer()
    shapes = {"softmax": {"logits": "64,1000"},
              "log_softmax": {"logits": "64,1000"},
              "loss": {"logits": "64,1000", "labels": "64"},
              "gradient": {"logits": "64,1000", "labels": "64"}}
    for model, inputs in shapes.items():
        done = subprocess.run(
            [program, "-m", model, "-u", address, "--request-count", "50",
             "--input-data", "zero", *more,
             *(word for name, shape in inputs.items()
               for word in ("--shape", f"{name}:{shape}"))],
            env=environment, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "throughput: " in said, (model, said)


def bodies(address):
    """Bytes of all bodies of inferences so far, and how many there were."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text = answer.read().decode()
    return np.array([float(re.search(
        rf'softmaxd_request_body_bytes_{what}{{endpoint="v2_infer"}} (.*)',
        text)[1]) for what in ("sum", "count")])


def perf_analyzer_shares_memory(address):
    before = bodies(address)
    perf_analyzer_drives_every_model(
        address, "--shared-memory", "system",
        "--output-shared-memory-size", str(4 * 64 * 1000))
    sent, requests = bodies(address) - before
    assert requests >= 200 and sent / requests < 1000, (sent, requests)
    assert triton_client(address).get_system_shared_memory_status() == []


# ---- KServe ---------------------------------------------------------------

def kserve_rest_client(address):
    python = os.environ.get("KSERVE_PYTHON")
    if not python or not os.path.exists(python):
        raise Skipped("kserve is not installed: make check-clients")
    subprocess.run([python, os.path.join(HERE, "client_kserve.py"), address],
                   check=True, timeout=120)


# ---- NumPy ----------------------------------------------------------------

def numpy_send(address, array, accept, options="", version=None, squeeze=False):
    """The body of the answer to what NumPy writes of an array."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    headers = {"Content-Type": "application/x-npy", "Accept": accept}
    body = file.getvalue()
    if squeeze:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    request = urllib.request.Request(f"http://{address}/softmax{options}",
                                     body, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["Content-Type"] == accept
        return response.read()


def numpy_files(address):
    wide = LOGITS.astype(np.float64)
    for array in (LOGITS, LOGITS[0], wide, LOGITS.astype(np.float16),
                  LOGITS.reshape(4, 2, 1, 8, 33), LOGITS[:0], LOGITS[::2, ::3]):
        dtype = "float64" if array.dtype == np.float64 else "float32"
        expected = native(address, "/softmax", {
            "logits": array.tolist(), "dtype": dtype})["probabilities"] \
            if array.size else np.empty(array.shape)
        for version in ((1, 0), (2, 0), (3, 0)):
            body = numpy_send(address, array, "application/x-npy", "", version,
                              version == (3, 0))
            got = np.load(io.BytesIO(body), allow_pickle=False)
            same_bits(got, expected, dtype)
            file = io.BytesIO()
            np.save(file, got)
            assert file.getvalue() == body, body[:128]
        answer = json.loads(numpy_send(address, array, "application/json"))
        same_bits(np.array(answer["probabilities"], dtype).reshape(got.shape),
                  expected, dtype)
    top = json.loads(numpy_send(address, LOGITS, "application/json",
                                "?top_k=3&log=true"))
    assert np.shape(top["indices"]) == (64, 3)


def numpy_refusals(address):
    objects = np.array([1, None])
    record = np.zeros(2, [("a", "<f4"), ("b", "<i4")])
    for array in (objects, record, LOGITS.astype(">f4"), LABELS,
                  np.asfortranarray(LOGITS), LOGITS > 0, np.float32(1),
                  LOGITS.astype(np.complex64)):
        try:
            numpy_send(address, np.asanyarray(array), "application/x-npy")
        except urllib.error.HTTPError as error:
            assert error.code == 422, error.read()
        else:
            raise AssertionError(f"{array.dtype} was taken")


# ---- by hand --------------------------------------------------------------

def node_by_hand(address):
    if not shutil.which("node"):
        raise Skipped("node is not installed")
    subprocess.run(["node", os.path.join(HERE, "client.mjs"),
                    f"http://{address}"], check=True, timeout=120)


def go_by_hand(address):
    if not shutil.which("go"):
        raise Skipped("go is not installed")
    subprocess.run(["go", "run", os.path.join(HERE, "client.go"),
                    f"http://{address}"], check=True, timeout=300)


TESTS = [triton_tells_about_itself, triton_default_is_binary_both_ways,
         triton_json_both_ways, triton_compresses_both_ways, triton_datatypes,
         triton_loss_and_gradient, triton_masked_classes_stay_infinite,
         triton_async_and_at_once, triton_everything_at_once, triton_aio,
         triton_aio_reads_statistics, triton_shared_memory,
         triton_shared_memory_mixed, triton_shared_memory_refusals,
         perf_analyzer_drives_every_model, perf_analyzer_shares_memory,
         triton_raises_what_the_server_says, triton_reads_statistics,
         kserve_rest_client, numpy_files, numpy_refusals, node_by_hand, go_by_hand]


def main():
    tests = Tests()
    with Daemon("--shared-memory") as running:
        for test in TESTS:
            try:
                test(f"127.0.0.1:{running.port}")
            except Skipped as word:
                print(f"[  SKIPPED ] {test.__name__}: {word}.")
            except Exception as error:  # one failure hides no other
                tests.check(test.__name__, False,
                            f"{type(error).__name__}: {error}")
            else:
                tests.check(test.__name__, True)
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
