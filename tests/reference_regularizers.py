# SPDX-License-Identifier: BSD-3-Clause
"""The regularizers once more, as obvious float64 NumPy and plain Python, for the tests to compare with.

Nothing here is fast, and nothing is taken from fastloss.
"""

import math

import numpy as np


def elastic_net(w, l1, l2):
    """(value, gradient) of l1 sum |w| + l2 sum w^2, the value summed without rounding."""
    w = np.asarray(w, np.float64)
    value = l1 * math.fsum(np.abs(w).ravel()) + l2 * math.fsum((w**2).ravel())
    return value, l1 * np.sign(w) + 2 * l2 * w


def prox(w, step, l1, l2):
    """argmin_u (u - w)^2 / 2 + step (l1 |u| + l2 u^2)."""
    w = np.asarray(w, np.float64)
    return np.sign(w) * np.maximum(np.abs(w) - step * l1, 0) / (1 + 2 * step * l2)


def max_norm(w, limit, axis):
    """Slices with norm above the limit, scaled to it; hypot of all entries neither overflows nor underflows."""
    w = np.asarray(w, np.float64)
    norm = np.apply_over_axes(np.maximum.reduce, np.abs(w), range(w.ndim) if axis is None else axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.where(norm > 0, w / norm, 0)
    norm = norm * np.sqrt(np.sum(scaled**2, axis=axis, keepdims=True))
    return np.where(norm > limit, w * (limit / np.where(norm > 0, norm, 1)), w)


def philox(counter, key):
    """One block of Philox4x32-10: four 32-bit words from a counter of four and a key of two."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def random_words(seed, n, stream=0):
    """The first n words that a seed gives."""
    key = (seed & 0xFFFFFFFF, seed >> 32)
    blocks = [philox((b & 0xFFFFFFFF, b >> 32, stream, 0), key) for b in range(-(-n // 4))]
    return np.array([w for block in blocks for w in block][:n], np.uint32)


def dropout_mask(shape, rate, seed):
    words = random_words(seed, math.prod(shape)).astype(np.float64)
    return (words >= np.floor(rate * 2**32 + 0.5)).reshape(shape)


def batch_norm(x, gamma, beta, eps):
    """(y, mean, biased variance) over all axes but the second."""
    x = np.asarray(x, np.float64)
    axes = (0, *range(2, x.ndim))
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, variance = x.mean(axes), x.var(axes)
    h = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps)
    return h * np.reshape(gamma, shape) + np.reshape(beta, shape), mean, variance


def batch_norm_grad(dy, x, gamma, eps):
    """(dx, dgamma, dbeta) in training, as in Ioffe & Szegedy (2015)."""
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    axes = (0, *range(2, x.ndim))
    shape = (1, -1, *[1] * (x.ndim - 2))
    m = x.size // x.shape[1]
    sigma = np.sqrt(x.var(axes) + eps).reshape(shape)
    h = (x - x.mean(axes).reshape(shape)) / sigma
    dgamma, dbeta = (dy * h).sum(axes), dy.sum(axes)
    inner = dy - dbeta.reshape(shape) / m - h * dgamma.reshape(shape) / m
    return np.reshape(gamma, shape) / sigma * inner, dgamma, dbeta
