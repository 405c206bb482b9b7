# SPDX-License-Identifier: BSD-3-Clause
"""Every loss with mpmath at 50 digits, of one element or one row: the accuracy tests' oracle.

It shares no code with reference.py or with the package, and takes the inputs' exact values.
"""

import mpmath
import numpy as np
from mpmath import mp, mpf

DIGITS = 50
mp.dps = DIGITS


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def sign(x):
    return mpf(int(x > 0) - int(x < 0))


def times_log(x, y):
    return mpf(0) if x == 0 else x * mp.log(y)


# ---- one element: (z, y) -> (loss, grad, hess)


def squared_error(z, y, half=False):
    s = mpf(1) / 2 if half else mpf(1)
    return s * (z - y) ** 2, 2 * s * (z - y), 2 * s


def absolute_error(z, y):
    return abs(z - y), sign(z - y), mpf(0)


def huber(z, y, delta=1):
    r = z - y
    if abs(r) <= delta:
        return r**2 / 2, r, mpf(1)
    return delta * (abs(r) - delta / 2), delta * sign(r), mpf(0)


def log_cosh(z, y):
    r = z - y
    if abs(r) < 1:
        return mp.log1p(2 * mp.sinh(r / 2) ** 2), mp.tanh(r), mp.sech(r) ** 2
    e = mp.exp(-2 * abs(r))  # mp.cosh would need as many digits as r has before the point
    return abs(r) + mp.log1p(e) - mp.log(2), sign(r) * (1 - e) / (1 + e), 4 * e / (1 + e) ** 2


def pinball(z, y, quantile=0.5):
    grad = -quantile if z < y else 1 - quantile if z > y else mpf(0)
    return max(quantile * (y - z), (quantile - 1) * (y - z)), grad, mpf(0)


def epsilon_insensitive(z, y, epsilon=0.1, squared=False):
    t = max(mpf(0), abs(z - y) - epsilon)
    s = sign(z - y) if t > 0 else mpf(0)
    if squared:
        return t**2, 2 * t * s, 2 * abs(s)
    return t, s, mpf(0)


def gaussian_nll(z, y, variance=1, full=False):
    constant = mp.log(2 * mp.pi) / 2 if full else mpf(0)
    r = z - y
    return r**2 / (2 * variance) + mp.log(variance) / 2 + constant, r / variance, 1 / variance


def gaussian_nll_learned(z, y, full=False):
    constant = mp.log(2 * mp.pi) / 2 if full else mpf(0)
    r, precision = z[0] - y, mp.exp(-z[1])
    square = r**2 * precision
    loss = square / 2 + z[1] / 2 + constant
    return loss, [r * precision, (1 - square) / 2], [precision, square / 2]


def poisson_nll(z, y, log_input=True, full=False):
    constant = mp.loggamma(y + 1) if full else mpf(0)
    if log_input:
        return mp.exp(z) - y * z + constant, mp.exp(z) - y, mp.exp(z)
    return z - times_log(y, z) + constant, 1 - y / z, y / z**2


def exponential_nll(z, y, log_input=True):
    if log_input:
        return z + y * mp.exp(-z), 1 - y * mp.exp(-z), y * mp.exp(-z)
    return mp.log(z) + y / z, (z - y) / z**2, (2 * y - z) / z**3


def gamma_nll(z, y, shape=1, log_input=True, full=False):
    loss, grad, hess = exponential_nll(z, y, log_input)
    loss, k = shape * loss, shape
    if full:
        loss += mp.loggamma(k) - k * mp.log(k) - times_log(k - 1, y)
    return loss, k * grad, k * hess


def tweedie_nll(z, y, power=1.5):
    a, b = 2 - power, 1 - power
    first, second = mp.exp(a * z), y * mp.exp(b * z)
    return first / a - second / b, first - second, a * first - b * second


def binary_cross_entropy(z, y, from_logits=True, label_smoothing=0, pos_weight=1):
    y = y * (1 - label_smoothing) + label_smoothing / mpf(2)
    w = pos_weight
    if from_logits:
        s, t = sigmoid(z), sigmoid(-z)
        loss = w * y * softplus(-z) + (1 - y) * softplus(z)
        return loss, (1 - y) * s - w * y * t, (1 - y + w * y) * s * t
    on, off = (w * y / z if y else mpf(0)), ((1 - y) / (1 - z) if y != 1 else mpf(0))
    loss = -w * times_log(y, z) - (mp.log1p(-z) * (1 - y) if y != 1 else 0)
    return loss, off - on, (on / z if y else 0) + (off / (1 - z) if y != 1 else 0)


def hinge(z, y, margin=1, squared=False):
    s = 1 if y > 0 else -1
    t = max(mpf(0), margin - s * z)
    if squared:
        return t**2, -2 * s * t, mpf(2 if t > 0 else 0)
    return t, mpf(-s if t > 0 else 0), mpf(0)


def focal(z, y, gamma=2, alpha=None):
    s = 1 if y > 0 else -1
    a = mpf(1) if alpha is None else (alpha if y > 0 else 1 - alpha)
    p, q, log_p = sigmoid(s * z), sigmoid(-s * z), -softplus(-s * z)
    scale = a * mp.exp(-gamma * softplus(s * z))
    loss, grad = -scale * log_p, s * scale * (gamma * p * log_p - q)
    # d/dz of scale (gamma p log p - q) with dp = pq, dq = -pq, d scale = -gamma p scale
    hess = scale * (-gamma * p * (gamma * p * log_p - q) + gamma * p * q * (log_p + 1) + p * q)
    return loss, grad, hess


# ---- one row: (list z, class or list of probabilities) -> (loss, list grad, list hess)


def softmax_cross_entropy(z, y, label_smoothing=0, class_weight=None, ignore_index=None):
    c = len(z)
    soft = isinstance(y, list)
    a = mpf(label_smoothing)
    q = [(1 - a) * (y[k] if soft else int(k == y)) + a / c for k in range(c)]
    if class_weight is not None and (soft or a > 0):
        q = [u * w for u, w in zip(q, class_weight, strict=True)]
    total = sum(q)
    loss, grad, hess = mpf(0), [], []
    for k in range(c):
        others = sum((mp.exp(z[j] - z[k]) for j in range(c) if j != k), mpf(0))
        p, rest = 1 / (1 + others), others / (1 + others)
        loss += q[k] * mp.log1p(others)
        grad.append(p * (total - q[k]) - q[k] * rest)
        hess.append(total * p * rest)
    return loss, grad, hess


def multiclass_hinge(z, y, margin=1, squared=False, class_weight=None, ignore_index=None):
    t = [max(mpf(0), (u - z[y]) + margin) if j != y else mpf(0) for j, u in enumerate(z)]
    active = [mpf(int(u > 0)) for u in t]
    grad = [2 * u for u in t] if squared else list(active)
    hess = [2 * u * squared for u in active]
    grad[y], hess[y] = -sum(grad), sum(hess)
    return sum(u**2 if squared else u for u in t), grad, hess


def crammer_singer_hinge(z, y, margin=1, class_weight=None, ignore_index=None):
    grad = [mpf(0)] * len(z)
    wrong = [j for j in range(len(z)) if j != y]
    if not wrong:
        return mpf(0), grad, grad
    worst = max(wrong, key=lambda j: z[j])  # the first of equals
    loss = max(mpf(0), margin + (z[worst] - z[y]))
    if loss > 0:
        grad[worst], grad[y] = mpf(1), mpf(-1)
    return loss, grad, [mpf(0)] * len(z)


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


def root_mean_squared_error(z, y):
    """The scalar loss of two lists, and its gradient."""
    r = [u - v for u, v in zip(z, y, strict=True)]
    value = mp.sqrt(sum(u**2 for u in r) / len(r))
    return value, [u / (len(r) * value) if value else mpf(0) for u in r]


# ---- arrays in, object arrays of mpf out


def number(x):
    """Exact mpf of a number, of each number in a list or array; other parameters as they are."""
    if isinstance(x, (list, tuple, np.ndarray)):
        return [number(u) for u in x]
    return x if x is None or isinstance(x, (bool, np.bool_)) else mpf(float(x))


def evaluate(name, pred, target, params):
    """Unreduced (loss, grad, hess) of arrays, element by element or row by row."""
    params = {key: value if key == "ignore_index" else number(value) for key, value in params.items()}
    function = LOSSES[name]
    if name == "GaussianNLL" and params.get("variance", 1) is None:
        del params["variance"]
        function = gaussian_nll_learned
    rows = function is gaussian_nll_learned or name in (
        "SoftmaxCrossEntropy",
        "MulticlassHinge",
        "CrammerSingerHinge",
    )
    integer = rows and np.asarray(target).dtype.kind in "iu"
    pairs = zip(pred, target, strict=True) if rows else zip(pred.flat, target.flat, strict=True)
    triples = [function(number(z), int(y) if integer else number(y), **params) for z, y in pairs]
    loss = np.array([t[0] for t in triples], dtype=object)
    grad, hess = (np.array([t[i] for t in triples], dtype=object) for i in (1, 2))
    if rows:
        return loss, grad, hess
    return tuple(a.reshape(np.shape(pred)) for a in (loss, grad, hess))


def ulp(exact, dtype):
    """Distance between neighbouring dtype values at the exact number: mpf, never zero."""
    info = np.finfo(dtype)
    least = mpf(2) ** (info.minexp - info.nmant)
    if exact == 0:
        return least
    _, exponent = mpmath.frexp(abs(exact))
    return max(least, mpf(2) ** (exponent - 1 - info.nmant))


def ulp_error(got, exact, dtype):
    """abs(got - exact) in units in the last place; 0 for an infinity that overflow makes right."""
    largest = mpf(float(np.finfo(dtype).max))
    edge = largest + ulp(largest, dtype) / 2
    if np.isinf(got) and abs(exact) >= edge:
        return 0.0 if (got > 0) == (exact > 0) else float("inf")
    if not np.isfinite(got):
        return float("inf")
    return float(min(abs(mpf(float(got)) - exact) / ulp(exact, dtype), mpf(1e300)))
