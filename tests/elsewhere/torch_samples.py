# SPDX-License-Identifier: MIT
"""PyTorch's OpInfo and ModuleInfo samples, values and autograd's gradients.

The tolerance is the one that torch.testing has for the dtype.
"""
import warnings

import numpy as np
import torch
from torch.nn import functional

SEEDS = range(2)
DTYPES = (torch.float32, torch.float64)


class Inexpressible(Exception):
    pass


def numpy_of(tensor):
    return None if tensor is None else tensor.detach().numpy()


def expressible(x, dtype=None):
    """The daemon computes in the dtype of the logits, and a row has classes."""
    if dtype not in (None, x.dtype):
        raise Inexpressible("a result of another dtype than the logits")
    if x.dtype not in DTYPES:
        raise Inexpressible("no floating-point logits")
    return numpy_of(x)


def has_classes(x, dim):
    if x.ndim and x.shape[dim] == 0:
        raise Inexpressible("a row of no classes")


def close(got, expected):
    torch.testing.assert_close(torch.from_numpy(np.array(got)),
                               expected.detach(), equal_nan=True)


class Softmax:
    """softmax, log_softmax and their kin of torch.masked."""

    def __init__(self, log, masked=False):
        self.log, self.masked = log, masked

    def __call__(self, remote, expected, x, dim=-1, *, dtype=None, mask=None,
                 _stacklevel=3, half_to_float=False):
        array = expressible(x, dtype)
        has_classes(x, dim)
        more, counts = {}, torch.ones_like(x, dtype=torch.bool)
        if mask is not None:
            counts = torch.broadcast_to(mask, x.shape)
            more["mask"] = np.ascontiguousarray(counts.numpy()).reshape(
                array.shape if array.ndim > 1 else (1, -1))
        # a row of which nothing counts is undefined there
        defined = counts & ~expected.isnan()
        got = torch.from_numpy(np.array(
            remote.softmax(array, dim, self.log, **more)))
        close(got[defined], expected[defined])
        if not x.requires_grad or not expected.requires_grad:
            return
        upstream = torch.where(defined, torch.randn_like(x), 0)
        theirs, = torch.autograd.grad(
            torch.where(defined, expected, 0), x, upstream, retain_graph=True)
        mine = remote.softmax_gradient(array, numpy_of(upstream), dim,
                                       self.log, **more)
        close(torch.from_numpy(np.array(mine))[defined], theirs[defined])


def softmax_backward(remote, expected, upstream, output, dim, dtype):
    """It is given the probabilities; their logarithms are logits to them."""
    expressible(output, dtype)
    has_classes(output, dim)
    probabilities = functional.softmax(output, dim)
    theirs = torch.ops.aten._softmax_backward_data(upstream, probabilities,
                                                   dim, dtype)
    close(remote.softmax_gradient(numpy_of(output), numpy_of(upstream), dim),
          theirs)


def cross_entropy(remote, expected, x, target, weight=None, size_average=None,
                  ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    axis = 1 if x.ndim > 1 else 0
    array = expressible(x)
    has_classes(x, axis)
    if size_average is not None or reduce is not None:
        raise Inexpressible("the arguments that reduction took over from")
    tensors = {"weights": numpy_of(weight)}
    if target.is_floating_point():
        tensors["targets"] = numpy_of(target)
    else:
        tensors["labels"] = numpy_of(target)
        tensors["ignore_index"] = ignore_index
    tensors.update(reduction=reduction, label_smoothing=label_smoothing)
    got = np.array(remote.loss(array, axis, **tensors)["loss"])
    # 0 / 0 is not a number there; the contract of the daemon makes it 0
    nothing = reduction == "mean" and bool(expected.isnan().all())
    wanted = torch.zeros_like(expected) if nothing else expected
    close(got.reshape(tuple(wanted.shape)), wanted)
    if not x.requires_grad or nothing:
        return
    upstream = torch.randn_like(expected)
    theirs, = torch.autograd.grad(expected, x, upstream, retain_graph=True)
    mine = remote.loss(array, axis, model="gradient",
                       upstream=numpy_of(upstream), **tensors)
    close(mine["gradient"].reshape(array.shape), theirs)


def linear_cross_entropy(remote, expected, x, matrix, target, *,
                         linear_bias=None, reduction="mean", ignore_index=-100,
                         label_smoothing=0.0, weight=None, **chunking):
    """The product is the client's; its gradient ends at the logits."""
    logits = torch.tensordot(x, matrix, dims=([-1], [-1])).detach()
    if linear_bias is not None:
        logits += linear_bias.detach()
    if x.ndim > 1:
        logits = logits.movedim(x.ndim - 1, 1)
    cross_entropy(remote, expected, logits, target, weight=weight,
                  ignore_index=ignore_index, reduction=reduction,
                  label_smoothing=label_smoothing)


OPERATORS = {
    ("softmax", ""): Softmax(False), ("log_softmax", ""): Softmax(True),
    ("softmax", "with_dtype"): Softmax(False),
    ("log_softmax", "with_dtype"): Softmax(True),
    ("masked.softmax", ""): Softmax(False),
    ("masked.log_softmax", ""): Softmax(True),
    ("torch.ops.aten._safe_softmax.default", ""): Softmax(False),
    ("_softmax_backward_data", ""): softmax_backward,
    ("nn.functional.cross_entropy", ""): cross_entropy,
    ("nn.functional.linear_cross_entropy", ""): linear_cross_entropy,
    ("nn.functional.linear_cross_entropy", "chunked"): linear_cross_entropy,
    ("nn.functional.linear_cross_entropy", "chunked_none"):
        linear_cross_entropy,
}
OUT_OF_REACH = {
    "nn.functional.nll_loss": "takes what is not a log-softmax",
}


def case(remote, tally, name, function, expected, arguments, keywords):
    try:
        function(remote, expected(), *arguments, **keywords)
    except Inexpressible as reason:
        tally.cannot(str(reason))
    except Exception as failure:
        tally.check(name, False, f"{failure}\n{arguments} {keywords}"[:900])
    else:
        tally.check(name, True)


def operators(remote, tally, seed):
    from torch.testing._internal.common_methods_invocations import op_db
    for op in op_db:
        function = OPERATORS.get((op.name, op.variant_test_name))
        if function is None and op.name not in OUT_OF_REACH:
            continue
        for dtype in DTYPES:
            torch.manual_seed(seed)
            samples = list(op.sample_inputs("cpu", dtype, requires_grad=True))
            if function is None:
                tally.cannot(OUT_OF_REACH[op.name], len(samples))
                continue
            for i, sample in enumerate(samples):
                arguments = (sample.input, *sample.args)
                case(remote, tally, f"{op.name} {dtype} {seed} {i}", function,
                     lambda: op(*arguments, **sample.kwargs), arguments,
                     sample.kwargs)


def of_module(module):
    """The function that a module is, and its arguments after the input."""
    if isinstance(module, torch.nn.CrossEntropyLoss):
        return cross_entropy, {
            "weight": module.weight, "ignore_index": module.ignore_index,
            "reduction": module.reduction,
            "label_smoothing": module.label_smoothing}
    log = isinstance(module, torch.nn.LogSoftmax)
    return Softmax(log), {"dim": getattr(module, "dim", -3)}


def modules(remote, tally, seed):
    from torch.testing._internal.common_modules import module_db
    kinds = (torch.nn.Softmax, torch.nn.Softmax2d, torch.nn.LogSoftmax,
             torch.nn.CrossEntropyLoss)
    for info in module_db:
        if info.module_cls not in kinds:
            continue
        for dtype in DTYPES:
            torch.manual_seed(seed)
            for i, sample in enumerate(info.module_inputs_func(
                    info, device="cpu", dtype=dtype, requires_grad=True,
                    training=True)):
                made = sample.constructor_input
                module = info.module_cls(*made.args, **made.kwargs).to(dtype)
                arguments = sample.forward_input.args
                if getattr(module, "dim", 0) is None:
                    tally.cannot("a module that chooses its axis by the rank")
                    continue
                function, keywords = of_module(module)
                case(remote, tally, f"{info.name} {dtype} {seed} {i}",
                     function, lambda: module(*arguments), arguments, keywords)


def run(remote, tally, _):
    warnings.filterwarnings("ignore")
    for seed in SEEDS:
        operators(remote, tally, seed)
        modules(remote, tally, seed)
