# SPDX-License-Identifier: BSD-3-Clause
"""Properties that hold for all inputs, tried on inputs that hypothesis draws and shrinks.

Comparisons with known values live in the other test files.
"""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
from cases import CASES, DTYPES, eps_of
from hypothesis import given, settings

import fastloss as fl

# No deadline: the first call of a case may page in a kernel set on a busy machine.
settings.register_profile("losses", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("losses")

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
ROWS = [case for case in CASES if case.kind == "rows"]
seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 70)
classes = st.integers(1, 40)


def inputs(case, dtype, seed, n, c):
    rng = np.random.default_rng(seed)
    return *case.draw(rng, case.shape(n, c), dtype), rng


@st.composite
def tables(draw, dtype, low=-1e3, high=1e3, min_columns=1):
    """A table of finite numbers and a class for each of its rows."""
    shape = draw(st.tuples(st.integers(1, 8), st.integers(min_columns, 20)))
    width = 8 * np.dtype(dtype).itemsize
    bound = {"min_value": low, "max_value": high, "width": width, "allow_subnormal": False}
    pred = draw(hnp.arrays(dtype, shape, elements=st.floats(**bound)))
    target = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return pred, target


@each_case
@given(seed=seeds, n=lengths, c=classes)
def test_all_methods_return_one_value(case, seed, n, c):
    pred, target, _ = inputs(case, np.float32, seed, n, c)
    for reduction in case.reductions:
        loss = case.make(pred.shape, reduction=reduction)
        value, grad = loss.value_and_grad(pred, target)
        np.testing.assert_array_equal(loss.value(pred, target), value)
        if case.has_hess:
            again, grad_again, _ = loss.value_grad_hess(pred, target)
            np.testing.assert_array_equal(again, value)
            np.testing.assert_array_equal(grad_again, grad)


@each_case
@given(seed=seeds, n=lengths, c=classes)
def test_whole_weights_are_repeated_samples(case, seed, n, c):
    pred, target, rng = inputs(case, np.float64, seed, n, c)
    weight = rng.integers(0, 4, size=n)
    again = np.repeat(np.arange(n), weight)
    for reduction in set(case.reductions) - {"none"}:
        loss = case.make(pred.shape, reduction=reduction)
        value, grad = loss.value_and_grad(pred, target, sample_weight=weight)
        repeated, repeated_grad = loss.value_and_grad(pred[again], target[again])
        summed = np.zeros_like(grad)
        np.add.at(summed, again, repeated_grad)
        # Two sums of up to 210 losses in another order, and up to four rounded copies of a row.
        magnitude = np.abs(loss_terms(case, pred, target, weight, reduction)).sum()
        assert abs(value - repeated) <= (8 + again.size) * eps_of(float) * (magnitude + abs(value))
        np.testing.assert_allclose(grad, summed, rtol=16 * eps_of(float), atol=1e-300)


def loss_terms(case, pred, target, weight, reduction):
    if case.kind == "scalar":
        return np.zeros(1)
    terms = case.make(pred.shape, reduction="none").value(pred, target, sample_weight=weight)
    return terms if reduction == "sum" else terms / max(weight.sum() / 2, 0.5)


@each_case
@each_dtype
@given(seed=seeds, n=lengths, c=classes)
def test_permuting_the_samples_permutes_the_results(case, dtype, seed, n, c):
    pred, target, rng = inputs(case, dtype, seed, n, c)
    order = rng.permutation(n)
    loss = case.make(pred.shape, reduction=case.reductions[-1])
    value, grad = loss.value_and_grad(pred, target)
    permuted, permuted_grad = loss.value_and_grad(pred[order], target[order])
    if case.kind == "scalar":
        tolerance = n * eps_of(dtype)
        assert permuted == pytest.approx(value, rel=tolerance)
        np.testing.assert_allclose(permuted_grad, grad[order], rtol=tolerance)
        return
    np.testing.assert_array_equal(permuted, value[order])
    np.testing.assert_array_equal(permuted_grad, grad[order])


@each_case
@given(seed=seeds, n=lengths, c=classes)
def test_a_sample_does_not_depend_on_its_neighbours(case, seed, n, c):
    if case.kind == "scalar":
        assert case.reductions == ("mean",)  # its gradient divides by all of them
        return
    pred, target, _ = inputs(case, np.float32, seed, n, c)
    loss = case.make(pred.shape, reduction="none")
    whole = loss.value_grad_hess(pred, target)
    for part in (slice(0, 1), slice(n // 2, n), slice(n - 1, n)):
        alone = loss.value_grad_hess(pred[part], target[part])
        for a, b in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(a, b[part])


@pytest.mark.parametrize("case", [c for c in CASES if c.kind != "scalar"], ids=str)
@given(seed=seeds, n=lengths, c=classes)
def test_mean_times_the_weights_is_sum_is_the_sum_of_none(case, seed, n, c):
    pred, target, rng = inputs(case, np.float64, seed, n, c)
    weight = rng.random(n)
    shape = pred.shape if case.kind == "pointwise" else (n,)
    _, divisor = reference.weights(target, shape, case.params_for(pred.shape), weight)
    mean, total, none = (
        case.make(pred.shape, reduction=r)(pred, target, sample_weight=weight) for r in ("mean", "sum", "none")
    )
    tolerance = 2 * none.size * eps_of(float) * np.abs(none).sum()  # sums in another order
    assert abs(total - none.sum()) <= tolerance
    assert abs(mean * divisor.sum() - none.sum()) <= tolerance


@each_dtype
@given(data=st.data())
def test_softmax_does_not_see_a_shift_of_a_row(dtype, data):
    pred, target = data.draw(tables(dtype, -20, 20))
    shift = data.draw(st.integers(-64, 64))
    pred = np.round(pred * 64) / dtype(64)  # so that adding the shift is exact
    loss = fl.SoftmaxCrossEntropy(reduction="none")
    for a, b in zip(
        loss.value_grad_hess(pred, target),
        loss.value_grad_hess(pred + dtype(shift), target),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@each_dtype
@given(data=st.data())
def test_hinges_do_not_see_a_shift_of_a_row(dtype, data):
    pred, target = data.draw(tables(dtype, -20, 20))
    shift = data.draw(st.integers(-64, 64))
    pred = np.round(pred * 64) / dtype(64)
    for loss in (fl.MulticlassHinge(reduction="none"), fl.CrammerSingerHinge(reduction="none")):
        a = loss.value_and_grad(pred, target)
        b = loss.value_and_grad(pred + dtype(shift), target)
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@each_dtype
@given(data=st.data())
def test_gradients_sum_to_zero_over_the_classes(dtype, data):
    pred, target = data.draw(tables(dtype))
    for loss, unit in (
        (fl.SoftmaxCrossEntropy(reduction="none"), 1.0),
        (fl.SoftmaxCrossEntropy(label_smoothing=0.1, reduction="none"), 1.0),
        (fl.MulticlassHinge(reduction="none"), 1.0),
        (fl.MulticlassHinge(squared=True, reduction="none"), 4e3),  # 2 (z_j - z_y + 1)
        (fl.CrammerSingerHinge(reduction="none"), 1.0),
    ):
        grad = loss.value_and_grad(pred, target)[1].astype(float)
        c = pred.shape[1]
        # c numbers of at most this size, whose own row sum was rounded up to c times; exponents
        # of up to 2e3 add their own rounding to those that are not negligible, below 100.
        assert np.abs(grad.sum(axis=1)).max() <= unit * (c + 4) ** 2 * eps_of(dtype) * 10


@each_dtype
@given(data=st.data())
def test_permuting_the_classes_permutes_the_gradient(dtype, data):
    pred, target = data.draw(tables(dtype))
    order = np.array(data.draw(st.permutations(range(pred.shape[1]))))
    place = np.argsort(order)
    for loss in (fl.SoftmaxCrossEntropy(reduction="none"), fl.MulticlassHinge(reduction="none")):
        value, grad = loss.value_and_grad(pred, target)
        permuted, permuted_grad = loss.value_and_grad(pred[:, order], place[target])
        tolerance = (8 + pred.shape[1]) * eps_of(dtype)  # sums over the row in another order
        np.testing.assert_allclose(permuted, value, rtol=tolerance)
        np.testing.assert_allclose(permuted_grad, grad[:, order], rtol=tolerance, atol=1e-37)


@each_dtype
@given(data=st.data())
def test_probabilities_sum_to_one_and_their_largest_is_predicted(dtype, data):
    pred, _ = data.draw(tables(dtype))
    loss = fl.SoftmaxCrossEntropy()
    p = loss.predict_proba(pred).astype(float)
    assert ((p >= 0) & (p <= 1)).all()
    assert np.abs(p.sum(axis=1) - 1).max() <= pred.shape[1] * 4 * eps_of(dtype)
    assert (p[np.arange(len(p)), loss.predict(pred)] == p.max(axis=1)).all()


@each_dtype
@given(data=st.data())
def test_class_targets_are_one_hot_probabilities(dtype, data):
    pred, target = data.draw(tables(dtype, -50, 50))
    c = pred.shape[1]
    loss = fl.SoftmaxCrossEntropy(reduction="none")
    value, grad = loss.value_and_grad(pred, target)
    soft, soft_grad = loss.value_and_grad(pred, np.eye(c, dtype=dtype)[target])
    np.testing.assert_allclose(soft, value, rtol=(8 + c) * eps_of(dtype), atol=0)
    # p sum(q) - q cancels where p is near 1
    np.testing.assert_allclose(soft_grad, grad, rtol=(8 + c) * eps_of(dtype), atol=eps_of(dtype))


@each_dtype
@given(data=st.data())
def test_two_classes_are_the_binary_loss_of_the_difference(dtype, data):
    pred, target = data.draw(tables(dtype, -20, 20, min_columns=2))
    pred, target = np.round(pred[:, :2] * 64) / dtype(64), target % 2
    value, grad = fl.SoftmaxCrossEntropy(reduction="none").value_and_grad(pred, target)
    z = pred[:, 1] - pred[:, 0]
    binary, binary_grad = fl.BinaryCrossEntropy(reduction="none").value_and_grad(z, target)
    np.testing.assert_allclose(value, binary, rtol=8 * eps_of(dtype))
    np.testing.assert_allclose(grad[:, 1], binary_grad, rtol=8 * eps_of(dtype))
    hinge = fl.Hinge(reduction="none")(z, target)
    np.testing.assert_array_equal(fl.MulticlassHinge(reduction="none")(pred, target), hinge)
    np.testing.assert_array_equal(fl.CrammerSingerHinge(reduction="none")(pred, target), hinge)


@pytest.mark.parametrize("case", [c for c in CASES if c.draw.__name__ == "real_pair"], ids=str)
@each_dtype
@given(seed=seeds, n=lengths)
def test_regression_losses_are_least_where_pred_is_the_target(case, dtype, seed, n):
    pred, target, _ = inputs(case, dtype, seed, n, 1)
    loss = case.make(reduction=case.reductions[-1])
    least, grad = loss.value_and_grad(target, target)
    assert (grad == 0).all()
    assert np.all(loss(pred, target) >= least)


@pytest.mark.parametrize("name", ["SquaredError", "AbsoluteError", "Huber", "LogCosh", "EpsilonInsensitive"])
@each_dtype
@given(seed=seeds, n=lengths)
def test_symmetric_losses_are_even_and_their_gradients_odd(name, dtype, seed, n):
    pred, target = np.random.default_rng(seed).normal(size=(2, n)).astype(dtype)
    loss = getattr(fl, name)(reduction="none")
    value, grad = loss.value_and_grad(pred, target)
    swapped, swapped_grad = loss.value_and_grad(target, pred)
    np.testing.assert_array_equal(swapped, value)
    np.testing.assert_array_equal(swapped_grad, -grad)


@pytest.mark.parametrize("case", ROWS, ids=str)
@given(seed=seeds, n=lengths, c=classes)
def test_losses_of_rows_are_not_negative(case, seed, n, c):
    pred, target, _ = inputs(case, np.float32, seed, n, c)
    assert (case.make(pred.shape, reduction="none")(pred, target) >= 0).all()
