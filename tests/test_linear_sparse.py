# SPDX-License-Identifier: BSD-3-Clause
"""Linear models on sparse matrices against the same data as dense arrays.

Dense data are tested in test_linear.py.
"""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from linear_cases import IDS, LABELS, LOSSES, NUMBERS, make_data

import fastloss as fl


def make_sparse(kind, rng, n=60, d=7, dtype=np.float64, index=np.int32, container=sp.csr_array):
    """A sparse matrix with empty rows and columns, the same matrix as an array, and targets."""
    X, y = make_data(kind, rng, n, d, dtype)
    X[rng.uniform(size=X.shape) < 0.6] = 0
    X[5] = X[:, 2] = 0
    rows = container(X)
    return with_indices(rows, index), X, y


def with_indices(rows, index):
    """The same matrix with indices of another type, which SciPy's constructor would choose itself."""
    rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    return rows


def shuffled_with_duplicates(rows, rng):
    """The same matrix: each entry in two halves, an explicit zero in each row, all in random order."""
    data, indices, indptr = [], [], [0]
    for low, high in zip(rows.indptr[:-1], rows.indptr[1:]):
        values = np.concatenate([rows.data[low:high] / 2, rows.data[low:high] / 2, [0.0]])
        columns = np.concatenate([rows.indices[low:high], rows.indices[low:high], [0]])
        order = rng.permutation(len(values))
        data.append(values[order])
        indices.append(columns[order])
        indptr.append(indptr[-1] + len(values))
    return sp.csr_array((np.concatenate(data), np.concatenate(indices), indptr), shape=rows.shape)


def assert_same(objective, dense, w, eps=2.0**-52):
    """Equal but for the order of sums of some ten terms a row and n rows."""
    value, grad = objective(w)
    expected, expected_grad = dense(w)
    assert value == pytest.approx(expected, rel=100 * eps)
    np.testing.assert_allclose(grad, expected_grad, rtol=100 * eps, atol=100 * eps * np.abs(expected_grad).max())


@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix], ids=["array", "matrix"])
@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
def test_sparse_data_give_what_the_same_dense_data_give(loss, kind, container, rng):
    rows, X, y = make_sparse(kind, rng, container=container)
    weight = rng.uniform(size=len(y))
    options = dict(penalty=fl.L2(0.1), sample_weight=weight)
    objective, dense = fl.linear.Objective(loss, rows, y, **options), fl.linear.Objective(loss, X, y, **options)
    assert_same(objective, dense, rng.normal(size=objective.size))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [LABELS, NUMBERS])
def test_both_float_types_and_both_index_types_serve(kind, dtype, index, rng):
    rows, X, y = make_sparse(kind, rng, dtype=dtype, index=index)
    loss = fl.SoftmaxCrossEntropy() if kind == LABELS else fl.SquaredError()
    objective = fl.linear.Objective(loss, rows, y)
    assert objective.X.dtype == dtype
    assert_same(objective, fl.linear.Objective(loss, X, y), rng.normal(size=objective.size), float(np.finfo(dtype).eps))


def test_unsorted_indices_duplicates_and_explicit_zeros_serve_and_stay(rng):
    rows, X, y = make_sparse(LABELS, rng)
    messy = shuffled_with_duplicates(rows, rng)
    before = messy.data.copy(), messy.indices.copy(), messy.indptr.copy()
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), messy, y)
    assert_same(objective, fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y), rng.normal(size=objective.size))
    fl.linear.train(objective, epochs=1)
    for array, copy in zip((messy.data, messy.indices, messy.indptr), before):
        np.testing.assert_array_equal(array, copy)


def test_sparse_integers_and_bools_are_converted(rng):
    X = rng.integers(0, 2, (20, 4))
    w = rng.normal(size=5)
    expected = fl.linear.Objective(fl.SquaredError(), X, X[:, 0])
    for dtype in (np.int8, np.int64, np.bool_):
        objective = fl.linear.Objective(fl.SquaredError(), sp.csr_array(X.astype(dtype)), X[:, 0])
        assert objective.X.dtype == np.float64
        assert_same(objective, expected, w)


def test_float_data_are_shared():
    rows = sp.csr_array(np.eye(5, dtype=np.float32))
    objective = fl.linear.Objective(fl.SquaredError(), rows, np.ones(5))
    assert np.shares_memory(objective.X.data, rows.data)
    assert np.shares_memory(objective.X.indices, rows.indices)


@pytest.mark.parametrize("rows", [0, 3])
def test_matrices_without_entries_or_rows_serve(rows):
    objective = fl.linear.Objective(fl.SquaredError(), sp.csr_array((rows, 2)), np.ones(rows))
    value, grad = objective(np.zeros(3))
    assert value == (1.0 if rows else 0.0)
    np.testing.assert_array_equal(grad, [0, 0, -2.0 if rows else 0.0])


@pytest.mark.parametrize("make", [sp.csc_array, sp.coo_matrix, sp.lil_array, sp.dok_array], ids=lambda m: m.__name__)
def test_other_formats_are_refused(make):
    with pytest.raises(TypeError, match=r"X is a \w+, but must be dense or in CSR format: use \.tocsr\(\)"):
        fl.linear.Objective(fl.SquaredError(), make(np.eye(3)), np.ones(3))


@pytest.mark.skipif(sp.csr_array([1.0]).ndim != 1, reason="this SciPy has no sparse vectors")
def test_sparse_vectors_are_refused():
    with pytest.raises(ValueError, match=r"^Objective: X has shape \(3,\), but must be \(n, d\)$"):
        fl.linear.Objective(fl.SquaredError(), sp.csr_array([1.0, 0.0, 2.0]), np.ones(3))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_entries_that_are_not_finite_are_named_by_row_and_column(bad):
    X = np.zeros((4, 5))
    X[0, 1] = X[3, 4] = 1
    X[2, 3] = bad
    with pytest.raises(ValueError, match=rf"Objective: X\[2, 3\] is {bad}, but must be finite"):
        fl.linear.Objective(fl.SquaredError(), sp.csr_array(X), np.ones(4))


def test_damaged_matrices_are_refused():
    for array, place, value in (("indices", 0, 9), ("indices", 1, -1), ("indptr", 1, 9), ("indptr", 0, 1)):
        rows = sp.csr_array(np.eye(3))
        getattr(rows, array)[place] = value
        with pytest.raises(ValueError, match=r"X is a damaged csr_array"):
            fl.linear.Objective(fl.SquaredError(), rows, np.ones(3))
    with pytest.raises(TypeError, match=r"X\.data is an array of complex128"):
        fl.linear.Objective(fl.SquaredError(), sp.csr_array(np.eye(3) * 1j), np.ones(3))


def test_scipy_is_not_imported_for_dense_data():
    program = """
import sys, fastloss as fl
objective = fl.linear.Objective(fl.SquaredError(), [[1.0], [2.0]], [1.0, 3.0])
fl.linear.train(objective, epochs=1)
objective([0.0, 0.0])
sys.exit("scipy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_nothing_is_densified(rng):
    n, d = 100_000, 2_000
    rows = sp.random(n, d, density=0.002, format="csr", random_state=0)
    objective = fl.linear.Objective(fl.SquaredError(), rows, rng.normal(size=n))
    tracemalloc.start()
    objective(np.zeros(objective.size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000  # a block and its indices; one block alone, dense, would take 40 times as much


@pytest.mark.parametrize("batch_size", [1, 16, None])
def test_training_on_sparse_data_takes_the_path_of_dense_data(batch_size, rng):
    rows, X, y = make_sparse(LABELS, rng)
    options = dict(optimizer="sgd", lr=0.1, batch_size=batch_size, epochs=2)
    result = fl.linear.train(fl.linear.Objective(fl.SoftmaxCrossEntropy(), rows, y, penalty=fl.L2(0.01)), **options)
    dense = fl.linear.train(fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(0.01)), **options)
    np.testing.assert_allclose(result.w, dense.w, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(result.history["loss"], dense.history["loss"], rtol=1e-12)
