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
from typing import Any, Dict, Optional

import numpy as np

from .options import TENSORS, Answer, SoftmaxdError, Way, answer_type, normalise


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

    def _post(self, path: str, body: bytes) -> "tuple[int, bytes]":
        connection = self._connection()
        if self._url.scheme != "unix":
            path = self._url.path.rstrip("/") + path
        kept = connection.sock is not None
        try:
            connection.request("POST", path, body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            if not kept:
                raise
        except BaseException:
            connection.close()
            raise
        # It was closed while it was idle. Whatever is asked may be asked twice.
        return self._post(path if self._url.scheme == "unix" else
                          path[len(self._url.path.rstrip("/")):], body)

    def ask(self, operation: str, options: Dict[str, Any]) -> Answer:
        options = normalise(options)
        dtype = options["dtype"]
        body = {name: _encode(value) if name in TENSORS else value
                for name, value in options.items()}
        body.update(dtype=dtype.name, encoding="base64")
        status, text = self._post(f"/{operation}",
                                  json.dumps(body, default=_plain).encode())
        if status != 200:
            raise _error(status, text)
        return Answer(**{name: _decode(name, value, dtype)
                         for name, value in json.loads(text).items()})


def _plain(value: Any) -> Any:
    """What json does not know: scalars of NumPy, and other sequences."""
    return value.item() if isinstance(value, np.generic) else list(value)


def _encode(array: np.ndarray) -> Any:
    if array.ndim == 0:
        return array.item()
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": array.dtype.name, "shape": array.shape,
            "base64": base64.b64encode(little.data if little.size else b"")
            .decode()}


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
        return SoftmaxdError(problem["detail"], problem.get("pointer"), status)
    except (ValueError, KeyError, TypeError):
        return SoftmaxdError(f"status {status}: "
                             f"{text[:200].decode(errors='replace')}", None,
                             status)
