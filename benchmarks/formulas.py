# SPDX-License-Identifier: BSD-3-Clause
"""Losses as one writes them down, for any array library `xp`: (loss of each sample, gradient, Hessian's diagonal).

Parameters are the defaults of fastloss's classes. Nothing here uses fastloss.
"""

import math


def softplus(xp, x):
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-abs(x)))


def sigmoid(xp, x):
    return 1 / (1 + xp.exp(-x))


def at_label(xp, z, y):
    return xp.take_along_axis(z, y[:, None], axis=1)


def one_hot(xp, z, y):
    return (xp.arange(z.shape[1]) == y[:, None]).astype(z.dtype)


# ---- log-likelihoods and errors ----


def tube(xp, z, y):
    return xp.maximum(abs(z - y) - 0.1, 0)


def huber(xp, z, y):
    a = abs(z - y)
    return xp.where(a <= 1, a * a / 2, a - 0.5)


def log_cosh(xp, z, y):
    a = abs(z - y)
    return a + xp.log1p(xp.exp(-2 * a)) - math.log(2)


def tweedie(xp, z, y):
    half = xp.exp(z / 2)
    return 2 * half + 2 * y / half


# ---- two classes ----


def focal(xp, z, y):
    t = z * (2 * y - 1)
    return sigmoid(xp, -t) ** 2 * softplus(xp, -t)


def focal_grad(xp, z, y):
    sign = 2 * y - 1
    p, q, loss = sigmoid(xp, z * sign), sigmoid(xp, -z * sign), softplus(xp, -z * sign)
    return -sign * q * q * (q + 2 * p * loss)


def focal_hess(xp, z, y):
    sign = 2 * y - 1
    p, q, loss = sigmoid(xp, z * sign), sigmoid(xp, -z * sign), softplus(xp, -z * sign)
    return p * q * q * (5 * q + 4 * p * loss - 2 * q * loss)


def active(xp, z, y):
    return (1 - y * z > 0).astype(z.dtype)


# ---- classes ----


def cross_entropy(xp, z, y):
    m = xp.max(z, axis=1, keepdims=True)
    return (xp.log(xp.sum(xp.exp(z - m), axis=1, keepdims=True)) + m - at_label(xp, z, y))[:, 0]


def softmax(xp, z):
    e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def softmax_hess(xp, z, y):
    p = softmax(xp, z)
    return p * (1 - p)


def margins(xp, z, y):
    return xp.maximum(z - at_label(xp, z, y) + 1, 0)


def multiclass_hinge_grad(xp, z, y):
    on = (margins(xp, z, y) > 0).astype(z.dtype)
    return on - one_hot(xp, z, y) * xp.sum(on, axis=1, keepdims=True)


def wrong_scores(xp, z, y):
    return xp.where(one_hot(xp, z, y) > 0, -xp.inf, z)


def worst(xp, z, y):
    return xp.maximum(xp.max(wrong_scores(xp, z, y), axis=1) - at_label(xp, z, y)[:, 0] + 1, 0)


def crammer_singer_grad(xp, z, y):
    at = xp.argmax(wrong_scores(xp, z, y), axis=1)
    return (one_hot(xp, z, at) - one_hot(xp, z, y)) * (worst(xp, z, y) > 0)[:, None]


def zero(xp, z, y):
    return xp.zeros_like(z)


def one(xp, z, y):
    return xp.ones_like(z)


FORMULAS = {
    "SquaredError": (
        lambda xp, z, y: (z - y) ** 2,
        lambda xp, z, y: 2 * (z - y),
        lambda xp, z, y: 2 * xp.ones_like(z),
    ),
    "AbsoluteError": (lambda xp, z, y: abs(z - y), lambda xp, z, y: xp.sign(z - y), zero),
    "Huber": (huber, lambda xp, z, y: xp.clip(z - y, -1, 1), lambda xp, z, y: (abs(z - y) <= 1).astype(z.dtype)),
    "LogCosh": (log_cosh, lambda xp, z, y: xp.tanh(z - y), lambda xp, z, y: 1 / xp.cosh(z - y) ** 2),
    "Pinball": (lambda xp, z, y: abs(z - y) / 2, lambda xp, z, y: xp.sign(z - y) / 2, zero),
    "EpsilonInsensitive": (tube, lambda xp, z, y: (abs(z - y) > 0.1) * xp.sign(z - y), zero),
    "GaussianNLL": (lambda xp, z, y: (y - z) ** 2 / 2, lambda xp, z, y: z - y, one),
    "PoissonNLL": (
        lambda xp, z, y: xp.exp(z) - y * z,
        lambda xp, z, y: xp.exp(z) - y,
        lambda xp, z, y: xp.exp(z),
    ),
    "ExponentialNLL": (
        lambda xp, z, y: z + y * xp.exp(-z),
        lambda xp, z, y: 1 - y * xp.exp(-z),
        lambda xp, z, y: y * xp.exp(-z),
    ),
    "TweedieNLL": (
        tweedie,
        lambda xp, z, y: xp.exp(z / 2) - y * xp.exp(-z / 2),
        lambda xp, z, y: (xp.exp(z / 2) + y * xp.exp(-z / 2)) / 2,
    ),
    "BinaryCrossEntropy": (
        lambda xp, z, y: softplus(xp, z) - z * y,
        lambda xp, z, y: sigmoid(xp, z) - y,
        lambda xp, z, y: sigmoid(xp, z) * sigmoid(xp, -z),
    ),
    "Hinge": (lambda xp, z, y: xp.maximum(1 - y * z, 0), lambda xp, z, y: -y * active(xp, z, y), zero),
    "Focal": (focal, focal_grad, focal_hess),
    "SoftmaxCrossEntropy": (
        cross_entropy,
        lambda xp, z, y: softmax(xp, z) - one_hot(xp, z, y),
        softmax_hess,
    ),
    "MulticlassHinge": (lambda xp, z, y: xp.sum(margins(xp, z, y), axis=1) - 1, multiclass_hinge_grad, zero),
    "CrammerSingerHinge": (worst, crammer_singer_grad, zero),
}
FORMULAS["GammaNLL"] = FORMULAS["ExponentialNLL"]  # shape 1
