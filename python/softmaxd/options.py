# SPDX-License-Identifier: MIT
"""The options, what comes back, and how arrays of any kind become NumPy's."""
from __future__ import annotations

import types
from typing import (TYPE_CHECKING, Any, Dict, Optional, Sequence, TypedDict,
                    Union)

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A NumPy array; what has the buffer protocol, DLPack or __array__; or numbers
# in lists.
Array = Any


class CommonOptions(TypedDict, total=False):
    """None is as good as leaving an option out.

    axis         the class axis, negative from the end (-1)
    dtype        "float32" or "float64": computed in and answered in. That of
                 an array of either; else "float32"
    temperature  > 0; logits are divided by it (1)
    softcap      > 0; s tanh(z / s), before the temperature (none)
    mask         booleans, [classes] or the shape of the logits; False:
                 probability 0, gradient 0
    include      names of what else shall be answered, see `Answer`
    """
    axis: Optional[int]
    dtype: Optional[str]
    temperature: Optional[float]
    softcap: Optional[float]
    mask: Optional[Array]
    include: Optional[Sequence[str]]


class SoftmaxOptions(CommonOptions, total=False):
    """log              answer log-probabilities
    top_k            answer the k largest and their classes
    classes          answer these, [k] for all rows or rows + [k]
    statistics_only  answer what `include` names, and nothing else
    """
    log: Optional[bool]
    top_k: Optional[int]
    classes: Optional[Array]
    statistics_only: Optional[bool]


class LossOptions(CommonOptions, total=False):
    """labels           integers, one per row; exactly one of it, targets, teacher
    targets          class probabilities, shape of the logits
    teacher          logits of another model, shape of the logits
    divergence       from it: "forward_kl", "reverse_kl" or "jsd", then beta
    teacher_temperature   > 0 (that of the logits)
    row_weights      >= 0, one per row
    entropy_weight   >= 0; times the entropy, subtracted (0)
    focal            >= 0; exponent of 1 - p_y (0)
    weights          [classes]
    ignore_index     label of rows to leave out (-100)
    label_smoothing  in [0, 1] (0)
    reduction        "mean", "sum" or "none" ("mean")
    z_loss           >= 0; coefficient of logsumexp^2 (0)
    """
    labels: Optional[Array]
    targets: Optional[Array]
    teacher: Optional[Array]
    divergence: Optional[str]
    beta: Optional[float]
    teacher_temperature: Optional[float]
    row_weights: Optional[Array]
    entropy_weight: Optional[float]
    focal: Optional[float]
    weights: Optional[Array]
    ignore_index: Optional[int]
    label_smoothing: Optional[float]
    reduction: Optional[str]
    z_loss: Optional[float]


class GradientOptions(LossOptions, total=False):
    """of        "loss", or "softmax", "log_softmax": their own derivatives
    upstream  the gradient arriving from above: a number for mean and sum, one
              per row for none, an array like the logits for softmax; there,
              without it, the answer is the whole Jacobian
    """
    of: Optional[str]
    upstream: Optional[Array]


class Answer(types.SimpleNamespace):
    """What was computed, by the names of the HTTP interface. Arrays; scalars
    of NumPy where one number is all there is.

    probabilities, log_probabilities  dimensionless, nats; shape of the logits,
                       or with k classes where top_k or classes ask for them
    indices            of top_k: the classes
    loss               nats; one number, with reduction "none" one per row
    divisor, rows      what mean divides by; rows not ignored
    gradient           shape of the logits
    jacobian           shape of the logits + [classes]: d out_j / d z_i
    logsumexp, entropy, argmax, rank, accuracy   as included; nats, nats,
                       class, place, share
    """
    probabilities: np.ndarray
    log_probabilities: np.ndarray
    indices: np.ndarray
    loss: Any
    divisor: np.float64
    rows: np.int64
    gradient: np.ndarray
    jacobian: np.ndarray
    logsumexp: Any
    entropy: Any
    argmax: Any
    rank: Any
    accuracy: np.float64


class SoftmaxdError(ValueError):
    """A request that makes no sense, or that a daemon turned away.

    detail   "labels: got 7 in row 1, must be in [0, 3) or ignore_index -100"
    pointer  which element: "/labels/1" (RFC 6901); None: no single one
    status   of HTTP; 422: the request makes no sense; 503: try again later
    """

    def __init__(self, detail: str, pointer: Optional[str] = None,
                 status: int = 422) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.status = status


class Way:
    """A way to have it computed: `Library` or `Client`."""

    def ask(self, operation: str, options: Dict[str, Any]) -> Answer:
        raise NotImplementedError

    def softmax(self, logits: Array,
                **options: Unpack[SoftmaxOptions]) -> Answer:
        """p_c = exp(z_c) / sum exp(z) along the class axis.

        logits   nats, any shape of 1 to 8 axes; -inf leaves a class out
        options  `CommonOptions` and `SoftmaxOptions`
        """
        return self.ask("softmax", {"logits": logits, **options})

    def loss(self, logits: Array, **options: Unpack[LossOptions]) -> Answer:
        """Cross-entropy -log p_y in nats, as PyTorch's, the class axis aside.

        options  `CommonOptions` and `LossOptions`
        """
        return self.ask("loss", {"logits": logits, **options})

    def gradient(self, logits: Array,
                 **options: Unpack[GradientOptions]) -> Answer:
        """d loss / d logits, and the loss; or of softmax itself.

        options  `LossOptions` and `GradientOptions`
        """
        return self.ask("gradient", {"logits": logits, **options})


# Options that are tensors, by what they hold: of the logits' dtype, int64, bool.
TENSORS = {"logits": "f", "targets": "f", "weights": "f", "upstream": "f",
           "teacher": "f", "row_weights": "f", "labels": "i", "classes": "i",
           "mask": "b"}
# What is answered in another type than that of the logits.
INTEGERS = {"indices", "argmax", "rank", "rows"}
DOUBLES = {"divisor", "accuracy"}


def answer_type(name: str, dtype: np.dtype) -> np.dtype:
    if name in INTEGERS:
        return np.dtype(np.int64)
    return np.dtype(np.float64) if name in DOUBLES else dtype


def _array(value: Array) -> np.ndarray:
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack__"):
        return np.asarray(value)
    return np.from_dlpack(value)


def _dtype(logits: Array, wanted: Optional[str]) -> np.dtype:
    if wanted is None:
        own = getattr(logits, "dtype", None)
        return np.dtype("f8" if "float64" in str(own) else "f4")
    if wanted not in ("float32", "float64"):
        raise SoftmaxdError(f'dtype: got {wanted!r}, must be "float32" or '
                            '"float64"', "/dtype")
    return np.dtype(wanted)


def _tensor(name: str, value: Array, dtype: np.dtype) -> np.ndarray:
    """Contiguous, in the type that this option has."""
    try:
        array = _array(value)
    except (ValueError, BufferError) as error:
        raise SoftmaxdError(f"{name}: {error}", f"/{name}") from error
    kind = TENSORS[name]
    allowed, rule = {"f": ("fiu", "numbers"), "i": ("iu", "integers"),
                     "b": ("b", "booleans")}[kind]
    if array.dtype.kind not in allowed and array.size > 0:
        if array.dtype.kind != "V":  # bfloat16 of ml_dtypes
            raise SoftmaxdError(f"{name}: got {array.dtype}, must be {rule}",
                                f"/{name}")
    types_ = {"f": dtype, "i": np.dtype("i8"), "b": np.dtype("?")}
    # not ascontiguousarray, which gives a scalar an axis
    return np.asarray(array, types_[kind], order="C")


def normalise(options: Dict[str, Any]) -> Dict[str, Any]:
    """Without what is None, tensors as arrays, dtype as NumPy's."""
    options = {name: value for name, value in options.items()
               if value is not None}
    if "logits" not in options:
        raise SoftmaxdError("logits: got nothing, must be an array", "/logits")
    dtype = _dtype(options["logits"], options.get("dtype"))
    for name in TENSORS.keys() & options.keys():
        options[name] = _tensor(name, options[name], dtype)
    if "weights" in options and options["weights"].size == 0:
        del options["weights"]
    return {**options, "dtype": dtype}
