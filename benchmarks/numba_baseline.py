# SPDX-License-Identifier: BSD-3-Clause
"""The loops that one would write with numba: one pass, compiled, its fast math allowed. Nothing here uses fastloss."""

import math

import numba
import numpy as np

loop = numba.njit(fastmath=True, error_model="numpy", cache=False)


@loop
def SoftmaxCrossEntropy(z, y, grad):
    n, c = z.shape
    total = 0.0
    for i in range(n):
        m = z[i, 0]
        for k in range(1, c):
            m = max(m, z[i, k])
        s = z.dtype.type(0)
        for k in range(c):
            grad[i, k] = math.exp(z[i, k] - m)
            s += grad[i, k]
        total += math.log(s) + m - z[i, y[i]]
        factor = 1 / (s * n)
        for k in range(c):
            grad[i, k] *= factor
        grad[i, y[i]] -= z.dtype.type(1 / n)
    return total / n


@loop
def MulticlassHinge(z, y, grad):
    n, c = z.shape
    total, share = 0.0, z.dtype.type(1 / n)
    for i in range(n):
        floor = z[i, y[i]] - 1
        s, active = z.dtype.type(0), 0
        for k in range(c):
            over = z[i, k] - floor
            on = over > 0
            s += over if on else z.dtype.type(0)
            active += on
            grad[i, k] = share if on else z.dtype.type(0)
        total += s - 1
        grad[i, y[i]] = -share * (active - 1)
    return total / n


@loop
def BinaryCrossEntropy(z, y, grad):
    n = z.size
    total, share, one = 0.0, z.dtype.type(1 / n), z.dtype.type(1)
    for i in range(n):
        e = math.exp(-abs(z[i]))
        total += max(z[i], z.dtype.type(0)) - z[i] * y[i] + math.log1p(e)
        s = (one if z[i] >= 0 else e) / (one + e)
        grad[i] = (s - y[i]) * share
    return total / n


@loop
def SquaredError(z, y, grad):
    n = z.size
    total, factor = 0.0, z.dtype.type(2 / n)
    for i in range(n):
        r = z[i] - y[i]
        total += r * r
        grad[i] = factor * r
    return total / n


@loop
def PoissonNLL(z, y, grad):
    n = z.size
    total, share = 0.0, z.dtype.type(1 / n)
    for i in range(n):
        mean = math.exp(z[i])
        total += mean - y[i] * z[i]
        grad[i] = (mean - y[i]) * share
    return total / n


@loop
def adam_step(w, g, m, v, rate, root, b1, b2, eps):
    for i in range(w.size):
        m[i] += (1 - b1) * (g[i] - m[i])
        v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i]
        w[i] -= rate * m[i] / (math.sqrt(v[i]) * root + eps)


@loop
def rmsprop_step(w, g, v, rate, alpha, eps):
    for i in range(w.size):
        v[i] = alpha * v[i] + (1 - alpha) * g[i] * g[i]
        w[i] -= rate * g[i] / (math.sqrt(v[i]) + eps)


class Adam:
    """Adam's state for one array, float32 or float64."""

    def __init__(self, w):
        self.w, self.t = w.reshape(-1), 0
        self.m, self.v = np.zeros_like(self.w), np.zeros_like(self.w)

    def __call__(self, g):
        self.t += 1
        real = self.w.dtype.type
        rate, root = 1e-3 / (1 - 0.9**self.t), 1 / math.sqrt(1 - 0.999**self.t)
        adam_step(self.w, g.reshape(-1), self.m, self.v, *map(real, (rate, root, 0.9, 0.999, 1e-8)))


class RMSprop:
    """RMSprop's state for one array, float32 or float64."""

    def __init__(self, w):
        self.w = w.reshape(-1)
        self.v = np.zeros_like(self.w)

    def __call__(self, g):
        rmsprop_step(self.w, g.reshape(-1), self.v, *map(self.w.dtype.type, (1e-3, 0.99, 1e-8)))
