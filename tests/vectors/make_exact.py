#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write exact.jsonl: the edges of teachers, row weights, entropy, focal, ranks
and chosen classes, computed with far more digits than any answer has.

usage: make_exact.py > exact.jsonl     (needs mpmath; the tests do not)

The lines are those of vectors.jsonl, but a scale has the shape of its member:
the size of the terms that each number is the sum of. Losses come from the
formulas of the contract; gradients are central differences of the losses, so
that nobody's derivation is trusted. A difference over STEP leaves 600 bits of
every number that is no less than the least double.
"""
import json
import math
import random
import sys

from mpmath import exp, inf, log, mp, mpf

mp.prec = 2400
STEP = mpf(2) ** -700
rng = random.Random(20261129)


# ---- rows -------------------------------------------------------------------

class Row:
    """p, log p and lse of a row; None is the logarithm of a class without p."""

    def __init__(self, z, mask, temperature):
        self.z = [v if m else -inf for v, m in zip(z, mask)]
        self.dead = max(self.z) == -inf
        self.lse, self.lse_size = -inf, mpf(0)
        self.p, self.l = [mpf(0)] * len(z), [None] * len(z)
        if self.dead:
            return
        t = mpf(temperature)
        top = max(self.z)
        total = sum(exp((v - top) / t) for v in self.z if v != -inf)
        self.lse = top / t + log(total)
        self.lse_size = abs(top) / t + log(total)
        self.l = [None if v == -inf else (v - top) / t - log(total)
                  for v in self.z]
        self.p = [mpf(0) if v is None else exp(v) for v in self.l]

    def entropy(self):
        return -sum(p * v for p, v in zip(self.p, self.l) if p)

    def order(self):
        return sorted(range(len(self.z)), key=lambda c: (-self.z[c], c))

    def ranks(self, classes):
        order = self.order()
        return [order.index(c) for c in classes]


def divergence_from(first, second):
    """KL(first || second) of rows."""
    if first.dead:
        return mpf(0)
    return sum((inf if b is None else p * (a - b))
               for p, a, b in zip(first.p, first.l, second.l) if p)


def mixed(p, q, beta):
    """beta KL(q || m) + (1 - beta) KL(p || m), m = (1 - beta) p + beta q."""
    total = mpf(0)
    for a, b in zip(p.p, q.p):
        m = (1 - beta) * a + beta * b
        total += (1 - beta) * a * log(a / m) if a else 0
        total += beta * b * log(b / m) if b else 0
    return total


# ---- losses -----------------------------------------------------------------

def kind_of(request):
    kind, beta = request.get("divergence", "forward_kl"), \
        mpf(request.get("beta", 0.5))
    if kind == "jsd" and beta in (0, 1):
        kind = "reverse_kl" if beta else "forward_kl"
    return kind, beta


def main_part(request, r, row, teacher):
    """The loss of row r before its weights."""
    if teacher:
        kind, beta = kind_of(request)
        if kind == "jsd":
            return mixed(row, teacher, beta)
        pair = (teacher, row) if kind == "forward_kl" else (row, teacher)
        return divergence_from(*pair)
    y = request["labels"][r]
    if row.l[y] is None:
        return inf
    others = sum(p for c, p in enumerate(row.p) if c != y)
    focal = mpf(request.get("focal", 0))
    return -row.l[y] * (others ** focal if focal else 1)


def size_of_gradient(request, r, row, teacher, c):
    """Of the terms of element c: what it may be wrong by a few units of."""
    p, own = row.p[c], row.l[c]
    if not teacher:
        y = request["labels"][r]
        others = sum(v for k, v in enumerate(row.p) if k != y)
        focal, focus = mpf(request.get("focal", 0)), mpf(1)
        if focal and others:
            focus = others ** focal * (1 - focal * row.p[y] * row.l[y] /
                                       others)
        return (p + (c == y)) * focus
    kind, beta = kind_of(request)
    q, log_q = teacher.p[c], teacher.l[c]
    if kind == "forward_kl":
        return max(p, q)
    if not p or (kind == "reverse_kl" and log_q is None):
        return mpf(0)
    if kind == "reverse_kl":
        return p * (abs(own) + abs(log_q))
    m = (1 - beta) * p + beta * q
    return (1 - beta) * p * (abs(own) + abs(log(m)))


class Question:
    """A request to /loss or /gradient, of rows of logits."""

    def __init__(self, request):
        self.request = request
        self.logits = [[mpf(v) for v in row] for row in request["logits"]]
        n, c = len(self.logits), len(self.logits[0])
        self.mask = request.get("mask", [True] * c)
        if not isinstance(self.mask[0], list):
            self.mask = [self.mask] * n
        self.t = mpf(request.get("temperature", 1))
        self.w = [mpf(v) for v in request.get("row_weights", [1] * n)]
        w = [mpf(v) for v in request.get("weights", [1] * c)]
        y = request.get("labels")
        self.kept = [not y or y[r] != -100 for r in range(n)]
        self.class_weight = [w[y[r]] if y and self.kept[r] else mpf(1)
                             for r in range(n)]
        self.teachers = [None] * n
        if "teacher" in request:
            t = request.get("teacher_temperature", self.t)
            self.teachers = [Row([mpf(v) for v in row], mask, t) for row, mask
                             in zip(request["teacher"], self.mask)]
        self.share()

    def share(self):
        """Factors of a row's loss and of what stands beside it."""
        kept = [r for r, k in enumerate(self.kept) if k]
        self.divisor = sum((self.w[r] * self.class_weight[r] for r in kept),
                           mpf(0))
        rows = sum((self.w[r] for r in kept), mpf(0))
        self.main, self.beside = mpf(1), mpf(1)
        if self.request.get("reduction", "mean") == "mean":
            none = not self.divisor
            self.main = mpf(0) if none else 1 / self.divisor
            self.beside = mpf(0) if none else 1 / rows

    def row(self, r):
        return Row(self.logits[r], self.mask[r], self.t)

    def cost(self, r, row):
        """What row r adds to the loss."""
        if not self.kept[r] or not self.w[r]:
            return mpf(0)
        value = main_part(self.request, r, row, self.teachers[r])
        value *= self.class_weight[r] * self.main if self.main else 0
        if not row.dead:
            beside = self.request.get("z_loss", 0) * row.lse ** 2
            beside -= self.request.get("entropy_weight", 0) * row.entropy()
            value += beside * self.beside
        return value * self.w[r]

    def size(self, r, row):
        """Of what cancels in it; 0: nothing does."""
        z, eta = (mpf(self.request.get(k, 0))
                  for k in ("z_loss", "entropy_weight"))
        if not self.kept[r] or row.dead or not (z or eta):
            return mpf(0)
        value = main_part(self.request, r, row, self.teachers[r])
        return self.w[r] * (value * self.class_weight[r] * self.main +
                            (z * row.lse_size ** 2 + eta * row.entropy()) *
                            self.beside)

    def slope(self, r, c):
        """d cost / d logit c by a central difference; the cost of minus
        infinity is that of every logit far below."""
        z = self.logits[r]
        if z[c] == -inf or not self.mask[r][c]:
            return mpf(0)
        low, high = ([v + d * (k == c) for k, v in enumerate(z)]
                     for d in (-STEP, STEP))
        return (self.cost(r, Row(high, self.mask[r], self.t)) -
                self.cost(r, Row(low, self.mask[r], self.t))) / (2 * STEP)

    def slope_size(self, r, row, c):
        if not self.kept[r] or row.l[c] is None:
            return mpf(0)
        z, eta = (mpf(self.request.get(k, 0))
                  for k in ("z_loss", "entropy_weight"))
        size = size_of_gradient(self.request, r, row, self.teachers[r], c)
        size *= self.class_weight[r] * self.main
        size += row.p[c] * self.beside * (
            2 * z * row.lse_size + eta * (abs(row.l[c]) + row.entropy()))
        return size * self.w[r] / self.t


def answer_loss(request, gradient):
    q = Question(request)
    n, c = len(q.logits), len(q.logits[0])
    rows = [q.row(r) for r in range(n)]
    loss = [q.cost(r, row) for r, row in enumerate(rows)]
    size = [q.size(r, row) for r, row in enumerate(rows)]
    want, scale = {"divisor": q.divisor, "rows": sum(q.kept)}, {}
    if gradient:
        want["gradient"] = [[q.slope(r, k) for k in range(c)]
                            for r in range(n)]
        scale["gradient"] = [[q.slope_size(r, rows[r], k) for k in range(c)]
                             for r in range(n)]
    none = request.get("reduction") == "none"
    want["loss"] = loss if none else sum(loss)
    scale["loss"] = size if none else sum(size)
    for member in request.get("include", []):
        if member == "entropy":
            want[member] = [row.entropy() for row in rows]
        elif member == "log_probabilities":
            want[member] = [[-inf if v is None else v for v in row.l]
                            for row in rows]
        elif member == "rank":
            want[member] = [row.ranks([y])[0] if k else -1 for row, y, k in
                            zip(rows, request["labels"], q.kept)]
    return want, scale


def answer_softmax(request):
    q = Question(request)
    rows = [q.row(r) for r in range(len(q.logits))]
    ids = request["classes"]
    ids = ids if isinstance(ids[0], list) else [ids] * len(rows)
    if request.get("log"):
        want = {"log_probabilities": [
            [-inf if row.l[c] is None else row.l[c] for c in k]
            for row, k in zip(rows, ids)]}
    else:
        want = {"probabilities": [[row.p[c] for c in k]
                                  for row, k in zip(rows, ids)]}
    scale = {}
    for member in request.get("include", []):
        if member == "rank":
            want[member] = [row.ranks(k) for row, k in zip(rows, ids)]
        elif member == "entropy":
            want[member] = [row.entropy() for row in rows]
        else:
            want[member] = [row.lse for row in rows]
            scale[member] = [row.lse_size for row in rows]
    return want, scale


# ---- cases ------------------------------------------------------------------

def draw(rows, classes, spread=2.0):
    return [[round(rng.gauss(0, spread) * 64) / 64 for _ in range(classes)]
            for _ in range(rows)]


def near(logits, by):
    """float32 numbers a few units away."""
    return [[v + by * rng.randint(-3, 3) for v in row] for row in logits]


KINDS = [{}, {"divergence": "reverse_kl"}, {"divergence": "jsd"}] + [
    {"divergence": "jsd", "beta": b} for b in (0, 1, 0.0625, 2.0 ** -30)]
TEMPERATURES = [0.001, 1000]


def teacher_cases():
    for kind in KINDS:
        z = draw(2, 3)
        yield {"logits": z, "teacher": draw(2, 3), **kind}
        yield {"logits": z, "teacher": z, **kind}
        yield {"logits": z, "teacher": near(z, 2.0 ** -18), **kind}
        yield {"logits": [[3]], "teacher": [[-1]], **kind}
        yield {"logits": z, "teacher": draw(2, 3), **kind,
               "mask": [[False] * 3, [True, False, True]]}
        yield {"logits": [[1.5, -inf, 0.25]], "teacher": [[-inf, 0.5, 1]],
               **kind}
        yield {"logits": [[-inf] * 3, [1, 2, 3]], "teacher": [[1, 2, 3],
               [-inf] * 3], "reduction": "none", **kind}
        for w in ([0, 0.25], [0, 0]):
            yield {"logits": z, "teacher": draw(2, 3), "row_weights": w, **kind}
        for t in TEMPERATURES:
            yield {"logits": draw(1, 3), "teacher": draw(1, 3), **kind,
                   "temperature": t}
        for pair in ((1000, 0.001), (0.001, 1000)):
            yield {"logits": draw(1, 3), "teacher": draw(1, 3), **kind,
                   "temperature": pair[0], "teacher_temperature": pair[1]}
        yield {"logits": draw(1, 3), "teacher": draw(1, 3), **kind,
               "entropy_weight": 0.5, "z_loss": 0.125, "reduction": "sum"}
    # one class has nearly all of the mass, another all of the divergence
    for z, other, beta in (([27.10546875, 0.9677734375],
                            [27.0888671875, 1.00390625], 0.5),
                           ([31.818359375, -2.1220703125],
                            [31.771484375, -2.232421875], 0.0625)):
        yield {"logits": [z], "teacher": [other], "divergence": "jsd",
               "beta": beta}


def focal_cases():
    for focal in (2.0 ** -10, 0.25, 0.5, 1, 5):
        for z in ([30, 0, 0.5], [90, 0, -1], [-20, 0, 1]):
            yield {"logits": [z], "labels": [0], "focal": focal}
        yield {"logits": [[2]], "labels": [0], "focal": focal}
        yield {"logits": draw(2, 3), "labels": [1, 2], "focal": focal,
               "weights": [0.5, 0, 2], "row_weights": [3, 0.5],
               "reduction": "none"}
        yield {"logits": draw(1, 3), "labels": [1], "focal": focal,
               "temperature": rng.choice([0.03, 30])}
        yield {"logits": [[0, 1, 2]], "labels": [1], "focal": focal,
               "mask": [False, True, False]}


def weighted_cases():
    for extra in ({}, {"entropy_weight": 0.5}, {"z_loss": 0.25}):
        yield {"logits": draw(3, 3), "labels": [0, -100, 2], **extra,
               "row_weights": [0.5, 7, 0]}
        yield {"logits": draw(2, 3), "labels": [0, 1], "row_weights": [0, 0],
               **extra}
        yield {"logits": draw(2, 3), "labels": [0, 1], "weights": [0, 0, 1],
               "row_weights": [1, 2], **extra}
        yield {"logits": draw(2, 3), "labels": [-100, -100], **extra}
        yield {"logits": [[4]], "labels": [0], **extra}
        yield {"logits": [[40, 0, 0], [1, 1, 1]], "labels": [0, 2], **extra,
               "include": ["entropy", "rank", "log_probabilities"]}
        yield {"logits": [[1, 2, -inf], [3, 1, 2]], "labels": [0, 1], **extra,
               "mask": [True, True, False], "reduction": "none",
               "include": ["entropy", "rank", "log_probabilities"]}
        for t in TEMPERATURES:
            yield {"logits": draw(1, 4), "labels": [3], "temperature": t,
                   "include": ["entropy", "rank"], **extra}


def chosen_cases():
    z = [[1, 3, 3, -inf, 2], [0, 0, 0, 0, 0]]
    ids = [4, 1, 1, 3], [[2, 0, 2], [4, 3, 0]]
    for classes in ids:
        for log in (False, True):
            yield {"logits": z, "classes": classes, "log": log,
                   "include": ["rank", "entropy", "logsumexp"]}
            yield {"logits": z, "classes": classes, "log": log,
                   "mask": [[False] * 5, [True, False, True, True, False]],
                   "include": ["rank", "entropy"]}
        for t in TEMPERATURES:
            yield {"logits": draw(2, 5), "classes": classes, "log": True,
                   "temperature": t, "include": ["rank", "entropy"]}
    yield {"logits": [[7], [-3]], "classes": [0, 0], "log": True,
           "include": ["rank", "entropy", "logsumexp"]}


# ---- the file ---------------------------------------------------------------

def number(value, digits):
    value = float(value)
    if math.isinf(value):
        return "-Infinity" if value < 0 else "Infinity"
    if value == int(value) and abs(value) < 1e9:
        return int(value)
    return value if digits is None else float(f"%.{digits}g" % value)


def written(value, digits=None):
    """As JSON has it; a scale needs few digits."""
    if isinstance(value, list):
        return [written(v, digits) for v in value]
    if isinstance(value, dict):
        return {k: written(v, digits) for k, v in value.items()}
    if isinstance(value, (bool, str)):
        return value
    return number(value, digits)


def finite(value):
    return all(map(finite, value)) if isinstance(value, list) else \
        value not in (inf, -inf)


def main():
    cases = [("/softmax", r, answer_softmax(r)) for r in chosen_cases()]
    for make in (teacher_cases, focal_cases, weighted_cases):
        for request in make():
            want, scale = answer_loss(request, False)
            path = "/gradient" if finite(want["loss"]) else "/loss"
            if path == "/gradient":
                want, scale = answer_loss(request, True)
            cases.append((path, request, (want, scale)))
    for path, request, (want, scale) in cases:
        line = {"path": path, "request": written(request),
                "answer": written(want), "scale": written(scale, 2)}
        print(json.dumps(line, separators=(",", ":"), allow_nan=False))


if __name__ == "__main__":
    main()
