# SPDX-License-Identifier: MIT
# A loss in JAX by the daemon, in jit too; training with it ends as with JAX's own.
# Prints: True
import os

import jax
import jax.numpy as jnp
import requests

URL = os.environ.get("SOFTMAXD_URL", "http://127.0.0.1:8080")
session = requests.Session()


def ask(z, y):
    answer = session.post(URL + "/gradient", timeout=10, json={
        "logits": z.tolist(), "labels": y.tolist()}).json()
    return jnp.float32(answer["loss"]), jnp.float32(answer["gradient"])


def forward(z, y):  # the loss, and the gradient for the way back
    return jax.pure_callback(ask, (jax.ShapeDtypeStruct((), z.dtype), z), z, y)


cross_entropy = jax.custom_vjp(lambda z, y: forward(z, y)[0])
cross_entropy.defvjp(forward, lambda gradient, up: (up * gradient, None))


def train(criterion):
    x = jax.random.normal(jax.random.key(0), (64, 8))
    y = jax.random.randint(jax.random.key(1), (64,), 0, 4)
    step = jax.jit(jax.value_and_grad(lambda w: criterion(x @ w, y)))
    w = jnp.zeros((8, 4))
    for _ in range(50):
        w -= 0.5 * step(w)[1]
    return step(w)[0]


print(jnp.allclose(train(cross_entropy), train(
    lambda z, y: -jax.nn.log_softmax(z)[jnp.arange(64), y].mean())))
