# SPDX-License-Identifier: BSD-3-Clause
"""Gradients against differences of values, Hessians against differences of gradients, check_grad.

The differences are of order 4 and bring their own error estimate; nothing is compared with the
reference here.
"""

import numpy as np
import pytest
from cases import CASES, DTYPES, eps_of

import fastloss as fl

SEPARABLE = [case for case in CASES if case.kind != "scalar"]
KINKED = (
    *("AbsoluteError", "Huber", "Pinball", "EpsilonInsensitive"),
    *("Hinge", "MulticlassHinge", "CrammerSingerHinge"),
)
STEP = 1e-3


def difference(function, pred, j, h):
    """Derivative of order 4 in column j (in every element if j is None) of function(pred)."""

    def at(steps):
        moved = pred.copy()
        moved[(slice(None), j) if j is not None else ...] += steps * h
        return function(moved)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


def derivative(function, pred, j):
    """The difference, and how far it may be off.

    Halving the step leaves a sixteenth of the truncation error, so the change bounds it; each of
    the four values is rounded up to 4 ULP, and its argument, moved by rounded steps, by half one.
    """
    coarse, fine = (difference(function, pred, j, h) for h in (STEP, STEP / 2))
    size = np.abs(function(pred)) + np.abs(fine) * (1 + np.abs(pred).max())
    return fine, np.abs(coarse - fine) + 8 * 18 / 12 * eps_of(float) * (1 + size) / (STEP / 2)


def beside_a_jump(case, function, pred, j):
    """Where function, a gradient or Hessian with jumps of at least 1/2, jumps within two steps."""
    if case.name not in KINKED:
        return np.zeros(len(pred), bool)
    lower, upper = pred.copy(), pred.copy()
    own = ... if j is None else (slice(None), j)
    lower[own] -= 2 * STEP
    upper[own] += 2 * STEP
    return np.abs(function(upper) - function(lower))[own] > 0.4


def assert_derivative(case, got, function, jumping, pred, j):
    """got is function's derivative wherever the difference says something: nearly everywhere."""
    want, off = derivative(function, pred, j)
    smooth = ~beside_a_jump(case, jumping, pred, j)
    assert smooth.mean() > 0.8
    assert np.mean(off < 1e-7 * (1 + np.abs(want))) > 0.8  # the estimate itself is sharp
    assert (np.abs(got - want) <= off)[smooth].all()


def inputs(case, rng):
    """Random inputs, with ties moved aside and probabilities and means off their poles."""
    pred, target = case.draw(rng, case.shape(60, 5), np.float64)
    pred = pred + 0.0123 * np.arange(1, 1 + (pred.shape[1] if pred.ndim == 2 else 1))
    if case.params.get("log_input") is False:
        pred = np.maximum(pred, 0.3)
    if case.params.get("from_logits") is False:
        pred = np.clip(pred, 0.15, 0.85)
    return pred, target


@pytest.mark.parametrize("case", SEPARABLE, ids=str)
def test_gradient_is_the_derivative_of_the_value(case, rng, kernel_target):
    pred, target = inputs(case, rng)
    loss = case.make(pred.shape, reduction="none")
    _, grad = loss.value_and_grad(pred, target)
    for j in [None] if case.kind == "pointwise" else range(pred.shape[1]):
        assert_derivative(
            case,
            grad if j is None else grad[:, j],
            lambda z: loss.value(z, target),
            lambda z: loss.value_and_grad(z, target)[1],
            pred,
            j,
        )


@pytest.mark.parametrize("case", SEPARABLE, ids=str)
def test_hessian_is_the_derivative_of_the_gradient(case, rng, kernel_target):
    pred, target = inputs(case, rng)
    loss = case.make(pred.shape, reduction="none")
    _, _, hess = loss.value_grad_hess(pred, target)
    for j in [None] if case.kind == "pointwise" else range(pred.shape[1]):
        own = ... if j is None else (slice(None), j)
        assert_derivative(
            case,
            hess[own],
            lambda z, own=own: loss.value_and_grad(z, target)[1][own],
            lambda z: np.add(*loss.value_grad_hess(z, target)[1:]),
            pred,
            j,
        )


def test_gradient_of_the_root_of_the_mean_square(rng, kernel_target):
    pred, target = rng.normal(size=(2, 9))
    _, grad = fl.RootMeanSquaredError().value_and_grad(pred, target)
    for j in range(9):
        unit = np.eye(9)[j]
        want, off = derivative(
            lambda z, unit=unit: fl.RootMeanSquaredError()(pred + z * unit, target),
            np.zeros(()),
            None,
        )
        assert abs(grad[j] - want) <= off < 1e-8


# ---- check_grad


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check_grad_finds_every_loss_right(case, rng):
    pred, target = inputs(case, rng)
    if case.kind != "scalar":
        loss = case.make(pred.shape, reduction="none")
        smooth = np.ones(len(pred), bool)

        def slopes(z):
            return np.add(*loss.value_grad_hess(z, target)[1:])

        for j in [None] if pred.ndim == 1 else range(pred.shape[1]):
            smooth &= ~beside_a_jump(case, slopes, pred, j)
        pred, target = pred[smooth], target[smooth]
    difference = fl.check_grad(case.make(pred.shape), pred[:20], target[:20])
    assert type(difference) is float
    assert 0 <= difference < 1e-5


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_check_grad_takes_any_reduction(reduction, rng):
    pred, target = rng.normal(size=(2, 20))
    assert fl.check_grad(fl.LogCosh(reduction=reduction), pred, target) < 1e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_check_grad_of_a_correct_function_is_small(dtype, rng):
    x = rng.normal(size=(4, 3)).astype(dtype)

    def function(x):
        return float(np.sum(np.sin(x) * x)), (np.cos(x) * x + np.sin(x)).astype(x.dtype)

    # Differences of rounded values: the best step leaves about eps^(4/5) of order 4, eps^(1/2)
    # if the differences are of order 1; the looser one is still far from a wrong gradient.
    assert fl.check_grad(function, x) < eps_of(dtype) ** 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        lambda grad: -grad,
        lambda grad: 2 * grad,
        lambda grad: grad + 0.1,
        lambda grad: grad * (np.arange(grad.size) != 3),
        lambda grad: 1.001 * grad,
    ],
    ids=["sign", "factor", "shift", "one element", "a thousandth"],
)
def test_check_grad_of_a_wrong_function_is_large(wrong, rng):
    x = rng.normal(size=7)

    def function(x):
        return float(np.sum(x**4 + x)), wrong(4 * x**3 + 1)

    assert fl.check_grad(function, x) > 5e-4


def test_check_grad_leaves_its_arguments_alone(rng):
    pred, target = rng.normal(size=(2, 10))
    before = pred.copy(), target.copy()
    fl.check_grad(fl.SquaredError(), pred, target)
    assert (pred == before[0]).all() and (target == before[1]).all()
    pred.flags.writeable = False
    fl.check_grad(fl.SquaredError(), pred, target)


def test_check_grad_of_nan_is_not_small(rng):
    pred, target = rng.normal(size=(2, 10))
    pred[3] = np.nan
    assert not fl.check_grad(fl.SquaredError(), pred, target) < 1e-5
