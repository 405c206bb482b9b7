# SPDX-License-Identifier: BSD-3-Clause
"""Penalties, their proximal steps, and the max-norm constraint.

Dropout and batch normalization have files of their own.
"""

import copy
import pickle

import numpy as np
import pytest
import reference_regularizers as reference
from scipy.optimize import check_grad, minimize_scalar

import fastloss as fl

DTYPES = [np.float32, np.float64]
SIZES = range(34)  # 0 to two groups of 16 floats, and one more
PENALTIES = [fl.L1(0.3), fl.L2(0.7), fl.L2(0.7, half=True), fl.ElasticNet(0.3, 0.7), fl.ElasticNet(0.0, 0.0)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)


def strengths(penalty):
    if isinstance(penalty, fl.L1):
        return penalty.strength, 0.0
    if isinstance(penalty, fl.L2):
        return 0.0, penalty.strength / 2 if penalty.half else penalty.strength
    return penalty.l1, penalty.l2


def eps(dtype):
    return float(np.finfo(dtype).eps)


def layouts(array):
    """The same entries as a contiguous array, as part of wider rows, and (tables) as every other row."""
    wide = np.full((*array.shape[:-1], array.shape[-1] + 3), 7, array.dtype)
    same = [array.copy(), wide[..., 1:-2]]
    if array.ndim == 2:
        same.append(np.full((2 * len(array), array.shape[1]), 7, array.dtype)[::2])
    for a in same[1:]:
        a[...] = array
    return same


# ---- value and gradient ----


@each_penalty
@each_dtype
def test_value_and_gradient_match_the_formula_at_every_size(penalty, dtype, rng, kernel_target):
    for n in SIZES:
        w = rng.normal(size=n).astype(dtype)
        value, grad = penalty.value_and_grad(w)
        expected, expected_grad = reference.elastic_net(w, *strengths(penalty))
        # Squares of doubles and the sum each round once per entry.
        assert abs(value - expected) <= (n + 4) * eps(float) * expected
        # Two rounded strengths, two products, one sum of terms of one sign.
        np.testing.assert_allclose(grad, expected_grad, rtol=3 * eps(dtype), atol=0)
        assert type(value) is float and grad.dtype == dtype
        assert penalty.value(w) == value


@each_penalty
@each_dtype
def test_every_layout_gives_the_same_gradient(penalty, dtype, rng, kernel_target):
    w = rng.normal(size=(5, 37)).astype(dtype)
    _, grad = penalty.value_and_grad(w)
    for same in [*layouts(w), np.asfortranarray(w), w[::-1][::-1], w.astype(w.dtype.newbyteorder())]:
        value, again = penalty.value_and_grad(same)
        np.testing.assert_array_equal(again, grad)
        assert value == pytest.approx(penalty.value(w), rel=200 * eps(float))


@each_penalty
@each_dtype
def test_add_grad_adds_exactly_the_gradient(penalty, dtype, rng, kernel_target):
    for shape in [(), (1,), (40,), (3, 17), (2, 3, 5)]:
        w, before = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
        value, grad = penalty.value_and_grad(w)
        for dw in layouts(before) if len(shape) else [np.array(before)]:
            around = dw.base.copy() if dw.base is not None else None
            assert penalty.add_grad(w, dw) == pytest.approx(value, rel=50 * eps(float))
            np.testing.assert_array_equal(dw, before + grad)
            if around is not None:
                dw[...] = before
                np.testing.assert_array_equal(dw.base, around)  # nothing beside it was written


def test_hand_values():
    w = np.array([1.0, -2.0, 0.0])
    assert fl.L1(0.5).value(w) == 1.5
    assert fl.L2(0.5).value(w) == 2.5
    assert fl.L2(0.5, half=True).value(w) == 1.25
    assert fl.ElasticNet(l1=1.0, l2=2.0).value(w) == 13.0
    np.testing.assert_array_equal(fl.L1(0.5).value_and_grad(w)[1], [0.5, -0.5, 0])
    np.testing.assert_array_equal(fl.L2(0.5).value_and_grad(w)[1], [1, -2, 0])
    np.testing.assert_array_equal(fl.ElasticNet(1.0, 2.0).value_and_grad(w)[1], [5, -9, 0])


@each_penalty
def test_gradient_agrees_with_finite_differences(penalty, rng):
    w = rng.choice([-1, 1], 12) * rng.uniform(0.5, 2, 12)  # away from the kink
    error = check_grad(penalty.value, lambda v: penalty.value_and_grad(v)[1], w)
    assert error < 1e-6  # forward differences with a step of 1.5e-8


def test_half_l2_is_weight_decay(rng):
    w = rng.normal(size=20)
    np.testing.assert_allclose(fl.L2(0.1, half=True).value_and_grad(w)[1], 0.1 * w, rtol=2 * eps(float))


@each_dtype
def test_nan_and_infinity_pass_through(dtype, kernel_target):
    for n in (3, 40):
        w = np.zeros(n, dtype)
        w[0], w[1], w[-1] = np.inf, -np.inf, np.nan
        for penalty in (fl.L1(0.5), fl.L2(0.5), fl.ElasticNet(0.5, 0.5)):
            value, grad = penalty.value_and_grad(w)
            assert np.isnan(value) and np.isnan(grad[-1])
            assert (grad[2:-1] == 0).all()
            assert penalty.value(w[:-1]) == np.inf
        np.testing.assert_array_equal(fl.L1(0.5).value_and_grad(w)[1][:2], np.array([0.5, -0.5], dtype))
        np.testing.assert_array_equal(fl.L2(0.5).value_and_grad(w)[1][:2], [np.inf, -np.inf])


def test_a_strength_of_zero_adds_nothing_to_an_infinite_weight():
    w = np.array([np.inf, 1.0])
    value, grad = fl.L1(0.0).value_and_grad(w)
    assert value == 0
    np.testing.assert_array_equal(grad, [0, 0])
    value, grad = fl.L2(0.0).value_and_grad(w)
    assert value == 0
    np.testing.assert_array_equal(grad, [0, 0])


def test_squares_of_floats_do_not_overflow_in_the_value():
    assert fl.L2(1e-3).value(np.full(3, 1e30, np.float32)) == pytest.approx(3e57)
    assert fl.L2(1e3).value(np.full(3, 1e-30, np.float32)) == pytest.approx(3e-57)


@each_penalty
@each_dtype
def test_threads_and_fused_targets_give_the_same_bits(penalty, dtype, rng):
    w = rng.normal(size=(300, 517)).astype(dtype)
    results = {}
    before, threads = fl._core.target(), fl.get_num_threads()
    try:
        for name in fl._core.targets():
            fl._core.use_target(name)
            for count in (1, 2, 3):
                fl.set_num_threads(count)
                value, grad = penalty.value_and_grad(w)
                strided, _ = penalty.value_and_grad(w[:, :515])
                results[name, count] = (value, strided, grad.tobytes())
    finally:
        fl._core.use_target(before)
        fl.set_num_threads(threads)
    assert len(set(results.values())) == 1  # nothing here is fused, so the scalar kernels agree too


def test_lists_and_integers_are_read():
    assert fl.L1(2.0).value([[1, -2], [3, 0]]) == 12.0
    value, grad = fl.L2(1.0).value_and_grad([1, 2])
    assert value == 5 and grad.dtype == np.float64
    assert fl.L1(1.0).value(np.float16([0.5, -0.5])) == 1.0
    assert fl.L1(1.0).value(3.0) == 3.0
    assert fl.L1(1.0).value([]) == 0.0


# ---- proximal step ----


@each_penalty
@each_dtype
def test_prox_matches_the_closed_form_at_every_size(penalty, dtype, rng, kernel_target):
    for n in SIZES:
        w = rng.normal(size=n).astype(dtype)
        expected = reference.prox(w, 0.5, *strengths(penalty))
        scale = np.abs(w) + 0.5  # the threshold's rounding, the difference's, the divisor's and the quotient's
        assert penalty.prox(w, 0.5) is None
        assert w.dtype == dtype
        assert (np.abs(w - expected) <= 2 * eps(dtype) * scale).all()


@each_penalty
def test_prox_minimizes_its_objective(penalty):
    for w in (-2.0, -0.2, 0.05, 1.3):
        found = np.array([w])
        penalty.prox(found, 0.8)
        best = minimize_scalar(lambda u, w=w: (u - w) ** 2 / 2 + 0.8 * penalty.value([u]), bracket=(-3, 3), tol=1e-12)
        assert found[0] == pytest.approx(best.x, abs=1e-6)  # the root of the precision, as for any minimum


@each_dtype
def test_soft_threshold_gives_exact_zeros(dtype, kernel_target):
    w = np.array([1.0, -1.0, 0.5, -0.5, 0.25, 0.0, np.nan, np.inf, -np.inf] * 5, dtype)
    fl.L1(1.0).prox(w, 0.5)
    np.testing.assert_array_equal(w, np.array([0.5, -0.5, 0, 0, 0, 0, np.nan, np.inf, -np.inf] * 5, dtype))


def test_l2_prox_divides():
    w = np.array([4.0, -2.0])
    fl.L2(0.5).prox(w, 1.0)
    np.testing.assert_array_equal(w, [2, -1])
    fl.L2(1.0, half=True).prox(w, 1.0)
    np.testing.assert_array_equal(w, [1, -0.5])


@each_dtype
def test_prox_changes_a_slice_in_place_and_nothing_beside_it(dtype, rng, kernel_target):
    table = rng.normal(size=(6, 40)).astype(dtype)
    expected = table.copy()
    inner = expected[:, 2:35].copy()
    fl.ElasticNet(0.3, 0.2).prox(inner, 0.5)
    expected[:, 2:35] = inner
    fl.ElasticNet(0.3, 0.2).prox(table[:, 2:35], 0.5)
    np.testing.assert_array_equal(table, expected)


# ---- max norm ----

AXES = [((7, 5), 0), ((7, 5), 1), ((7, 5), -1), ((7, 5), None), ((7, 5), (0, 1)), ((7,), 0), ((40, 70), 0),
        ((3, 150), 0), ((3, 4, 5), 0), ((3, 4, 5), 1), ((3, 4, 5), 2), ((3, 4, 5), (0, 2)), ((3, 4, 5), (1, 2)),
        ((2, 3, 4, 5), (1, 2, 3)), ((2, 3, 4, 5), (0, 2)), ((2, 3, 4, 5), (3, 1)), ((1, 6), 0), ((6, 1), 0),
        ((6, 1), 1)]  # fmt: skip


@pytest.mark.parametrize(("shape", "axis"), AXES)
@each_dtype
def test_project_matches_the_formula(shape, axis, dtype, rng, kernel_target):
    w = (rng.normal(size=shape) * rng.uniform(0.1, 2, shape[-1])).astype(dtype)
    limit = float(np.median(np.sqrt(np.sum(w.astype(float) ** 2, axis=axis))))
    expected = reference.max_norm(w, limit, axis)
    for same in layouts(w):
        around = None if same.base is None else same.base.copy()
        assert fl.MaxNorm(limit, axis=axis).project(same) is None
        # The factor and the product round once each; the norm's sum in double has w.size terms.
        np.testing.assert_allclose(same, expected, rtol=2 * eps(dtype) + w.size * eps(float), atol=0)
        if around is not None:
            after = same.copy()
            same[...] = w
            np.testing.assert_array_equal(same.base, around)
            same[...] = after


@each_dtype
def test_slices_within_the_limit_keep_their_bits(dtype, rng, kernel_target):
    w = rng.normal(size=(20, 33)).astype(dtype)
    w[:, ::2] *= 100
    before = w.copy()
    fl.MaxNorm(20.0).project(w)
    np.testing.assert_array_equal(w[:, 1::2], before[:, 1::2])
    assert (np.linalg.norm(w[:, ::2].astype(float), axis=0) <= 20 * (1 + 4 * eps(dtype))).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-170, 1e-20, 1e20, 1e170, 1e300, 1.7e308])
def test_the_norm_of_doubles_neither_overflows_nor_underflows(size, axis, kernel_target):
    w = np.full((20, 20), size)
    limit = size * 2  # the norm is sqrt(20) times the size
    fl.MaxNorm(limit if limit < np.inf else 1.7e308, axis=axis).project(w)
    expected = min(limit, 1.7e308) / np.sqrt(20)
    np.testing.assert_allclose(w, expected, rtol=16 * eps(float), atol=5e-324)


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-25, 1e25, 3e38])
def test_the_norm_of_floats_neither_overflows_nor_underflows(size, kernel_target):
    w = np.full((30, 17), size, np.float32)
    limit = float(w[0, 0]) * 2
    fl.MaxNorm(limit).project(w)
    np.testing.assert_allclose(w, limit / np.sqrt(30), rtol=2 * eps(np.float32), atol=2e-45)


def test_a_tiny_limit_is_reached_from_huge_weights(kernel_target):
    w = np.full((4, 1), 1e300)
    fl.MaxNorm(1e-300).project(w)
    np.testing.assert_allclose(w, 5e-301, rtol=4 * eps(float))
    w = np.full((4, 1), 1e30, np.float32)
    fl.MaxNorm(1e-30).project(w)
    np.testing.assert_allclose(w, 5e-31, rtol=4 * eps(np.float32))


@each_dtype
def test_max_norm_of_nan_infinity_and_zero(dtype, kernel_target):
    w = np.array([[np.nan, np.inf, 0, 3], [9, 9, 0, 4]], dtype)
    fl.MaxNorm(1.0).project(w)
    np.testing.assert_allclose(w, np.array([[np.nan, np.nan, 0, 0.6], [9, 0, 0, 0.8]], dtype), rtol=2 * eps(dtype))


@each_dtype
def test_max_norm_gives_the_same_bits_for_any_threads_and_target(dtype, rng):
    w = rng.normal(size=(301, 517)).astype(dtype)
    before, threads = fl._core.target(), fl.get_num_threads()
    seen = set()
    try:
        for name in fl._core.targets():
            fl._core.use_target(name)
            for count in (1, 2, 3):
                fl.set_num_threads(count)
                columns, rows = w.copy(), w.copy()
                fl.MaxNorm(17.0).project(columns)
                fl.MaxNorm(22.0, axis=1).project(rows)
                seen.add(columns.tobytes() + rows.tobytes())
    finally:
        fl._core.use_target(before)
        fl.set_num_threads(threads)
    assert len(seen) == 1


def test_empty_arrays_are_left_alone():
    for shape in [(0,), (0, 3), (3, 0)]:
        fl.MaxNorm(1.0).project(np.zeros(shape))
        fl.L1(1.0).prox(np.zeros(shape), 1.0)


# ---- objects ----


@pytest.mark.parametrize(
    ("regularizer", "text"),
    [
        (fl.L1(0.5), "L1(strength=0.5)"),
        (fl.L2(0.5), "L2(strength=0.5, half=False)"),
        (fl.ElasticNet(0.5, 1), "ElasticNet(l1=0.5, l2=1.0)"),
        (fl.MaxNorm(3), "MaxNorm(limit=3.0, axis=0)"),
        (fl.MaxNorm(3, axis=(1, 2)), "MaxNorm(limit=3.0, axis=(1, 2))"),
    ],
)
def test_regularizers_are_values(regularizer, text):
    assert repr(regularizer) == text
    for same in (eval(text, vars(fl)), copy.deepcopy(regularizer), pickle.loads(pickle.dumps(regularizer))):
        assert same == regularizer and hash(same) == hash(regularizer)
    assert regularizer != fl.L1(0.25)
    with pytest.raises(AttributeError):
        regularizer.strength = 2.0
    with pytest.raises(AttributeError):
        regularizer.other  # noqa: B018


def test_half_and_plain_l2_differ():
    assert fl.L2(1.0) != fl.L2(1.0, half=True)
    assert fl.L2(1.0) != fl.L1(1.0)


# ---- errors ----

BAD_PARAMETERS = [
    (lambda: fl.L1(-1.0), ValueError, "L1: strength is -1.0, but must be finite and at least 0"),
    (lambda: fl.L2(np.nan), ValueError, "L2: strength is nan"),
    (lambda: fl.L2(np.inf), ValueError, "L2: strength is inf"),
    (lambda: fl.L2("1"), TypeError, "L2: strength is '1', but must be a number"),
    (lambda: fl.L2(1.0, half=1), TypeError, "L2: half is 1, but must be True or False"),
    (lambda: fl.ElasticNet(1.0, -1.0), ValueError, "ElasticNet: l2 is -1.0"),
    (lambda: fl.MaxNorm(0.0), ValueError, "MaxNorm: limit is 0.0, but must be finite and above 0"),
    (lambda: fl.MaxNorm(1.0, axis=0.5), TypeError, "MaxNorm: axis is 0.5"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD_PARAMETERS)
def test_parameters_out_of_range_are_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value).startswith(message)


def read_only(w):
    w.flags.writeable = False
    return w


W = np.ones((3, 4))
BAD_ARRAYS = [
    (lambda w: fl.L1(1.0).add_grad(W, w), np.ones((3, 5)), ValueError, "L1: dw has shape (3, 5), but must have shape"),
    (lambda w: fl.L1(1.0).add_grad(W, w), np.ones((3, 4), np.float32), TypeError, "L1: dw is an array of float32"),
    (lambda w: fl.L1(1.0).add_grad(W, w), read_only(np.ones((3, 4))), ValueError, "L1: dw is read-only"),
    (lambda w: fl.L1(1.0).add_grad(W, w), np.ones((4, 3)).T, ValueError, "L1: dw has strides"),
    (lambda w: fl.L1(1.0).add_grad(w, w), np.ones((3, 4)), ValueError, "L1: dw overlaps w, but must lie apart"),
    (lambda w: fl.L1(1.0).add_grad(w[:-1], w[1:]), np.ones(5), ValueError, "L1: dw overlaps w, but must lie apart"),
    (lambda w: fl.L1(1.0).prox(w, 1.0), np.ones((4, 3)).T, ValueError, "L1: w has strides"),
    (lambda w: fl.L1(1.0).prox(w, 1.0), np.ones(3, int), TypeError, "L1: w is an array of int64"),
    (lambda w: fl.L1(1.0).prox(w, 1.0), np.ones(3, ">f8"), TypeError, "L1: w is an array of >f8"),
    (lambda w: fl.L1(1.0).prox(w, 1.0), read_only(np.ones(3)), ValueError, "L1: w is read-only"),
    (lambda w: fl.L1(1.0).prox(w, -1.0), np.ones(3), ValueError, "L1: step is -1.0"),
    (lambda w: fl.L1(1.0).prox(list(w), 1.0), np.ones(3), TypeError, "L1: w is a list"),
    (lambda w: fl.L1(1.0).value(w), np.ones(3, complex), TypeError, "L1: w is an array of complex128"),
    (lambda w: fl.MaxNorm(0.5).project(w), np.ones((4, 3)).T, ValueError, "MaxNorm: w has strides"),
    (lambda w: fl.MaxNorm(0.5, axis=2).project(w), W, ValueError, "MaxNorm: axis is 2, but w has 2 dimensions"),
    (lambda w: fl.MaxNorm(0.5, axis=(0, -2)).project(w), W, ValueError, "MaxNorm: axis is (0, -2), but must name each"),
    (lambda w: fl.MaxNorm(0.5).project(w), read_only(np.ones(3)), ValueError, "MaxNorm: w is read-only"),
]


@pytest.mark.parametrize(("call", "w", "kind", "message"), BAD_ARRAYS)
def test_bad_arrays_are_refused_and_left_as_they_were(call, w, kind, message):
    before = w.tobytes()
    with pytest.raises(kind) as error:
        call(w)
    assert str(error.value).startswith(message)
    assert w.tobytes() == before


def test_the_compiled_list_names_every_regularizer():
    assert fl._core.regularizer_kernels() == ["elastic_net", "elastic_net_prox", "dropout", "dropout_grad", "max_norm",
                                              "batch_norm", "batch_norm_grad"]  # fmt: skip
