#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ask a running softmaxd what it makes of random requests.

usage: check_random.py URL [COUNT [SEED]]     (500 requests, seed by the clock)

Draws requests over the whole option space of /softmax, /loss and /gradient,
computes each answer from the formulas in decimal arithmetic of 60 digits,
and compares: 2e-6 in float32, 1e-13 in float64, relative to the size of the
terms that a number is the sum of. Nothing but the standard library.
Exit status 0: all agree.
"""
import itertools
import json
import math
import random
import struct
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal, getcontext

# The least slope of a softcap. It is 0 at no finite logit, and times an infinite
# divergence infinite, but far out too small for any decimal.
FLATTEST = Decimal("1e-900000")

# A divergence of as little as a double holds is what terms near 1 leave of
# each other.
DIGITS, DIGITS_OF_DIVERGENCE = 60, 400
getcontext().Emin, getcontext().Emax = -10 ** 9, 10 ** 9
ZERO, ONE = Decimal(0), Decimal(1)
TOLERANCE = {"float32": Decimal("2e-6"), "float64": Decimal("1e-13")}
NO_DOUBLE = Decimal(2) ** -1022
SUBNORMAL = {"float32": Decimal(2) ** -147, "float64": Decimal(2) ** -1072}
LARGEST = {"float32": 3.4028234663852886e38, "float64": sys.float_info.max}


def is_low(x):
    return x == -math.inf


# ---- tensors as nested lists ----------------------------------------------

def shape_of(value):
    return [len(value)] + shape_of(value[0]) if isinstance(value, list) else []


def flat(value):
    if not isinstance(value, list):
        return [value]
    return [x for item in value for x in flat(item)]


def nest(values, shape):
    if not shape:
        return values[0]
    step = len(values) // shape[0]
    return [nest(values[i * step:(i + 1) * step], shape[1:])
            for i in range(shape[0])]


# ---- the mathematics --------------------------------------------------------

def tanh(x):
    t = (-2 * abs(x)).exp()
    return ((1 - t) / (1 + t)).copy_sign(x)


class Row:
    """One row of logits: z' and what follows; None stands for left out."""

    def __init__(self, z, mask, request):
        t = Decimal(request.get("temperature", 1))
        cap = request.get("softcap")
        self.out = [is_low(x) or not m for x, m in zip(z, mask)]
        self.counts = mask      # else no answer depends on the logit
        self.slope = []
        x = []
        for value, out, counts in zip(z, self.out, mask):
            value = ZERO if is_low(value) else Decimal(value)
            slope = ONE / t if counts else ZERO
            if cap is not None:
                u = value / Decimal(cap)
                e = (-2 * abs(u)).exp()
                slope *= max(4 * e / (1 + e) ** 2, FLATTEST)
                value = Decimal(cap) * tanh(u)
                slope = ZERO if out else slope   # tanh is flat at -infinity
            x.append(None if out else value / t)
            self.slope.append(slope)
        inside = [v for v in x if v is not None]
        self.dead = not inside
        self.rank = [-math.inf if out else v for v, out in zip(z, self.out)]
        self.argmax = self.rank.index(max(self.rank))
        self.n = len(z)
        if self.dead:
            self.lse, self.size = None, ZERO
            self.p, self.l = [ZERO] * self.n, [None] * self.n
            return
        top = max(inside)
        total = sum((v - top).exp() for v in inside)
        self.lse = top + total.ln()
        self.size = abs(top) + total.ln()
        self.l = [None if v is None else v - self.lse for v in x]
        self.p = [ZERO if v is None else (v - self.lse).exp() for v in x]
        # near 0 a logarithm of the sum keeps what v - lse has lost
        if self.l[self.argmax] > -Decimal(10) ** (-getcontext().prec // 3):
            rest = sum(p for c, p in enumerate(self.p) if c != self.argmax)
            self.l[self.argmax] = -rest

    def order(self):
        return sorted(range(self.n), key=lambda c: (-self.rank[c], c))

    def entropy(self):
        return -sum(p * l for p, l in zip(self.p, self.l) if p)


class Tensor:
    """Rows of a request's logits along its axis."""

    def __init__(self, request):
        self.shape = shape_of(request["logits"])
        axis = request.get("axis", -1) % len(self.shape)
        self.outer = math.prod(self.shape[:axis])
        self.c = self.shape[axis]
        self.inner = math.prod(self.shape[axis + 1:])
        self.rows_shape = self.shape[:axis] + self.shape[axis + 1:]
        self.axis = axis
        z = flat(request["logits"])
        mask = self.mask(request, len(z))
        self.rows = [Row([z[i] for i in at], [mask[i] for i in at], request)
                     for at in self.places()]

    def mask(self, request, count):
        mask = request.get("mask")
        if mask is None:
            return [True] * count
        if shape_of(mask) == self.shape:
            return flat(mask)
        full = [True] * count
        for at in self.places():
            for c, i in enumerate(at):
                full[i] = mask[c]
        return full

    def places(self, classes=None):
        """Flat indices of each row."""
        n = classes or self.c
        for o in range(self.outer):
            for i in range(self.inner):
                yield [(o * n + c) * self.inner + i for c in range(n)]

    def spread(self, rows, classes=None):
        """Rows of values back into a nested list."""
        n = classes or self.c
        values = [None] * (self.outer * n * self.inner)
        for at, row in zip(self.places(n), rows):
            for i, v in zip(at, row):
                values[i] = v
        shape = list(self.shape)
        shape[self.axis] = n
        return nest(values, shape)

    def lists(self, value):
        """One list for all rows, or the lists of all."""
        values = flat(value)
        if not isinstance(value[0], list):
            return [values] * len(self.rows)
        k = len(values) // len(self.rows)
        return [values[i * k:(i + 1) * k] for i in range(len(self.rows))]

    def per_row(self, values):
        return nest(list(values), self.rows_shape)


# An expected number: its value (Decimal, or a float infinity) and its size; of
# an infinite slope the class's probability, which is 0 where no double holds it,
# and so then is the slope.

def exact(value):
    return value, ZERO


LOW = (-math.inf, ZERO)


def log_value(l):
    return LOW if l is None else exact(l)


def lse_value(row):
    return LOW if row.dead else (row.lse, row.size)


def softmax(request):
    t = Tensor(request)
    log = request.get("log", False)
    name = "log_probabilities" if log else "probabilities"
    rows = [[log_value(l) for l in r.l] if log else [exact(p) for p in r.p]
            for r in t.rows]
    want = {}
    k = request.get("top_k")
    if "classes" in request:
        ids = t.lists(request["classes"])
        k = len(ids[0])
        want[name] = t.spread([[row[c] for c in chosen]
                               for row, chosen in zip(rows, ids)], k)
        if "rank" in request.get("include", []):
            want["rank"] = t.spread([[r.order().index(c) for c in chosen]
                                     for r, chosen in zip(t.rows, ids)], k)
    elif k is None:
        want[name] = t.spread(rows)
    else:
        order = [r.order()[:k] for r in t.rows]
        want["indices"] = t.spread(order, k)
        want[name] = t.spread([[row[c] for c in o]
                               for row, o in zip(rows, order)], k)
    if request.get("statistics_only"):
        del want[name]
    return want, summaries(request, t)


def summaries(request, t):
    make = {"logsumexp": lse_value, "argmax": lambda r: r.argmax,
            "entropy": lambda r: exact(r.entropy())}
    return {name: t.per_row(map(make[name], t.rows))
            for name in request.get("include", []) if name in make}


class Divergence:
    """From the row of a teacher, q, to one of the student, p: its value, or
    infinity, and of each class the gradient and its size."""

    def __init__(self, p, q, request):
        beta = Decimal(request.get("beta", 0.5))
        kind = request.get("divergence", "forward_kl")
        if kind == "jsd" and beta in (0, 1):
            kind = "reverse_kl" if beta else "forward_kl"
        self.p, self.q, self.beta = p, q, beta
        getattr(self, kind)()

    def kl(self, a, b):
        """KL(a || b)"""
        if any(x is not None and y is None for x, y in zip(a.l, b.l)):
            return math.inf
        return self.seen(sum(
            (w * (x - y) for w, x, y in zip(a.p, a.l, b.l) if w), ZERO))

    def seen(self, value):
        """The value, or 0 where the digits do not tell it from that."""
        size = sum(w * abs(l) for row in (self.p, self.q)
                   for w, l in zip(row.p, row.l) if w)
        least = Decimal(10) ** (5 - getcontext().prec)
        return value if abs(value) > size * least else ZERO

    def forward_kl(self):
        p, q = self.p, self.q
        self.value = self.kl(q, p)
        self.slope = [(ZERO if q.dead else a) - b for a, b in zip(p.p, q.p)]
        self.size = [max(a, b) for a, b in zip(p.p, q.p)]

    def reverse_kl(self):
        p, q = self.p, self.q
        self.value, self.slope, self.size = self.kl(p, q), [], []
        for w, a, b in zip(p.p, p.l, q.l):
            if not w or b is None:
                self.slope.append(ZERO)
                self.size.append(ZERO)
            elif self.value == math.inf:
                self.slope.append(-math.inf)
                self.size.append(w)
            else:
                self.slope.append(w * (a - b - self.value))
                self.size.append(w * (abs(a) + abs(b)))

    def jsd(self):
        p, q, b = self.p, self.q, self.beta
        m = [(1 - b) * x + b * y for x, y in zip(p.p, q.p)]
        log_p = [(x / z).ln() if x else ZERO for x, z in zip(p.p, m)]
        log_q = [(y / z).ln() if y else ZERO for y, z in zip(q.p, m)]
        kl = sum((x * l for x, l in zip(p.p, log_p)), ZERO)
        self.value = self.seen((1 - b) * kl + b * sum(
            (y * l for y, l in zip(q.p, log_q)), ZERO))
        self.slope = [(1 - b) * x * (l - kl) for x, l in zip(p.p, log_p)]
        self.size = [(1 - b) * x * (2 * abs(r) + abs(l)) if x else ZERO
                     for x, l, r in zip(p.p, log_p, p.l)]


class Loss:
    """Loss of every row of a request and its reduction."""

    def __init__(self, request):
        self.t = t = Tensor(request)
        self.reduction = request.get("reduction", "mean")
        self.lam = Decimal(request.get("z_loss", 0))
        self.e = Decimal(request.get("label_smoothing", 0))
        self.w = [Decimal(x) for x in request.get("weights", [1] * t.c)]
        n = len(t.rows)
        self.row_weights = [Decimal(x) for x in
                            flat(request.get("row_weights", [1] * n))]
        self.eta = Decimal(request.get("entropy_weight", 0))
        self.focal = Decimal(request.get("focal", 0))
        self.divergences = [None] * n
        if "teacher" in request:
            self.teach(request)
            hot = [[0] * t.c] * n
        elif "labels" in request:
            ignore = request.get("ignore_index", -100)
            self.labels = flat(request["labels"])
            self.kept = [y != ignore for y in self.labels]
            self.divisor = sum((r * self.w[y] for r, y, k in zip(
                self.row_weights, self.labels, self.kept) if k), ZERO)
            hot = [[int(c == y) for c in range(t.c)] for y in self.labels]
        else:
            targets = flat(request["targets"])
            hot = [[targets[i] for i in at] for at in t.places()]
            self.labels = [row.index(max(row)) for row in hot]
            self.kept = [True] * n
            self.divisor = sum(self.row_weights, ZERO)
        self.count = sum(self.kept)
        self.mass = [[w * ((1 - self.e) * Decimal(h) + self.e / t.c)
                      if kept else ZERO for w, h in zip(self.w, row)]
                     for row, kept in zip(hot, self.kept)]
        self.weight = sum((r for r, k in zip(self.row_weights, self.kept)
                           if k), ZERO)
        self.main, self.z = self.shares()
        self.each = [self.row(*x) for x in
                     zip(t.rows, self.mass, self.kept, range(n))]

    def teach(self, request):
        """The divergence of each row."""
        other = {k: v for k, v in request.items() if k != "softcap"}
        other["logits"] = request["teacher"]
        if "teacher_temperature" in request:
            other["temperature"] = request["teacher_temperature"]
        teacher = Tensor(other)
        self.divergences = [Divergence(p, q, request)
                            for p, q in zip(self.t.rows, teacher.rows)]
        self.labels = [q.argmax for q in teacher.rows]
        self.kept = [True] * len(self.labels)
        self.divisor = sum(self.row_weights, ZERO)

    def focus(self, row, y):
        """What focal makes of a label's mass, in the loss and the gradient."""
        if not self.focal or row.dead:
            return ONE, ONE
        others = sum((p for c, p in enumerate(row.p) if c != y), ZERO)
        if not others:
            return ZERO, ZERO
        power = (self.focal * others.ln()).exp()
        more = self.focal * row.p[y] * row.l[y] / others if row.p[y] else ZERO
        return power, power * (1 - more)

    def shares(self):
        if self.reduction != "mean":
            return ONE, ONE
        if not self.divisor:
            return ZERO, ZERO
        return ONE / self.divisor, ONE / self.weight

    def row(self, row, mass, kept, r):
        """(loss, its size, z-loss less entropy, its size, is it infinite)"""
        terms = [-m * l for m, l in zip(mass, row.l) if m and l is not None]
        lost = any(m and l is None for m, l in zip(mass, row.l))
        w = self.row_weights[r]
        if self.divergences[r]:
            lost = self.divergences[r].value == math.inf
            terms = [] if lost else [self.divergences[r].value]
        elif self.focal and kept:
            focus = self.focus(row, self.labels[r])[0]
            terms = [x * focus for x in terms]
        z = zs = ZERO
        if kept and not row.dead:
            h = self.eta * row.entropy()
            z, zs = self.lam * row.lse ** 2 - h, self.lam * row.size ** 2 + h
        return (w * sum(terms, ZERO), w * sum(map(abs, terms), ZERO), w * z,
                w * zs, lost and w > 0)

    def value(self):
        rows = [(math.inf if lost else s * self.main + z * self.z,
                 size * self.main + zs * self.z)
                for s, size, z, zs, lost in self.each]
        if self.reduction == "none":
            return self.t.per_row(rows)
        if not self.main:
            return exact(ZERO)
        size = sum((s for _, s in rows), ZERO)
        if any(v == math.inf for v, _ in rows):
            return math.inf, size
        return sum((v for v, _ in rows), ZERO), size

    def answer(self):
        return {"loss": self.value(), "divisor": exact(self.divisor),
                "rows": self.count}

    def accuracy(self):
        hits = sum(k and r.argmax == y for r, y, k in
                   zip(self.t.rows, self.labels, self.kept))
        return exact(Decimal(hits) / self.count if self.count else ZERO)

    def gradient(self, upstream):
        each = isinstance(upstream, list)
        g = flat(upstream) if each else itertools.repeat(upstream)
        rows = [self.slopes(r, mass, kept, Decimal(u) * w, i)
                for i, (r, mass, kept, u, w) in enumerate(
                    zip(self.t.rows, self.mass, self.kept, g,
                        self.row_weights))]
        return self.t.spread(rows)

    def slopes(self, row, mass, kept, u, i):
        """Of each class of row i its element and the size of that."""
        focus = self.focus(row, self.labels[i])[1] if self.focal and kept else 1
        h = row.entropy()
        return [self.slope(row, mass, c, kept, u, i, focus, h)
                for c in range(row.n)]

    def slope(self, row, mass, c, kept, u, i, focus, h):
        p, total = row.p[c], sum(mass)
        size = (sum(map(abs, mass)) * p + abs(mass[c])) * focus
        main = (total * p - mass[c]) * focus
        if self.divergences[i]:
            main = self.divergences[i].slope[c]
            size = self.divergences[i].size[c]
        factor = row.slope[c] * u
        if not factor or not self.main:
            return exact(ZERO)
        if main == -math.inf:
            return -math.inf if factor > 0 else math.inf, size
        z = 2 * self.lam * p * self.z if kept else ZERO
        e = self.eta * p * self.z if kept else ZERO
        lse = ZERO if row.dead else row.lse
        log = row.l[c] if p else ZERO
        value = main * self.main + z * lse + e * (log + h)
        scale = size * self.main + z * row.size + e * (abs(log) + h)
        return value * factor, abs(scale * factor)


def beside(request, x):
    """What include adds to a loss or its gradient."""
    extra, include = summaries(request, x.t), request.get("include", [])
    if "accuracy" in include:
        extra["accuracy"] = x.accuracy()
    if "log_probabilities" in include:
        extra["log_probabilities"] = x.t.spread(
            [[log_value(l) for l in r.l] for r in x.t.rows])
    if "rank" in include:
        extra["rank"] = x.t.per_row(
            r.order().index(y) if kept else -1
            for r, y, kept in zip(x.t.rows, x.labels, x.kept))
    return extra


def loss(request):
    x = Loss(request)
    return x.answer(), beside(request, x)


def jvp(request):
    """p_c (g_c - sum g p) or g_c - p_c sum g, as (value, size)."""
    t, log = Tensor(request), request["of"] == "log_softmax"
    g = flat(request["upstream"])
    rows = []
    for row, at in zip(t.rows, t.places()):
        u = [Decimal(g[i]) if counts else ZERO
             for i, counts in zip(at, row.counts)]
        dot = sum(u) if log else sum(a * p for a, p in zip(u, row.p))
        size = sum(map(abs, u)) if log else sum(
            abs(a) * p for a, p in zip(u, row.p))
        rows.append([
            (s * (a - p * dot), s * (abs(a) + p * size)) if log else
            (s * p * (a - dot), s * p * (abs(a) + size))
            for a, p, s in zip(u, row.p, row.slope)])
    return {"gradient": t.spread(rows)}, {}


def jacobian(request):
    t, log = Tensor(request), request["of"] == "log_softmax"
    rows = []
    for row in t.rows:
        a = [Decimal(c) for c in row.counts] if log else row.p
        rows.append([[
            (row.slope[i] * a[j] * ((i == j) - row.p[i]), row.slope[i] * a[j])
            for i in range(t.c)] for j in range(t.c)])
    return {"jacobian": t.spread(rows)}, {}


def expect(path, request):
    getcontext().prec = \
        DIGITS_OF_DIVERGENCE if "teacher" in request else DIGITS
    if path == "/softmax":
        return softmax(request)
    if path == "/loss":
        return loss(request)
    if request.get("of", "loss") == "loss":
        x = Loss(request)
        return {"gradient": x.gradient(request.get("upstream", 1)),
                **x.answer()}, beside(request, x)
    return jvp(request) if "upstream" in request else jacobian(request)


# ---- drawing ----------------------------------------------------------------

class Drawing:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def often(self, p):
        return self.r.random() < p

    def number(self, dtype, x):
        return struct.unpack("f", struct.pack("f", x))[0] \
            if dtype == "float32" else x

    def logits(self, dtype, count):
        r = self.r
        kind = r.choice(["normal", "wide", "offset", "ties", "huge", "holes"])
        draw = {"normal": lambda: r.gauss(0, 2),
                "wide": lambda: r.uniform(-30, 30),
                "offset": lambda: 1e4 + r.gauss(0, 3),
                "ties": lambda: float(r.randint(-2, 2)),
                "huge": lambda: r.choice([-1, 1]) * 10 ** r.uniform(-3, 38),
                "holes": lambda: -math.inf if self.often(.3)
                else r.gauss(0, 2)}[kind]
        return [self.number(dtype, draw()) for _ in range(count)], kind

    def request(self):
        r = self.r
        path = r.choice(["/softmax", "/loss", "/gradient"])
        rank = r.choice([1, 2, 2, 2, 3, 3, 4, 8])
        shape = [r.choice([1, 2, 3, 4] if rank < 8 else [1, 1, 2])
                 for _ in range(rank)]
        axis = r.randrange(-rank, rank) if self.often(.4) else -1
        shape[axis] = r.choice([1, 2, 3, 5, 8, 10, 17])
        dtype = r.choice(["float32", "float64"])
        values, kind = self.logits(dtype, math.prod(shape))
        request = {"logits": nest(values, shape)}
        if axis != -1 or self.often(.2):
            request["axis"] = axis
        if dtype == "float64" or self.often(.3):
            request["dtype"] = dtype
        if self.often(.3):
            request["temperature"] = math.exp(r.gauss(0, 1))
        if self.often(.25):
            request["softcap"] = math.exp(r.gauss(2, 1))
        if self.often(.25):
            full = self.often(.5)
            n = math.prod(shape) if full else shape[axis]
            request["mask"] = nest([self.often(.75) for _ in range(n)],
                                   shape if full else [n])
        self.rows_shape = [n for i, n in enumerate(shape)
                           if i != axis % rank]
        self.shape, self.c, self.dtype = shape, shape[axis], dtype
        # infinite terms of both signs have no sum
        self.negative = kind not in ("holes", "huge") and \
            "mask" not in request
        if path == "/softmax":
            self.softmax(request)
        elif path == "/loss" or self.often(.6):
            self.loss(request, path)
        else:
            request["of"] = r.choice(["softmax", "log_softmax"])
            if self.often(.6):
                request["upstream"] = self.gaussian(shape)
        return path, request

    def gaussian(self, shape):
        return nest([self.number(self.dtype, self.r.gauss(0, 1))
                     for _ in range(math.prod(shape))], shape)

    def softmax(self, request):
        r = self.r
        if self.often(.4):
            request["log"] = self.often(.8)
        names = ["logsumexp", "entropy", "argmax"]
        if self.often(.3):
            request["top_k"] = r.randint(1, self.c)
        elif self.often(.4):
            rows, k = self.rows_shape if self.often(.6) else [], \
                r.randint(1, 4)
            request["classes"] = nest(
                [r.randrange(self.c) for _ in range(math.prod(rows) * k)],
                rows + [k])
            names.append("rank")
        if self.often(.6):
            request["include"] = r.sample(names, r.randint(0, len(names)))
        include = request.get("include", [])
        if "rank" in include or (include and names[-1] != "rank" and
                                 "top_k" not in request):
            request["statistics_only"] = self.often(.3)

    def teacher(self, request):
        """Another model's logits, or nearly those of the student."""
        r, z = self.r, flat(request["logits"])
        near = r.choice([0, 1e-9, 1e-4]) if self.often(.5) else None
        if near is None:
            values, _ = self.logits(self.dtype, len(z))
        else:
            values = [self.number(self.dtype, x + r.gauss(0, near))
                      for x in z]
        request["teacher"] = nest(values, self.shape)
        if self.often(.7):
            request["divergence"] = r.choice(
                ["forward_kl", "reverse_kl", "jsd"])
        if request.get("divergence") == "jsd" and self.often(.7):
            request["beta"] = r.choice([0, 0.1, 0.5, 0.9, 1])
        if self.often(.3):
            request["teacher_temperature"] = r.choice([1e-3, 0.5, 3, 1e3])

    def target(self):
        if self.often(.3):
            return 0
        sign = -1 if self.negative and self.often(.2) else 1
        return sign * self.number(self.dtype, self.r.random())

    def loss(self, request, path):
        r = self.r
        n = math.prod(self.rows_shape)
        if self.often(.3):
            self.teacher(request)
        elif self.often(.5):
            ignore = r.choice([-100, -100, 0, 2, -7])
            if ignore != -100:
                request["ignore_index"] = ignore
            request["labels"] = nest(
                [ignore if self.often(.2) else r.randrange(self.c)
                 for _ in range(n)], self.rows_shape)
        else:
            request["targets"] = nest(
                [self.target() for _ in range(n * self.c)], self.shape)
        if "teacher" not in request and self.often(.5):
            request["weights"] = [
                0 if self.often(.2) else
                self.number(self.dtype, r.uniform(0, 3))
                for _ in range(self.c)]
        if "teacher" not in request and self.often(.3):
            request["label_smoothing"] = r.random()
        elif "labels" in request and self.often(.4):
            request["focal"] = r.choice([0.3, 1, 2, 3.5])
        if self.often(.3):
            request["entropy_weight"] = r.random()
        if self.often(.3):
            request["row_weights"] = nest(
                [0 if self.often(.2) else self.number(self.dtype, r.random())
                 for _ in range(n)], self.rows_shape)
        if self.often(.3):
            request["z_loss"] = r.random()
        if self.often(.7):
            request["reduction"] = r.choice(["mean", "sum", "none"])
        if self.often(.6):
            names = ["logsumexp", "argmax", "accuracy", "entropy",
                     "log_probabilities"] + ["rank"] * ("labels" in request)
            request["include"] = r.sample(names, r.randint(0, 3))
        if path == "/gradient" and self.often(.6):
            request["upstream"] = self.gaussian(self.rows_shape) \
                if request.get("reduction") == "none" else self.gaussian([])


# ---- asking and comparing -----------------------------------------------------

def spell(value):
    """The wire's spelling of a request: -Infinity is a string."""
    if isinstance(value, list):
        return [spell(v) for v in value]
    return "-Infinity" if isinstance(value, float) and is_low(value) else value


def ask(url, path, request):
    body = json.dumps({k: spell(v) for k, v in request.items()})
    ask_for = urllib.request.Request(
        url.rstrip("/") + path, body.encode(),
        {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(ask_for, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        return {"status": e.code, "problem": e.read().decode()}


def read(value):
    if value == "-Infinity":
        return -math.inf
    if value == "Infinity":
        return math.inf
    return value


def agrees(got, want, dtype):
    got = read(got)
    if isinstance(want, int):
        return got == want
    value, size = want
    if not isinstance(got, (int, float)) or isinstance(got, bool):
        return False
    if isinstance(value, float) and got == 0:
        return 0 < size < NO_DOUBLE
    if isinstance(value, float) or abs(value) > Decimal(LARGEST[dtype]):
        return math.isinf(got) and (got > 0) == (value > 0)
    if not math.isfinite(got):
        return False
    bound = TOLERANCE[dtype] * max(abs(value), size) + SUBNORMAL[dtype]
    return abs(Decimal(got) - value) <= bound


def compare(got, want, dtype, where):
    """The first place where they differ, or None."""
    if isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            return f"{where}: got {got!r}, want {len(want)} items"
        for i, (g, w) in enumerate(zip(got, want)):
            found = compare(g, w, dtype, f"{where}/{i}")
            if found:
                return found
        return None
    if agrees(got, want, dtype):
        return None
    value = want if isinstance(want, int) else want[0]
    return f"{where}: got {got!r}, want {float(value)!r}"


def check(answer, path, request):
    want, extra = expect(path, request)
    want.update(extra)
    if set(answer) != set(want):
        return f"members: got {answer}, want {sorted(want)}"
    for name, value in want.items():
        # what is counted or summed in double is answered in double
        dtype = request.get("dtype", "float32")
        if name in ("divisor", "accuracy"):
            dtype = "float64"
        found = compare(answer[name], value, dtype, "/" + name)
        if found:
            return found
    return None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 10 ** 9
    print(f"seed {seed}")
    drawing, failed = Drawing(seed), 0
    for i in range(count):
        path, request = drawing.request()
        found = check(ask(sys.argv[1], path, request), path, request)
        if found:
            failed += 1
            print(f"{i}: {path} {found}\n   {json.dumps(request)[:2000]}")
    print(f"{count - failed} of {count} random requests agree")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
