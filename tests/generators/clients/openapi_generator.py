# SPDX-License-Identifier: MIT
"""The calls of run.py with what OpenAPI Generator makes for Python."""
import json
import sys

import openapi_client as api

native = api.NativeApi(api.ApiClient(api.Configuration(host=sys.argv[1])))
batch, labels = [[2, 1, 0], [0, 1, 2]], [0, 1]
try:
    native.loss(api.LossRequest(logits=[[1, 2, 3], [1, 2, 3]], labels=[0, 7]))
except api.exceptions.UnprocessableEntityException as error:
    problem = error.data
assert isinstance(problem, api.Problem)
print(json.dumps({
    "softmax": native.softmax(
        api.SoftmaxRequest(logits=[1, 2, 3])).probabilities,
    "softmax_batch": native.softmax(api.SoftmaxRequest(
        dtype=api.Dtype.FLOAT64, temperature=2,
        logits=[[0.1, 0.2, 0.3], [4, 5, "-Infinity"]])).probabilities,
    "query": native.softmax(
        api.SoftmaxRequest(logits=[1, 2, 3]), temperature=2,
        include=["argmax", "entropy"]).probabilities,
    "loss": native.loss(api.LossRequest(logits=batch, labels=labels)).loss,
    "loss_none": native.loss(api.LossRequest(
        logits=batch, labels=labels, weights=[1, 2, 3],
        reduction=api.Reduction.NONE)).loss,
    "gradient": native.gradient(
        api.GradientRequest(logits=[1, 2, 3], labels=2)).gradient,
    "gradient_batch": native.gradient(api.GradientRequest(
        logits=batch, labels=labels,
        reduction=api.Reduction.SUM)).gradient,
    "pointer": problem.pointer,
    "detail": problem.detail,
}))
