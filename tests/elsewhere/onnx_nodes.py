# SPDX-License-Identifier: MIT
"""ONNX's own test data of the operators that the daemon computes."""
import warnings

import numpy as np
from onnx import helper, numpy_helper


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def word(value):
    return value.decode() if isinstance(value, bytes) else value


def array_of(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    return numpy_helper.to_array(value)


def softmax(remote, node, inputs):
    axis = attributes(node).get("axis", -1)
    return [remote.softmax(inputs[0], axis, log=node.op_type == "LogSoftmax")]


def cross_entropy(remote, node, inputs):
    options = attributes(node)
    outputs = [remote.loss(
        inputs[0], axis=1, labels=inputs[1].astype(np.int64),
        weights=inputs[2] if len(inputs) > 2 else None,
        ignore_index=options.get("ignore_index"),
        reduction=word(options.get("reduction", "mean")))["loss"]]
    if len(node.output) > 1:
        outputs.append(remote.softmax(inputs[0], 1, log=True))
    return outputs


def reduce_log_sum_exp(remote, node, inputs):
    """Several axes become one, the last; that is the client's to arrange."""
    x, options = inputs[0], attributes(node)
    axes = list(inputs[1]) if len(inputs) > 1 else list(range(x.ndim))
    axes = [int(axis) % x.ndim for axis in axes] or list(range(x.ndim))
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(kept + axes).reshape(
        int(np.prod([x.shape[axis] for axis in kept])), -1)
    lse = remote.ask("softmax", {"logits": rows},
                     include=["logsumexp"])["logsumexp"]
    shape = [1 if axis in axes else x.shape[axis] for axis in range(x.ndim)]
    if not options.get("keepdims", 1):
        shape = [x.shape[axis] for axis in kept]
    return [lse.reshape(shape)]


OPERATORS = {"Softmax": softmax, "LogSoftmax": softmax,
             "SoftmaxCrossEntropyLoss": cross_entropy,
             "ReduceLogSumExp": reduce_log_sum_exp}


def cases():
    """(case, node) of every test that is one operator."""
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases
    for case in collect_testcases(None):
        # an expanded twin spells the operator out and holds the same data
        if len(case.model.graph.node) == 1 and "_expanded" not in case.name:
            yield case, case.model.graph.node[0]


def run(remote, tally, _):
    for case, node in cases():
        if node.op_type == "NegativeLogLikelihoodLoss":
            tally.cannot("takes what is not a log-softmax")
            continue
        if node.op_type not in OPERATORS:
            continue
        for inputs, expected in case.data_sets:
            inputs = [array_of(value) for value in inputs]
            if 0 in inputs[0].shape:
                tally.cannot("a row of no classes")
                continue

            def compare():
                got = OPERATORS[node.op_type](remote, node, inputs)
                assert len(got) == len(expected), (len(got), len(expected))
                for mine, theirs in zip(got, map(array_of, expected)):
                    np.testing.assert_allclose(
                        mine.reshape(theirs.shape), theirs, rtol=case.rtol,
                        atol=case.atol)
            tally.run(case.name, compare)
