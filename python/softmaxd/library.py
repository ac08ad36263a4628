# SPDX-License-Identifier: MIT
"""libsoftmax in this process, through ctypes."""
from __future__ import annotations

import ctypes
import ctypes.util
import math
import os
from ctypes import POINTER, byref, c_bool, c_double, c_int, c_int64, c_size_t
from ctypes import c_void_p
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from .options import (Answer, GradientOptions, LossOptions, SoftmaxdError,
                      SoftmaxOptions, Way, answer_type, normalise)

OPTIONS = {"softmax": SoftmaxOptions, "loss": LossOptions,
           "gradient": GradientOptions}
INCLUDED = {"softmax": ("logsumexp", "entropy", "argmax", "rank"),
            "loss": ("logsumexp", "argmax", "accuracy", "entropy", "rank",
                     "log_probabilities")}
REDUCTIONS = ("mean", "sum", "none")
DIVERGENCES = ("forward_kl", "reverse_kl", "jsd")
ISAS = ("best", "base", "avx2", "avx512", "neon")
NO_MEMORY = 5  # SMX_ENOMEM


def _struct(name: str, *fields: Tuple[str, Any]) -> Any:
    """A struct of softmax.h, which begins with its size."""
    def init(self: ctypes.Structure, **values: Any) -> None:
        ctypes.Structure.__init__(self, size=ctypes.sizeof(self), **values)
    return type(name, (ctypes.Structure,),
                {"_fields_": [("size", c_size_t), *fields], "__init__": init})


Config = _struct("Config", ("threads", c_size_t), ("isa", c_int))
Where = _struct("Where", ("field", c_int), ("index", c_size_t))
Logits = _struct(
    "Logits", ("data", c_void_p), ("dtype", c_int), ("outer", c_size_t),
    ("classes", c_size_t), ("inner", c_size_t), ("stride", c_size_t),
    ("out_stride", c_size_t), ("temperature", c_double), ("softcap", c_double),
    ("mask", c_void_p), ("mask_per_class", c_bool))
Criterion = _struct(
    "Criterion", ("labels", c_void_p), ("targets", c_void_p),
    ("teacher", c_void_p), ("weights", c_void_p), ("row_weights", c_void_p),
    ("ignore", c_bool), ("ignore_index", c_int64),
    ("label_smoothing", c_double), ("z_loss", c_double),
    ("entropy_weight", c_double), ("focal", c_double), ("divergence", c_int),
    ("beta", c_double), ("teacher_temperature", c_double),
    ("reduction", c_int))
Chosen = _struct(
    "Chosen", ("log", c_bool), ("top_k", c_size_t), ("chosen", c_void_p),
    ("chosen_count", c_size_t), ("chosen_each_row", c_bool))
SoftmaxOut = _struct(
    "SoftmaxOut", ("values", c_void_p), ("indices", c_void_p),
    ("logsumexp", c_void_p), ("entropy", c_void_p), ("argmax", c_void_p),
    ("rank", c_void_p), ("early", c_bool))
LossOut = _struct(
    "LossOut", ("loss", c_void_p), ("divisor", c_void_p), ("rows", c_void_p),
    ("logsumexp", c_void_p), ("argmax", c_void_p), ("accuracy", c_void_p),
    ("entropy", c_void_p), ("rank", c_void_p), ("log_probabilities", c_void_p))


def _load(path: Optional[str]) -> ctypes.CDLL:
    """The library of that path; else $LIBSOFTMAX, the one beside this file, or
    the system's."""
    beside = os.path.join(os.path.dirname(__file__), "libsoftmax.so.1")
    path = path or os.environ.get("LIBSOFTMAX") or (
        beside if os.path.exists(beside) else "libsoftmax.so.1")
    library = ctypes.CDLL(path)
    for name, *types_ in (
            ("smx_context_create", POINTER(c_void_p), c_void_p),
            ("smx_softmax", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
            ("smx_loss", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
            ("smx_gradient", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p,
             c_void_p, c_void_p),
            ("smx_vjp_early", c_void_p, c_void_p, c_bool, c_void_p, c_void_p,
             c_void_p),
            ("smx_jacobian", c_void_p, c_void_p, c_bool, c_void_p, c_void_p)):
        getattr(library, name).argtypes = types_
        getattr(library, name).restype = c_int
    library.smx_context_free.argtypes = [c_void_p]
    library.smx_context_free.restype = None
    for name in "smx_status_string", "smx_field_name":
        getattr(library, name).argtypes = [c_int]
        getattr(library, name).restype = ctypes.c_char_p
    return library


def _address(array: Optional[np.ndarray]) -> Optional[int]:
    return None if array is None else array.ctypes.data


class Library(Way):
    """libsoftmax, with threads of its own. May be used by several threads.

    path     of libsoftmax.so.1; None: $LIBSOFTMAX, the wheel's, the system's
    threads  that compute; 0: one for each processor
    isa      "best", "base", "avx2", "avx512" or "neon"
    """

    def __init__(self, path: Optional[str] = None, *, threads: int = 0,
                 isa: str = "best") -> None:
        self._threads, self._isa, self._process = threads, isa, 0
        self._context = c_void_p()
        self._library = _load(path)
        self._start()

    def _start(self) -> None:
        config = Config(threads=self._threads, isa=ISAS.index(self._isa))
        self._context, self._process = c_void_p(), os.getpid()
        self._check(self._library.smx_context_create(byref(self._context),
                                                     byref(config)))

    def __del__(self) -> None:
        # a child of fork() has none of its threads
        if getattr(self, "_process", None) == os.getpid() and self._context:
            self._library.smx_context_free(self._context)

    def _check(self, status: int) -> None:
        if status == NO_MEMORY:
            raise MemoryError("libsoftmax")
        if status:
            sentence = self._library.smx_status_string(status)
            raise RuntimeError(f"libsoftmax: {sentence.decode()}")

    def ask(self, operation: str, options: Dict[str, Any]) -> Answer:
        for name in options.keys() - OPTIONS[operation].__annotations__.keys() \
                - {"logits"}:
            if options[name] is not None:
                raise SoftmaxdError(f"{name}: got something, must be an option "
                                    f"of {operation} in libsoftmax")
        if self._process != os.getpid():
            self._start()
        return _Call(self._library, self._context, operation,
                     normalise(options)).run()


class _Call:
    """One call: the options checked, laid out as structs, the answer."""

    def __init__(self, library: ctypes.CDLL, context: c_void_p, operation: str,
                 options: Dict[str, Any]) -> None:
        self.library, self.context = library, context
        self.operation, self.options = operation, options
        self.dtype: np.dtype = options["dtype"]
        self.answer: Dict[str, np.ndarray] = {}
        self.logits: np.ndarray = options["logits"]
        shape, axis = self.logits.shape, options.get("axis", -1)
        if not 1 <= len(shape) <= 8:
            raise SoftmaxdError(f"logits: got {len(shape)} axes, must be 1 to "
                                "8", "/logits")
        if not -len(shape) <= axis < len(shape):
            raise SoftmaxdError(f"axis: got {axis}, must be an integer in "
                                f"[{-len(shape)}, {len(shape)})", "/axis")
        self.axis = axis % len(shape)
        self.classes = shape[self.axis]
        self.row_shape = shape[:self.axis] + shape[self.axis + 1:]
        if self.classes == 0:
            raise SoftmaxdError("logits: got 0 classes, must be at least 1",
                                "/logits")

    # ---- operands

    def shaped(self, name: str, *shapes: Tuple[int, ...]) \
            -> Optional[np.ndarray]:
        array = self.options.get(name)
        if array is not None and array.shape not in shapes:
            rule = " or ".join(str(list(shape)) for shape in shapes)
            raise SoftmaxdError(f"{name}: got shape {list(array.shape)}, must "
                                f"be {rule}", f"/{name}")
        return array

    def number(self, name: str, rule: str, good: Any) -> float:
        value = self.options.get(name)
        if value is None:
            return 0
        if not (math.isfinite(value) and good(value)):
            raise SoftmaxdError(f"{name}: got {value}, must be {rule}",
                                f"/{name}")
        return value

    def choice(self, name: str, *names: str) -> int:
        value = self.options.get(name, names[0])
        if value not in names:
            raise SoftmaxdError(f"{name}: got {value!r}, must be one of "
                                f"{', '.join(names)}", f"/{name}")
        return names.index(value)

    def logits_struct(self) -> Any:
        shape, above = self.logits.shape, "a number above 0"
        mask = self.shaped("mask", shape, (self.classes,))
        return Logits(
            data=_address(self.logits), dtype=int(self.dtype.itemsize == 8),
            outer=math.prod(shape[:self.axis]), classes=self.classes,
            inner=math.prod(shape[self.axis + 1:]) or 1,
            temperature=self.number("temperature", above, lambda x: x > 0),
            softcap=self.number("softcap", above, lambda x: x > 0),
            mask=_address(mask),
            mask_per_class=mask is not None and mask.shape != shape)

    def criterion_struct(self) -> Any:
        options, positive = self.options, lambda x: x >= 0
        given = [name for name in ("labels", "targets", "teacher")
                 if name in options]
        if len(given) != 1:
            raise SoftmaxdError(f"labels: got {' and '.join(given) or 'none'}, "
                                "must be one of labels, targets and teacher")
        return Criterion(
            labels=_address(self.shaped("labels", self.row_shape)),
            targets=_address(self.shaped("targets", self.logits.shape)),
            teacher=_address(self.shaped("teacher", self.logits.shape)),
            weights=_address(self.shaped("weights", (self.classes,))),
            row_weights=_address(self.shaped("row_weights", self.row_shape)),
            ignore=True, ignore_index=options.get("ignore_index", -100),
            label_smoothing=self.number("label_smoothing", "a number in [0, 1]",
                                        lambda x: 0 <= x <= 1),
            z_loss=self.number("z_loss", "a number, 0 or above", positive),
            entropy_weight=self.number("entropy_weight",
                                       "a number, 0 or above", positive),
            focal=self.number("focal", "a number, 0 or above", positive),
            divergence=self.choice("divergence", *DIVERGENCES),
            beta=self.number("beta", "a number in [0, 1]",
                             lambda x: 0 <= x <= 1)
            if options.get("beta") is not None else
            0.5 * (options.get("divergence") == "jsd"),
            teacher_temperature=self.number(
                "teacher_temperature", "a number above 0", lambda x: x > 0),
            reduction=self.choice("reduction", *REDUCTIONS))

    # ---- results

    def new(self, name: str, shape: Tuple[int, ...]) -> int:
        self.answer[name] = np.empty(shape, answer_type(name, self.dtype))
        return self.answer[name].ctypes.data

    def included(self, names: Tuple[str, ...]) -> List[str]:
        wanted = self.options.get("include", ())
        for i, name in enumerate(wanted):
            if name not in names:
                raise SoftmaxdError(f"include: got {name!r}, must be one of "
                                    f"{', '.join(names)}", f"/include/{i}")
        return [name for name in names if name in wanted]

    def class_shape(self, count: int) -> Tuple[int, ...]:
        return self.row_shape[:self.axis] + (count,) + \
            self.row_shape[self.axis:]

    def check(self, status: int, where: Any) -> None:
        if status == 0:
            return
        if status == NO_MEMORY:
            raise MemoryError("libsoftmax")
        field = self.library.smx_field_name(where.field).decode()
        name = {"data": "logits", "chosen": "classes"}.get(
            *[field.split(".")[-1]] * 2)
        array = self.options.get(name)
        if not isinstance(array, np.ndarray) or where.index >= array.size:
            sentence = self.library.smx_status_string(status).decode()
            raise SoftmaxdError(f"{name}: {sentence}", f"/{name}")
        place = np.unravel_index(where.index, array.shape)
        rule = {"i": f"in [0, {self.classes})"}.get(
            array.dtype.kind, "a number or -inf" if name == "logits"
            else "a finite number")
        raise SoftmaxdError(f"{name}: got {array[place]}, must be {rule}",
                            "/".join(["", name, *map(str, place)]))

    def run(self) -> Answer:
        logits, where = self.logits_struct(), Where()
        self.check(getattr(self, "run_" + self.operation)(logits, where), where)
        return Answer(**{name: array if array.ndim else array[()]
                         for name, array in self.answer.items()})

    def run_softmax(self, logits: Any, where: Any) -> int:
        options, count = self.options, self.classes
        log, top_k = options.get("log", False), options.get("top_k", 0)
        classes = options.get("classes")
        if "top_k" in options and not 1 <= top_k <= self.classes:
            raise SoftmaxdError(f"top_k: got {top_k}, must be an integer in "
                                f"[1, {self.classes}]", "/top_k")
        if classes is not None:
            count = classes.shape[-1] if classes.ndim else 0
            classes = self.shaped("classes", (count,),
                                  self.row_shape + (count,))
        chosen = Chosen(
            log=log, top_k=top_k, chosen=_address(classes), chosen_count=count,
            chosen_each_row=classes is not None and classes.ndim > 1)
        if classes is None:
            chosen.chosen_count = 0
            count = top_k or count
        out = SoftmaxOut(early=True)
        if not options.get("statistics_only"):
            out.values = self.new("log_probabilities" if log else
                                  "probabilities", self.class_shape(count))
            if top_k:
                out.indices = self.new("indices", self.class_shape(count))
        for name in self.included(INCLUDED["softmax"]):
            setattr(out, name, self.new(name, self.class_shape(count) if
                                        name == "rank" else self.row_shape))
        return self.library.smx_softmax(self.context, byref(logits),
                                        byref(chosen), byref(out), byref(where))

    def loss_out(self) -> Any:
        out = LossOut()
        none = self.options.get("reduction") == "none"
        for name in ("loss", "divisor", "rows",
                     *self.included(INCLUDED["loss"])):
            shape = self.row_shape if none or name != "loss" else ()
            if name in ("divisor", "rows", "accuracy"):
                shape = ()
            elif name == "log_probabilities":
                shape = self.logits.shape
            setattr(out, name, self.new(name, shape))
        return out

    def run_loss(self, logits: Any, where: Any) -> int:
        criterion = self.criterion_struct()
        return self.library.smx_loss(self.context, byref(logits),
                                     byref(criterion), byref(self.loss_out()),
                                     byref(where))

    def run_gradient(self, logits: Any, where: Any) -> int:
        of = self.choice("of", "loss", "softmax", "log_softmax")
        if of:
            return self.run_derivative(logits, of == 2, where)
        none = self.options.get("reduction") == "none"
        criterion = self.criterion_struct()
        upstream = self.shaped("upstream", self.row_shape if none else ())
        gradient = self.new("gradient", self.logits.shape)
        return self.library.smx_gradient(
            self.context, byref(logits), byref(criterion), _address(upstream),
            gradient, byref(self.loss_out()), byref(where))

    def run_derivative(self, logits: Any, log: bool, where: Any) -> int:
        for name in LossOptions.__annotations__.keys() & self.options.keys():
            if name not in ("axis", "dtype", "temperature", "softcap", "mask"):
                raise SoftmaxdError(f"{name}: got something, must be absent "
                                    "unless of is \"loss\"", f"/{name}")
        upstream = self.shaped("upstream", self.logits.shape)
        if upstream is not None:
            return self.library.smx_vjp_early(
                self.context, byref(logits), log, _address(upstream),
                self.new("gradient", self.logits.shape), byref(where))
        return self.library.smx_jacobian(
            self.context, byref(logits), log,
            self.new("jacobian", self.logits.shape + (self.classes,)),
            byref(where))
