# SPDX-License-Identifier: BSD-3-Clause
"""The minimum of a linear model's objective by SciPy's L-BFGS-B, for smooth and for kinked losses, with L1 or without.

What ``sklearn.py`` calls for ``solver="lbfgs"``; training by steps on batches is in ``linear``.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import scipy.optimize

from .losses import (
    AbsoluteError,
    CrammerSingerHinge,
    EpsilonInsensitive,
    ExponentialNLL,
    GammaNLL,
    Hinge,
    MulticlassHinge,
    Pinball,
    PoissonNLL,
    RootMeanSquaredError,
    TweedieNLL,
)

LOG_MEANS = (PoissonNLL, ExponentialNLL, GammaNLL, TweedieNLL)  # their scores are logarithms
EPS = np.finfo(np.float64).eps
ROWS_AT_ONCE = 4096
MOST_ROUNDS = 200  # of the method of multipliers; some 10 are usual
MOST_NEWTON_STEPS = 10
MOST_CG_STEPS = 200
LEAST_MU = 1e-4  # of the first: below, rounding errors end L-BFGS early


class Minimum(NamedTuple):
    """Where it is, how many iterations it took, the objective after each (or each round), whether it was reached."""

    w: np.ndarray
    n_iter: int
    curve: list
    converged: bool


def minimize(objective, l1, l2, *, start=None, tol=1e-4, max_iter=1000, report=None):
    """Minimize an objective plus ``l1 * sum(abs(coef))``.

    Parameters
    ----------
    objective : Objective
        Over a loss with reduction "mean"; its penalty is ``L2(l2, half=True)``.
    l1, l2 : float
        Strengths, at least 0.
    start : ndarray, optional
        The flat vector to start from; by default coefficients of 0 and the intercepts of a model without columns.
    tol : float
        Smooth losses: stop where no entry of the gradient is above ``1e-4 * tol`` times the largest at coefficients of
        0, in variables in which all columns vary alike, or where rounding errors allow no more. Kinked losses: stop
        where the objective is known to be within ``tol / 100`` of its minimum, in proportion.
    max_iter : int
        L-BFGS iterations, at most.
    report : callable, optional
        Called with the number of iterations and the objective.

    Returns
    -------
    Minimum
    """
    with np.errstate(over="ignore", invalid="ignore"):
        variables = _Variables(objective, l1, l2)
        x = variables.cold if start is None else variables.read(start)
        pieces = _pieces(objective)
        if pieces is None:
            return _minimize_smooth(objective, variables, x, 1e-4 * tol, max_iter, report)
        return _Multipliers(objective, l1, l2, variables, pieces, report).minimize(x, tol / 100, max_iter)


def _minimize_smooth(objective, variables, x, tol, max_iter, report):
    reference = _largest(variables.add_l1(objective(variables.w(variables.cold)), variables.cold)[1])
    curve, n_iter, last = [], 0, np.inf
    while True:
        run = _lbfgs(variables, objective, x, reference, tol, max_iter - n_iter, curve, report)
        n_iter, x = n_iter + run.nit, run.x
        # Rounding errors may end a run early; the next forgets the curvature, and begins anew.
        stuck = not run.fun < last - 64 * EPS * abs(run.fun)
        if run.residual <= tol or stuck or n_iter >= max_iter:
            break
        last = run.fun
    enough = max(1e4 * tol, np.sqrt(np.finfo(objective.X.dtype).eps))
    converged = run.residual <= tol or (stuck and run.residual <= enough)
    return Minimum(variables.w(x), max(n_iter, 1), curve, bool(converged))


def _largest(gradient):
    return np.abs(gradient).max(initial=0.0) or 1.0


def _lbfgs(variables, function, x, reference, tol, max_iter, curve, report, ftol=64 * EPS):
    """One run of L-BFGS-B on ``function(w)`` plus the L1 term; ``residual`` is the projected gradient's largest entry.

    The function is divided by ``reference``, so that SciPy's absolute tolerances become relative ones.
    """

    def scaled(x):
        value, gradient = variables.add_l1(function(variables.w(x)), x)
        return value / reference, gradient / reference

    def after_iteration(intermediate_result):
        curve.append(float(intermediate_result.fun) * reference)
        if report is not None:
            report(len(curve), curve[-1])

    run = scipy.optimize.minimize(
        scaled,
        x,
        jac=True,
        method="L-BFGS-B",
        bounds=variables.bounds,
        callback=after_iteration,
        options={"maxiter": max_iter, "maxfun": 100 * max_iter, "gtol": tol, "ftol": ftol, "maxls": 50},
    )
    run.residual = np.abs(variables.projected(run.x, run.jac)).max(initial=0.0)
    if run.residual > tol and run.status != 1:
        _newton(variables, scaled, run, tol)
    return run


def _newton(variables, function, run, tol):
    """Go on where rounding errors of the values end L-BFGS: Newton steps, which look at gradients alone.

    Each step is the conjugate gradients' solution over the variables that are not at a bound, with differences of
    gradients for products with the Hessian, and is kept if it makes the projected gradient smaller.
    """
    variables.cancel(run.x)
    run.fun, run.jac = function(run.x)
    run.residual = np.abs(variables.projected(run.x, run.jac)).max()
    for _ in range(MOST_NEWTON_STEPS):
        gradient = variables.projected(run.x, run.jac)
        free = gradient != 0
        step = _conjugate_gradients(functools.partial(_curvature, function, run, free), -gradient)
        x = run.x + step
        if variables.bounds is not None:
            x[: 2 * variables.size] = np.maximum(x[: 2 * variables.size], 0)
        value, gradient = function(x)
        residual = np.abs(variables.projected(x, gradient)).max()
        if not residual < run.residual:
            break
        improved = residual < 0.5 * run.residual
        run.x, run.fun, run.jac, run.residual = x, value, gradient, residual
        if residual <= 1e-4 * tol or not improved:  # far below tol, as each step about squares the error
            break


def _curvature(function, run, free, p):
    """The Hessian times p, both over the free variables."""
    h = 1e-6 * max(1.0, np.abs(run.x).max()) / np.abs(p).max()
    return np.where(free, (function(run.x + h * p)[1] - run.jac) / h, 0)


def _conjugate_gradients(product, b):
    """Solve A x = b to 1e-4 of b; no further than to a direction along which A is not positive."""
    x, r, p = np.zeros_like(b), b, b
    square = r @ r
    for _ in range(MOST_CG_STEPS):
        Ap = product(p)
        curvature = p @ Ap
        if not curvature > 0:
            break
        length = square / curvature
        x, r = x + length * p, r - length * Ap
        before, square = square, r @ r
        if square <= 1e-8 * (b @ b):
            break
        p = r + square / before * p
    return x


class _Variables:
    """What L-BFGS sees: variables x in which columns have mean 0 and vary alike, whatever the units of the data.

    ``coef = U * scale`` and ``intercept = t * unit - coef @ mean``, x being U, then t. With an L1 penalty U is the
    difference of two arrays that are at least 0, which makes the penalty linear and zeros exact.
    """

    def __init__(self, objective, l1, l2):
        self.c, self.d, self.l1 = objective.n_scores, objective.X.shape[1], l1
        self.centred = objective.fit_intercept
        mean, square = moments(objective)
        self.mean = mean if self.centred else np.zeros(self.d)
        spread = np.maximum(square - self.mean**2, 1e-10 * square) + l2
        spread[spread == 0] = 1
        self.unit, intercept = natural_units(objective)
        self.scale = self.unit[:, None] / np.sqrt(spread)
        self.size = self.c * self.d
        self.bounds = [(0, None)] * (2 * self.size) + [(None, None)] * (self.c * self.centred) if l1 else None
        self.cold = np.zeros((2 if l1 else 1) * self.size + self.c * self.centred)
        if self.centred:
            self.cold[-self.c :] = intercept / self.unit

    def w(self, x):
        """The flat vector of the objective."""
        coef = self._differences(x) * self.scale
        if not self.centred:
            return coef.ravel()
        return np.concatenate([coef.ravel(), x[-self.c :] * self.unit - coef @ self.mean])

    def read(self, w):
        """The variables of a flat vector."""
        coef, intercept = self.matrices(np.asarray(w, np.float64))
        u = (coef / self.scale).ravel()
        parts = [np.maximum(u, 0), np.maximum(-u, 0)] if self.l1 else [u]
        return np.concatenate([*parts, (intercept + coef @ self.mean) / self.unit if self.centred else []])

    def matrices(self, w):
        """(c, d) and (c,) views of a flat vector; the second is empty without intercept."""
        return w[: self.size].reshape(self.c, self.d), w[self.size :]

    def add_l1(self, value_and_gradient, x):
        """Value and gradient at w, as those in x, with the L1 penalty."""
        value, gradient = value_and_gradient
        coef, intercept = self.matrices(gradient)
        if self.centred:
            coef = coef - np.outer(intercept, self.mean)
        coef = coef * self.scale
        t = intercept * self.unit if self.centred else intercept
        if not self.l1:
            return value, np.concatenate([coef.ravel(), t])
        weight = self.l1 * self.scale
        value += float(weight.ravel() @ (x[: self.size] + x[self.size : 2 * self.size]))
        return value, np.concatenate([(weight + coef).ravel(), (weight - coef).ravel(), t])

    def projected(self, x, gradient):
        """The gradient without what pushes against a bound."""
        if self.bounds is None:
            return gradient
        free = x > 0
        free[2 * self.size :] = True
        return np.where(free, gradient, np.minimum(gradient, 0))

    def cancel(self, x):
        """Take from both parts of an entry of U what they have in common, in place."""
        if self.l1:
            positive, negative = x[: self.size], x[self.size : 2 * self.size]
            common = np.minimum(positive, negative)
            positive -= common
            negative -= common

    def _differences(self, x):
        u = x[: self.size] - x[self.size : 2 * self.size] if self.l1 else x[: self.size]
        return u.reshape(self.c, self.d)


def _shares(weight, n):
    """What each row contributes to a mean."""
    if weight is None:
        return np.full(n, 1 / n)
    weight = weight.astype(np.float64)
    return weight / weight.sum()


def moments(objective):
    """Weighted means of the columns of X and of their squares."""
    X = objective.X
    share = _shares(objective.sample_weight, X.shape[0])
    mean, square = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for begin in range(0, X.shape[0], ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        block = X[rows].astype(np.float64)
        mean += block.T @ share[rows]
        square += (block.multiply(block) if hasattr(block, "multiply") else block * block).T @ share[rows]
    return mean, square


def natural_units(objective):
    """The natural size of each score, and the intercepts that suit a model without columns."""
    ones, zeros = np.ones(objective.n_scores), np.zeros(objective.n_scores)
    if objective.loss._target_kind in ("classes", "binary"):
        return ones, zeros
    y = objective.y.astype(np.float64).reshape(len(objective.y), -1)
    share = _shares(objective.sample_weight, len(y))
    mean = share @ y
    if isinstance(objective.loss, LOG_MEANS):
        return ones, np.log(mean, out=zeros, where=mean > 0)
    spread = np.sqrt(share @ (y - mean) ** 2)
    unit = np.where(spread > 0, spread, 1)
    if objective.loss._target_kind == "pairs":  # mean and log-variance
        return np.array([unit[0], 1.0]), np.array([mean[0], 2 * np.log(unit[0])])
    return unit, mean


# ---- kinked losses ----


def _pieces(objective):
    """A kinked loss as the largest of linear functions, or None for a smooth one."""
    loss, y = objective.loss, objective.y
    if isinstance(loss, AbsoluteError):
        return _Pointwise(y, -1.0, 1.0)
    if isinstance(loss, Pinball):
        return _Pointwise(y, -loss.quantile, 1 - loss.quantile)
    if isinstance(loss, RootMeanSquaredError):
        return _Root(y, _shares(objective.sample_weight, len(y)))
    if isinstance(loss, EpsilonInsensitive) and not loss.squared:
        return _Pointwise(y, -1.0, 1.0, loss.epsilon)
    if isinstance(loss, Hinge) and not loss.squared:
        return _Pointwise(np.where(y > 0, loss.margin, -loss.margin), np.where(y > 0, -1.0, 0), np.where(y > 0, 0, 1.0))
    if isinstance(loss, MulticlassHinge) and not loss.squared:
        return _WestonWatkins(y, objective.n_scores, loss.margin)
    if isinstance(loss, CrammerSingerHinge):
        return _CrammerSinger(y, objective.n_scores, loss.margin)
    return None


class _Pointwise:
    """``max of v (z - centre) - width |v|`` over v in [low, high], per score."""

    def __init__(self, centre, low, high, width=0.0):
        self.centre, self.low, self.high = (_as_column(a) for a in (centre, low, high))
        self.width = width
        self.shape = self.centre.shape

    def highest(self, z, v, mu):
        """The maximizing v, of the linear functions less ``mu / 2 * (v - the given)**2``."""
        v = v + (z - self.centre) / mu
        if self.width:
            v = np.sign(v) * np.maximum(np.abs(v) - self.width / mu, 0)
        return np.clip(v, self.low, self.high)

    def values(self, z, v):
        """The linear functions that v stands for."""
        return v * (z - self.centre) - self.width * np.abs(v)

    @staticmethod
    def gradient(v):
        """Their gradient in z."""
        return v


class _Root:
    """``max of mean(v (z - y))`` over all v with ``mean(v**2) <= 1``: the root of the mean square."""

    def __init__(self, y, share):
        self.y, self.share, self.shape = _as_column(y), share, (len(y), 1)

    def highest(self, z, v, mu):
        v = v + (z - self.y) / mu
        return v / max(1.0, np.sqrt(self.share @ np.square(v[:, 0])))

    def values(self, z, v):
        return v * (z - self.y)

    gradient = staticmethod(_Pointwise.gradient)


class _WestonWatkins:
    """The sum over k != y of ``max of v_k (z_k - z_y + margin)`` over v_k in [0, 1]."""

    def __init__(self, labels, c, margin):
        self.rows, self.labels, self.margin = np.arange(len(labels)), labels, margin
        self.shape = (len(labels), c)

    def excess(self, z):
        """What the other classes' scores lack or have too much."""
        return z - z[self.rows, self.labels][:, None] + self.margin

    def highest(self, z, v, mu):
        v = v + self.excess(z) / mu
        v[self.rows, self.labels] = 0
        return np.clip(v, 0, 1)

    def values(self, z, v):
        return v * self.excess(z)

    def gradient(self, v):
        v = v.copy()
        v[self.rows, self.labels] -= v.sum(axis=1)
        return v


class _CrammerSinger(_WestonWatkins):
    """``max of sum over k != y of v_k (z_k - z_y + margin)`` over v of at least 0 whose sum is at most 1."""

    def highest(self, z, v, mu):
        v = v + self.excess(z) / mu
        v[self.rows, self.labels] = 0
        v = np.maximum(v, 0)
        over = v.sum(axis=1) > 1
        v[over] = _onto_simplex(v[over])
        return v


def _onto_simplex(v):
    """The nearest points with entries of at least 0 and sum 1, row by row (Held, Wolfe & Crowder 1974)."""
    falling = -np.sort(-v, axis=1)
    excess = np.cumsum(falling, axis=1) - 1
    count = np.arange(1, v.shape[1] + 1)
    last = (falling * count > excess).sum(axis=1) - 1
    return np.maximum(v - (excess[np.arange(len(v)), last] / (last + 1))[:, None], 0)


def _as_column(a):
    a = np.asarray(a, np.float64)
    return a[:, None] if a.ndim == 1 else a


class _Multipliers:
    """The method of multipliers for a kinked loss.

    The loss of the scores z is the maximum over v of a function linear in z. With ``mu / 2 * |v - v_k|**2`` taken off
    it the maximum is smooth in z, its gradient given by the maximizing v. L-BFGS minimizes this; that v becomes v_k,
    and so on: the v_k converge to the loss's slopes at the optimum while mu need not go to 0. In exact arithmetic
    the minimum over w of the linear function that v stands for, plus penalty, bounds the optimum from below, which
    says when to stop. Rockafellar (1976), Math. Oper. Res. 1.
    """

    def __init__(self, objective, l1, l2, variables, pieces, report):
        self.objective, self.l1, self.l2, self.variables = objective, l1, l2, variables
        self.pieces, self.report = pieces, report
        self.X = objective.X.astype(np.float64, copy=False)
        entries = 1 if objective.loss._target_kind == "classes" else objective.n_scores
        self.share = _shares(objective.sample_weight, self.X.shape[0])[:, None] / entries
        self.v, self.mu = np.zeros(pieces.shape), float(variables.unit.mean())

    def minimize(self, x, gap_tol, max_iter):
        variables, best, last, n_iter, curve = self.variables, (np.inf, x), np.inf, 0, []
        cold = variables.add_l1(self._smoothed(variables.w(variables.cold)), variables.cold)
        reference, floor = _largest(cold[1]), 100 * EPS * abs(self._value(variables.cold))
        inner_tol, least_mu, converged = 1e-2, LEAST_MU * self.mu, False
        for _ in range(MOST_ROUNDS):
            run = _lbfgs(variables, self._smoothed, x, reference, inner_tol, max_iter - n_iter, [], None, ftol=EPS)
            x, n_iter = run.x, n_iter + run.nit
            value = self._value(x)
            gap = value - self._advance(x)
            best = min(best, (value, x), key=lambda pair: pair[0])
            curve.append(value)
            if self.report is not None:
                self.report(n_iter, value)
            unfinished = self._unfinished(x, run.jac * reference)
            allowed = gap_tol * value + floor
            rounding = run.status != 1 and run.residual > inner_tol  # L-BFGS could not lower its function any more
            settled = len(curve) > 1 and abs(curve[-2] - value) <= allowed
            converged = gap <= allowed and (unfinished <= allowed or (rounding and settled))
            if converged or n_iter >= max_iter:
                break
            if gap > max(0.1 * last, unfinished):
                self.mu = max(self.mu / 4, least_mu)
            last, inner_tol = gap, max(min(inner_tol / 5, 0.1 * gap / reference), 1e-11)
        return Minimum(variables.w(best[1]), max(n_iter, 1), curve, bool(converged))

    def _unfinished(self, x, gradient):
        """About how far the smoothed objective is from its minimum, by its gradient and the curvature of L2."""
        variables, size = self.variables, self.variables.size
        slope = np.abs(variables.projected(x, gradient))
        decrease = slope * (np.abs(x) + np.abs(x).mean())
        if self.l2 and not self.l1:
            curvature = self.l2 * np.square(variables.scale).ravel()
            decrease[:size] = np.minimum(decrease[:size], np.square(slope[:size]) / (2 * curvature))
        return decrease.sum()

    def _value(self, x):
        w = self.variables.w(x)
        return self.objective(w)[0] + self._l1_penalty(w)

    def _l1_penalty(self, w):
        return self.l1 * float(np.abs(self.variables.matrices(w)[0]).sum())

    def _scores(self, w):
        coef, intercept = self.variables.matrices(w)
        z = self.X @ coef.T
        return z + intercept if intercept.size else z

    def _smoothed(self, w):
        """Value and gradient of the smoothed objective, without L1."""
        coef, intercept = self.variables.matrices(w)
        z = self._scores(w)
        v = self.pieces.highest(z, self.v, self.mu)
        values = self.pieces.values(z, v) - self.mu / 2 * np.square(v - self.v)
        slope = self.pieces.gradient(v) * self.share
        gradient = np.concatenate(
            [((self.X.T @ slope).T + self.l2 * coef).ravel(), slope.sum(axis=0)[: intercept.size]]
        )
        return float((self.share * values).sum() + self.l2 / 2 * np.square(coef).sum()), gradient

    def _advance(self, x):
        """Take over the maximizing v; the objective with the linear function that it stands for as loss."""
        w = self.variables.w(x)
        z = self._scores(w)
        self.v = self.pieces.highest(z, self.v, self.mu)
        loss = float((self.share * self.pieces.values(z, self.v)).sum())
        return loss + self.l2 / 2 * float(np.square(self.variables.matrices(w)[0]).sum()) + self._l1_penalty(w)
