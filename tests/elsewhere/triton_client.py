# SPDX-License-Identifier: MIT
"""ONNX's cases again, asked by Triton's stock client in each way it has."""
import itertools

import numpy as np
import tritonclient.http
from onnx_nodes import array_of, attributes, cases, word

MODELS = {"Softmax": "softmax", "LogSoftmax": "log_softmax",
          "SoftmaxCrossEntropyLoss": "loss"}
OUTPUTS = {"softmax": "probabilities", "log_softmax": "log_probabilities",
           "loss": "loss"}
COMPRESSION = (None, "gzip", "deflate")


def question(node, inputs):
    """(tensors by name, parameters) of a node."""
    options = attributes(node)
    if node.op_type != "SoftmaxCrossEntropyLoss":
        return {"logits": inputs[0]}, {"axis": options.get("axis", -1)}
    tensors = {"logits": inputs[0], "labels": inputs[1].astype(np.int64)}
    if len(inputs) > 2:
        tensors["weights"] = inputs[2]
    parameters = {"axis": 1,
                  "reduction": word(options.get("reduction", "mean"))}
    if "ignore_index" in options:
        parameters["ignore_index"] = options["ignore_index"]
    return tensors, parameters


def ask(client, model, tensors, parameters, binary_in, binary_out, compression):
    inputs = []
    for name, array in tensors.items():
        datatype = tritonclient.utils.np_to_triton_dtype(array.dtype)
        tensor = tritonclient.http.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary_in)
        inputs.append(tensor)
    output = tritonclient.http.InferRequestedOutput(OUTPUTS[model],
                                                    binary_data=binary_out)
    answer = client.infer(model, inputs, outputs=[output],
                          parameters=parameters,
                          request_compression_algorithm=compression,
                          response_compression_algorithm=compression)
    return answer.as_numpy(OUTPUTS[model])


def run(remote, tally, _):
    client = tritonclient.http.InferenceServerClient(remote.address)
    ways = list(itertools.product((True, False), (True, False), COMPRESSION))
    for case, node in cases():
        if node.op_type not in MODELS:
            continue
        inputs, expected = case.data_sets[0]
        tensors, parameters = question(node, [array_of(i) for i in inputs])
        theirs = array_of(expected[0])
        for way in ways:
            def compare():
                got = ask(client, MODELS[node.op_type], tensors, parameters,
                          *way)
                np.testing.assert_allclose(got.reshape(theirs.shape), theirs,
                                           rtol=case.rtol, atol=case.atol)
            tally.run(f"{case.name} {way}", compare)
    client.close()
