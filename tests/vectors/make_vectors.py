#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write vectors.jsonl: requests and the answers that PyTorch 2 gives them.

usage: make_vectors.py > vectors.jsonl      (needs torch; the tests do not)

One case a line: {"path", "request", "answer", "scale"}. Every input is a
float32, so that an answer holds for both dtypes. Gradients come from autograd
in float64, of a loss written from log-probabilities that keep their digits;
where torch.nn.functional has the same operation, it must agree.

"scale" has one number for each float member of the answer: a member is right
when |got - want| <= tolerance * max(|want|, scale). It is 0 where nothing
cancels, and the size of what cancels where something does (a - y, z - lse).
"""
import itertools
import json
import math
import random
import sys

import torch
import torch.nn.functional as F

INF = math.inf
rng = random.Random(20210518)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


# ---- drawing inputs that float32 holds exactly --------------------------

def grid(x, step=1 / 16):
    return round(x / step) * step


def logit(kind):
    if kind == "normal":
        return grid(rng.gauss(0, 2))
    if kind == "wide":
        return grid(rng.uniform(-30, 30), 1 / 4)
    if kind == "offset":
        return 10000 + grid(rng.gauss(0, 3))
    if kind == "huge":
        return rng.choice([-1, 1]) * rng.choice([2.0 ** 127, 2.0 ** 100, 1.0])
    if kind == "ties":
        return float(rng.randint(-1, 1))
    if kind == "holes":
        return -INF if rng.random() < 0.3 else grid(rng.gauss(0, 2))
    raise ValueError(kind)


def nested(shape, draw):
    if not shape:
        return draw()
    return [nested(shape[1:], draw) for _ in range(shape[0])]


def rows_of(shape, axis):
    """The shape without the class axis."""
    axis %= len(shape)
    return shape[:axis] + shape[axis + 1:]


# ---- the mathematics, in torch ------------------------------------------

class Tanh(torch.autograd.Function):
    """tanh whose slope is 1 / cosh^2: 1 - tanh^2 loses its digits."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g / torch.cosh(x) ** 2


class Rows:
    """Logits with the class axis last and what follows from them."""

    def __init__(self, request):
        self.z = torch.tensor(request["logits"], dtype=torch.float64,
                              requires_grad=True)
        self.axis = request.get("axis", -1)
        self.mask = torch.isinf(self.z.detach())
        self.masked = torch.zeros_like(self.mask)  # by the mask: no answer
        if "mask" in request:                      # depends on the logit
            m = ~torch.tensor(request["mask"])
            if m.dim() == 1 and self.z.dim() > 1:
                m = self.last(self.mask).new_ones(()) & m
                m = m.expand(self.last(self.mask).shape)
                m = m.movedim(-1, self.axis)
            self.masked = m
            self.mask = self.mask | m
        x = torch.where(self.mask, torch.zeros(()).double(), self.z)
        if "softcap" in request:
            x = request["softcap"] * Tanh.apply(x / request["softcap"])
        self.t = request.get("temperature", 1.0)
        self.x = self.last(x)          # before the temperature
        self.mask = self.last(self.mask)
        self.masked = self.last(self.masked)
        self.classes = self.x.shape[-1]
        self.logs()

    def last(self, t):
        return t.movedim(self.axis, -1)

    def back(self, t):
        return t.movedim(-1, self.axis)

    def logs(self):
        """log p = d - log1p(sum over all but the largest of exp d); the
        temperature divides differences, which are exact, not logits."""
        x, mask = self.x, self.mask
        # by the logits: a softcap that saturates would round them to ties
        self.rank = self.last(self.z.detach()).masked_fill(mask, -INF)
        self.argmax = first_largest(self.rank)
        dead = mask.all(-1, keepdim=True)
        top = x.gather(-1, self.argmax.unsqueeze(-1))
        d = torch.where(mask, torch.zeros(()).double(),
                        (x - top) / self.t)
        others = ~mask
        others = others.scatter(-1, self.argmax.unsqueeze(-1), False)
        rest = (d.exp() * others).sum(-1, keepdim=True)
        log_z = torch.log1p(rest)
        self.dead = dead.squeeze(-1)
        self.lse = (top / self.t + log_z).squeeze(-1)
        self.logp = d - log_z          # finite stand-ins where masked
        self.p = self.logp.exp() * ~mask
        self.lse_scale = (top.abs() / self.t + log_z).detach().max().item()

    def log_probabilities(self):
        return self.logp.detach().masked_fill(self.mask, -INF)

    def differentiable(self, log):
        """p or log p, and that of minus infinity: z_c - lse without z_c."""
        if not log:
            return self.p
        low = torch.where(self.mask, -self.lse.unsqueeze(-1), self.logp)
        return torch.where(self.masked, torch.zeros(()).double(), low)

    def logsumexp(self):
        return self.lse.detach().masked_fill(self.dead, -INF)


def places(r):
    """Of each class how many come before it: larger, or equal and lower."""
    order = torch.sort(r.rank, dim=-1, descending=True, stable=True).indices
    return order.argsort(-1)


def first_largest(t):
    """argmax, the first of equals (torch promises no order)."""
    top = t.max(-1, keepdim=True).values
    n = t.shape[-1]
    place = torch.arange(n).expand(t.shape)
    return torch.where(t == top, place, n).min(-1).values


def check(got, want, what):
    """PyTorch's own function must agree where it has no NaN."""
    want = want.detach()
    fine = ~want.isnan() & ~want.isinf()
    near = torch.isclose(got.detach()[fine], want[fine], 1e-9, 1e-9)
    assert near.all(), (what, got, want)


def answer_softmax(request):
    r = Rows(request)
    want, scale = {}, {}
    log = request.get("log", False)
    values = r.log_probabilities() if log else r.p.detach()
    plain = (r.x / r.t).masked_fill(r.mask, -INF)
    check(values, (F.log_softmax if log else F.softmax)(plain, -1), "softmax")
    name = "log_probabilities" if log else "probabilities"
    if "top_k" in request:
        order = torch.sort(r.rank, dim=-1, descending=True,
                           stable=True).indices
        order = order[..., :request["top_k"]]
        want[name] = r.back(values.gather(-1, order)).tolist()
        want["indices"] = r.back(order).tolist()
    elif "classes" in request:
        ids = torch.tensor(request["classes"])
        ids = ids.expand(*values.shape[:-1], ids.shape[-1])
        want[name] = r.back(values.gather(-1, ids)).tolist()
        if "rank" in request.get("include", []):
            want["rank"] = r.back(places(r).gather(-1, ids)).tolist()
    else:
        want[name] = r.back(values).tolist()
    scale[name] = 0.0
    for member in request.get("include", []):
        if member == "logsumexp":
            want[member] = r.logsumexp().tolist()
            check(r.logsumexp(), torch.logsumexp(plain, -1), member)
            scale[member] = r.lse_scale
        elif member == "entropy":
            want[member] = (-(r.p * r.logp).sum(-1)).detach().tolist()
            scale[member] = 0.0
        elif member == "argmax":
            want[member] = r.argmax.masked_fill(r.dead, 0).tolist()
    if request.get("statistics_only"):
        del want[name], scale[name]
    return want, scale


class Criterion:
    """Loss of each row and what the reductions need."""

    def __init__(self, request, r):
        eps = request.get("label_smoothing", 0.0)
        c = r.classes
        w = torch.tensor(request.get("weights", [1.0] * c)).double()
        if "labels" in request:
            y = torch.tensor(request["labels"])
            self.keep = y != request.get("ignore_index", -100)
            self.label = torch.where(self.keep, y, 0)
            hot = F.one_hot(self.label, c).double()
            mass = (1 - eps) * w * hot + eps / c * w
            mass = mass * self.keep.unsqueeze(-1)
            self.divisor = (w[self.label] * self.keep).sum()
        else:
            t = r.last(torch.tensor(request["targets"]).double())
            mass = w * ((1 - eps) * t + eps / c)
            self.keep = torch.ones(t.shape[:-1], dtype=torch.bool)
            self.label = first_largest(t)
            self.divisor = torch.tensor(float(self.keep.numel()))
        self.mass = mass
        self.rows = int(self.keep.sum())
        terms = -mass * r.logp * ~r.mask
        self.row = terms.sum(-1)
        self.size = terms.detach().abs().sum(-1)
        self.lost = ((mass != 0) & r.mask).any(-1)   # mass where p = 0
        lam = request.get("z_loss", 0.0)
        alive = self.keep & ~r.dead
        self.z = lam * torch.where(alive, r.lse, 0.0) ** 2
        self.z_size = lam * torch.where(
            alive, r.lse_scale * r.lse.abs(), 0.0).detach()

    def parts(self, reduction):
        """Factors of the two parts of a row's loss."""
        if reduction != "mean":
            return 1.0, 1.0
        d = self.divisor.item()
        return (1 / d, 1 / self.rows) if d else (0.0, 0.0)

    def reduce(self, reduction):
        main, z = self.parts(reduction)
        row = self.row.detach().masked_fill(self.lost, INF)
        if reduction == "mean" and not main:
            return torch.zeros(()), 0.0
        each = row * main + self.z.detach() * z
        size = self.size * main + self.z_size * z
        if reduction == "none":
            return each, size.max().item()
        return each.sum(), size.sum().item()


def native_agrees(request, r, crit, loss):
    """torch.nn.functional.cross_entropy on the same rows."""
    if "z_loss" in request or r.mask.any():
        return
    c = r.classes
    labels = "labels" in request
    x = (r.x / r.t).reshape(-1, c)
    target = (torch.tensor(request["labels"]).reshape(-1) if labels else
              r.last(torch.tensor(request["targets"]).double()).reshape(-1, c))
    w = request.get("weights")
    got = F.cross_entropy(
        x, target, weight=None if w is None else torch.tensor(w).double(),
        ignore_index=request.get("ignore_index", -100) if labels else -100,
        reduction=request.get("reduction", "mean"),
        label_smoothing=request.get("label_smoothing", 0.0))
    check(loss.reshape(got.shape), got, "cross_entropy")


def members_of_loss(request, r, crit):
    loss, size = crit.reduce(request.get("reduction", "mean"))
    native_agrees(request, r, crit, loss)
    want = {"loss": loss.tolist(), "divisor": crit.divisor.item(),
            "rows": crit.rows}
    return want, {"loss": size}


def include_in_loss(request, r, crit, want, scale):
    for member in request.get("include", []):
        if member == "logsumexp":
            want[member] = r.logsumexp().tolist()
            scale[member] = r.lse_scale
        elif member == "argmax":
            want[member] = r.argmax.masked_fill(r.dead, 0).tolist()
        elif member == "entropy":
            want[member] = (-(r.p * r.logp).sum(-1)).detach().tolist()
            scale[member] = 0.0
        elif member == "log_probabilities":
            want[member] = r.back(r.log_probabilities()).tolist()
            scale[member] = 0.0
        elif member == "rank":
            rank = places(r).gather(-1, crit.label.unsqueeze(-1)).squeeze(-1)
            want[member] = rank.masked_fill(~crit.keep, -1).tolist()
        else:
            hit = (r.argmax.masked_fill(r.dead, 0) == crit.label) & crit.keep
            want[member] = hit.sum().item() / crit.rows if crit.rows else 0.0
            scale[member] = 0.0


def answer_loss(request):
    r = Rows(request)
    crit = Criterion(request, r)
    want, scale = members_of_loss(request, r, crit)
    include_in_loss(request, r, crit, want, scale)
    return want, scale


def answer_gradient_of_loss(request):
    r = Rows(request)
    crit = Criterion(request, r)
    want, scale = members_of_loss(request, r, crit)
    reduction = request.get("reduction", "mean")
    g = torch.tensor(request.get("upstream", 1.0)).double()
    main, z = crit.parts(reduction)
    total = (g * (crit.row * main + crit.z * z)).sum()
    total.backward()
    grad = r.z.grad
    # p = 0 where a class is left out; autograd sees its stand-in as constant
    if crit.lost.any():
        assert "softcap" not in request and "z_loss" not in request
        a = crit.mass.sum(-1, keepdim=True)
        exact = (a * r.p - crit.mass).detach() * ~r.masked
        exact = exact * main * g.unsqueeze(-1)
        exact = r.back(exact / r.t)
        grad = torch.where(r.back(crit.lost.unsqueeze(-1)), exact, grad)
    mass = crit.mass.abs()
    size = mass + mass.sum(-1, keepdim=True) * r.p.detach()
    size = size * main + 2 * z * request.get("z_loss", 0.0) * (
        r.lse_scale * r.p.detach())
    size = size * g.abs().unsqueeze(-1) / r.t
    want = {"gradient": grad.tolist(), **want}
    scale["gradient"] = size.max().item()
    include_in_loss(request, r, crit, want, scale)
    return want, scale


def slope_at_low(request, r):
    """dz'/dz at minus infinity, which autograd does not see."""
    slope = 0 if "softcap" in request else 1 / request.get("temperature", 1.0)
    return ~r.masked * float(slope)


def answer_vjp(request):
    r = Rows(request)
    log = request["of"] == "log_softmax"
    g = r.last(torch.tensor(request["upstream"]).double()) * ~r.masked
    (r.differentiable(log) * g).sum().backward()
    p = r.p.detach()
    if log:
        size = g.abs() + p * g.abs().sum(-1, keepdim=True)
    else:
        size = p * (g.abs() + (p * g.abs()).sum(-1, keepdim=True))
    grad = r.z.grad
    if log:
        low = r.back(g * slope_at_low(request, r))
        grad = torch.where(r.back(r.mask), low, grad)
    size = size / r.t
    return {"gradient": grad.tolist()}, {"gradient": size.max().item()}


def answer_jacobian(request):
    r = Rows(request)
    log = request["of"] == "log_softmax"
    out = r.back(r.differentiable(log))
    flat = out.reshape(-1)
    columns = []
    for i in range(flat.numel()):
        grad, = torch.autograd.grad(flat[i], r.z, retain_graph=True)
        # of all logits, those of the row of this output
        place = torch.zeros(flat.numel())
        place[i] = 1
        row = r.last(place.reshape(out.shape)).sum(-1) != 0
        columns.append(r.last(grad)[row].reshape(-1))
    jac = torch.stack(columns).reshape(list(out.shape) + [r.classes])
    if log:
        hot = r.last(jac.movedim(-1, 0)).diagonal(dim1=0, dim2=-1)
        hot[r.mask] = slope_at_low(request, r)[r.mask]
    size = 1 / r.t if log else 0.0
    if not log:
        size = 0.25 / r.t
    return {"jacobian": jac.tolist()}, {"jacobian": size}


# ---- teachers, row weights, focal, entropy --------------------------------

def teacher_terms(request, r):
    """Terms of each row's divergence; torch's own functions must agree."""
    other = {k: v for k, v in request.items() if k != "softcap"}
    other["logits"] = request["teacher"]
    other["temperature"] = request.get("teacher_temperature", r.t)
    teacher = Rows(other)
    q, log_q = teacher.p.detach(), teacher.logp.detach()
    kind, beta = request.get("divergence", "forward_kl"), \
        request.get("beta", 0.5)
    if kind == "jsd" and beta in (0, 1):
        kind = "reverse_kl" if beta else "forward_kl"
    inside = ~r.mask
    if kind == "forward_kl":
        terms = q * (log_q - r.logp)
        other = F.kl_div(r.logp, log_q, reduction="none", log_target=True)
    elif kind == "reverse_kl":
        terms = r.p * (r.logp - log_q)
        other = F.kl_div(log_q, r.logp, reduction="none", log_target=True)
    else:    # as TRL's GKDTrainer.generalized_jsd_loss has it
        log_m = torch.logaddexp(r.logp + math.log1p(-beta),
                                log_q + math.log(beta))
        terms = beta * q * (log_q - log_m) + \
            (1 - beta) * r.p * (r.logp - log_m)
        other = beta * F.kl_div(log_m, log_q, reduction="none",
                                log_target=True) + \
            (1 - beta) * F.kl_div(log_m, r.logp, reduction="none",
                                  log_target=True)
    check((terms * inside).sum(-1), (other * inside).sum(-1), kind)
    size = (q + r.p.detach()) * (log_q.abs() + r.logp.detach().abs())
    return (terms * inside).sum(-1), (size * inside).sum(-1)


def answer_weighted(request, of):
    """Loss, and its gradient by autograd, of what cross_entropy has not."""
    r = Rows(request)
    rows = r.logp.shape[:-1]
    w = torch.tensor(request.get("row_weights", 1.0)).double().expand(rows)
    if "teacher" in request:
        main, size = teacher_terms(request, r)
        divisor = w.sum()
    else:
        y = torch.tensor(request["labels"])
        hot = F.one_hot(y, r.classes).bool()
        others = (r.p * ~hot).sum(-1)
        nats = -(r.logp * hot).sum(-1)
        c = torch.tensor(request.get("weights", [1.0] * r.classes)).double()
        main = c[y] * nats * others ** request.get("focal", 0.0)
        size = (c[y] * (nats + 1)).detach()
        divisor = (w * c[y]).sum()
    entropy = -(r.p * r.logp).sum(-1)
    eta, lam = request.get("entropy_weight", 0.0), request.get("z_loss", 0.0)
    extra = lam * r.lse ** 2 - eta * entropy
    size = size + (eta * entropy.detach() + lam * r.lse_scale ** 2)
    a, b = (1 / divisor, 1 / w.sum()) \
        if request.get("reduction", "mean") == "mean" else (1.0, 1.0)
    each = w * (main * a + extra * b)
    size = w * size * max(float(a), float(b))
    none = request.get("reduction") == "none"
    loss = each if none else each.sum()
    want = {"loss": loss.detach().tolist(), "divisor": divisor.item(),
            "rows": main.numel()}
    scale = {"loss": (size.max() if none else size.sum()).item()}
    if of == "gradient":
        each.sum().backward()
        want = {"gradient": r.z.grad.tolist(), **want}
        scale["gradient"] = 4 * size.max().item() / min(r.t, 1)
    return want, scale


# ---- the cases -----------------------------------------------------------

def options(request, shape, axis, masks=True):
    """Sometimes an axis, a dtype, a temperature, a softcap, a mask."""
    if axis not in (-1, len(shape) - 1) or rng.random() < 0.2:
        request["axis"] = axis
    if rng.random() < 0.4:
        request["dtype"] = rng.choice(["float32", "float64"])
    if rng.random() < 0.25:
        request["temperature"] = rng.choice([0.5, 2, 0.7, 1.3, 10])
    if rng.random() < 0.25:
        request["softcap"] = rng.choice([1, 5, 30, 2.5])
    if masks and rng.random() < 0.25:
        full = rng.random() < 0.5
        n = shape[axis]
        request["mask"] = nested(shape if full else [n],
                                 lambda: rng.random() < 0.75)


SHAPES = [[1], [2], [4], [7], [33], [1, 1], [2, 3], [3, 10], [5, 4], [2, 17],
          [2, 65], [2, 3, 4], [3, 1, 5], [2, 2, 2, 3], [4, 2, 3, 2],
          [1, 2, 1, 2, 1, 3, 1, 2]]
KINDS = ["normal", "normal", "normal", "wide", "offset", "ties", "holes"]


def draw(kinds=None):
    shape = rng.choice(SHAPES)
    axis = -1
    if len(shape) > 1 and rng.random() < 0.4:
        axis = rng.randrange(-len(shape), len(shape))
    kind = rng.choice(kinds or KINDS)
    return shape, axis, {"logits": nested(shape, lambda: logit(kind))}


def some(names):
    return rng.sample(names, rng.randint(1, len(names)))


def case_softmax():
    shape, axis, request = draw(KINDS + ["huge"])
    options(request, shape, axis)
    if rng.random() < 0.4:
        request["log"] = rng.random() < 0.8
    if rng.random() < 0.3:
        request["top_k"] = rng.randint(1, shape[axis])
    if rng.random() < 0.6:
        request["include"] = some(["logsumexp", "entropy", "argmax"])
    return "/softmax", request, answer_softmax(request)


def criterion(request, shape, axis):
    c, rows = shape[axis], rows_of(shape, axis)
    if rng.random() < 0.6:
        ignored = rng.choice([-100, -100, -1, 0])
        if ignored != -100:
            request["ignore_index"] = ignored
        request["labels"] = nested(rows, lambda: ignored if rng.random() < 0.2
                                   else rng.randrange(c))
    else:
        kind = rng.choice(["soft", "soft", "one-hot", "any"])
        t = {"soft": lambda: rng.randrange(9) / 8,
             "one-hot": lambda: float(rng.random() < 0.3),
             "any": lambda: rng.randrange(-8, 17) / 8}[kind]
        request["targets"] = nested(shape, t)
    if rng.random() < 0.5:
        request["weights"] = [rng.randrange(17) / 8 for _ in range(c)]
    if rng.random() < 0.4:
        request["label_smoothing"] = rng.choice([0.1, 0.25, 0.5, 1])
    if rng.random() < 0.3:
        request["z_loss"] = rng.choice([0.0001, 0.01, 1])
    if rng.random() < 0.7:
        request["reduction"] = rng.choice(["mean", "sum", "none"])


def decided(request):
    """Not a corner whose loss is infinite and whose gradient, or whose sign
    under negative targets, is a convention."""
    r = Rows(request)
    crit = Criterion(request, r)
    return not crit.lost.any() or (
        "softcap" not in request and "z_loss" not in request
        and not (crit.mass < 0).any())


def case_loss(of="loss"):
    while True:
        shape, axis, request = draw()
        criterion(request, shape, axis)
        options(request, shape, axis)
        if decided(request):
            break
    if of == "gradient":
        if rng.random() < 0.5:
            number = lambda: rng.randrange(-16, 17) / 8
            request["upstream"] = nested(rows_of(shape, axis), number) \
                if request.get("reduction") == "none" else number()
        if rng.random() < 0.2:
            request["of"] = "loss"
        return "/gradient", request, answer_gradient_of_loss(request)
    if rng.random() < 0.6:
        request["include"] = some(["logsumexp", "argmax", "accuracy"])
    return "/loss", request, answer_loss(request)


def case_chosen():
    shape, axis, request = draw(KINDS + ["huge"])
    options(request, shape, axis)
    c, k = shape[axis], rng.randint(1, 5)
    rows = rows_of(shape, axis) if rng.random() < 0.6 else []
    request["classes"] = nested(rows + [k], lambda: rng.randrange(c))
    request["log"] = rng.random() < 0.7
    if rng.random() < 0.6:
        request["include"] = some(["rank", "logsumexp", "entropy"])
        if "rank" in request["include"] and rng.random() < 0.3:
            request["statistics_only"] = True
    return "/softmax", request, answer_softmax(request)


def case_beside():
    """A loss, or its gradient, and what a softmax answers."""
    path, request, _ = case_loss(rng.choice(["loss", "gradient"]))
    names = ["entropy", "log_probabilities"]
    request["include"] = some(names + ["rank"] * ("labels" in request))
    return path, request, (answer_loss if path == "/loss" else
                           answer_gradient_of_loss)(request)


def case_vjp():
    shape, axis, request = draw(["normal", "wide", "offset", "ties"])
    request["of"] = rng.choice(["softmax", "log_softmax"])
    options(request, shape, axis, masks=request["of"] == "softmax")
    request["upstream"] = nested(shape, lambda: rng.randrange(-32, 33) / 8)
    return "/gradient", request, answer_vjp(request)


def case_jacobian():
    while True:
        shape, axis, request = draw(["normal", "wide", "offset", "ties"])
        if math.prod(shape) * shape[axis] <= 400:
            break
    request["of"] = rng.choice(["softmax", "log_softmax"])
    options(request, shape, axis, masks=request["of"] == "softmax")
    return "/gradient", request, answer_jacobian(request)


def case_weighted(of):
    """No class is left out but by a mask: elsewhere autograd has NaN."""
    shape, axis, request = draw(["normal", "normal", "wide", "ties"])
    c, rows = shape[axis], rows_of(shape, axis)
    options(request, shape, axis, masks=False)
    if c > 1 and rng.random() < 0.6:    # of one class log m has noise
        request["teacher"] = nested(shape, lambda: logit("normal"))
        kind = rng.choice(["forward_kl", "reverse_kl", "jsd", "jsd"])
        request["divergence"] = kind
        if kind == "jsd":
            request["beta"] = rng.choice([0, 0.125, 0.5, 0.75, 1])
        if rng.random() < 0.3:
            request["teacher_temperature"] = rng.choice([0.001, 0.5, 2, 1000])
    else:
        request["labels"] = nested(rows, lambda: rng.randrange(c))
        if rng.random() < 0.3:
            request["weights"] = [rng.randrange(1, 17) / 8 for _ in range(c)]
        if c > 1 and rng.random() < 0.7:
            request["focal"] = rng.choice([0.25, 0.5, 1, 2, 5])
    if rng.random() < 0.5:
        request["row_weights"] = nested(rows, lambda: rng.randrange(1, 9) / 4)
    if rng.random() < 0.4:
        request["entropy_weight"] = rng.choice([0.01, 0.5])
    if rng.random() < 0.2:
        request["z_loss"] = rng.choice([0.0001, 0.01])
    if rng.random() < 0.7:
        request["reduction"] = rng.choice(["mean", "sum", "none"])
    return "/" + of, request, answer_weighted(request, of)


def by_hand():
    """The published vectors, and rows that a random draw would miss."""
    z, y, w = [[.25, .375, .5], [.5, .25, .375]], [2, 1], [2.0, 4.0, 6.0]
    for reduction in ("none", "sum", "mean"):
        yield "/loss", dict(logits=z, labels=y, weights=w, reduction=reduction)
    z, y, w = [[-100., 100.], [-100., 100.]], [0, 1], [20., 10.]
    for reduction in ("none", "sum", "mean"):
        yield "/loss", dict(logits=z, labels=y, weights=w, reduction=reduction)
    yield "/loss", dict(logits=[[4., 2., 1.], [0., 5., 1.]],
                        targets=[[1., 0., 0.], [0., .75, .25]],
                        reduction="none")
    for path, top in itertools.product(("/loss", "/gradient"), (20., 80.)):
        yield path, dict(logits=[top, 0., 0., 0.], labels=0)
    yield "/softmax", dict(logits=[1., 2., 3.])
    yield "/softmax", dict(logits=[-INF, -INF], log=True,
                           include=["logsumexp", "entropy", "argmax"])
    yield "/softmax", dict(logits=[[1., 2.], [-INF, -INF]], top_k=2,
                           include=["logsumexp", "entropy", "argmax"])
    yield "/loss", dict(logits=[[1., 2.], [3., 4.]], labels=[-100, -100])
    yield "/gradient", dict(logits=[[1., 2.], [3., 4.]], labels=[-100, -100],
                            z_loss=0.5)
    yield "/loss", dict(logits=[[1., 2.]], labels=[0], weights=[0., 1.],
                        z_loss=0.5)
    yield "/loss", dict(logits=[[-INF, -INF], [1., 2.]], labels=[0, 1])
    yield "/gradient", dict(logits=[[-INF, -INF], [1., 2.]], labels=[0, 1])
    yield "/loss", dict(logits=[[-INF, -INF], [1., 2.]], labels=[-100, 1])
    yield "/loss", dict(logits=[[-INF, -INF]], targets=[[0., 0.]])
    yield "/loss", dict(logits=[[-INF, 1., 2.]], targets=[[0., .5, .5]])
    yield "/gradient", dict(logits=[[-INF, 1., 2.]], targets=[[0., .5, .5]])
    # what is left out, beside options, in the gradient of the log
    left = dict(of="log_softmax", logits=[[1., -INF, 2.], [-INF, -INF, -INF]],
                temperature=2)
    for mask in ({}, {"mask": [True, True, False]}, {"softcap": 5}):
        yield "/gradient", {**left, **mask}
        yield "/gradient", {**left, **mask,
                            "upstream": [[.5, -1., 2.], [1., .25, -3.]]}
    # mass on a class that the mask leaves out
    for aim in (dict(labels=2), dict(labels=0, label_smoothing=0.5),
                dict(targets=[.5, .25, .25])):
        yield "/gradient", dict(logits=[1., 2., 3.], mask=[True, True, False],
                                **aim)
    for logits in ([29.245272], [-INF, .25, -INF]):
        aim = [.75 if z > -INF else 0. for z in logits]
        yield "/gradient", dict(logits=logits, targets=aim)
        yield "/gradient", dict(logits=logits, labels=aim.index(.75))
        for of in ("softmax", "log_softmax"):
            yield "/gradient", dict(of=of, logits=logits, upstream=aim)
    big = 2.0 ** 127
    yield "/softmax", dict(logits=[big, -big, big], log=True)
    yield "/gradient", dict(logits=[big, -big, 1.], labels=1)
    yield "/softmax", dict(logits=[2.0 ** 100, 0.], dtype="float64")
    wide = [grid(rng.gauss(0, 2)) for _ in range(1000)]
    yield "/softmax", dict(logits=wide, include=["logsumexp", "entropy"])
    yield "/softmax", dict(logits=wide, log=True, top_k=10)
    yield "/gradient", dict(logits=wide, labels=500, label_smoothing=0.125)


def answer(path, request):
    if path == "/softmax":
        return answer_softmax(request)
    if path == "/loss":
        return answer_loss(request)
    if "of" not in request:
        return answer_gradient_of_loss(request)
    return answer_vjp(request) if "upstream" in request \
        else answer_jacobian(request)


def strict(value):
    """The contract's spelling of infinities; -0 is 0."""
    if isinstance(value, list):
        return [strict(v) for v in value]
    if isinstance(value, dict):
        return {k: strict(v) for k, v in value.items()}
    if isinstance(value, float):
        assert not math.isnan(value)
        if math.isinf(value):
            return "-Infinity" if value < 0 else "Infinity"
        return int(value) if value == int(value) and abs(value) < 1e9 else value
    return value


def main():
    cases = [(p, r, answer(p, r)) for p, r in by_hand()]
    for count, make in ((170, case_softmax), (170, case_loss),
                        (150, lambda: case_loss("gradient")),
                        (60, case_vjp), (40, case_jacobian),
                        (80, lambda: case_weighted("loss")),
                        (120, lambda: case_weighted("gradient"))):
        cases += [make() for _ in range(count)]
    rng.seed(20251129)  # what was drawn before stays as it was
    for count, make in ((80, case_chosen), (80, case_beside)):
        cases += [make() for _ in range(count)]
    for path, request, (want, scale) in cases:
        line = {"path": path, "request": request, "answer": want,
                "scale": scale}
        json.dump(strict(line), sys.stdout, separators=(",", ":"),
                  allow_nan=False)
        print()


if __name__ == "__main__":
    main()
