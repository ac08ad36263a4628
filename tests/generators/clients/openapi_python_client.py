# SPDX-License-Identifier: MIT
"""The calls of run.py with what openapi-python-client generates."""
import json
import sys

from softmaxd_client import Client
from softmaxd_client.api.native import gradient, loss, softmax
from softmaxd_client.models import (Dtype, GradientRequest, LossRequest,
                                    Problem, Reduction, SoftmaxIncludeItem,
                                    SoftmaxRequest)

client = Client(base_url=sys.argv[1])
batch, labels = [[2, 1, 0], [0, 1, 2]], [0, 1]
wrong = loss.sync(client=client, body=LossRequest([[1, 2, 3], [1, 2, 3]],
                                                  labels=[0, 7]))
assert isinstance(wrong, Problem)
print(json.dumps({
    "softmax": softmax.sync(
        client=client, body=SoftmaxRequest([1, 2, 3])).probabilities,
    "softmax_batch": softmax.sync(client=client, body=SoftmaxRequest(
        [[0.1, 0.2, 0.3], [4, 5, "-Infinity"]], dtype=Dtype.FLOAT64,
        temperature=2)).probabilities,
    "query": softmax.sync(
        client=client, body=SoftmaxRequest([1, 2, 3]), temperature=2,
        include=[SoftmaxIncludeItem.ARGMAX, SoftmaxIncludeItem.ENTROPY]
    ).probabilities,
    "loss": loss.sync(
        client=client, body=LossRequest(batch, labels=labels)).loss,
    "loss_none": loss.sync(client=client, body=LossRequest(
        batch, labels=labels, weights=[1, 2, 3],
        reduction=Reduction.NONE)).loss,
    "gradient": gradient.sync(
        client=client, body=GradientRequest([1, 2, 3], labels=2)).gradient,
    "gradient_batch": gradient.sync(client=client, body=GradientRequest(
        batch, labels=labels, reduction=Reduction.SUM)).gradient,
    "pointer": wrong.pointer,
    "detail": wrong.detail,
}))
