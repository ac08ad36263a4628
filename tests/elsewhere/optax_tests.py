# SPDX-License-Identifier: MIT
"""optax's own tests of its softmax losses, unchanged, on losses by HTTP.

The losses of optax's module are replaced; their tests check published values,
every choice of axes, masks, and the gradients against differences.
"""
import importlib.util
import os
import unittest
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from optax.losses import _classification

SOFTMAX_TESTS = ("SoftmaxCrossEntropyTest", "SafeSoftmaxCrossEntropyTest",
                 "SoftmaxCrossEntropyWithIntegerLabelsTest", "PolyLossTest")


def numpy_of(*arrays):
    return [np.asarray(array) for array in arrays]


class Losses:
    """optax's functions over rows of classes that the daemon answers for."""

    def __init__(self, remote):
        self.remote = remote
        self.by_targets = self.differentiable("targets")
        self.by_labels = self.differentiable("labels")

    def differentiable(self, kind):
        """loss(logits, targets or labels, mask), one number a row."""
        def loss(z, y, mask):
            def ask(z, y, mask):
                z, y, mask = numpy_of(z, y, mask)
                return self.remote.ask(
                    "loss", {"logits": z, kind: y, "mask": mask},
                    reduction="none")["loss"]
            return jax.pure_callback(
                ask, jax.ShapeDtypeStruct(z.shape[:1], z.dtype), z, y, mask)

        def tangent(primals, tangents):
            def gradient(z, y, mask):
                z, y, mask = numpy_of(z, y, mask)
                return self.remote.ask(
                    "gradient", {"logits": z, kind: y, "mask": mask},
                    reduction="none")["gradient"]

            def log_softmax(z, mask):
                z, mask = numpy_of(z, mask)
                return self.remote.softmax(z, log=True, mask=mask)
            z, y, mask = primals
            shape = jax.ShapeDtypeStruct(z.shape, z.dtype)
            slope = jax.pure_callback(gradient, shape, z, y, mask) * tangents[0]
            if kind == "targets":
                logs = jax.pure_callback(log_softmax, shape, z, mask)
                slope -= jnp.where(mask, logs, 0) * tangents[1]
            return function(z, y, mask), slope.sum(-1)

        function = jax.custom_jvp(loss)
        function.defjvp(tangent)
        return function

    def softmax(self, z, mask):
        def ask(z, mask):
            z, mask = numpy_of(z, mask)
            return self.remote.softmax(z, mask=mask)
        return jax.pure_callback(ask, jax.ShapeDtypeStruct(z.shape, z.dtype),
                                 z, mask)

    def cross_entropy(self, logits, labels, axis=-1, where=None):
        logits, labels = jnp.asarray(logits), jnp.asarray(labels)
        mask, shape = mask_of(logits, axis, where), row_shape(logits, axis)
        z, mask, t = (rows(array, axis) for array in (
            logits, mask, jnp.broadcast_to(labels, logits.shape)))
        if z.shape[-1] == 0:
            return jnp.zeros(shape, z.dtype)
        # optax leaves out a masked class and its target alike
        return self.by_targets(z, jnp.where(mask, t, 0).astype(z.dtype), mask
                               ).reshape(shape)

    def integer_labels(self, logits, labels, axis=-1, where=None):
        logits, labels = jnp.asarray(logits), jnp.asarray(labels)
        shape = row_shape(logits, axis)
        z = rows(logits, axis)
        mask = rows(mask_of(logits, axis, where), axis)
        loss = self.by_labels(z, labels.reshape(-1), mask)
        return jnp.where(mask.any(-1), loss, 0).reshape(shape)

    def poly(self, logits, labels, *, epsilon=2.0, axis=-1, where=None):
        logits, labels = jnp.asarray(logits), jnp.asarray(labels)
        mask = rows(mask_of(logits, axis, where), axis)
        p = self.softmax(rows(logits, axis), mask)
        rest = jnp.where(mask, rows(labels, axis) * (1 - p), 0).sum(-1)
        return self.cross_entropy(logits, labels, axis, where) + \
            epsilon * rest.reshape(row_shape(logits, axis))


def axes_of(x, axis):
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % x.ndim for a in axes)


def row_shape(x, axis):
    return tuple(n for a, n in enumerate(x.shape) if a not in axes_of(x, axis))


def rows(x, axis):
    """The axes of the classes become the last one, the others the first."""
    axes = axes_of(x, axis)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    return x.transpose(kept + axes).reshape(
        int(np.prod([x.shape[a] for a in kept])), -1)


def mask_of(logits, axis, where):
    if where is None:
        return jnp.ones(logits.shape, bool)
    where = jnp.asarray(where)
    if where.ndim != logits.ndim:
        where = jnp.expand_dims(where, axis)
    return jnp.broadcast_to(where, logits.shape)


def load(folder):
    path = os.path.join(folder, "optax", "optax", "losses",
                        "_classification_test.py")
    spec = importlib.util.spec_from_file_location("classification_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(remote, tally, folder):
    warnings.filterwarnings("ignore")
    np.random.seed(0)
    tests = load(folder)
    losses = Losses(remote)
    _classification.softmax_cross_entropy = losses.cross_entropy
    _classification.safe_softmax_cross_entropy = losses.cross_entropy
    _classification.softmax_cross_entropy_with_integer_labels = \
        losses.integer_labels
    _classification.poly_loss_cross_entropy = losses.poly
    for name in SOFTMAX_TESTS:
        run_tests(tally, getattr(tests, name))


def faults_of(test):
    result = unittest.TestResult()
    test.run(result)
    return "".join(text for _, text in result.failures + result.errors)


def run_tests(tally, case, leave_out=lambda test: None):
    """Every test of a unittest.TestCase; leave_out(test) may give a reason."""
    for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
        reason = leave_out(test)
        if reason:
            tally.cannot(reason)
            continue
        faults = faults_of(test)
        tally.check(test.id(), not faults, faults)
