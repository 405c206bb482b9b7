# SPDX-License-Identifier: BSD-3-Clause
"""Batch normalization and the penalties beside PyTorch's, in float32 and float64.

Run by `make test-peers`, for PyTorch is large.
"""

import numpy as np
import pytest
import torch

import fastloss as fl

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LAYERS = [(torch.nn.BatchNorm1d, (40, 7)), (torch.nn.BatchNorm1d, (300, 65)), (torch.nn.BatchNorm1d, (8, 5, 9)),
          (torch.nn.BatchNorm2d, (4, 6, 5, 7)), (torch.nn.BatchNorm3d, (3, 2, 3, 4, 5))]  # fmt: skip


def pair(make, features, dtype, rng, momentum=0.1):
    """PyTorch's layer and ours, with the same parameters."""
    theirs = make(features, momentum=momentum, dtype=getattr(torch, np.dtype(dtype).name))
    ours = fl.BatchNorm(features, momentum=momentum, dtype=dtype)
    ours.gamma[...], ours.beta[...] = rng.uniform(0.5, 2, features), rng.normal(size=features)
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(ours.gamma))
        theirs.bias.copy_(torch.from_numpy(ours.beta))
    return theirs, ours


@pytest.mark.parametrize(("make", "shape"), LAYERS)
@pytest.mark.parametrize("momentum", [0.1, 0.7])
@each_dtype
def test_batch_norm_equals_pytorch(make, shape, momentum, dtype, rng):
    theirs, ours = pair(make, shape[1], dtype, rng, momentum)
    eps = float(np.finfo(dtype).eps)
    axes = (0, *range(2, len(shape)))
    m = np.prod([shape[a] for a in axes])
    for training in (True, True, False, True):
        x, dy = (1 + 2 * rng.normal(size=shape)).astype(dtype), rng.normal(size=shape).astype(dtype)
        theirs.train(training)
        z = torch.from_numpy(x).requires_grad_()
        out = theirs(z)
        grads = torch.autograd.grad(out, [z, theirs.weight, theirs.bias], torch.from_numpy(dy))
        y, mine = ours.forward(x, training=training), ours.backward(dy)
        # Both round each entry some ten times, at sizes up to about 10; their sums have m terms, added in the type.
        np.testing.assert_allclose(y, out.detach().numpy(), rtol=0, atol=100 * eps)
        np.testing.assert_allclose(mine[0], grads[0].numpy(), rtol=0, atol=100 * eps)
        for a, b in zip(mine[1:], grads[1:], strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=10 * m * eps)
        np.testing.assert_allclose(ours.running_mean, theirs.running_mean.numpy(), rtol=0, atol=32 * eps)
        np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy(), rtol=32 * eps)


@each_dtype
def test_half_l2_is_weight_decay_of_sgd(dtype, rng):
    w, g = rng.normal(size=50).astype(dtype), rng.normal(size=50).astype(dtype)
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    parameter.grad = torch.from_numpy(g.copy())
    torch.optim.SGD([parameter], lr=0.1, weight_decay=0.01).step()
    fl.L2(0.01, half=True).add_grad(w, g)
    np.testing.assert_allclose(parameter.detach().numpy(), w - dtype(0.1) * g, rtol=0, atol=8 * np.finfo(dtype).eps)


@each_dtype
def test_soft_threshold_equals_softshrink(dtype, rng):
    w = rng.normal(size=50).astype(dtype)
    expected = torch.nn.functional.softshrink(torch.from_numpy(w.copy()), 0.25).numpy()
    fl.L1(0.5).prox(w, 0.5)
    np.testing.assert_array_equal(w, expected)


@pytest.mark.parametrize("axis", [0, 1])
@each_dtype
def test_max_norm_equals_renorm(axis, dtype, rng):
    w = rng.normal(size=(30, 20)).astype(dtype)
    expected = torch.renorm(torch.from_numpy(w.copy()), 2, 1 - axis, 4.5).numpy()
    fl.MaxNorm(4.5, axis=axis).project(w)
    np.testing.assert_allclose(w, expected, rtol=1e-6)  # PyTorch adds 1e-7 to the norm


@each_dtype
def test_dropout_gradient_equals_autograd(dtype, rng):
    x, dy = rng.normal(size=40).astype(dtype), rng.normal(size=40).astype(dtype)
    y, mask = fl.dropout(x, rate=0.25, seed=0)
    z = torch.from_numpy(x).requires_grad_()
    out = z * torch.from_numpy(mask) * float(dtype(1 / 0.75))
    out.backward(torch.from_numpy(dy))
    np.testing.assert_array_equal(y, out.detach().numpy())
    np.testing.assert_array_equal(fl.dropout_grad(dy, mask, rate=0.25), z.grad.numpy())
