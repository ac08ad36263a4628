# SPDX-License-Identifier: MIT
# What numpy.save writes as the request, what numpy.load reads as the answer.
# Prints: (1000, 1000) float32 True
import io
import os
import urllib.request

import numpy as np

URL = os.environ.get("SOFTMAXD_URL", "http://127.0.0.1:8080")
NPY = "application/x-npy"


def softmax(logits, options=""):
    file = io.BytesIO()
    np.save(file, logits)
    request = urllib.request.Request(f"{URL}/softmax?{options}",
                                     file.getvalue(),
                                     {"Content-Type": NPY, "Accept": NPY})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return np.load(io.BytesIO(answer.read()))


z = np.random.default_rng(0).normal(size=(1000, 1000)).astype("<f4")
p = softmax(z, "temperature=2")
print(p.shape, p.dtype, np.allclose(p.sum(axis=1), 1))
