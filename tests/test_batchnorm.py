# SPDX-License-Identifier: BSD-3-Clause
"""Batch normalization, forward and backward, in training and after it.

The comparison with PyTorch is in peers/test_regularizers_torch.py.
"""

import pickle

import numpy as np
import pytest
import reference_regularizers as reference

import fastloss as fl
from fastloss import _core

DTYPES = [np.float32, np.float64]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
SHAPES = [(2, 1), (5, 3), (9, 15), (7, 16), (7, 17), (6, 33), (3, 130), (300, 4), (4, 3, 1), (4, 3, 5), (2, 5, 4, 6),
          (3, 2, 33), (2, 2, 3, 3, 4), (1, 3, 7)]  # fmt: skip


def eps(dtype):
    return float(np.finfo(dtype).eps)


def layer(rng, features, **keywords):
    bn = fl.BatchNorm(features, **keywords)
    bn.gamma[...] = rng.uniform(0.5, 2, features)
    bn.beta[...] = rng.normal(size=features)
    return bn


def batch(rng, shape, dtype):
    shift = rng.normal(size=(1, shape[1], *[1] * (len(shape) - 2)))
    return (2 * rng.normal(size=shape) + 3 * shift).astype(dtype)


def bound(dtype, size, m):
    """Errors in units of `size`: some ten roundings in the type, and sums of m terms in double."""
    return (10 * eps(dtype) + 4 * m * eps(float)) * size


# ---- against the formulas ----


@pytest.mark.parametrize("shape", SHAPES)
@each_dtype
def test_training_matches_the_formulas(shape, dtype, rng, kernel_target):
    bn, x, dy = layer(rng, shape[1]), batch(rng, shape, dtype), rng.normal(size=shape).astype(dtype)
    m = x.size // shape[1]
    y = bn.forward(x)
    expected, mean, variance = reference.batch_norm(x, bn.gamma, bn.beta, bn.eps)
    assert y.dtype == dtype and y.shape == shape
    # The mean in double is exact to the input's size; deviations and factors round in the type. A batch of nearly
    # equal values magnifies the inputs' size by 1 / sigma.
    spread = np.abs(x.astype(float)).max() / np.sqrt(variance.min() + bn.eps)
    tolerance = bound(dtype, np.abs(expected).max() + spread, m)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(bn.running_mean, 0.1 * mean, rtol=0, atol=4 * m * eps(float) * np.abs(x).max())
    unbiased = 0.9 + 0.1 * variance * m / (m - 1)
    np.testing.assert_allclose(bn.running_var, unbiased, rtol=4 * eps(dtype) + 4 * m * eps(float))

    dx, dgamma, dbeta = bn.backward(dy)
    wanted = reference.batch_norm_grad(dy, x, bn.gamma, bn.eps)
    assert dx.dtype == dtype and dgamma.dtype == dbeta.dtype == np.float64
    largest = np.abs(dy).max() * (1 + spread) ** 2
    np.testing.assert_allclose(dx, wanted[0], rtol=0, atol=bound(dtype, 2 * largest / np.sqrt(variance.min()), m))
    np.testing.assert_allclose(dgamma, wanted[1], rtol=0, atol=bound(dtype, m * largest, 1))
    np.testing.assert_allclose(dbeta, wanted[2], rtol=0, atol=4 * m * eps(float) * np.abs(dy).sum())


@pytest.mark.parametrize("shape", [(9, 17), (4, 3, 5)])
@each_dtype
def test_inference_uses_the_running_averages(shape, dtype, rng, kernel_target):
    bn = layer(rng, shape[1])
    bn.running_mean[...] = rng.normal(size=shape[1])
    bn.running_var[...] = rng.uniform(0.5, 2, shape[1])
    before = bn.running_mean.tobytes() + bn.running_var.tobytes()
    x, dy = batch(rng, shape, dtype), rng.normal(size=shape).astype(dtype)
    over = (1, -1, *[1] * (len(shape) - 2))
    sigma = np.sqrt(bn.running_var + bn.eps).reshape(over)
    h = (x - bn.running_mean.reshape(over)) / sigma
    y = bn.forward(x, training=False)
    np.testing.assert_allclose(y, h * bn.gamma.reshape(over) + bn.beta.reshape(over), rtol=0, atol=40 * eps(dtype) * 10)
    assert bn.running_mean.tobytes() + bn.running_var.tobytes() == before
    dx, dgamma, dbeta = bn.backward(dy)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(dx, dy * bn.gamma.reshape(over) / sigma, rtol=4 * eps(dtype))
    np.testing.assert_allclose(dgamma, (dy * h).sum(axes), rtol=0, atol=100 * eps(dtype) * 10)
    np.testing.assert_allclose(dbeta, dy.astype(float).sum(axes), rtol=0, atol=100 * eps(float) * 10)


def test_hand_values():
    bn = fl.BatchNorm(2, eps=1e-30, momentum=0.5)
    y = bn.forward(np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]]))
    r = np.sqrt(1.5)
    np.testing.assert_allclose(y, [[-r, -np.sqrt(0.5)], [0, -np.sqrt(0.5)], [r, np.sqrt(2)]], atol=1e-15)
    np.testing.assert_allclose(bn.running_mean, [1.5, 10], rtol=1e-15)
    np.testing.assert_allclose(bn.running_var, [0.5 + 0.5 * 4, 0.5 + 0.5 * 300], rtol=1e-15)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (3, 2, 4)])
def test_gradients_agree_with_finite_differences(shape, training, rng):
    bn, x, dy = layer(rng, shape[1]), rng.normal(size=shape), rng.normal(size=shape)

    def loss():
        return (bn.forward(x, training=training) * dy).sum()

    bn.momentum = 0.0  # the running averages stay
    loss()
    gradients = dict(zip("xgb", bn.backward(dy), strict=True))
    h = 1e-5
    for name, array in {"x": x, "g": bn.gamma, "b": bn.beta}.items():
        for i in np.ndindex(array.shape):
            old = array[i]
            array[i] = old + h
            above = loss()
            array[i] = old - h
            below = loss()
            array[i] = old
            assert (above - below) / (2 * h) == pytest.approx(gradients[name][i], abs=1e-7)  # h^2 and rounding / h


# ---- properties ----


@each_dtype
def test_output_has_mean_zero_and_variance_one(dtype, rng, kernel_target):
    y = fl.BatchNorm(20, eps=1e-12).forward(batch(rng, (500, 20), dtype)).astype(float)
    tolerance = 8 * eps(dtype) + 500 * eps(float)  # roundings of an entry, and of sums of 500
    np.testing.assert_allclose(y.mean(0), 0, atol=tolerance)
    np.testing.assert_allclose(y.var(0), 1, atol=tolerance)


def test_a_far_mean_of_floats_costs_no_precision(rng, kernel_target):
    whole = rng.integers(-8, 9, size=(64, 3)).astype(np.float32)
    far = whole + np.float32(2**23)  # exact; the mean is not a float
    near = fl.BatchNorm(3, eps=1e-30).forward(whole)
    y = fl.BatchNorm(3, eps=1e-30).forward(far)
    np.testing.assert_allclose(y, near, rtol=0, atol=8 * eps(np.float32))


@each_dtype
def test_threads_and_targets_give_the_same_bits(dtype, rng):
    table, images = batch(rng, (150, 517), dtype), batch(rng, (6, 9, 25, 31), dtype)
    before, threads = _core.target(), fl.get_num_threads()
    seen = set()
    try:
        for name in _core.targets():
            _core.use_target(name)
            for count in (1, 2, 3):
                fl.set_num_threads(count)
                bits = b""
                for x in (table, images):
                    bn = fl.BatchNorm(x.shape[1])
                    bits += bn.forward(x).tobytes() + bn.running_var.tobytes()
                    bits += b"".join(a.tobytes() for a in bn.backward(x[::-1].copy()))
                seen.add(bits)
    finally:
        _core.use_target(before)
        fl.set_num_threads(threads)
    assert len(seen) == 1  # nothing here is fused, so the scalar kernels agree too


@each_dtype
def test_every_layout_gives_the_same(dtype, rng, kernel_target):
    x, dy = batch(rng, (12, 21), dtype), rng.normal(size=(12, 21)).astype(dtype)
    wide = np.zeros((24, 30), dtype)
    wide[::2, 4:25] = x
    bn = layer(rng, 21)
    y = bn.forward(x)
    expected = bn.backward(dy)
    for same in (wide[::2, 4:25], np.asfortranarray(x), x.tolist() if dtype == np.float64 else x[::-1][::-1]):
        np.testing.assert_array_equal(bn.forward(same), y)
        for other in (dy, np.asfortranarray(dy)):
            for a, b in zip(bn.backward(other), expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_channels_of_images_are_columns_of_their_pixels(rng):
    x = rng.normal(size=(4, 3, 5, 6))
    pixels = np.moveaxis(x, 1, -1).reshape(-1, 3)
    a, b = fl.BatchNorm(3), fl.BatchNorm(3)
    y = np.moveaxis(a.forward(x), 1, -1).reshape(-1, 3)
    np.testing.assert_allclose(y, b.forward(pixels), rtol=0, atol=1e-14)
    np.testing.assert_allclose(a.running_var, b.running_var, rtol=1e-14)


@each_dtype
def test_nan_and_infinity_stay_in_their_feature(dtype, rng, kernel_target):
    x = batch(rng, (10, 20), dtype)
    bn = fl.BatchNorm(20)
    clean, gradients = bn.forward(x), bn.backward(x)
    x[3, 4], x[5, 17] = np.nan, np.inf
    bad = fl.BatchNorm(20)
    y = bad.forward(x)
    assert np.isnan(y[:, 4]).all() and np.isnan(y[5, 17])
    fine = [j for j in range(20) if j not in (4, 17)]
    np.testing.assert_array_equal(y[:, fine], clean[:, fine])
    dx, dgamma, _ = bad.backward(x)
    np.testing.assert_array_equal(dx[:, fine], gradients[0][:, fine])
    np.testing.assert_array_equal(dgamma[fine], gradients[1][fine])


def test_backward_uses_the_scale_of_its_forward_pass(rng):
    bn, x, dy = fl.BatchNorm(3), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    bn.forward(x)
    expected, *_ = bn.backward(dy)
    bn.gamma *= 2
    np.testing.assert_array_equal(bn.backward(dy)[0], expected)


def test_parameters_have_the_type_asked_for(rng):
    bn = fl.BatchNorm(3, dtype="float32")
    y = bn.forward(rng.normal(size=(5, 3)))
    assert y.dtype == np.float64 and bn.running_var.dtype == np.float32
    assert {a.dtype for a in bn.backward(y)[1:]} == {np.dtype(np.float32)}
    assert repr(bn) == "BatchNorm(3, eps=1e-05, momentum=0.1, dtype='float32')"
    same = pickle.loads(pickle.dumps(bn))
    np.testing.assert_array_equal(same.forward(y, training=False), bn.forward(y, training=False))


def test_an_empty_batch_is_normalized_after_training():
    bn = fl.BatchNorm(3)
    assert bn.forward(np.zeros((0, 3)), training=False).shape == (0, 3)
    dx, dgamma, dbeta = bn.backward(np.zeros((0, 3)))
    assert dx.shape == (0, 3) and not dgamma.any() and not dbeta.any()


# ---- errors ----


@pytest.mark.parametrize(
    ("keywords", "kind", "message"),
    [
        ({"features": 0}, ValueError, "BatchNorm: features is 0"),
        ({"features": 2.0}, TypeError, "BatchNorm: features is 2.0"),
        ({"features": 2, "eps": 0.0}, ValueError, "BatchNorm: eps is 0.0, but must be finite and above 0"),
        ({"features": 2, "momentum": 1.5}, ValueError, "BatchNorm: momentum is 1.5"),
        ({"features": 2, "dtype": "real"}, TypeError, "BatchNorm: dtype is 'real', but must be float32 or float64"),
        ({"features": 2, "dtype": int}, TypeError, "BatchNorm: dtype is <class 'int'>, but must be float32 or float64"),
    ],
)
def test_parameters_out_of_range_are_refused(keywords, kind, message):
    with pytest.raises(kind) as error:
        fl.BatchNorm(**keywords)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda bn: bn.forward(np.ones(3)),
            ValueError,
            "BatchNorm: x has shape (3,), but must be (n, 3) or (n, 3, ...)",
        ),
        (lambda bn: bn.forward(np.ones((5, 4))), ValueError, "BatchNorm: x has shape (5, 4)"),
        (
            lambda bn: bn.forward(np.ones((1, 3))),
            ValueError,
            "BatchNorm: x has 1 value per feature, but training needs",
        ),
        (lambda bn: bn.forward(np.ones((0, 3))), ValueError, "BatchNorm: x has 0 values per feature"),
        (lambda bn: bn.forward(np.ones((5, 3)), training=1), TypeError, "BatchNorm: training is 1"),
        (lambda bn: bn.forward(np.ones((5, 3), complex)), TypeError, "BatchNorm: x is an array of complex128"),
        (lambda bn: bn.backward(np.ones((5, 3))), RuntimeError, "BatchNorm: backward needs a forward pass before it"),
    ],
)
def test_a_refused_call_changes_nothing(call, kind, message):
    bn = fl.BatchNorm(3)
    before = [a.tobytes() for a in (bn.gamma, bn.beta, bn.running_mean, bn.running_var)]
    with pytest.raises(kind) as error:
        call(bn)
    assert str(error.value).startswith(message)
    assert [a.tobytes() for a in (bn.gamma, bn.beta, bn.running_mean, bn.running_var)] == before


def test_a_gradient_of_another_shape_is_refused():
    bn = fl.BatchNorm(3)
    bn.forward(np.eye(3))
    with pytest.raises(ValueError, match="BatchNorm: dy has shape"):
        bn.backward(np.ones((4, 3)))


def test_replaced_parameters_are_checked():
    bn = fl.BatchNorm(3)
    bn.gamma = np.ones(4)
    with pytest.raises(ValueError, match="BatchNorm: gamma has shape"):
        bn.forward(np.eye(3))
    bn = fl.BatchNorm(3)
    bn.running_var.flags.writeable = False
    before = bn.running_mean.copy()
    with pytest.raises(ValueError, match="BatchNorm: running_var is read-only"):
        bn.forward(np.eye(3))
    np.testing.assert_array_equal(bn.running_mean, before)
