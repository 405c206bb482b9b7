# SPDX-License-Identifier: BSD-3-Clause
"""The optimizers as anyone would write them in float64 NumPy, straight from the papers' formulas.

Slow and obvious; no code is shared with fastloss. One function per optimizer: it takes one parameter, its gradient, its
state (a dict that starts empty), the step t from 1 and the options, and returns the new parameter.
"""

import numpy as np


def sgd(w, g, s, t, lr, momentum=0.0, dampening=0.0, nesterov=False):
    if momentum == 0:
        return w - lr * g
    s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
    return w - lr * (g + momentum * s["b"] if nesterov else s["b"])


def adagrad(w, g, s, t, lr, lr_decay=0.0, initial_accumulator=0.0, eps=1e-10, eps_inside=False):
    s["G"] = s.get("G", initial_accumulator) + g**2
    root = np.sqrt(s["G"] + eps) if eps_inside else np.sqrt(s["G"]) + eps
    return w - lr / (1 + (t - 1) * lr_decay) * g / root


def adadelta(w, g, s, t, lr, rho=0.9, eps=1e-6):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g**2
    d = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * d**2
    return w - lr * d


def rmsprop(w, g, s, t, lr, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, eps_inside=False):
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["mean"] = alpha * s.get("mean", 0) + (1 - alpha) * g
    spread = s["v"] - s["mean"] ** 2 if centered else s["v"]
    d = g / (np.sqrt(spread + eps) if eps_inside else np.sqrt(spread) + eps)
    if momentum == 0:
        return w - lr * d
    s["b"] = momentum * s.get("b", 0) + d
    return w - lr * s["b"]


def moments(g, s, betas):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    return s["m"], s["v"]


def adam(w, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, amsgrad=False, bias_correction=True):
    m, v = moments(g, s, betas)
    s["largest"] = np.maximum(s.get("largest", 0), v)
    if amsgrad:
        v = s["largest"]
    if bias_correction:
        m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * m / (np.sqrt(v) + eps)


def radam(w, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v = moments(g, s, betas)
    m = m / (1 - betas[0] ** t)
    longest = 2 / (1 - betas[1]) - 1
    rho = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if rho <= 5:
        return w - lr * m
    rectified = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    return w - lr * rectified * m * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)


def nadam(w, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    m, v = moments(g, s, betas)
    mu, following = (betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s["product"] = s.get("product", 1) * mu
    root = np.sqrt(v / (1 - betas[1] ** t)) + eps
    return w - lr * ((1 - mu) / (1 - s["product"]) * g + following / (1 - s["product"] * following) * m) / root


def adamax(w, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return w - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def lion(w, g, s, t, lr, betas=(0.9, 0.99)):
    m = s.get("m", 0)
    s["m"] = betas[1] * m + (1 - betas[1]) * g
    return w - lr * np.sign(betas[0] * m + (1 - betas[0]) * g)


FORMULAS = {
    "SGD": sgd, "Adagrad": adagrad, "Adadelta": adadelta, "RMSprop": rmsprop, "Adam": adam, "AdamW": adam,
    "RAdam": radam, "NAdam": nadam, "Adamax": adamax, "Lion": lion,
}  # fmt: skip
LEARNING_RATES = {
    "SGD": 1e-3, "Adagrad": 1e-2, "Adadelta": 1.0, "RMSprop": 1e-2, "Adam": 1e-3, "AdamW": 1e-3, "RAdam": 1e-3,
    "NAdam": 2e-3, "Adamax": 2e-3, "Lion": 1e-4,
}  # fmt: skip


class Reference:
    """An optimizer over a list of float64 arrays, which are replaced, not changed."""

    def __init__(self, name, params, *, lr=None, weight_decay=None, maximize=False, clip_value=None, clip_norm=None,
                 **options):  # fmt: skip
        self.params = [np.array(p, np.float64) for p in params]
        self.states = [{} for _ in params]
        self.formula, self.options, self.t = FORMULAS[name], options, 0
        self.lr = LEARNING_RATES[name] if lr is None else lr
        self.decay = (0.01 if name == "AdamW" else 0.0) if weight_decay is None else weight_decay
        self.decoupled = name in ("AdamW", "Lion")
        self.maximize, self.clip_value, self.clip_norm = maximize, clip_value, clip_norm

    def step(self, grads):
        self.t += 1
        lr = self.lr(self.t - 1) if callable(self.lr) else self.lr
        grads = [np.asarray(g, np.float64) for g in grads]
        if self.clip_value is not None:
            grads = [np.clip(g, -self.clip_value, self.clip_value) for g in grads]
        if self.clip_norm is not None:
            norm = np.sqrt(sum(np.sum(g**2) for g in grads))
            grads = [g * min(1, self.clip_norm / (norm + 1e-6)) for g in grads]
        for k, (w, g) in enumerate(zip(self.params, grads, strict=True)):
            g = -g if self.maximize else g
            if self.decoupled:
                w = w * (1 - lr * self.decay)
            else:
                g = g + self.decay * w
            self.params[k] = self.formula(w, g, self.states[k], self.t, lr, **self.options)
