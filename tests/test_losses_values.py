# SPDX-License-Identifier: BSD-3-Clause
"""Every case against the reference: sizes, reductions, weights, predictions, hand values.

Extremes live in test_losses_exact.py and test_losses_special.py, layouts in
test_losses_arguments.py.
"""

import numpy as np
import pytest
import reference
from cases import CASES, DTYPES, assert_within, eps_of
from scipy.special import expit, softmax

import fastloss as fl

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

# From nothing to two vectors of sixteen and one element more, then several blocks and chunks.
LENGTHS = (*range(34), 100, 1000, 4097, 20000)
# (rows, classes): short, vector-sized and long rows; less, as many and more rows than lanes.
TABLES = [
    *((n, 3) for n in (*range(34), 65, 1000)),
    *((n, c) for c in (1, 2, 5, 10, 11, 12, 16, 17, 24, 25, 32, 33, 64, 65, 100, 128, 129) for n in (1, 7, 16, 33)),
    *((n, 10) for n in (2, 15, 17, 31, 32, 64, 200)),
    (1, 1000),
    (13, 1000),
    (3, 4099),
]


def shapes_of(case):
    if case.kind == "pair":
        return [(n, 2) for n in LENGTHS[:-1]]
    if case.kind == "rows":
        return TABLES
    return [(n, 3) for n in (*range(34), 700)] if case.per_column else [(n,) for n in LENGTHS]


def assert_reduced(case, reduction, pred, target, sample_weight, got):
    """Compare (value, grad[, hess]) with the reference, each within the case's bound.

    The bounds are doubled, for float64's reference obeys them too and no better. Weights cost up
    to 3 ULP more: one for the factor w/sum(w), one for its cast, one for the product. Sums of n
    doubles, of the losses and of the weights, in two orders, are apart by n eps at most.
    """
    wanted = case.reference(pred, target, sample_weight, reduction)
    if case.kind == "scalar":
        value, grad, _ = wanted
        size = max(pred.size, 1)
        eps = eps_of(pred.dtype)
        # Half of the relative error of the mean square; the gradient divides by the root.
        assert_within(got[0], value, 4 * eps * value, f"{case} value")
        assert_within(got[1], grad, 8 * eps * np.abs(grad) + 1e-45 / size, f"{case} grad")
        return
    params = case.params_for(pred.shape)
    y = target.astype(float) if target.dtype.kind == "f" else target
    with np.errstate(all="ignore"):
        unreduced = reference.LOSSES[case.name](pred.astype(float), y, **params)
    ulps = 4 if reduction == "none" and sample_weight is None and not params else 7
    bounds = case.bounds(pred, target, unreduced, ulps)
    factor, divisor = reference.weights(target, unreduced[0].shape, params, sample_weight)
    bounds = reference.reduce(
        *(2 * b * np.ones_like(u) for b, u in zip(bounds, unreduced, strict=True)),
        factor,
        reduction,
        divisor,
    )
    least = np.finfo(pred.dtype).smallest_subnormal  # what a product that underflows may lose
    sums = 0.0 if reduction == "none" else factor.size * eps_of(float)
    for what, g, want, bound in zip(("value", "grad", "hess"), got, wanted, bounds, strict=True):
        where = f"{case} {what} {reduction} {pred.shape}"
        assert_within(g, want, bound + sums * np.abs(want) + least, where)


def assert_shapes_and_types(case, reduction, pred, got):
    value, *derivatives = got
    for derivative in derivatives:
        assert derivative.dtype == pred.dtype and derivative.shape == pred.shape
    if reduction == "none":
        shape = pred.shape if case.kind == "pointwise" else pred.shape[:1]
        assert value.dtype == pred.dtype and value.shape == shape
    else:
        assert type(value) is float


def all_outputs(case, loss, *args, **kwargs):
    """value_grad_hess, or value_and_grad where there is no Hessian."""
    method = loss.value_grad_hess if case.has_hess else loss.value_and_grad
    return method(*args, **kwargs)


@each_case
@each_dtype
def test_value_gradient_and_hessian_agree_with_the_reference(case, dtype, rng, kernel_target):
    for shape in shapes_of(case):
        pred, target = case.draw(rng, shape, dtype)
        for reduction in case.reductions if pred.size < 5000 else case.reductions[-1:]:
            loss = case.make(shape, reduction=reduction)
            got = all_outputs(case, loss, pred, target)
            assert_shapes_and_types(case, reduction, pred, got)
            assert_reduced(case, reduction, pred, target, None, got)


@each_case
@each_dtype
def test_every_method_returns_the_same_bits(case, dtype, rng, kernel_target):
    for shape in [case.shape(0), case.shape(5, 4), case.shape(37, 10), case.shape(2100, 33)]:
        pred, target = case.draw(rng, shape, dtype)
        weight = rng.random(shape[0])
        for reduction in case.reductions:
            loss = case.make(shape, reduction=reduction)
            for kwargs in ({}, {"sample_weight": weight}):
                value, grad = loss.value_and_grad(pred, target, **kwargs)
                np.testing.assert_array_equal(loss(pred, target, **kwargs), value)
                np.testing.assert_array_equal(loss.value(pred, target, **kwargs), value)
                if case.has_hess:
                    value2, grad2, _ = loss.value_grad_hess(pred, target, **kwargs)
                    np.testing.assert_array_equal(value2, value)
                    np.testing.assert_array_equal(grad2, grad)


@each_case
@each_dtype
def test_sample_weights_agree_with_the_reference(case, dtype, rng, kernel_target):
    for shape in [case.shape(n, c) for n, c in ((1, 1), (2, 3), (17, 10), (33, 40), (1500, 4))]:
        pred, target = case.draw(rng, shape, dtype)
        weight = np.where(rng.random(shape[0]) < 0.3, 0.0, rng.random(shape[0]).astype(dtype))
        for reduction in case.reductions:
            loss = case.make(shape, reduction=reduction)
            got = all_outputs(case, loss, pred, target, sample_weight=weight)
            assert_shapes_and_types(case, reduction, pred, got)
            assert_reduced(case, reduction, pred, target, weight, got)


@pytest.mark.parametrize("case", [c for c in CASES if c.kind in ("pointwise", "scalar")], ids=str)
@each_dtype
def test_tables_take_a_weight_per_sample_or_per_element(case, dtype, rng, kernel_target):
    shape = (11, 5)
    pred, target = case.draw(rng, shape, dtype)
    per_sample = rng.integers(0, 4, size=11) / 4
    per_element = rng.integers(0, 4, size=shape) / 4
    for reduction in case.reductions:
        loss = case.make(shape, reduction=reduction)
        for weight in (per_sample, per_element):
            got = all_outputs(case, loss, pred, target, sample_weight=weight)
            assert_reduced(case, reduction, pred, target, weight, got)


@each_case
@each_dtype
def test_nothing_of_a_sample_without_weight_is_used(case, dtype, rng, kernel_target):
    shape = case.shape(35, 4)
    pred, target = case.draw(rng, shape, dtype)
    weight = np.ones(35)
    weight[[0, 3, 20, 34]] = 0.0
    spoiled = pred.copy()
    spoiled[[0, 20, 34]] = np.nan
    spoiled[3] = np.inf
    for reduction in case.reductions:
        loss = case.make(shape, reduction=reduction)
        clean = all_outputs(case, loss, pred, target, sample_weight=weight)
        got = all_outputs(case, loss, spoiled, target, sample_weight=weight)
        for a, b in zip(clean, got, strict=True):
            np.testing.assert_array_equal(a, b)
        for derivative in got[1:]:
            assert (derivative[[0, 3, 20, 34]] == 0).all()
        if reduction == "none":
            assert (got[0][[0, 3, 20, 34]] == 0).all()


@each_case
@each_dtype
def test_without_any_weight_or_sample_the_value_and_gradient_are_zero(case, dtype, rng):
    pred, target = case.draw(rng, case.shape(9, 4), dtype)
    pred[2] = np.nan
    for reduction in case.reductions:
        loss = case.make(pred.shape, reduction=reduction)
        value, grad = loss.value_and_grad(pred, target, sample_weight=np.zeros(9))
        assert np.all(value == 0) and np.all(grad == 0)
        value, grad = loss.value_and_grad(pred[:0], target[:0])
        assert np.shape(grad) == pred[:0].shape
        assert np.shape(value) == (0,) if reduction == "none" and case.kind == "pair" else True
        assert np.sum(value) == 0.0


@pytest.mark.parametrize("case", [c for c in CASES if "ignore_index" in c.params], ids=str)
@each_dtype
def test_ignored_samples_give_zero_and_do_not_count(case, dtype, rng, kernel_target):
    ignore = case.params["ignore_index"]
    shape = (40, 7)
    pred, target = case.draw(rng, shape, dtype)
    target[[0, 5, 39]] = ignore
    pred[5] = np.nan
    kept = target != ignore
    for reduction in case.reductions:
        loss = case.make(shape, reduction=reduction)
        value, grad, hess = loss.value_grad_hess(pred, target)
        only, only_grad, only_hess = loss.value_grad_hess(pred[kept], target[kept])
        assert (grad[~kept] == 0).all() and (hess[~kept] == 0).all()
        np.testing.assert_array_equal(grad[kept], only_grad)
        np.testing.assert_array_equal(hess[kept], only_hess)
        if reduction == "none":
            assert (value[~kept] == 0).all()
            np.testing.assert_array_equal(value[kept], only)
        else:
            np.testing.assert_allclose(value, only, rtol=kept.sum() * eps_of(dtype))
        nothing = loss.value(pred, np.full(40, ignore))
        assert np.all(nothing == 0)


@pytest.mark.parametrize("case", [c for c in CASES if c.kind != "scalar"], ids=str)
def test_mean_is_the_sum_of_none_over_the_sum_of_weights(case, rng, kernel_target):
    shape = case.shape(50, 6)
    pred, target = case.draw(rng, shape, np.float64)
    weight = rng.random(50)
    _, divisor = reference.weights(
        target, shape if case.kind == "pointwise" else shape[:1], case.params_for(shape), weight
    )
    value = {
        reduction: case.make(shape, reduction=reduction)(pred, target, sample_weight=weight)
        for reduction in case.reductions
    }
    eps = eps_of(float) * divisor.size  # sums in another order
    magnitude = np.abs(value["none"]).sum()
    assert abs(value["sum"] - value["none"].sum()) <= eps * magnitude
    assert abs(value["mean"] - value["none"].sum() / divisor.sum()) <= eps * magnitude / divisor.sum()


# ---- the root of the mean square


@each_dtype
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_rmse_neither_overflows_nor_underflows(dtype, scale, kernel_target):
    scale = dtype(scale if dtype is np.float64 else scale ** (1 / 9))
    pred = np.arange(-20, 21).astype(dtype) * scale
    value, grad = fl.RootMeanSquaredError().value_and_grad(pred, np.zeros_like(pred))
    # Each of 41 squares and additions costs half an eps at most, and the root halves their sum.
    tolerance = 41 * eps_of(dtype)
    assert value == pytest.approx(np.sqrt(140.0) * float(scale), rel=tolerance)
    np.testing.assert_allclose(grad, np.arange(-20, 21) / (41 * np.sqrt(140.0)), rtol=tolerance)


def test_rmse_of_equal_arrays_has_value_and_gradient_zero(kernel_target):
    value, grad = fl.RootMeanSquaredError().value_and_grad(np.ones(20), np.ones(20))
    assert value == 0.0 and (grad == 0).all()


def test_rmse_has_no_hessian_and_says_why():
    with pytest.raises(NotImplementedError, match=r"^RootMeanSquaredError: value_grad_hess .*Hessian"):
        fl.RootMeanSquaredError().value_grad_hess(np.ones(3), np.zeros(3))


# ---- predictions


@pytest.mark.parametrize("loss", [fl.SoftmaxCrossEntropy(), fl.MulticlassHinge(), fl.CrammerSingerHinge()], ids=repr)
def test_no_class_can_be_predicted_where_there_is_none(loss):
    with pytest.raises(ValueError, match=r"^\w+: pred has shape \(3, 0\), but predict needs at least one class$"):
        loss.predict(np.ones((3, 0)))
    assert loss.predict(np.ones((0, 3))).shape == (0,)


@each_case
@each_dtype
def test_predict_gives_the_class_or_the_mean(case, dtype, rng, kernel_target):
    pred, _ = case.draw(rng, case.shape(53, 4), dtype)
    got = case.make(pred.shape).predict(pred)
    if case.kind == "rows":
        assert got.dtype.kind == "i"
        np.testing.assert_array_equal(got, np.argmax(pred, axis=1))
    elif case.name in ("BinaryCrossEntropy", "Focal", "Hinge"):
        middle = 0.5 if case.params.get("from_logits") is False else 0.0
        low = -1 if case.name == "Hinge" else 0
        assert got.dtype.kind == "i"
        np.testing.assert_array_equal(got, np.where(pred > middle, 1, low))
    elif case.name in ("PoissonNLL", "ExponentialNLL", "GammaNLL", "TweedieNLL"):
        mean = np.exp(pred.astype(float)) if case.params.get("log_input", True) else pred
        assert got.dtype == dtype
        assert_within(got, mean, 4 * np.spacing(mean.astype(dtype)), str(case))
    else:
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, pred[:, 0] if case.kind == "pair" else pred)


DISCRETE = [c for c in CASES if c.name in ("BinaryCrossEntropy", "Focal", "SoftmaxCrossEntropy")]


@pytest.mark.parametrize("case", DISCRETE, ids=str)
@each_dtype
def test_predict_proba_gives_the_probabilities(case, dtype, rng, kernel_target):
    for n in (0, 1, 33, 100):
        pred, _ = case.draw(rng, case.shape(n, 7), dtype)
        got = case.make(pred.shape).predict_proba(pred)
        assert got.dtype == dtype and got.shape == pred.shape
        z = pred.astype(float)
        if case.kind == "rows":
            want, eps = softmax(z, axis=1), eps_of(dtype)
            # exp(z_k - m) with a rounded exponent of at most 30, and a sum of 7 terms
            assert_within(got, want, 4 * eps * want + eps * (30 / 2 + 7 / 2) * want, str(case))
        else:
            want = z if case.params.get("from_logits") is False else expit(z)
            assert_within(got, want, 4 * np.spacing(want.astype(dtype)), str(case))


@pytest.mark.parametrize("case", [c for c in CASES if c not in DISCRETE], ids=str)
def test_predict_proba_is_absent_where_there_are_no_classes_or_no_distribution(case):
    assert not hasattr(case.make((4, 4)), "predict_proba")


@each_dtype
def test_ties_are_predicted_as_the_lowest_class(dtype, kernel_target):
    tie = np.zeros(5, dtype)
    assert fl.BinaryCrossEntropy().predict(tie).tolist() == [0] * 5
    assert fl.BinaryCrossEntropy(from_logits=False).predict(tie + dtype(0.5)).tolist() == [0] * 5
    assert fl.Focal().predict(tie).tolist() == [0] * 5
    assert fl.Hinge().predict(tie).tolist() == [-1] * 5
    table = np.array([[1, 2, 2], [3, 3, 3], [0, -1, 0]], dtype)
    for loss in (fl.SoftmaxCrossEntropy(), fl.MulticlassHinge(), fl.CrammerSingerHinge()):
        assert loss.predict(table).tolist() == [1, 0, 0]


# ---- values worked by hand

IMAGES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
LABELS = np.array([0, 1, 2])  # a cat, a car, a frog


@each_dtype
def test_lecture_example_of_the_multiclass_hinge(dtype, kernel_target):
    pred, eps = IMAGES.astype(dtype), 16 * eps_of(dtype)  # of sums up to 16
    hinge = fl.MulticlassHinge(reduction="none")
    np.testing.assert_allclose(hinge(pred, LABELS), [2.9, 0.0, 12.9], atol=eps)
    assert fl.MulticlassHinge()(pred, LABELS) == pytest.approx(15.8 / 3, abs=eps)
    assert round(fl.MulticlassHinge()(pred, LABELS), 2) == 5.27
    _, grad = hinge.value_and_grad(pred, LABELS)
    assert grad.tolist() == [[-1, 1, 0], [0, 0, 0], [1, 1, -2]]


@each_dtype
def test_lecture_example_of_the_softmax(dtype, kernel_target):
    pred = IMAGES[:1].astype(dtype)
    assert round(float(fl.SoftmaxCrossEntropy().predict_proba(pred)[0, 0]), 2) == 0.13
    assert round(fl.SoftmaxCrossEntropy()(pred, LABELS[:1]), 2) == 2.04


def test_what_if_the_sum_ran_over_all_classes_it_would_add_the_margin(kernel_target):
    for margin in (1.0, 100.0):
        own = IMAGES[np.arange(3), LABELS]
        over_all = np.maximum(0, IMAGES - own[:, None] + margin).sum(axis=1)
        value = fl.MulticlassHinge(margin=margin, reduction="none")(IMAGES, LABELS)
        np.testing.assert_allclose(over_all, value + margin, rtol=8 * eps_of(float))


def test_what_if_the_mean_replaced_the_sum_it_would_divide_by_the_wrong_classes(kernel_target):
    own = IMAGES[np.arange(3), LABELS]
    wrong = np.arange(3) != LABELS[:, None]
    means = [np.maximum(0, row - s + 1)[w].mean() for row, s, w in zip(IMAGES, own, wrong, strict=True)]
    value = fl.MulticlassHinge(reduction="none")(IMAGES, LABELS)
    np.testing.assert_allclose(means, value / 2, rtol=8 * eps_of(float))


def test_what_if_the_hinges_were_squared(kernel_target):
    value = fl.MulticlassHinge(squared=True, reduction="none")(IMAGES, LABELS)
    np.testing.assert_allclose(value, [2.9**2, 0.0, 6.3**2 + 6.6**2], rtol=1e-15 * 16)


def test_what_if_the_margin_were_100(kernel_target):
    value = fl.MulticlassHinge(margin=100.0, reduction="none")(IMAGES, LABELS)
    by_hand = [101.9 + 95.1, 96.4 + 97.1, 105.3 + 105.6]
    np.testing.assert_allclose(value, by_hand, rtol=8 * eps_of(float))


def test_a_car_a_little_off_still_costs_nothing(kernel_target):
    for change in (-0.5, 0.5):
        assert fl.MulticlassHinge()([[1.3, 4.9 + change, 2.0]], [1]) == 0.0


@pytest.mark.parametrize("c", [2, 3, 10, 1000])
def test_scores_of_zero_cost_one_per_wrong_class(c, kernel_target):
    pred, target = np.zeros((6, c)), np.arange(6) % c
    assert fl.MulticlassHinge()(pred, target) == c - 1
    assert fl.CrammerSingerHinge()(pred, target) == 1
    assert fl.SoftmaxCrossEntropy()(pred, target) == pytest.approx(np.log(c), rel=4e-16)


@each_dtype
def test_one_class_costs_nothing(dtype, kernel_target):
    for name in ("SoftmaxCrossEntropy", "MulticlassHinge", "CrammerSingerHinge"):
        value, grad, hess = getattr(fl, name)().value_grad_hess(np.full((4, 1), dtype(7)), [0] * 4)
        assert value == 0.0 and (grad == 0).all() and (hess == 0).all()


@each_dtype
def test_kinks_have_the_gradient_of_the_flat_side(dtype, kernel_target):
    n = 19
    zero, one = np.zeros(n, dtype), np.ones(n, dtype)
    for loss in (fl.AbsoluteError(), fl.Pinball(quantile=0.9), fl.Huber()):
        assert (loss.value_and_grad(one, one)[1] == 0).all()
    for squared in (False, True):
        hinge = fl.Hinge(squared=squared, reduction="none")
        for part in hinge.value_grad_hess(one, np.ones(n, int)):
            assert (part == 0).all()
        tube = fl.EpsilonInsensitive(epsilon=0.25, squared=squared, reduction="none")
        for part in tube.value_grad_hess(zero + dtype(0.25), zero):
            assert (part == 0).all()
    rows = np.zeros((n, 3), dtype)
    rows[:, 1] = 1
    for loss in (fl.MulticlassHinge(), fl.MulticlassHinge(squared=True), fl.CrammerSingerHinge()):
        assert (loss.value_and_grad(rows, np.full(n, 1))[1] == 0).all()


@each_dtype
def test_huber_is_quadratic_up_to_and_at_delta(dtype, kernel_target):
    r = np.array([-3, -2, -1, 0, 1, 2, 3] * 5, dtype)
    value, grad, hess = fl.Huber(delta=2.0, reduction="none").value_grad_hess(r, np.zeros_like(r))
    assert value.tolist() == [4, 2, 0.5, 0, 0.5, 2, 4] * 5
    assert grad.tolist() == [-2, -2, -1, 0, 1, 2, 2] * 5
    assert hess.tolist() == [0, 1, 1, 1, 1, 1, 0] * 5


@each_dtype
def test_worst_class_is_the_first_of_equals(dtype, kernel_target):
    for c in (3, 10, 17, 40):
        pred = np.zeros((5, c), dtype)
        pred[:, -2:] = 4
        loss = fl.CrammerSingerHinge(reduction="sum")
        value, grad = loss.value_and_grad(pred, np.zeros(5, int))
        first = c - 2 if c > 2 else 1
        assert value == 25.0
        assert (np.argmax(grad, axis=1) == first).all() and (grad[:, first] == 1).all()
        assert (grad[:, 0] == -1).all() and np.abs(grad).sum() == 10


def test_only_the_sign_of_a_hinge_target_counts(rng, kernel_target):
    pred = rng.normal(size=40)
    target = rng.choice([-7.0, -1.0, -0.0, 0.0, 1e-30, 3.0, np.nan], size=40)
    signs = np.where(target > 0, 1, -1)
    value, grad = fl.Hinge(reduction="none").value_and_grad(pred, target)
    want, want_grad = fl.Hinge(reduction="none").value_and_grad(pred, signs)
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(grad, want_grad)


@each_dtype
def test_softmax_of_nearly_equal_logits_has_one_maximum(dtype, kernel_target):
    """exp(z - m) is 1 for a logit below m too, when both are tiny: only one of them is m."""
    for c in (2, 3, 10, 17, 40):
        pred = np.zeros((5, c), dtype)
        pred[:, c // 2] = 1e-30
        target = np.full(5, c // 2)
        for a, y in ((0.0, target), (0.25, target), (0.0, np.eye(c, dtype=dtype)[target])):
            loss = fl.SoftmaxCrossEntropy(label_smoothing=a, reduction="none")
            value, grad = loss.value_and_grad(pred, y)
            want = np.full((5, c), 1 / c - a / c)
            want[:, c // 2] -= 1 - a
            np.testing.assert_allclose(grad, want, rtol=2 * (4 + c) * eps_of(dtype))
            np.testing.assert_allclose(value, np.log(c), rtol=(4 + c) * eps_of(dtype))


@each_dtype
def test_a_tiny_softmax_loss_keeps_its_digits(dtype, kernel_target):
    value, grad = fl.SoftmaxCrossEntropy().value_and_grad(np.array([[0, -30]], dtype), [0])
    assert value == pytest.approx(np.exp(-30.0), rel=4 * eps_of(dtype))
    assert grad[0, 0] == -grad[0, 1] == pytest.approx(-np.exp(-30.0), rel=4 * eps_of(dtype))


@each_dtype
@pytest.mark.parametrize("c", [3, 30, 50, 200])
def test_tiny_weights_keep_the_digits_of_softmax(dtype, c, rng, kernel_target):
    pred, target = rng.normal(size=(5, c)).astype(dtype), rng.integers(c, size=5)
    weight = np.full(5, 1e-30 if dtype == np.float32 else 1e-160, dtype)
    _, grad = fl.SoftmaxCrossEntropy(reduction="sum").value_and_grad(pred, target, sample_weight=weight)
    share = softmax(pred.astype(float), axis=1)
    share[np.arange(5), target] -= 1
    np.testing.assert_allclose(grad, share * weight[:, None].astype(float), rtol=16 * eps_of(dtype))


@each_dtype
@pytest.mark.parametrize("c", [3, 30, 50, 200])
def test_classes_far_below_add_exactly_nothing(dtype, c, kernel_target):
    """Whatever the weight: their exponentials are 0, not the smallest number that a kernel holds."""
    pred = np.full((5, c), -1000.0 if dtype == np.float32 else -5000.0, dtype)
    pred[:, 1] = 0
    weight = np.full(5, 2.0**30, dtype)
    loss = fl.SoftmaxCrossEntropy(reduction="sum")
    value, grad = loss.value_and_grad(pred, np.ones(5, int), sample_weight=weight)
    assert value == 0
    np.testing.assert_array_equal(grad, 0)
    _, grad = loss.value_and_grad(pred, np.zeros(5, int), sample_weight=weight)
    np.testing.assert_array_equal(grad[:, :3], np.tile([-(2.0**30), 2.0**30, 0], (5, 1)))


def test_relations_between_the_likelihoods(rng, kernel_target):
    z, y = rng.normal(size=50), rng.exponential(size=50)
    eps = 8 * eps_of(float) * 50
    assert fl.GammaNLL(reduction="sum")(z, y) == pytest.approx(fl.ExponentialNLL(reduction="sum")(z, y), rel=eps)
    assert fl.ExponentialNLL()(z, y) == pytest.approx(fl.ExponentialNLL(log_input=False)(np.exp(z), y), rel=eps)
    assert fl.Focal(gamma=0.0)(z, y > 1) == pytest.approx(fl.BinaryCrossEntropy()(z, y > 1), rel=eps)
    half_square = fl.SquaredError(half=True)(z, y)
    assert fl.GaussianNLL(full=True)(z, y) == pytest.approx(half_square + np.log(2 * np.pi) / 2, rel=eps)
    in_lambda = np.mean(y * np.exp(-z) - np.log(np.exp(-z)))
    assert fl.ExponentialNLL()(z, y) == pytest.approx(in_lambda, rel=eps)
