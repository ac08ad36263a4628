# SPDX-License-Identifier: MIT
"""The daemon, over HTTP or a Unix socket."""
from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import urllib.parse
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from .options import TENSORS, Answer, SoftmaxdError, Way, answer_type, normalise


# From here on the Open Inference Protocol with binary tensors pays: 4 bytes a
# logit instead of 5.3, and no text for Python to make and read.
BINARY_BYTES = 64 * 1024
DATATYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64",
             "bool": "BOOL"}
NUMBERS = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}
HEAD_BYTES = "Inference-Header-Content-Length"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client(Way):
    """A daemon. May be used by several threads: each has its own connection.

    url      "http://host:port", "https://host:port/prefix" or "unix:/path"
    token    a bearer token, where the daemon asks for one
    timeout  seconds without a byte
    context  of TLS, for certificates of one's own
    Options that this version does not know are passed on to the daemon.
    """

    def __init__(self, url: str = "http://127.0.0.1:8080", *,
                 token: Optional[str] = None, timeout: float = 60,
                 context: Optional[ssl.SSLContext] = None) -> None:
        if not url.startswith(("http://", "https://", "unix:/")):
            raise ValueError(f"url: got {url}, must be http://host:port, "
                             "https://host:port or unix:/path")
        self._url = urllib.parse.urlsplit(url)
        self._timeout = timeout
        self._context = context
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._local = threading.local()

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            url, timeout = self._url, self._timeout
            if url.scheme == "unix":
                connection = _UnixConnection(url.path, timeout)
            elif url.scheme == "https":
                connection = http.client.HTTPSConnection(
                    url.netloc, timeout=timeout, context=self._context)
            else:
                connection = http.client.HTTPConnection(url.netloc,
                                                        timeout=timeout)
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """This thread's connection; the next call opens another."""
        self._connection().close()

    def _post(self, path: str, body: bytes, **headers: str) \
            -> Tuple[int, Any, bytes]:
        """Status, headers and body of the answer."""
        connection = self._connection()
        prefix = "" if self._url.scheme == "unix" else self._url.path
        kept = connection.sock is not None
        try:
            connection.request("POST", prefix.rstrip("/") + path, body,
                               {**self._headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            if not kept:
                raise
        except BaseException:
            connection.close()
            raise
        # It was closed while it was idle. Whatever is asked may be asked twice.
        return self._post(path, body, **headers)

    def ask(self, operation: str, options: Dict[str, Any]) -> Answer:
        options = normalise(options)
        answer = None
        if options["logits"].nbytes >= BINARY_BYTES:
            answer = self._infer(operation, options)
        return answer or self._call(operation, options)

    def _infer(self, operation: str,
               options: Dict[str, Any]) -> Optional[Answer]:
        """By the Open Inference Protocol; None: it makes no sense, and the
        native interface says of which element."""
        tensors = {name: _little(options[name]) for name in TENSORS
                   if name in options}
        head = json.dumps({
            "parameters": {"binary_data_output": True,
                           **{name: value for name, value in options.items()
                              if name not in (*TENSORS, "dtype", "include")}},
            "inputs": [{"name": name, "shape": tensor.shape or (1,),
                        "datatype": DATATYPES[tensor.dtype.name],
                        "parameters": {"binary_data_size": tensor.nbytes}}
                       for name, tensor in tensors.items()],
            "outputs": [{"name": name} for name in _outputs(operation,
                                                            options)],
        }, default=_plain).encode()
        status, headers, body = self._post(
            f"/v2/models/{operation}/infer",
            b"".join([head, *map(_bytes, tensors.values())]),
            **{"Content-Type": "application/octet-stream",
               HEAD_BYTES: str(len(head))})
        if status == 400:
            return None
        if status != 200:
            raise _error(status, body)
        at, answer = int(headers[HEAD_BYTES]), Answer()
        for output in json.loads(body[:at])["outputs"]:
            name, little = output["name"], np.dtype(NUMBERS[output["datatype"]])
            size = output["parameters"]["binary_data_size"]
            array = np.frombuffer(body, little, size // little.itemsize, at)
            shape = () if _is_scalar(name, options) else output["shape"]
            setattr(answer, name, array.reshape(shape).astype(
                little.newbyteorder("="))[()])
            at += size
        return answer

    def _call(self, operation: str, options: Dict[str, Any]) -> Answer:
        """By the native interface, tensors in base64."""
        dtype = options["dtype"]
        body = {name: _encode(value) if name in TENSORS else value
                for name, value in options.items()}
        body.update(dtype=dtype.name, encoding="base64")
        status, _, text = self._post(f"/{operation}",
                                  json.dumps(body, default=_plain).encode())
        if status != 200:
            raise _error(status, text)
        return Answer(**{name: _decode(name, value, dtype)
                         for name, value in json.loads(text).items()})


def _plain(value: Any) -> Any:
    """What json does not know: scalars of NumPy, and other sequences."""
    return value.item() if isinstance(value, np.generic) else list(value)


def _little(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _bytes(array: np.ndarray) -> Any:
    return array.data if array.size else b""


def _encode(array: np.ndarray) -> Any:
    if array.ndim == 0:
        return array.item()
    return {"dtype": array.dtype.name, "shape": array.shape,
            "base64": base64.b64encode(_bytes(_little(array))).decode()}


def _outputs(operation: str, options: Dict[str, Any]) -> List[str]:
    """What the native interface would answer."""
    names = [*options.get("include", ())]
    if operation == "softmax" and not options.get("statistics_only"):
        names += ["log_probabilities" if options.get("log") else
                  "probabilities"]
        names += ["indices"] if "top_k" in options else []
    elif options.get("of", "loss") != "loss":
        names += ["gradient" if "upstream" in options else "jacobian"]
    elif operation != "softmax":
        names += ["gradient"] if operation == "gradient" else []
        names += ["loss", "divisor", "rows"]
    return names


def _is_scalar(name: str, options: Dict[str, Any]) -> bool:
    """The Open Inference Protocol has shape [1] for it."""
    if name in ("divisor", "rows", "accuracy"):
        return True
    if name == "loss" and options.get("reduction", "mean") != "none":
        return True
    per_row = name in ("loss", "logsumexp", "entropy", "argmax") or \
        (name == "rank" and "labels" in options)
    return per_row and bool(options["logits"].ndim == 1)


def _decode(name: str, value: Any, dtype: np.dtype) -> Any:
    type_ = answer_type(name, dtype)
    if not isinstance(value, dict):
        return np.asarray(value, type_)[()]
    little = np.dtype(value["dtype"]).newbyteorder("<")
    data = bytearray(base64.b64decode(value["base64"]))
    return np.frombuffer(data, little).reshape(value["shape"]) \
        .astype(type_, copy=False)


def _error(status: int, text: bytes) -> SoftmaxdError:
    try:
        problem = json.loads(text)
        detail = problem.get("detail") or problem["error"]
        return SoftmaxdError(detail, problem.get("pointer"), status)
    except (ValueError, KeyError, TypeError):
        return SoftmaxdError(f"status {status}: "
                             f"{text[:200].decode(errors='replace')}", None,
                             status)
