# SPDX-License-Identifier: BSD-3-Clause
"""Every loss as obvious float64 NumPy: value, gradient and Hessian diagonal of each sample.

Weights and reductions are applied here too; exact values live in exact.py, inputs in cases.py.
"""

import numpy as np
from scipy.special import expit, gammaln, xlog1py, xlogy


def softplus(x):
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


# ---- pointwise: (pred, target) of one shape -> (loss, grad, hess) of that shape


def squared_error(z, y, *, half=False):
    s = 0.5 if half else 1.0
    r = z - y
    return s * r**2, 2 * s * r, np.full_like(r, 2 * s)


def absolute_error(z, y):
    return np.abs(z - y), np.sign(z - y), np.zeros_like(z)


def huber(z, y, *, delta=1.0):
    r = z - y
    inside = np.abs(r) <= delta
    loss = np.where(inside, r**2 / 2, delta * (np.abs(r) - delta / 2))
    return loss, np.clip(r, -delta, delta), inside.astype(float)


def log_cosh(z, y):
    r = z - y
    a = np.abs(r)
    small = np.log1p(2 * np.sinh(np.minimum(a, 1.0) / 2) ** 2)  # cosh r = 1 + 2 sinh^2(r/2)
    large = a + np.log1p(np.expm1(-2 * a) / 2)
    e = np.exp(-2 * a)
    return np.where(a < 1, small, large), np.tanh(r), 4 * e / (1 + e) ** 2


def pinball(z, y, *, quantile=0.5):
    r = y - z
    grad = np.where(z < y, -quantile, np.where(z > y, 1 - quantile, 0.0))
    return np.maximum(quantile * r, (quantile - 1) * r), grad, np.zeros_like(z)


def epsilon_insensitive(z, y, *, epsilon=0.1, squared=False):
    r = z - y
    t = np.maximum(0.0, np.abs(r) - epsilon)
    outside = (t > 0).astype(float)
    if squared:
        return t**2, 2 * t * np.sign(r), 2 * outside
    return t, outside * np.sign(r), np.zeros_like(r)


def gaussian_nll(z, y, *, variance=1.0, full=False):
    constant = np.log(2 * np.pi) / 2 if full else 0.0
    if variance is None:  # z is (n, 2): mean and log-variance
        r, k = z[:, 0] - y, z[:, 1]
        with np.errstate(over="ignore", invalid="ignore"):
            precision = np.exp(-k)
            scaled = np.where(r == 0, 0.0, r * precision)
            square = np.where(r == 0, 0.0, (r * np.exp(-k / 2)) ** 2)
        loss = square / 2 + k / 2 + constant
        grad = np.stack([scaled, (1 - square) / 2], axis=1)
        return loss, grad, np.stack([precision, square / 2], axis=1)
    r = z - y
    loss = r**2 / (2 * variance) + np.log(variance) / 2 + constant
    return loss, r / variance, np.full_like(r, 1 / variance)


def poisson_nll(z, y, *, log_input=True, full=False):
    constant = gammaln(y + 1) if full else 0.0
    if log_input:
        mean = np.exp(z)
        return mean - y * z + constant, mean - y, mean
    return z - xlogy(y, z) + constant, (z - y) / z, y / z / z


def exponential_nll(z, y, *, log_input=True):
    return gamma_nll(z, y, log_input=log_input)


def gamma_nll(z, y, *, shape=1.0, log_input=True, full=False):
    k = shape
    constant = gammaln(k) - xlogy(k, k) - xlogy(k - 1, y) if full else 0.0
    if log_input:
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.where(y == 0, 0.0, y * np.exp(-z))
        return k * (z + ratio) + constant, k * (1 - ratio), k * ratio
    loss = k * (np.log(z) + y / z) + constant
    return loss, k * (z - y) / z / z, k * (2 * y / z - 1) / z / z


def tweedie_nll(z, y, *, power=1.5):
    a, b = 2 - power, 1 - power

    def terms(u, v):
        """u exp(a z) - v y exp(b z); as a product where both overflow, for a z = b z + z."""
        with np.errstate(over="ignore", invalid="ignore"):
            first, second = u * np.exp(a * z), np.where(y == 0, 0.0, v * y * np.exp(b * z))
            both = np.isinf(first) & np.isinf(second)
            return np.where(both, np.exp(b * z) * (u * np.exp(z) - v * y), first - second)

    return terms(1 / a, 1 / b), terms(1, 1), terms(a, b)


def binary_cross_entropy(z, y, *, from_logits=True, label_smoothing=0.0, pos_weight=1.0):
    y = y * (1 - label_smoothing) + label_smoothing / 2
    w = np.asarray(pos_weight, dtype=np.float64)
    if from_logits:
        s, t = expit(z), expit(-z)
        loss = w * y * softplus(-z) + (1 - y) * softplus(z)
        return loss, (1 - y) * s - w * y * t, (1 - y + w * y) * s * t
    on = np.divide(w * y, z, out=np.zeros_like(z), where=y != 0)
    off = np.divide(1 - y, 1 - z, out=np.zeros_like(z), where=y != 1)
    loss = -w * xlogy(y, z) - xlog1py(1 - y, -z)
    grad = (z - y) / (z * (1 - z)) if np.all(w == 1) else off - on
    grad = np.where(y == 0, off, np.where(y == 1, -on, grad))
    hess = np.divide(on, z, out=on.copy(), where=y != 0)
    return loss, grad, hess + np.divide(off, 1 - z, out=off.copy(), where=y != 1)


def hinge(z, y, *, margin=1.0, squared=False):
    sign = np.where(y > 0, 1.0, -1.0)
    t = np.maximum(0.0, margin - sign * z)
    active = (t > 0).astype(float)
    if squared:
        return t**2, -2 * sign * t, 2 * active
    return t, -sign * active, np.zeros_like(t)


def focal(z, y, *, gamma=2.0, alpha=None):
    sign = np.where(y > 0, 1.0, -1.0)
    a = 1.0 if alpha is None else np.where(y > 0, alpha, 1 - alpha)
    p, q, log_p = expit(sign * z), expit(-sign * z), -softplus(-sign * z)
    scale = a * q**gamma
    grad = sign * scale * (gamma * p * log_p - q)
    hess = scale * p * ((1 + 2 * gamma) * q + gamma * log_p * (q - gamma * p))
    return -scale * log_p, grad, hess


# ---- rows: pred (n, c), target (n,) classes or (n, c) probabilities -> (n,), (n, c), (n, c)


def class_of(target, ignore_index):
    """The labels with class 0 in place of ignored ones, whose weight is 0 anyway."""
    return target if ignore_index is None else np.where(target == ignore_index, 0, target)


def softmax_cross_entropy(z, y, *, label_smoothing=0.0, class_weight=None, ignore_index=None):
    n, c = z.shape
    inside = label_smoothing > 0 or np.ndim(y) == 2
    q = y if np.ndim(y) == 2 else np.eye(c)[class_of(y, ignore_index)].reshape(n, c)
    q = (1 - label_smoothing) * q + label_smoothing / c
    if class_weight is not None and inside:
        q = q * np.asarray(class_weight)
    total = q.sum(axis=1, keepdims=True)

    rows, top = np.arange(n), np.argmax(z, axis=1)
    d = z[rows, top][:, None] - z
    e = np.exp(-d)
    below = e.copy()
    below[rows, top] = 0.0
    below = below.sum(axis=1, keepdims=True)  # sum of exp(z_k - m) without the maximum's own 1
    p = e / (1 + below)
    rest = 1 - p
    rest[rows, top] = (below / (1 + below))[:, 0]

    with np.errstate(invalid="ignore"):
        loss = np.where(q == 0, 0.0, q * (d + np.log1p(below))).sum(axis=1)
    return loss, p * (total - q) - q * rest, total * p * rest


def multiclass_hinge(z, y, *, margin=1.0, squared=False, class_weight=None, ignore_index=None):
    rows, y = np.arange(len(z)), class_of(y, ignore_index)
    t = np.maximum(0.0, z - z[rows, y][:, None] + margin)
    t[rows, y] = 0.0
    hess = 2.0 * (t > 0) if squared else np.zeros_like(t)
    grad = 2 * t if squared else (t > 0).astype(float)
    grad[rows, y] = -grad.sum(axis=1)
    hess[rows, y] = hess.sum(axis=1)
    return (t**2 if squared else t).sum(axis=1), grad, hess


def crammer_singer_hinge(z, y, *, margin=1.0, class_weight=None, ignore_index=None):
    rows, y = np.arange(len(z)), class_of(y, ignore_index)
    wrong = z.copy()
    wrong[rows, y] = -np.inf
    worst = np.argmax(wrong, axis=1)
    loss = np.maximum(0.0, margin + (wrong[rows, worst] - z[rows, y]))
    grad = np.zeros_like(z)
    grad[rows, worst] += loss > 0
    grad[rows, y] -= loss > 0
    return loss, grad, np.zeros_like(z)


LOSSES = {
    "SquaredError": squared_error,
    "AbsoluteError": absolute_error,
    "Huber": huber,
    "LogCosh": log_cosh,
    "Pinball": pinball,
    "EpsilonInsensitive": epsilon_insensitive,
    "GaussianNLL": gaussian_nll,
    "PoissonNLL": poisson_nll,
    "ExponentialNLL": exponential_nll,
    "GammaNLL": gamma_nll,
    "TweedieNLL": tweedie_nll,
    "BinaryCrossEntropy": binary_cross_entropy,
    "Hinge": hinge,
    "Focal": focal,
    "SoftmaxCrossEntropy": softmax_cross_entropy,
    "MulticlassHinge": multiclass_hinge,
    "CrammerSingerHinge": crammer_singer_hinge,
}


# ---- weights and reductions


def root_mean_squared_error(z, y, weight=None):
    """The one scalar loss: sqrt(sum w r^2 / sum w) and w r / (sum w * RMSE)."""
    w = np.ones_like(z) if weight is None else spread(weight, z.shape)
    r = np.where(w > 0, z - y, 0.0)
    scale = np.max(np.abs(r), initial=0.0)
    if w.sum() == 0 or scale == 0:
        return 0.0, np.zeros_like(z)
    value = scale * np.sqrt(np.sum(w * (r / scale) ** 2) / w.sum())
    return value, w / w.sum() * (r / value)


def spread(weight, shape):
    """One weight per sample, or per element, as an array of the losses' shape."""
    weight = np.asarray(weight, dtype=np.float64)
    missing = len(shape) - weight.ndim
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * missing), shape)


def weights(target, shape, params, sample_weight=None):
    """What multiplies each loss, and what a mean divides by the sum of."""
    factor = np.ones(shape) if sample_weight is None else spread(sample_weight, shape)
    ignore, class_weight = params.get("ignore_index"), params.get("class_weight")
    if ignore is not None:
        factor = np.where(target == ignore, 0.0, factor)
    if class_weight is None or np.ndim(target) == 2:
        return factor, factor
    weighted = factor * np.asarray(class_weight)[class_of(target, ignore)]
    return (factor if params.get("label_smoothing") else weighted), weighted


def reduce(loss, grad, hess, factor, reduction, divisor=None):
    """Weighted loss, gradient and Hessian; what has no weight gives nothing, not even NaN."""
    total = np.sum(factor if divisor is None else divisor)
    scale = 1.0 if reduction != "mean" else 1 / total if total > 0 else 0.0

    def times(x, f):
        return np.where(f > 0, f * np.where(f > 0, x, 0.0), 0.0)

    loss = times(loss, factor)
    if reduction != "none":
        loss = float(loss.sum() * scale)
    factor = factor.reshape(factor.shape + (1,) * (np.ndim(grad) - factor.ndim)) * scale
    return loss, times(grad, factor), times(hess, factor)


def evaluate(name, pred, target, params, sample_weight=None, reduction="mean"):
    """(value, grad, hess) of the named loss as the contract defines it; hess None for the RMSE."""
    pred = np.asarray(pred, dtype=np.float64)
    if np.asarray(target).dtype.kind == "f":
        target = np.asarray(target, dtype=np.float64)
    if name == "RootMeanSquaredError":
        return *root_mean_squared_error(pred, target, sample_weight), None
    with np.errstate(all="ignore"):
        loss, grad, hess = LOSSES[name](pred, target, **params)
    factor, divisor = weights(target, loss.shape, params, sample_weight)
    return reduce(loss, grad, hess, factor, reduction, divisor)
