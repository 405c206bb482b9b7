# SPDX-License-Identifier: BSD-3-Clause
"""Objective.hessp against differences of the gradient, closed forms, 50 digits, and in SciPy's minimizers.

The gradient is tested in test_linear.py, and taken as right here.
"""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from linear_cases import COUNTS, IDS, LABELS, LOSSES, NUMBERS, SIGNS, make_data
from scipy.optimize import minimize
from scipy.special import softmax

import fastloss as fl

MORE = [
    (fl.SoftmaxCrossEntropy(label_smoothing=0.2, class_weight=[1.0, 0.5, 2.0, 0.3], ignore_index=1), LABELS),
    (fl.SoftmaxCrossEntropy(), "probabilities"),
    (fl.SoftmaxCrossEntropy(label_smoothing=0.2, class_weight=[1.0, 0.5, 2.0, 0.3]), "probabilities"),
    (fl.MulticlassHinge(), LABELS),
    (fl.CrammerSingerHinge(), LABELS),
    (fl.Focal(gamma=1.5, alpha=0.3), SIGNS),
    (fl.Huber(delta=0.7), NUMBERS),
    (fl.GaussianNLL(variance=2.0), NUMBERS),
    (fl.GammaNLL(shape=2.0), COUNTS),
    (fl.TweedieNLL(power=1.5), COUNTS),
    (fl.SquaredError(), "columns"),
    (fl.BinaryCrossEntropy(pos_weight=[1.0, 2.0, 3.0, 4.0]), "labels per column"),
]
ALL = LOSSES + MORE
ALL_IDS = IDS + [f"{loss!r} of {kind}" for loss, kind in MORE]


def any_data(kind, rng, n=50):
    if kind in (LABELS, NUMBERS, SIGNS, COUNTS):
        X, y = make_data(kind, rng, n)
        return X, y + (kind == COUNTS)
    make = {
        "probabilities": lambda: rng.dirichlet(np.ones(4), n),
        "columns": lambda: rng.normal(size=(n, 4)),
        "labels per column": lambda: rng.integers(0, 2, (n, 4)),
    }
    return rng.normal(size=(n, 5)), make[kind]()


def difference(objective, w, v, h=1e-5):
    """The derivative of the gradient along v: central differences at h and h/2, extrapolated to order 4."""

    def central(h):
        return (objective(w + h * v)[1] - objective(w - h * v)[1]) / (2 * h)

    return (4 * central(h / 2) - central(h)) / 3


def dense_hessian(objective, w):
    return np.column_stack([objective.hessp(w, e) for e in np.eye(objective.size)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "kind"), ALL, ids=ALL_IDS)
def test_product_is_the_derivative_of_the_gradient(loss, kind, weighted, fit_intercept, rng):
    X, y = any_data(kind, rng)
    weight = rng.uniform(size=len(y)) * (rng.uniform(size=len(y)) > 0.2) if weighted else None
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(0.3), fit_intercept=fit_intercept, sample_weight=weight)
    w, v = rng.normal(size=(2, objective.size))
    v /= np.linalg.norm(v)
    product = objective.hessp(w, v)
    # the rounding of the gradient, about 1e-15 times its size, divided by h = 1e-5, and several times that for safety;
    # a squared hinge may have one of its kinks between w - h v and w + h v: by chance one row of 50
    size = np.abs(product).max() + np.abs(objective(w)[1]).max()
    kinks = "squared" in loss._keywords() or "delta" in loss._keywords()
    assert np.abs(product - difference(objective, w, v)).max() < (1e-8 if not kinks else 1e-6) * size


@pytest.mark.parametrize(("loss", "kind"), ALL, ids=ALL_IDS)
def test_hessian_is_symmetric_and_does_not_depend_on_blocks(loss, kind, rng):
    X, y = any_data(kind, rng)
    objective = fl.linear.Objective(loss, X, y)
    w = rng.normal(size=objective.size)
    H = dense_hessian(objective, w)
    np.testing.assert_allclose(H, H.T, atol=1e-13 * max(np.abs(H).max(), 1))
    in_blocks = fl.linear.Objective(loss, X, y)
    in_blocks.block_rows = 7
    np.testing.assert_allclose(dense_hessian(in_blocks, w), H, atol=1e-13 * max(np.abs(H).max(), 1))


def test_softmax_hessian_is_the_kronecker_sum_of_its_rows(rng):
    """sum over rows of weight (diag(p) - p p^T) x (x, 1)(x, 1)^T, over the sum of the weights; then the penalty."""
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    class_weight, weight = np.array([1.0, 2.0, 0.5, 3.0]), rng.uniform(size=20)
    objective = fl.linear.Objective(
        fl.SoftmaxCrossEntropy(class_weight=class_weight), X, y, penalty=fl.L2(0.1), sample_weight=weight
    )
    w = rng.normal(size=objective.size)
    coef, intercept = objective.unpack(w)
    expected = np.zeros((16, 16))
    for x, label, s in zip(X, y, weight):
        p = softmax(coef @ x + intercept)
        ones = np.append(x, 1.0)
        expected += s * class_weight[label] * np.kron(np.diag(p) - np.outer(p, p), np.outer(ones, ones))
    expected /= (weight * class_weight[y]).sum()
    penalty = np.tile([0.2, 0.2, 0.2, 0.0], 4)
    order = np.concatenate([np.arange(16).reshape(4, 4)[:, :3].ravel(), np.arange(16).reshape(4, 4)[:, 3]])
    expected = (expected + np.diag(penalty))[np.ix_(order, order)]
    np.testing.assert_allclose(dense_hessian(objective, w), expected, rtol=1e-12, atol=1e-15)


def test_squared_error_hessian_is_constant(rng):
    X = rng.normal(size=(30, 4))
    objective = fl.linear.Objective(fl.SquaredError(half=True), X, rng.normal(size=30), penalty=fl.L2(1.5, half=True))
    ones = np.column_stack([X, np.ones(30)])
    expected = ones.T @ ones / 30 + np.diag([1.5] * 4 + [0])
    for w in rng.normal(size=(2, 5)):
        np.testing.assert_allclose(dense_hessian(objective, w), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "formula", "target"),
    [
        (fl.BinaryCrossEntropy(), lambda z, y: mpmath.log(1 + mpmath.exp(z)) - y * z, 1.0),
        (fl.LogCosh(), lambda z, y: mpmath.log(mpmath.cosh(z - y)), 0.3),
        (fl.PoissonNLL(), lambda z, y: mpmath.exp(z) - y * z, 2.0),
        (fl.SquaredError(), lambda z, y: (z - y) ** 2, 0.3),
        (fl.RootMeanSquaredError(), lambda z, y: mpmath.sqrt(((z - y) ** 2 + (2 * z - y) ** 2) / 2), 0.3),
    ],
    ids=lambda x: type(x).__name__,
)
def test_second_derivative_in_one_coefficient_is_that_of_50_digits(loss, formula, target):
    """One feature, no intercept, so that the Hessian is a number: the second derivative of the value in it."""
    root = isinstance(loss, fl.RootMeanSquaredError)
    X = [[1.0], [2.0]] if root else [[1.0]]
    objective = fl.linear.Objective(loss, X, [target] * len(X), fit_intercept=False)
    for w in (-3.0, 0.125, 2.5):
        with mpmath.workdps(50):
            expected = float(mpmath.diff(lambda z: formula(z, mpmath.mpf(target)), mpmath.mpf(w), 2))
        assert objective.hessp(np.array([w]), np.ones(1))[0] == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_learned_variance_has_its_cross_terms():
    """One row, x = 1: the Hessian in (m, k) is [[e, -r e], [-r e, r^2 e / 2]]."""
    objective = fl.linear.Objective(fl.GaussianNLL(variance=None), [[1.0]], [0.5], fit_intercept=False)
    m, k = 2.0, 0.7
    r, e = m - 0.5, np.exp(-k)
    np.testing.assert_allclose(dense_hessian(objective, np.array([m, k])), [[e, -r * e], [-r * e, r * r * e / 2]])


def test_root_has_no_second_derivative_at_zero_and_gives_zero():
    objective = fl.linear.Objective(fl.RootMeanSquaredError(), [[1.0], [2.0]], [1.0, 2.0])
    np.testing.assert_array_equal(objective.hessp(np.array([1.0, 0.0]), np.ones(2)), 0)


def test_piecewise_linear_losses_have_the_hessian_of_their_penalty(rng):
    for loss in (fl.AbsoluteError(), fl.Pinball(quantile=0.3), fl.EpsilonInsensitive()):
        X, y = make_data(NUMBERS, rng)
        v = rng.normal(size=6)
        for penalty, expected in (
            (None, 0 * v),
            (fl.L1(0.3), 0 * v),
            (fl.L2(0.3), 0.6 * v),
            (fl.ElasticNet(l1=1.0, l2=0.3), 0.6 * v),
        ):
            product = fl.linear.Objective(loss, X, y, penalty=penalty).hessp(rng.normal(size=6), v)
            np.testing.assert_allclose(product, np.append(expected[:5], 0), rtol=1e-15)


def test_penalties_give_their_hessian_product():
    w, v = np.array([1.0, 0.0, np.nan]), np.array([1.0, -2.0, 3.0], np.float32)
    np.testing.assert_array_equal(fl.L1(0.5).hessp(w, v), np.zeros(3))
    np.testing.assert_array_equal(fl.L2(0.5, half=True).hessp(w, v), 0.5 * v)
    product = fl.ElasticNet(l1=1.0, l2=0.5).hessp(w, v)
    np.testing.assert_array_equal(product, v)
    assert product.dtype == np.float32
    assert not np.shares_memory(product, v)
    np.testing.assert_array_equal(fl.L2(0.0).hessp(w, np.full(3, np.nan)), 0)
    with pytest.raises(ValueError, match=r"L2: v has shape \(2,\), but w has \(3,\)"):
        fl.L2(0.5).hessp(w, v[:2])


def test_custom_penalties_serve_if_they_have_a_product():
    class Cubic:
        def add_grad(self, w, dw):
            dw += 3 * w**2
            return (w**3).sum()

    class CubicToTheSecond(Cubic):
        def hessp(self, w, v):
            return 6 * w * v

    data = (fl.SquaredError(), np.zeros((3, 2)), np.zeros(3))
    w, v = np.array([1.0, 2.0, 0.0]), np.array([1.0, 10.0, 0.0])
    with pytest.raises(TypeError, match=r"penalty is a Cubic, but must have hessp\(W, V\)"):
        fl.linear.Objective(*data, penalty=Cubic()).hessp(w, v)
    objective = fl.linear.Objective(*data, penalty=CubicToTheSecond())
    np.testing.assert_allclose(objective.hessp(w, v), [6, 120, 0])


def test_weight_zero_leaves_a_row_out_whatever_it_holds(rng):
    X, y = make_data(LABELS, rng)
    X = np.vstack([X, np.full((1, 5), 1e308)])
    weight = np.append(np.ones(50), 0)
    for loss in (
        fl.SoftmaxCrossEntropy(),
        fl.SoftmaxCrossEntropy(label_smoothing=0.1),
        fl.MulticlassHinge(squared=True),
    ):
        w, v = rng.normal(size=(2, 24))
        product = fl.linear.Objective(loss, X, np.append(y, 0), sample_weight=weight).hessp(w, v)
        np.testing.assert_allclose(product, fl.linear.Objective(loss, X[:50], y).hessp(w, v), rtol=1e-12, atol=1e-14)


def test_sparse_data_and_float32_serve(rng):
    X, y = make_data(LABELS, rng)
    X[X < 0.3] = 0
    w, v = rng.normal(size=(2, 24))
    expected = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y).hessp(w, v)
    sparse = fl.linear.Objective(fl.SoftmaxCrossEntropy(), sp.csr_array(X), y).hessp(w, v)
    np.testing.assert_allclose(sparse, expected, rtol=1e-12, atol=1e-15)
    narrow = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X.astype(np.float32), y)
    assert narrow.hessp(w.astype(np.float32), v).dtype == np.float32
    np.testing.assert_allclose(narrow.hessp(w, v), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov"])
def test_newton_methods_of_scipy_reach_the_minimum(method, rng):
    X, y = make_data(LABELS, rng, n=200)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(0.01))
    start = np.zeros(objective.size)
    found = minimize(objective, start, jac=True, hessp=objective.hessp, method=method)
    reference = minimize(objective, start, jac=True, options={"gtol": 1e-8})
    assert found.nit < 30
    assert found.fun == pytest.approx(reference.fun, rel=1e-6)


def test_vectors_of_another_size_are_refused():
    objective = fl.linear.Objective(fl.SquaredError(), np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match=r"v has shape \(2,\), but must have shape \(3,\)"):
        objective.hessp(np.ones(3), np.ones(2))
