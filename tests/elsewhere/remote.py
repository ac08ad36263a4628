# SPDX-License-Identifier: MIT
"""The daemon as functions on numpy arrays, asked in each of its three ways.

Every call goes out as native JSON, as Open Inference Protocol JSON and as Open
Inference Protocol binary, and the three answers must have the same bits.
"""
import http.client
import json

import numpy as np

DATATYPE = {"float16": "FP16", "float32": "FP32", "float64": "FP64",
            "int32": "INT32", "int64": "INT64", "bool": "BOOL"}
DTYPE = {name: np.dtype(dtype) for dtype, name in DATATYPE.items()}
NATIVE_PATH = {"softmax": "/softmax", "log_softmax": "/softmax",
               "loss": "/loss", "gradient": "/gradient"}


class Refused(Exception):
    """The daemon answered with an error; `status` and its words."""

    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status = status


class Disagreement(AssertionError):
    """Two ways of asking gave different answers."""


def text_of(array):
    """Nested lists as JSON has them: an infinity is a string."""
    def plain(value):
        if isinstance(value, list):
            return [plain(element) for element in value]
        if isinstance(value, float) and value in (np.inf, -np.inf):
            return "Infinity" if value > 0 else "-Infinity"
        return value
    return plain(array.tolist())


def array_of(data, dtype):
    """What text_of() wrote; "Infinity" is one of numpy's own words."""
    return np.array(data, dtype=object).astype(dtype)


class Remote:
    """One kept-alive connection to a daemon on loopback."""

    def __init__(self, port):
        self.address = f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=60)
        self.requests = 0

    def post(self, path, body, headers):
        """(status, headers, body), whatever the status."""
        self.requests += 1
        try:
            self.connection.request("POST", path, body, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # the daemon may close after a refusal; once more, on a new one
            self.connection.close()
            self.connection.request("POST", path, body, headers)
            answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def native(self, model, tensors, options):
        body = {name: text_of(array) for name, array in tensors.items()}
        body.update(options, dtype=str(tensors["logits"].dtype))
        if model == "log_softmax":
            body["log"] = True
        status, _, answer = self.post(
            NATIVE_PATH[model], json.dumps(body, allow_nan=False).encode(),
            {"Content-Type": "application/json"})
        if status != 200:
            raise Refused(status, answer.decode())
        return json.loads(answer)

    def infer(self, model, tensors, options, binary):
        inputs, raw = [], b""
        for name, array in tensors.items():
            tensor = {"name": name, "shape": list(array.shape) or [1],
                      "datatype": DATATYPE[str(array.dtype)]}
            if binary:
                tensor["parameters"] = {"binary_data_size": array.nbytes}
                raw += np.ascontiguousarray(array).tobytes()
            else:
                tensor["data"] = text_of(array.reshape(-1))
            inputs.append(tensor)
        parameters = {key: ",".join(value) if isinstance(value, list)
                      else value for key, value in options.items()}
        parameters["binary_data_output"] = binary
        head = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
        headers = {"Content-Type": "application/json"}
        if binary:
            headers = {"Content-Type": "application/octet-stream",
                       "Inference-Header-Content-Length": str(len(head))}
        status, headers, answer = self.post(f"/v2/models/{model}/infer",
                                            head + raw, headers)
        if status != 200:
            raise Refused(status, answer.decode())
        length = int(headers.get("Inference-Header-Content-Length",
                                 len(answer)))
        outputs, offset = {}, length
        for tensor in json.loads(answer[:length])["outputs"]:
            dtype = DTYPE[tensor["datatype"]]
            if "data" in tensor:
                array = array_of(tensor["data"], dtype)
            else:
                size = tensor["parameters"]["binary_data_size"]
                array = np.frombuffer(answer[offset:offset + size], dtype)
                offset += size
            outputs[tensor["name"]] = array.reshape(tensor["shape"])
        return outputs

    def ask(self, model, tensors, **options):
        """Outputs by name; asked in three ways that must agree."""
        options = {key: value for key, value in options.items()
                   if value is not None}
        tensors = {name: np.asarray(array) for name, array in tensors.items()}
        outputs = self.infer(model, tensors, options, binary=True)
        same(outputs, self.infer(model, tensors, options, binary=False),
             "binary and JSON tensors")
        # nested lists cannot say how many classes no row has
        if all(array.size for array in tensors.values()):
            native = self.native(model, tensors, options)
            same({name: array.reshape(-1) for name, array in outputs.items()},
                 {name: array_of(native[name], array.dtype).reshape(-1)
                  for name, array in outputs.items()},
                 "Open Inference Protocol and native JSON")
        return outputs

    # ---- with the class axis anywhere, and shapes as the frameworks have them

    def softmax(self, x, axis=-1, log=False, **more):
        outputs = self.ask("log_softmax" if log else "softmax",
                           {"logits": at_least_a_row(x), **more},
                           axis=axis_of(x, axis))
        return outputs["log_probabilities" if log else "probabilities"
                       ].reshape(x.shape)

    def softmax_gradient(self, x, upstream, axis=-1, log=False, **more):
        outputs = self.ask("gradient", {
            "logits": at_least_a_row(x), "upstream": at_least_a_row(upstream),
            **more}, axis=axis_of(x, axis),
            of="log_softmax" if log else "softmax")
        return outputs["gradient"].reshape(x.shape)

    def loss(self, x, axis=-1, model="loss", upstream=None, **more):
        """`more`: labels or targets, weights, mask, and options."""
        tensors = {"logits": at_least_a_row(x)}
        more["upstream"] = upstream
        for name in ("labels", "targets", "weights", "mask", "upstream"):
            array = more.pop(name, None)
            if array is None:
                continue
            array = np.asarray(array)
            if x.ndim < 2 and name in ("targets", "mask"):
                array = at_least_a_row(array)
            elif x.ndim < 2 and (name == "labels" or name == "upstream"
                                 and more.get("reduction") == "none"):
                array = array.reshape(1)
            tensors[name] = array
        return self.ask(model, tensors, axis=axis_of(x, axis), **more)


def at_least_a_row(x):
    """The frameworks also have a softmax of one row, and of a number."""
    return x.reshape((1,) * (2 - x.ndim) + x.shape)


def axis_of(x, axis):
    return axis if x.ndim > 1 else -1


def same(a, b, ways):
    for name in a.keys() | b.keys():
        if name not in a or name not in b:
            raise Disagreement(f"{ways}: output {name} is in one alone")
        if a[name].tobytes() != b[name].tobytes():
            raise Disagreement(f"{ways} differ in {name}: {a[name]} {b[name]}")
