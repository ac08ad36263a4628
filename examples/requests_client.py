# SPDX-License-Identifier: MIT
# Python with requests.
# Prints: [0.09003057, 0.24472848, 0.66524094]
# Prints: 0.90760595
# Prints: labels: got 7 in row 0, must be in [0, 3) or ignore_index -100
import os

import requests

URL = os.environ.get("SOFTMAXD_URL", "http://127.0.0.1:8080")
session = requests.Session()  # keeps the connection open between calls


def ask(path, **members):
    answer = session.post(URL + path, json=members, timeout=10)
    if not answer.ok:  # raise_for_status() would hide what is wrong
        raise ValueError(answer.json()["detail"])
    return answer.json()


print(ask("/softmax", logits=[1, 2, 3])["probabilities"])
print(ask("/loss", logits=[[2, 1, 0], [0, 1, 2]], labels=[0, 1])["loss"])
try:
    ask("/loss", logits=[[1, 2, 3]], labels=[7])
except ValueError as error:
    print(error)
