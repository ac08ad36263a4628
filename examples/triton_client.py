# SPDX-License-Identifier: MIT
# Triton's own client, over HTTP with binary tensors.
# Prints: [[0.09003057 0.24472848 0.66524094]]
# Prints: 0.40760598
import os
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as triton

URL = os.environ.get("SOFTMAXD_URL", "http://127.0.0.1:8080")
client = triton.InferenceServerClient(urlsplit(URL).netloc)


def tensor(name, array, datatype):
    given = triton.InferInput(name, array.shape, datatype)
    given.set_data_from_numpy(array)
    return given


logits = tensor("logits", np.array([[1, 2, 3]], "f4"), "FP32")
labels = tensor("labels", np.array([2], "i8"), "INT64")
print(client.infer("softmax", [logits]).as_numpy("probabilities"))
answer = client.infer("loss", [logits, labels], parameters={"reduction": "sum"})
print(answer.as_numpy("loss")[0])
