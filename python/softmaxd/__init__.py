# SPDX-License-Identifier: MIT
"""Softmax, cross-entropy loss and their gradients, exact to the last bits.

    >>> import numpy as np, softmaxd
    >>> z = np.array([[2, 1, 0], [0, 1, 2]], np.float32)
    >>> softmaxd.softmax(z).probabilities
    >>> softmaxd.loss(z, labels=[0, 1]).loss
    >>> softmaxd.gradient(z, labels=[0, 1]).gradient

The functions compute with libsoftmax in this process, or ask the daemon that
the environment variable SOFTMAXD_URL names (http://host:port, https://...,
unix:/path): the same bits either way. `Library` and `Client` are the two ways
by name, each with the same three methods.
"""
from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Optional

from .client import Client
from .library import Library
from .options import (Answer, Array, GradientOptions, LossOptions,
                      SoftmaxdError, SoftmaxOptions, Way)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__version__ = "1.0.0"
__all__ = ["Answer", "Client", "Library", "SoftmaxdError", "gradient", "loss",
           "softmax"]

_lock = threading.Lock()
_way: Optional[Way] = None


def _default() -> Way:
    global _way
    with _lock:
        if _way is None:
            url = os.environ.get("SOFTMAXD_URL")
            _way = Client(url) if url else Library()
        return _way


def softmax(logits: Array, **options: Unpack[SoftmaxOptions]) -> Answer:
    """Probabilities of the classes; see `Way.softmax`."""
    return _default().softmax(logits, **options)


def loss(logits: Array, **options: Unpack[LossOptions]) -> Answer:
    """Cross-entropy; see `Way.loss`."""
    return _default().loss(logits, **options)


def gradient(logits: Array, **options: Unpack[GradientOptions]) -> Answer:
    """Gradient by the logits; see `Way.gradient`."""
    return _default().gradient(logits, **options)
