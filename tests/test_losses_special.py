# SPDX-License-Identifier: BSD-3-Clause
"""NaN, infinities, huge and subnormal numbers: what each loss gives there, on body and tail alike.

Finite arguments of ordinary size live in test_losses_values.py and test_losses_exact.py.
"""

import numpy as np
import pytest
from cases import CASES, DTYPES, eps_of

import fastloss as fl

INF, NAN = np.inf, np.nan
LENGTH = 37  # two vectors of sixteen and a tail of five
PLACES = (0, 7, 15, 16, 31, 32, 36)

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_case = pytest.mark.parametrize("case", CASES, ids=str)


# ---- NaN


@each_case
@each_dtype
def test_nan_stays_in_its_own_element_or_row(case, dtype, rng, kernel_target):
    if case.kind == "scalar":
        pred, target = case.draw(rng, (LENGTH,), dtype)
        pred[20] = NAN
        value, grad = case.make().value_and_grad(pred, target)
        assert np.isnan(value) and np.isnan(grad[20])
        return
    for c in (3, 10, 40) if case.kind == "rows" else (3,):
        shape = case.shape(LENGTH, c)
        pred, target = case.draw(rng, shape, dtype)
        if "ignore_index" in case.params and target.ndim == 1:
            target[list(PLACES)] = c - 1  # an ignored row would give zeros
        for reduction in ("none", "sum"):
            loss = case.make(shape, reduction=reduction)
            clean = loss.value_grad_hess(pred, target)
            for place in PLACES:
                spoiled = pred.copy()
                own = (place,) if case.kind == "pointwise" and len(shape) == 1 else (place, 1)
                spoiled[own] = NAN
                value, grad, hess = loss.value_grad_hess(spoiled, target)
                hit = np.zeros(shape, bool)
                hit[place if case.kind != "pointwise" else own] = True
                assert np.isnan(grad[hit]).all()
                np.testing.assert_array_equal(grad[~hit], clean[1][~hit])
                np.testing.assert_array_equal(hess[~hit], clean[2][~hit])
                if reduction == "sum":
                    assert np.isnan(value)
                    continue
                lost = hit if case.kind == "pointwise" else hit.any(axis=1)
                assert np.isnan(value[lost]).all()
                np.testing.assert_array_equal(value[~lost], clean[0][~lost])


@pytest.mark.parametrize("case", [c for c in CASES if c.kind == "rows"], ids=str)
@each_dtype
def test_nan_anywhere_in_a_row_spoils_the_whole_row(case, dtype, rng, kernel_target):
    for c in (1, 2, 5, 16, 17, 33, 70, 130):
        pred, target = case.draw(rng, (c, c), dtype)
        if target.ndim == 1:
            target[:] = c - 1
        if case.params.get("ignore_index") == c - 1:
            continue
        pred[np.arange(c), np.arange(c)] = NAN
        value, grad = case.make((c, c), reduction="none").value_and_grad(pred, target)
        assert np.isnan(value).all() and np.isnan(grad).all()


@pytest.mark.parametrize("case", CASES, ids=str)
@each_dtype
def test_nan_in_a_float_target_gives_nan_there(case, dtype, rng, kernel_target):
    shape = case.shape(LENGTH, 3)
    pred, target = case.draw(rng, shape, dtype)
    if target.dtype != dtype:
        assert target.dtype.kind == "i"  # classes and signs hold no NaN
        return
    target[(20,) if target.ndim == 1 else (20, 1)] = NAN
    loss = case.make(shape, reduction=case.reductions[-1])
    value, grad = loss.value_and_grad(pred, target)
    if case.kind == "scalar":
        assert np.isnan(value) and np.isnan(grad[20])
        return
    assert np.isnan(value[20]) and np.isnan(value).sum() == 1
    assert np.isnan(grad[20]).all() or case.id.startswith("GaussianNLL-learned")
    assert np.isnan(grad[20]).any() and not np.isnan(np.delete(grad, 20, axis=0)).any()


# ---- infinities, pointwise: id of a case, then pred, target -> loss, grad

LIMITS = [
    *(
        (name, s * INF, y, INF, grad)
        for s in (1, -1)
        for y in (0.0, -3.5)
        for name, grad in (
            ("SquaredError", s * INF),
            ("SquaredError-half", s * INF),
            ("AbsoluteError", s),
            ("Huber", s),
            ("Huber-delta0.3", s * 0.3),
            ("LogCosh", s),
            ("Pinball-quantile0.9", 1 - 0.9 if s > 0 else -0.9),
            ("EpsilonInsensitive", s),
            ("EpsilonInsensitive-squared", s * INF),
            ("GaussianNLL", s * INF),
            ("GaussianNLL-variance2-full", s * INF),
        )
    ),
    # an infinite target is as far away as an infinite pred, on the other side
    ("SquaredError", 0.0, INF, INF, -INF),
    ("AbsoluteError", 0.0, -INF, INF, 1),
    ("Huber", 2.0, INF, INF, -1),
    ("LogCosh", 2.0, INF, INF, -1),
    ("PoissonNLL", -INF, 0.0, 0.0, 0.0),
    ("PoissonNLL", -INF, 2.0, INF, -2.0),
    ("PoissonNLL", INF, 0.0, INF, INF),
    ("PoissonNLL", INF, 2.0, INF, INF),
    ("PoissonNLL-full", -INF, 0.0, 0.0, 0.0),
    ("PoissonNLL-rate", 0.0, 0.0, 0.0, 1.0),
    ("PoissonNLL-rate", 0.0, 2.0, INF, -INF),
    ("PoissonNLL-rate", INF, 0.0, INF, 1.0),
    ("PoissonNLL-rate", INF, 2.0, INF, 1.0),
    ("ExponentialNLL", INF, 0.0, INF, 1.0),
    ("ExponentialNLL", INF, 2.0, INF, 1.0),
    ("ExponentialNLL", -INF, 0.0, -INF, 1.0),
    ("ExponentialNLL", -INF, 2.0, INF, -INF),
    ("ExponentialNLL-mean", INF, 2.0, INF, 0.0),
    ("ExponentialNLL-mean", 0.0, 2.0, INF, -INF),
    ("GammaNLL", INF, 2.0, INF, 1.0),
    ("GammaNLL", -INF, 2.0, INF, -INF),
    ("GammaNLL-shape2.5-full", INF, 2.0, INF, 2.5),
    ("GammaNLL-mean-shape0.7", INF, 2.0, INF, 0.0),
    ("GammaNLL-mean-shape0.7", 0.0, 2.0, INF, -INF),
    ("TweedieNLL", INF, 0.0, INF, INF),
    ("TweedieNLL", INF, 2.0, INF, INF),
    ("TweedieNLL", -INF, 0.0, 0.0, 0.0),
    ("TweedieNLL", -INF, 2.0, INF, -INF),
    ("TweedieNLL-power2.5", INF, 2.0, 0.0, 0.0),
    ("TweedieNLL-power2.5", -INF, 2.0, INF, -INF),
    ("BinaryCrossEntropy", INF, 1.0, 0.0, 0.0),
    ("BinaryCrossEntropy", -INF, 0.0, 0.0, 0.0),
    ("BinaryCrossEntropy", INF, 0.0, INF, 1.0),
    ("BinaryCrossEntropy", -INF, 1.0, INF, -1.0),
    ("BinaryCrossEntropy-soft", INF, 0.25, INF, 0.75),
    ("BinaryCrossEntropy-soft", -INF, 0.25, INF, -0.25),
    ("BinaryCrossEntropy-smoothing", INF, 1.0, INF, 0.05),
    ("BinaryCrossEntropy-smoothing", -INF, 1.0, INF, -0.95),
    ("BinaryCrossEntropy-posweight", -INF, 1.0, INF, -2.5),
    ("BinaryCrossEntropy-posweight", INF, 1.0, 0.0, 0.0),
    ("BinaryCrossEntropy-posweight", INF, 0.0, INF, 1.0),
    ("BinaryCrossEntropy-probabilities", 0.0, 0.0, 0.0, 1.0),
    ("BinaryCrossEntropy-probabilities", 1.0, 1.0, 0.0, -1.0),
    ("BinaryCrossEntropy-probabilities", 0.0, 1.0, INF, -INF),
    ("BinaryCrossEntropy-probabilities", 1.0, 0.0, INF, INF),
    ("BinaryCrossEntropy-probabilities-soft", 0.0, 0.25, INF, -INF),
    ("BinaryCrossEntropy-probabilities-soft", 1.0, 0.25, INF, INF),
    ("Hinge", INF, 1.0, 0.0, 0.0),
    ("Hinge", -INF, 1.0, INF, -1.0),
    ("Hinge", INF, -1.0, INF, 1.0),
    ("Hinge-squared", INF, 1.0, 0.0, 0.0),
    ("Hinge-squared", -INF, 1.0, INF, -INF),
    ("Hinge-squared", INF, -1.0, INF, INF),
    ("Focal", INF, 1.0, 0.0, 0.0),
    ("Focal", -INF, 1.0, INF, -1.0),
    ("Focal", INF, 0.0, INF, 1.0),
    ("Focal", -INF, 0.0, 0.0, 0.0),
    ("Focal-gamma0-alpha0.25", INF, 1.0, 0.0, 0.0),
    ("Focal-gamma0-alpha0.25", -INF, 1.0, INF, -0.25),
    ("Focal-gamma1.5", -INF, 1.0, INF, -1.0),
    ("Focal-gamma1.5", INF, 1.0, 0.0, 0.0),
]


@pytest.mark.parametrize("case", [c for c in CASES if c.kind == "pointwise"], ids=str)
@each_dtype
def test_pointwise_losses_at_infinities_and_ends_give_their_limits(case, dtype, rng, kernel_target):
    cells = [row[1:] for row in LIMITS if row[0] == case.id]
    loss = case.make((1, 1), reduction="none")
    for z, y, want, want_grad in cells:
        pred, target = case.draw(rng, (LENGTH, 1)[: 1 + case.per_column], dtype)
        clean, clean_grad = loss.value_and_grad(pred, target)
        for place in PLACES:
            changed, label = pred.copy(), target.astype(float if case.name != "Focal" else int)
            changed[place], label[place] = z, y
            value, grad = loss.value_and_grad(changed, label)
            where = f"{case} at pred {z} target {y}"
            assert value[place] == want, where
            with np.errstate(invalid="ignore"):  # of equal infinities
                error = abs(grad[place] - dtype(want_grad))
            # a smoothed label below 1 is rounded to half its spacing
            assert grad[place] == want_grad or error <= np.spacing(dtype(0.9)), where
            others = np.arange(LENGTH) != place
            np.testing.assert_array_equal(value[others], clean[others])
            np.testing.assert_array_equal(grad[others], clean_grad[others])


def test_limits_are_stated_for_every_pointwise_class():
    stated = {row[0].partition("-")[0] for row in LIMITS}
    assert stated == {c.name for c in CASES if c.kind == "pointwise"}


@each_dtype
def test_hessians_at_infinities_are_the_curvature_there(dtype, kernel_target):
    for name, params, z, y, want in [
        ("SquaredError", {}, INF, 0, 2),
        ("Huber", {}, -INF, 0, 0),
        ("LogCosh", {}, INF, 0, 0),
        ("BinaryCrossEntropy", {}, INF, 0, 0),
        ("BinaryCrossEntropy", {}, -INF, 1, 0),
        ("PoissonNLL", {}, -INF, 0, 0),
        ("Hinge", {"squared": True}, -INF, 1, 2),
        ("Hinge", {"squared": True}, INF, 1, 0),
    ]:
        pred, target = np.full(LENGTH, z, dtype), np.full(LENGTH, y)
        _, _, hess = getattr(fl, name)(**params, reduction="sum").value_grad_hess(pred, target)
        assert (hess == want).all(), (name, z, y)


@each_dtype
def test_learned_variance_at_infinities_gives_the_limits(dtype, kernel_target):
    loss = fl.GaussianNLL(variance=None, reduction="none")
    rows = [
        ((INF, 0.0), INF, (INF, -INF)),
        ((-INF, 0.0), INF, (-INF, -INF)),
        ((1.0, INF), INF, (0.0, 0.5)),
        ((1.0, -INF), INF, (INF, -INF)),
        ((-1.0, -INF), INF, (-INF, -INF)),
    ]
    pred = np.array([row[0] for row in rows], dtype)
    value, grad = loss.value_and_grad(pred, np.zeros(len(rows)))
    np.testing.assert_array_equal(value, [row[1] for row in rows])
    np.testing.assert_array_equal(grad, [row[2] for row in rows])


@each_dtype
def test_rmse_with_one_infinity_is_infinite(dtype, kernel_target):
    for n in (1, 20, LENGTH):
        pred = np.ones(n, dtype)
        pred[n // 2] = -INF
        value, grad = fl.RootMeanSquaredError().value_and_grad(pred, np.zeros(n))
        assert value == INF
        assert (np.delete(grad, n // 2) == 0).all()
        # as r grows, r/(n RMSE) = r/(n sqrt(r^2/n)) stays at -1/sqrt(n)
        assert grad[n // 2] == pytest.approx(-1 / np.sqrt(n), rel=4 * eps_of(dtype))


# ---- infinities in rows


def at_every_place(row, label, width):
    """The row at each of PLACES among rows of zeros, padded on the right with its last number."""
    row = np.concatenate([row, np.full(width - len(row), row[-1])])
    for place in PLACES:
        pred, target = np.zeros((LENGTH, width)), np.zeros(LENGTH, int)
        pred[place], target[place] = row, label
        yield place, pred, target


@pytest.mark.parametrize("width", [4, 16, 21, 64])
@each_dtype
def test_softmax_at_infinities(dtype, width, kernel_target):
    loss = fl.SoftmaxCrossEntropy(reduction="none")
    k = width - 3  # how many copies of the last number there are
    for row, label, want, want_grad in [
        # minus infinity has probability 0
        ([0, 0, -INF, -INF], 0, np.log(2), [-0.5, 0.5] + [0.0] * (k + 1)),
        ([0, -INF, 0, -INF], 1, INF, [0.5, -1.0, 0.5] + [0.0] * k),
        ([5, -INF, -INF, -INF], 0, 0.0, [0.0] * (k + 3)),
        ([-INF, 3, -INF, -INF], 0, INF, [-1.0, 1.0] + [0.0] * (k + 1)),
        # nothing or too much to compare
        ([-INF, -INF, -INF, -INF], 0, NAN, [NAN] * (k + 3)),
        ([1, INF, 0, 0], 0, NAN, [NAN] * (k + 3)),
        ([1, INF, 0, 0], 1, NAN, [NAN] * (k + 3)),
        ([INF, INF, 0, -INF], 1, NAN, [NAN] * (k + 3)),
        ([INF, -INF, -INF, -INF], 0, NAN, [NAN] * (k + 3)),
    ]:
        for place, pred, target in at_every_place(row, label, width):
            value, grad, hess = loss.value_grad_hess(pred.astype(dtype), target)
            eps = eps_of(dtype)
            np.testing.assert_allclose(value[place], want, rtol=eps)
            np.testing.assert_array_equal(grad[place], want_grad[:width])
            others = np.arange(LENGTH) != place
            assert np.isfinite(value[others]).all() and np.isfinite(grad[others]).all()
            assert np.isfinite(hess[others]).all()


@each_dtype
def test_probability_zero_adds_nothing_whatever_the_logit(dtype, kernel_target):
    pred = np.array([[0, 0, -INF], [0, -INF, -INF], [0, 0, -INF]], dtype)
    q = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]], dtype)
    value, grad = fl.SoftmaxCrossEntropy(reduction="none").value_and_grad(pred, q)
    np.testing.assert_allclose(value, [np.log(2), 0.0, INF], rtol=2 * eps_of(dtype))
    np.testing.assert_array_equal(grad, [[0, 0, 0], [0, 0, 0], [0, 0.25, -0.25]])


@each_dtype
def test_smoothing_makes_an_impossible_class_cost_infinity(dtype, kernel_target):
    pred = np.array([[0, 0, -INF, -INF]] * 20, dtype)
    loss = fl.SoftmaxCrossEntropy(label_smoothing=0.5, reduction="none")
    value, grad = loss.value_and_grad(pred, np.zeros(20, int))
    assert (value == INF).all()
    np.testing.assert_array_equal(grad, [[-0.125, 0.375, -0.125, -0.125]] * 20)


@pytest.mark.parametrize("width", [4, 16, 21])
@each_dtype
def test_multiclass_hinges_at_infinities(dtype, width, kernel_target):
    k = width - 3
    plain, worst = fl.MulticlassHinge(reduction="none"), fl.CrammerSingerHinge(reduction="none")
    square = fl.MulticlassHinge(squared=True, reduction="none")
    zero = [0.0] * width
    for loss, row, label, want, want_grad in [
        (plain, [INF, 0, 0, 0], 0, 0.0, zero),
        (plain, [5, 0, 0, -INF], 0, 0.0, zero),
        (plain, [0, INF, -3, -3], 0, INF, [-1.0, 1.0] + [0.0] * (k + 1)),
        (plain, [-INF, 0, 0, 0], 0, INF, [1.0 - width] + [1.0] * (width - 1)),
        (square, [INF, 0, 0, 0], 0, 0.0, zero),
        (square, [0, INF, -3, -3], 0, INF, [-INF, INF] + [0.0] * (k + 1)),
        (square, [-INF, 0, 0, 0], 0, INF, [-INF] + [INF] * (width - 1)),
        (worst, [INF, 0, 0, 0], 0, 0.0, zero),
        (worst, [5, -INF, -INF, -INF], 0, 0.0, zero),
        (worst, [0, 7, INF, 0], 0, INF, [-1.0, 0.0, 1.0] + [0.0] * k),
        (worst, [-INF, 0, 0, 0], 0, INF, [-1.0, 1.0] + [0.0] * (k + 1)),
    ]:
        for place, pred, target in at_every_place(row, label, width):
            value, grad = loss.value_and_grad(pred.astype(dtype), target)
            assert value[place] == want, (loss, row)
            np.testing.assert_array_equal(grad[place], want_grad, err_msg=f"{loss} {row}")
            others = np.arange(LENGTH) != place
            assert np.isfinite(value[others]).all() and np.isfinite(grad[others]).all()


# ---- huge and subnormal


@each_dtype
def test_huge_finite_logits_give_finite_exact_limits(dtype, kernel_target):
    big = dtype(1e38)
    z = np.resize([big, -big], LENGTH).astype(dtype)
    positive = z > 0
    value, grad = fl.BinaryCrossEntropy(reduction="none").value_and_grad(z, np.ones(LENGTH, int))
    np.testing.assert_array_equal(value, np.where(positive, 0, big))
    np.testing.assert_array_equal(grad, np.where(positive, 0, -1))
    value, grad = fl.Focal(reduction="none").value_and_grad(z, np.ones(LENGTH, int))
    np.testing.assert_array_equal(value, np.where(positive, 0, big))
    np.testing.assert_array_equal(grad, np.where(positive, 0, -1))
    for width in (3, 20):
        rows = np.full((LENGTH, width), -big)
        rows[:, 1] = big
        target = np.arange(LENGTH) % 2
        for loss in (fl.SoftmaxCrossEntropy, fl.MulticlassHinge, fl.CrammerSingerHinge):
            value, grad = loss(reduction="none").value_and_grad(rows, target)
            np.testing.assert_array_equal(value, np.where(target == 1, 0, dtype(2e38)))
            assert (grad[target == 1] == 0).all() and (grad[target == 0, 1] == 1).all()
            # equal scores are within the margin: each wrong class is active
            active = width - 1 if loss is fl.MulticlassHinge else 1
            assert (grad[target == 0, 0] == -active).all()


@each_dtype
def test_subnormals_are_kept(dtype, kernel_target):
    tiny = np.finfo(dtype).smallest_subnormal
    pred, zero = np.arange(LENGTH).astype(dtype) * tiny, np.zeros(LENGTH, dtype)
    for loss, value, grad in [
        (fl.AbsoluteError(reduction="none"), pred, np.sign(pred)),
        (fl.SquaredError(reduction="none"), zero, 2 * pred),
        (fl.Huber(reduction="none"), zero, pred),
        (fl.LogCosh(reduction="none"), zero, pred),
        (fl.Pinball(reduction="none"), pred * dtype(0.5), np.sign(pred) / 2),
    ]:
        got, got_grad = loss.value_and_grad(pred, zero)
        np.testing.assert_array_equal(got, value, err_msg=repr(loss))
        np.testing.assert_array_equal(got_grad, grad, err_msg=repr(loss))
    depth = 100 if dtype is np.float32 else 740  # exp(-depth) is subnormal
    rows = np.zeros((LENGTH, 2), dtype)
    rows[:, 1] = -depth
    value, grad = fl.SoftmaxCrossEntropy(reduction="none").value_and_grad(rows, [0] * LENGTH)
    assert np.abs(value.astype(float) / tiny - np.exp(-float(depth)) / tiny).max() <= 1
    np.testing.assert_array_equal(grad, np.stack([-value, value], axis=1))
    value, grad = fl.BinaryCrossEntropy(reduction="none").value_and_grad(rows[:, 1], [0] * LENGTH)
    assert np.abs(value.astype(float) / tiny - np.exp(-float(depth)) / tiny).max() <= 1
    np.testing.assert_array_equal(grad, value)


# ---- the caller's floating-point mode


def floating_point_mode():
    """What rounding to nearest and kept subnormals give, of both types; other modes differ."""
    results = []
    for dtype in DTYPES:
        info = np.finfo(dtype)
        half = dtype(info.eps / 2)
        a = np.array([info.smallest_subnormal, info.tiny, 1, -1, 1, 1 + info.eps], dtype)
        b = np.array([1, 0.5, half, -half, 1.5 * half, half], dtype)
        results += [(a + b).tobytes(), (a * b).tobytes(), (a / dtype(3)).tobytes()]
    return results


@each_case
def test_calls_leave_the_floating_point_mode_and_warnings_alone(case, rng, kernel_target):
    before = floating_point_mode()
    with np.errstate(all="raise"):
        for dtype in DTYPES:
            pred, target = case.draw(rng, case.shape(3000, 11), dtype)
            pred[5] = np.finfo(dtype).max
            pred[6] = np.finfo(dtype).smallest_subnormal
            pred[7] = NAN
            loss = case.make(pred.shape)
            loss.value_and_grad(pred, target)
            if case.has_hess:
                loss.value_grad_hess(pred, target)
    assert floating_point_mode() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_parameter_of_zero_wins_over_an_infinite_prediction(kernel_target, dtype):
    """What is multiplied by 0 is 0, whatever it is multiplied with."""
    inf = dtype(np.inf)
    for loss, pred, target in [
        (fl.Pinball(quantile=1.0), inf, 0),
        (fl.Pinball(quantile=0.0), -inf, 0),
        (fl.Focal(alpha=0.0), -inf, 1),
        (fl.Focal(alpha=1.0), inf, 0),
        (fl.BinaryCrossEntropy(pos_weight=0.0), -inf, 1),
    ]:
        value, grad = loss.value_and_grad(np.full(3, pred, dtype), np.full(3, target, dtype))
        assert value == 0 and not grad.any(), loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_mean_of_zero_with_no_waiting_time_tends_to_minus_infinity(kernel_target, dtype):
    loss = fl.ExponentialNLL(log_input=False)
    value, grad, hess = loss.value_grad_hess(np.zeros(1, dtype), np.zeros(1, dtype))
    assert value == -np.inf and grad[0] == np.inf and hess[0] == -np.inf
