# SPDX-License-Identifier: MIT
"""Keras's own tests of its softmax and cross-entropies, on ours by HTTP.

Keras ships no tests in what it installs but for these files; its backend's
functions are replaced, so that its losses and its layer ask the daemon.
"""
import importlib
import os
import sys
import unittest

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

NO_VALUE = ("test_config",)
TRACED = ("test_softmax",)


def run(remote, tally, _):
    sys.stderr = open(os.devnull, "w", encoding="utf-8")
    from keras.src import backend
    from optax_tests import faults_of, run_tests
    losses = importlib.import_module("keras.src.losses.losses_test")
    layer = importlib.import_module("keras.src.layers.activations.softmax_test")
    cases = (losses.CategoricalCrossentropyTest,
             losses.SparseCategoricalCrossentropyTest, layer.SoftmaxTest)
    failing = {test.id() for case in cases for test in
               unittest.defaultTestLoader.loadTestsFromTestCase(case)
               if faults_of(test)}
    nn = backend.nn
    theirs = {name: getattr(nn, name) for name in (
        "categorical_crossentropy", "sparse_categorical_crossentropy")}

    def floats(x):
        x = np.asarray(x)
        return x if x.dtype in (np.float32, np.float64) else \
            x.astype(np.float32)

    def as_keras_has_it(array, like):
        return backend.convert_to_tensor(array, getattr(like, "dtype", None))

    def softmax(x, axis=-1):
        return as_keras_has_it(remote.softmax(floats(x), axis), x)

    def by(kind):
        def loss(target, output, from_logits=False, axis=-1):
            name = kind + "categorical_crossentropy"
            target, x = np.asarray(target), floats(output)
            if not from_logits or np.shape(target) != np.shape(output) and \
                    not kind:
                return theirs[name](target, output, from_logits, axis)
            if not kind:
                wanted = {"targets": target.astype(x.dtype)}
            else:
                if target.ndim == x.ndim and target.shape[-1] == 1:
                    target = target[..., 0]
                # Keras's one-hot of a label that is no class is all zeros
                known = (target >= 0) & (target < x.shape[axis])
                wanted = {"labels": np.where(known, target, -100).astype(
                    np.int64)}
            return as_keras_has_it(remote.loss(
                x, axis, reduction="none", **wanted)["loss"].reshape(
                    np.delete(x.shape, axis)), output)
        return loss

    nn.softmax = softmax
    nn.categorical_crossentropy = by("")
    nn.sparse_categorical_crossentropy = by("sparse_")

    def leave_out(test):
        name = test.id().rpartition(".")[2]
        if test.id() in failing:
            return "fails on the backend of Keras too"
        if name in NO_VALUE:
            return "a test of no value"
        if name in TRACED:
            return "a layer that is compiled whole"
        return None
    for case in cases:
        run_tests(tally, case, leave_out)
