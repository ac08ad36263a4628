# SPDX-License-Identifier: MIT
"""KServe's SDK client against a daemon. usage: client_kserve.py ADDRESS"""
import asyncio
import json
import sys
import urllib.request

import numpy as np
from kserve import (InferenceRESTClient, InferInput, InferRequest, RESTConfig)


async def main(address):
    base = f"http://{address}"
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    assert await client.is_server_live(base)
    assert await client.is_server_ready(base)
    assert await client.is_model_ready(base, "softmax")
    logits = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    question = urllib.request.Request(
        f"{base}/softmax", json.dumps({"logits": logits.tolist()}).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(question, timeout=30) as native:
        expected = np.array(json.load(native)["probabilities"], np.float32)
    for binary in (False, True):
        tensor = InferInput("logits", list(logits.shape), "FP32")
        tensor.set_data_from_numpy(logits, binary_data=binary)
        request = InferRequest(model_name="softmax", infer_inputs=[tensor],
                               request_id="k-1")
        answer = await client.infer(base, request, model_name="softmax")
        assert answer.id == "k-1", answer.id
        got = answer.outputs[0].as_numpy()
        assert got.shape == expected.shape, got.shape
        assert got.astype(np.float32).tobytes() == expected.tobytes(), got


asyncio.run(main(sys.argv[1]))
