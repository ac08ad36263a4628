# SPDX-License-Identifier: MIT
# Python with httpx over a Unix socket: softmaxd --listen unix:/run/softmaxd.sock
# Prints: {'gradient': [0.09003057, 0.24472848, -0.33475906], 'loss': 0.40760598, 'divisor': 1, 'rows': 1}
import os

import httpx

SOCKET = os.environ.get("SOFTMAXD_SOCKET", "/run/softmaxd.sock")
transport = httpx.HTTPTransport(uds=SOCKET)

with httpx.Client(transport=transport, base_url="http://softmaxd") as client:
    answer = client.post("/gradient", json={"logits": [1, 2, 3], "labels": 2})
    print(answer.json())
