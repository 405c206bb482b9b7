# SPDX-License-Identifier: BSD-3-Clause
"""The loop over the batches of an epoch. Which epochs there are, and when they end, is in training.py."""

from __future__ import annotations

import numpy as np

from .. import losses, optimizers, regularizers
from .._core import Descent

STEPS = 512  # single-sample steps in one call to C, between two looks for Ctrl-C; fewer where a step is long work
STEP_WORK = 1 << 22  # entries that the steps of a call go through


def batches_of(objective, w, batch_size, optimizer, interrupt):
    """The loop for this batch size: compiled for single samples, where everything that takes part in it is."""
    if batch_size == 1 and _is_compiled(objective, optimizer):
        return Singles(objective, w, optimizer, interrupt)
    return Batches(objective, w, batch_size, optimizer, interrupt)


def _is_compiled(objective, optimizer):
    """Whether loss, penalty and optimizer are fastloss's own, not subclasses that may do something else."""
    parts = [(losses, objective.loss), (optimizers, optimizer), (regularizers, objective.penalty)]
    return all(part is None or getattr(module, type(part).__name__, None) is type(part) for module, part in parts)


class Singles:
    """Steps on single rows, some hundred in each call to C."""

    def __init__(self, objective, w, optimizer, interrupt):
        self.n, d = objective.X.shape
        self.interrupt, self.grad_sum = interrupt, np.zeros_like(w)
        factor = self.n if objective.loss.reduction == "sum" else self.n / (objective._total_weight or np.inf)
        self.descent = Descent(
            objective._sum_loss, optimizer, objective._data.for_descent(), objective.y, objective.sample_weight, w,
            self.grad_sum, objective.n_scores, d, objective.penalty, factor, objective._is_root,
        )  # fmt: skip
        self.steps = max(1, min(STEPS, STEP_WORK // w.size))
        if objective._data.sparse and self.descent.fused:  # each call also goes through all parameters once
            self.steps = max(self.steps, d * self.n // max(objective.X.nnz, 1))

    def epoch(self, order):
        """Step through all rows; means of loss and penalty, norm of the mean gradient."""
        loss_sum = penalty_sum = 0.0
        self.grad_sum.fill(0)
        for start in range(0, self.n, self.steps):
            self.interrupt.stop_if_pressed()
            stop = min(start + self.steps, self.n)
            rows = np.arange(start, stop) if order is None else order[start:stop]
            loss, penalty = self.descent.run(np.ascontiguousarray(rows, np.int64))
            loss_sum += loss
            penalty_sum += penalty
        return loss_sum / self.n, penalty_sum / self.n, float(np.linalg.norm(self.grad_sum)) / self.n


class Batches:
    """The loop over the batches of an epoch, and its buffers."""

    def __init__(self, objective, w, batch_size, optimizer, interrupt):
        self.objective, self.w, self.step, self.interrupt = objective, w, optimizer.step, interrupt
        self.grad, self.grad_sum = np.zeros_like(w), np.zeros_like(w)
        self.coef, self.grad_coef = objective.unpack(w)[0], objective.unpack(self.grad)[0]
        n = objective.X.shape[0]
        small = batch_size < n and batch_size <= objective.block_rows and not objective._data.sparse
        X = np.ascontiguousarray(objective.X) if small else objective.X  # take() would copy other layouts every time
        sizes = {batch_size, n % batch_size} - {0} if small else ()
        gathered = {rows: _Gathered(objective, X, w, self.grad, rows) for rows in sizes}
        self.plan = []
        for start in range(0, n, batch_size):
            rows = min(batch_size, n - start)
            self.plan.append((start, start + rows, rows / n, gathered.get(rows, self._in_blocks)))

    def epoch(self, order):
        """Step through all batches; means of loss and penalty, norm of the mean gradient."""
        objective, grad, grad_sum = self.objective, self.grad, self.grad_sum
        interrupt, step = self.interrupt, self.step
        scale, penalty, coef, grad_coef = objective._scale, objective.penalty, self.coef, self.grad_coef
        loss_sum = penalty_sum = 0.0
        grad_sum.fill(0)
        for start, stop, share, evaluate in self.plan:
            loss, factor = scale(evaluate(order, start, stop), share)
            np.multiply(grad, factor, out=grad)
            if penalty is not None:
                penalty_sum += share * float(penalty.add_grad(coef, grad_coef))
            loss_sum += share * loss
            np.add(grad_sum, grad, out=grad_sum)
            interrupt.stop_if_pressed()
            step(grad)
        return loss_sum, penalty_sum, float(np.linalg.norm(grad_sum)) / len(self.plan)

    def _in_blocks(self, order, start, stop):
        """Batches that do not fit a block, or hold all rows: sum of losses; the gradient's sum goes to ``grad``."""
        objective = self.objective
        evaluate, stop_if_pressed = objective._gradients(self.w), self.interrupt.stop_if_pressed
        sums = objective._sum_blocks(evaluate, 2 + self.w.size, start, stop, order, stop_if_pressed)
        self.grad[:] = sums[2:]
        return float(sums[0])


class _Gathered:
    """Buffers for the rows of one batch, and the loss bound to them: nothing is allocated in a step."""

    def __init__(self, objective, X, w, grad, rows):
        self.sources = [X, objective.y]
        self.x = np.empty((rows, X.shape[1]), X.dtype)
        y = np.empty((rows, *objective.y.shape[1:]), objective.y.dtype)
        weight = None
        if objective.sample_weight is not None:
            weight = np.empty((rows, *objective.sample_weight.shape[1:]), X.dtype)
            self.sources.append(objective.sample_weight)
        self.buffers = [self.x, y] if weight is None else [self.x, y, weight]
        self.scores, self.ones = np.empty((rows, objective.n_scores), X.dtype), np.ones(rows, X.dtype)
        pred = self.scores[:, 0] if objective._single else self.scores
        self.loss = objective._sum_loss.bind(pred, y, sample_weight=weight, out=pred)
        coef, self.intercept = objective._matrices(w)
        self.coef_t = coef.T
        self.grad_coef, self.grad_intercept = objective._matrices(grad)
        self.scores_t = self.scores.T

    def __call__(self, order, start, stop):
        """Sum of losses; the gradient's sum goes to ``grad``."""
        if order is None:
            for source, buffer in zip(self.sources, self.buffers):
                np.copyto(buffer, source[start:stop])
        else:
            rows = order[start:stop]
            for source, buffer in zip(self.sources, self.buffers):
                source.take(rows, 0, buffer, "clip")  # "raise" would go through a temporary
        scores = self.scores
        np.matmul(self.x, self.coef_t, scores)
        if self.intercept is not None:
            np.add(scores, self.intercept, scores)
            loss = self.loss()
            np.dot(self.ones, scores, self.grad_intercept)
        else:
            loss = self.loss()
        np.matmul(self.scores_t, self.x, self.grad_coef)
        return loss
