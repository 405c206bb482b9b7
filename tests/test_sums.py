# SPDX-License-Identifier: BSD-3-Clause
"""Sums over very many entries against exact ones, and the same bits for every number of threads and kernel set.

The terms themselves are judged in test_losses_exact.py: here the exact sum is that of the terms as they are rounded.
"""

from fractions import Fraction

import numpy as np
import pytest
from cases import CASES, DEFAULTS, DTYPES

import fastloss as fl
from fastloss import _core

BLOCK, TIMES = 2**16, 1526  # together 100,007,936 entries, in memory for one block
COUNT = BLOCK * TIMES
POINTWISE = [c for c in DEFAULTS if c.kind == "pointwise"]
ROWS = [c for c in DEFAULTS if c.kind == "rows"]


def repeated(a, times):
    """An array stacked on itself many times, in the memory of one."""
    return np.broadcast_to(a, (times, *a.shape))


def exact_mean(terms):
    return float(sum(map(Fraction, terms.astype(float).ravel().tolist())) / terms.size)


@pytest.mark.parametrize("case", POINTWISE, ids=str)
def test_the_mean_of_a_hundred_million_losses_is_within_1e_12_of_the_exact_one(case, rng):
    pred, target = case.draw(rng, (BLOCK,), np.float32)
    target = target.astype(np.float32)
    terms = case.make(pred.shape, reduction="none").value(pred, target)
    mean = case.make(pred.shape).value(repeated(pred, TIMES), repeated(target, TIMES))
    # of signed terms the sum is as exact as that of their magnitudes allows
    scale = max(abs(exact_mean(terms)), exact_mean(np.abs(terms)) if (terms < 0).any() else 0)
    assert abs(mean - exact_mean(terms)) <= 1e-12 * scale


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_the_mean_over_a_hundred_million_scores_is_within_1e_12_of_the_exact_one(case, rng):
    classes = 2**14
    row = rng.normal(size=(1, classes)).astype(np.float32)
    n = COUNT // classes
    labels = rng.integers(0, classes, 50)
    term = case.make(reduction="none").value(np.repeat(row, 50, axis=0), labels)
    mean = case.make().value(np.broadcast_to(row, (n, classes)), labels[np.arange(n) % 50])
    exact = sum(Fraction(float(term[k])) * len(range(k, n, 50)) for k in range(50)) / n
    assert abs(mean - float(exact)) <= 1e-12 * abs(float(exact))


def test_small_losses_after_a_large_one_are_not_lost():
    """A running sum in float would stay at 1e8: each of the others is below half of its spacing."""
    n = 2**22
    pred = np.full(n, 1e-2, np.float32)
    pred[0] = 1e4
    total = fl.SquaredError(reduction="sum")(pred, np.zeros(n, np.float32))
    small = float(np.float32(1e-2) * np.float32(1e-2))
    assert abs(total - (1e8 + (n - 1) * small)) <= 1e-12 * 1e8


def everything(case, drawn):
    """The bits of all that a loss gives on some arguments."""
    bits = []
    for pred, target, weight in drawn:
        for reduction in (case.reductions[0], case.reductions[-1]):
            loss = case.make(pred.shape, reduction=reduction)
            method = loss.value_grad_hess if case.has_hess else loss.value_and_grad
            bits += [np.asarray(r).tobytes() for r in method(pred, target, sample_weight=weight)]
    return b"".join(bits)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_to_eight_threads_and_every_kernel_set_with_fma_give_the_same_bits(case, dtype, rng):
    """With weights and without, of one part and of many, long rows and short ones."""
    threads, target = fl.get_num_threads(), _core.target()
    drawn = []
    for n, c in ((1, 2), (33, 7), (70_001, 3), (40, 2500)):
        pred, y = case.draw(rng, case.shape(n, c), dtype)
        drawn += [(pred, y, None), (pred, y, rng.integers(0, 5, n) / 4)]
    fused = [name for name in _core.targets() if name != "scalar"] or ["scalar"]
    results = {}
    try:
        for name in fused:
            _core.use_target(name)
            for count in range(1, 9):
                fl.set_num_threads(count)
                results[name, count] = everything(case, drawn)
    finally:
        fl.set_num_threads(threads)
        _core.use_target(target)
    assert len(set(results.values())) == 1
