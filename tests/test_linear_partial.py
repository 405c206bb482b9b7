# SPDX-License-Identifier: BSD-3-Clause
"""Objective.partial and finish: sums over parts of the rows give the bits of the whole.

What the whole must be is tested in test_linear.py.
"""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from linear_cases import IDS, LABELS, LOSSES, make_data

import fastloss as fl


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(fl.linear.objective, "BLOCK_BYTES", 0)
    monkeypatch.setattr(fl.linear.objective, "LEAST_ROWS", 40)  # 8 * size takes at most that many rows here


def parts_of(objective, w, rng):
    """The rows cut at random blocks, computed in random order."""
    n, block = objective.X.shape[0], objective.block_rows
    inner = np.arange(block, n, block)
    cuts = [0, *np.sort(rng.choice(inner, rng.integers(0, len(inner) + 1), replace=False)), n]
    ranges = [(int(a), int(b)) for a, b in pairwise(cuts)]
    return [objective.partial(w, *ranges[k]) for k in rng.permutation(len(ranges))]


def added_in_any_order(parts, rng):
    """Pairs drawn at random are added until one is left."""
    parts = list(parts)
    while len(parts) > 1:
        first, second = (parts.pop(rng.integers(len(parts))) for _ in range(2))
        parts.append(first + second)
    return parts[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
def test_parts_add_up_to_the_bits_of_the_whole(loss, kind, dtype, rng):
    X, y = make_data(kind, rng, n=1030, dtype=dtype)
    weight = rng.uniform(size=len(y))
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(0.1), sample_weight=weight)
    assert objective.block_rows <= 100
    w = rng.normal(size=objective.size)
    value, grad = objective(w)
    for _ in range(10):
        found, found_grad = objective.finish(w, added_in_any_order(parts_of(objective, w, rng), rng))
        assert found == value
        np.testing.assert_array_equal(found_grad, grad)


def test_threads_and_pickles_and_sparse_data_serve(rng):
    X, y = make_data(LABELS, rng, n=500)
    X[X < 0] = 0
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), sp.csr_array(X), y)
    w, block = rng.normal(size=objective.size).astype(np.float32), objective.block_rows
    with ThreadPoolExecutor(3) as pool:
        starts = range(0, 500, block)
        parts = list(pool.map(lambda start: objective.partial(w, start, min(start + block, 500)), starts))
    value, grad = objective.finish(w, sum(pickle.loads(pickle.dumps(part)) for part in parts))
    assert value == objective(w)[0]
    assert grad.dtype == np.float32
    np.testing.assert_array_equal(grad, objective(w)[1])


def test_a_part_knows_its_rows_losses_and_weights(rng):
    X, y = make_data(LABELS, rng, n=500)
    weight = rng.uniform(size=500)
    loss = fl.SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 3.0, 4.0], ignore_index=2, reduction="sum")
    objective = fl.linear.Objective(loss, X, y, sample_weight=weight)
    w, block = rng.normal(size=objective.size), objective.block_rows
    part = objective.partial(w, block, 3 * block) + objective.partial(w, 0, block)
    assert part.rows == [(0, 3 * block)]
    assert repr(part) == f"<Partial of rows 0:{3 * block}>"
    coef, intercept = objective.unpack(w)
    here = slice(0, 3 * block)
    assert part.loss == pytest.approx(loss(X[here] @ coef.T + intercept, y[here], sample_weight=weight[here]))
    assert part.weight == pytest.approx((weight * np.array([1, 2, 0, 4])[y])[here].sum())


def test_parts_stay_as_they_are_and_are_small(rng):
    X, y = make_data(LABELS, rng, n=5000)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)
    w, block = rng.normal(size=objective.size), objective.block_rows
    first, second = objective.partial(w, 0, 8 * block), objective.partial(w, 8 * block, 16 * block)
    before = pickle.dumps(first), pickle.dumps(second)
    _ = first + second
    assert before == (pickle.dumps(first), pickle.dumps(second))
    vectors = 2 * np.log2(5000 / block)  # each of size + 2 doubles, with some bytes about them
    assert len(pickle.dumps(objective.partial(w, block, 5000))) < vectors * (8 * (objective.size + 2) + 300)


def test_bad_splits_are_refused(rng):
    X, y = make_data(LABELS, rng, n=500)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)
    w, block = rng.normal(size=objective.size), objective.block_rows
    for start, stop, message in (
        (1, 500, r"start is 1, but must be a multiple of block_rows"),
        (0, block + 1, "stop is"),
        (block, 0, "must be in order"),
        (0, 501, "within 0 to 500"),
    ):
        with pytest.raises(ValueError, match=message):
            objective.partial(w, start, stop)
    first = objective.partial(w, 0, block)
    with pytest.raises(ValueError, match="row 0 is in both parts"):
        first + first
    with pytest.raises(ValueError, match="at different parameters"):
        first + objective.partial(w + 1, block, 500)
    with pytest.raises(ValueError, match=rf"parts hold the rows \[\(0, {block}\)\], but must hold 0 to 500"):
        objective.finish(w, first)
    with pytest.raises(ValueError, match="other parameters than w"):
        objective.finish(w + 1, objective.partial(w, 0, 500))
    with pytest.raises(TypeError, match="parts is a list"):
        objective.finish(w, [first])
    with pytest.raises(TypeError, match="unsupported operand"):
        first + [objective.partial(w, block, 500)]


def test_no_rows_are_a_whole_too():
    objective = fl.linear.Objective(fl.SquaredError(), np.ones((0, 2)), np.ones(0))
    value, grad = objective.finish(np.ones(3), objective.partial(np.ones(3), 0, 0))
    assert (value, grad.tolist()) == (0.0, [0.0, 0.0, 0.0])
