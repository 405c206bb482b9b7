# SPDX-License-Identifier: BSD-3-Clause
"""The fastest NumPy that we can write for the same work: in place, into buffers made once, in pieces that fit in cache.

Stable formulas, but no argument is checked. Nothing here uses fastloss.
"""

import math

import numpy as np

PIECE = (
    131072  # entries of an array that are worked on at a time: measured best of 4,096 ... all, at nearly every shape
)
FEW_COLUMNS = 32  # up to here the maximum over each row is faster column by column: reduce() is slow on short rows


def pieces(n, size):
    """Bounds of at most `size` of n entries."""
    return [slice(low, min(low + size, n)) for low in range(0, n, size)]


class RowLoss:
    """What losses over rows of classes share; `__call__(z, y, grad)` writes the mean's gradient and returns it."""

    def __init__(self, n, c, dtype):
        self.n, rows = n, max(1, min(n, PIECE // c))
        self.pieces = pieces(n, rows)
        self.row_start = np.arange(rows) * c
        self.at_label = np.empty(rows, np.intp)
        self.row, self.row2 = np.empty(rows, dtype), np.empty(rows, dtype)
        self.ones_c, self.ones_n = np.ones(c, dtype), np.ones(rows, dtype)

    def __call__(self, z, y, grad):
        if len(self.pieces) == 1:
            return self.piece(z, y, grad) / self.n
        return sum(self.piece(z[s], y[s], grad[s]) for s in self.pieces) / self.n

    def row_max(self, z, out):
        c = z.shape[1]
        if c > FEW_COLUMNS or c < 2:
            return np.maximum.reduce(z, axis=1, out=out)
        np.maximum(z[:, 0], z[:, 1], out=out)
        for k in range(2, c):
            np.maximum(out, z[:, k], out=out)
        return out

    def label_positions(self, y):
        return np.add(self.row_start[: len(y)], y, out=self.at_label[: len(y)])


class SoftmaxCrossEntropy(RowLoss):
    """log(sum_k exp(z_k - m)) + m - z_y; gradient softmax - onehot."""

    def piece(self, z, y, grad):
        m, total = self.row[: len(y)], self.row2[: len(y)]
        at, flat = self.label_positions(y), grad.reshape(-1)
        self.row_max(z, m)
        np.subtract(z, m[:, None], out=grad)
        np.take(flat, at, out=m, mode="clip")  # z_y - max
        np.exp(grad, out=grad)
        np.dot(grad, self.ones_c, out=total)
        loss = -np.dot(m, self.ones_n[: len(y)])
        np.log(total, out=m)
        loss += np.dot(m, self.ones_n[: len(y)])
        np.multiply(total, self.n, out=total)
        np.divide(grad, total[:, None], out=grad)
        flat[at] -= 1 / self.n
        return float(loss)


class MulticlassHinge(RowLoss):
    """sum_{j != y} max(0, z_j - z_y + 1), or its squares; gradient from the active entries."""

    def __init__(self, n, c, dtype, squared=False):
        super().__init__(n, c, dtype)
        self.squared, self.margins = squared, np.empty((len(self.row), c), bool)

    def piece(self, z, y, grad):
        score, at, flat = self.row[: len(y)], self.label_positions(y), grad.reshape(-1)
        np.take(z.reshape(-1), at, out=score, mode="clip")
        score -= 1
        np.subtract(z, score[:, None], out=grad)
        np.maximum(grad, 0, out=grad)
        flat[at] = 0
        if self.squared:
            loss = np.dot(flat, flat)
            np.multiply(grad, 2 / self.n, out=grad)
        else:
            loss = np.add.reduce(flat)
            active = np.greater(grad, 0, out=self.margins[: len(y)])
            np.multiply(active, grad.dtype.type(1 / self.n), out=grad)
        np.dot(grad, self.ones_c, out=score)
        flat[at] = np.negative(score, out=score)
        return float(loss)


class BinaryCrossEntropy:
    """max(z, 0) - z y + log1p(exp(-|z|)); gradient sigmoid(z) - y, where sigmoid(z) = (tanh(z / 2) + 1) / 2."""

    def __init__(self, n, dtype):
        self.n, self.pieces, self.work = n, pieces(n, PIECE), np.empty(min(n, PIECE), dtype)

    def __call__(self, z, y, grad):
        if len(self.pieces) == 1:
            return self.piece(z, y, grad) / self.n
        return sum(self.piece(z[s], y[s], grad[s]) for s in self.pieces) / self.n

    def piece(self, z, y, grad):
        work = self.work[: len(z)]
        np.maximum(z, 0, out=work)
        loss = np.add.reduce(work) - np.dot(z, y)
        np.abs(z, out=work)
        np.negative(work, out=work)
        np.exp(work, out=work)
        np.log1p(work, out=work)
        loss += np.add.reduce(work)
        np.multiply(z, 0.5, out=grad)
        np.tanh(grad, out=grad)
        np.multiply(grad, 0.5 / self.n, out=grad)
        np.subtract(y, 0.5, out=work)
        np.multiply(work, 1 / self.n, out=work)
        np.subtract(grad, work, out=grad)
        return float(loss)


class SquaredError:
    """(z - y)^2; gradient 2 (z - y)."""

    def __init__(self, n, dtype):
        self.n, self.pieces = n, pieces(n, PIECE)

    def __call__(self, z, y, grad):
        if len(self.pieces) == 1:
            return self.piece(z, y, grad) / self.n
        return sum(self.piece(z[s], y[s], grad[s]) for s in self.pieces) / self.n

    def piece(self, z, y, grad):
        np.subtract(z, y, out=grad)
        loss = np.dot(grad, grad)
        np.multiply(grad, 2 / self.n, out=grad)
        return float(loss)


class L2:
    """strength * sum(w^2); adds 2 strength w to the gradient."""

    def __init__(self, strength, w):
        self.strength, self.work, self.pieces = strength, np.empty(min(w.size, PIECE), w.dtype), pieces(w.size, PIECE)

    def add_grad(self, w, grad):
        w, grad = w.reshape(-1), grad.reshape(-1)
        if len(self.pieces) == 1:
            return self.strength * self.piece(w, grad, self.work)
        return self.strength * sum(self.piece(w[s], grad[s], self.work[: s.stop - s.start]) for s in self.pieces)

    def piece(self, w, grad, work):
        np.multiply(w, 2 * self.strength, out=work)
        np.add(grad, work, out=grad)
        return float(np.dot(w, w))


class Optimizer:
    """What the optimizers share: flat parameters, state of the same size, pieces."""

    states = 1

    def __init__(self, w, lr):
        self.w, self.lr, self.t = w.reshape(-1), lr, 0
        self.state = [np.zeros_like(self.w) for _ in range(self.states)]
        self.work = np.empty(min(self.w.size, PIECE), w.dtype)
        self.pieces = pieces(self.w.size, PIECE)

    def step(self, grad):
        self.t += 1
        self.set_factors()
        grad = grad.reshape(-1)
        if len(self.pieces) == 1:
            self.piece(self.w, grad, self.work, *self.state)
            return
        for s in self.pieces:
            g = grad[s]
            self.piece(self.w[s], g, self.work[: len(g)], *(state[s] for state in self.state))

    def set_factors(self):
        """What depends on the step's number."""


class SGD(Optimizer):
    """b = momentum b + g; w -= lr b."""

    def __init__(self, w, lr, momentum=0.0):
        super().__init__(w, lr)
        self.momentum = momentum

    def piece(self, w, g, work, b):
        if self.momentum:
            np.multiply(b, self.momentum, out=b)
            np.add(b, g, out=b)
            g = b
        np.multiply(g, self.lr, out=work)
        np.subtract(w, work, out=w)


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) g^2; w -= lr g / (sqrt(v) + eps). Kept is v / (1 - alpha): one operation less."""

    def __init__(self, w, lr, alpha=0.99, eps=1e-8):
        super().__init__(w, lr)
        self.alpha, root = alpha, math.sqrt(1 - alpha)
        self.size, self.eps = lr / root, eps / root

    def piece(self, w, g, work, v):
        np.multiply(g, g, out=work)
        np.multiply(v, self.alpha, out=v)
        np.add(v, work, out=v)
        np.sqrt(v, out=work)
        np.add(work, self.eps, out=work)
        np.divide(g, work, out=work)
        np.multiply(work, self.size, out=work)
        np.subtract(w, work, out=w)


class Adam(Optimizer):
    """Adam with bias correction. Kept are m / (1 - b1) and v / (1 - b2): all constants go into two factors."""

    states = 2

    def __init__(self, w, lr, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(w, lr)
        self.betas, self.adam_eps = betas, eps

    def set_factors(self):
        b1, b2 = self.betas
        root = math.sqrt((1 - b2) / (1 - b2**self.t))
        self.size, self.eps = self.lr * (1 - b1) / (1 - b1**self.t) / root, self.adam_eps / root

    def piece(self, w, g, work, m, v):
        b1, b2 = self.betas
        np.multiply(m, b1, out=m)
        np.add(m, g, out=m)
        np.multiply(g, g, out=work)
        np.multiply(v, b2, out=v)
        np.add(v, work, out=v)
        np.sqrt(v, out=work)
        np.add(work, self.eps, out=work)
        np.divide(m, work, out=work)
        np.multiply(work, self.size, out=work)
        np.subtract(w, work, out=w)


def train(loss, X, y, *, classes, strength, lr, batch_size, epochs, seed, after_epoch=None):
    """Train a linear classifier as fastloss.linear.train does: the same batches, L2, Adam.

    `loss` is a class of this file. Returns coef (c, d), intercept (c,) and loss plus penalty per epoch.
    """
    n, d = X.shape
    w = np.zeros(classes * (d + 1), X.dtype)
    grad = np.empty_like(w)
    coef, intercept = w[: classes * d].reshape(classes, d), w[classes * d :]
    grad_coef, grad_intercept = grad[: classes * d].reshape(classes, d), grad[classes * d :]
    penalty, optimizer = L2(strength, coef), Adam(w, lr)
    random, history = np.random.default_rng(seed), []
    buffers = {}
    for rows in {min(batch_size, n), n % batch_size} - {0}:
        scores = np.empty((rows, classes), X.dtype)
        buffers[rows] = (
            loss(rows, classes, X.dtype),
            np.empty((rows, d), X.dtype),
            np.empty(rows, y.dtype),
            scores,
            np.empty_like(scores),
            np.ones(rows, X.dtype),
        )
    for _ in range(epochs):
        order, total = random.permutation(n), 0.0
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            batch_loss, x, labels, scores, dz, ones = buffers[len(rows)]
            X.take(rows, 0, x, "clip")
            y.take(rows, 0, labels, "clip")
            np.matmul(x, coef.T, out=scores)
            np.add(scores, intercept, out=scores)
            value = batch_loss(scores, labels, dz)
            np.matmul(dz.T, x, out=grad_coef)
            np.dot(ones, dz, out=grad_intercept)
            total += len(rows) / n * (value + penalty.add_grad(coef, grad_coef))
            optimizer.step(grad)
        history.append(total)
        if after_epoch is not None:
            after_epoch(history)
    return coef, intercept, history
