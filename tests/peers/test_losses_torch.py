# SPDX-License-Identifier: BSD-3-Clause
"""The same values and gradients as PyTorch's losses, in float32 and float64.

Run by `make test-peers`, for PyTorch is large; the other peers are in tests/test_losses_peers.py.
"""

import numpy as np
import pytest
import torch
from cases import DTYPES, eps_of
from torch.nn import functional

import fastloss as fl

N, C = 200, 7
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def real(rng, dtype):
    return (2 * rng.normal(size=N)).astype(dtype), rng.normal(size=N).astype(dtype)


def logits(rng, dtype):
    return (3 * rng.normal(size=N)).astype(dtype), rng.random(N).astype(dtype)


def labels(rng, dtype):
    return (3 * rng.normal(size=N)).astype(dtype), rng.integers(0, 2, size=N).astype(dtype)


def probabilities(rng, dtype):
    return (0.01 + 0.98 * rng.random(N)).astype(dtype), rng.random(N).astype(dtype)


def counts(rng, dtype):
    return rng.normal(size=N).astype(dtype), rng.poisson(2.0, size=N).astype(dtype)


def rates(rng, dtype):
    pred, target = counts(rng, dtype)
    return np.exp(pred), target


def rows(rng, dtype):
    return (3 * rng.normal(size=(N, C))).astype(dtype), rng.integers(0, C, size=N)


def row_probabilities(rng, dtype):
    return (3 * rng.normal(size=(N, C))).astype(dtype), rng.dirichlet(np.ones(C), N).astype(dtype)


WEIGHTS = np.arange(1, C + 1) / 4


def class_weight(pred):
    return torch.tensor(WEIGHTS, dtype=pred.dtype)


# name, our loss, PyTorch's function of (pred, target, reduction), inputs
PAIRS = [
    ("mse", ("SquaredError", {}), functional.mse_loss, real),
    ("l1", ("AbsoluteError", {}), functional.l1_loss, real),
    (
        "huber",
        ("Huber", {"delta": 0.7}),
        lambda z, y, **r: functional.huber_loss(z, y, delta=0.7, **r),
        real,
    ),
    (
        "smooth_l1 is Huber over beta",
        ("Huber", {"delta": 0.5}),
        lambda z, y, **r: 0.5 * functional.smooth_l1_loss(z, y, beta=0.5, **r),
        real,
    ),
    (
        "poisson_nll",
        ("PoissonNLL", {}),
        lambda z, y, **r: functional.poisson_nll_loss(z, y, log_input=True, **r),
        counts,
    ),
    (
        "poisson_nll of rates",
        ("PoissonNLL", {"log_input": False}),
        lambda z, y, **r: functional.poisson_nll_loss(z, y, log_input=False, eps=0.0, **r),
        rates,
    ),
    (
        "gaussian_nll",
        ("GaussianNLL", {"variance": 2.0, "full": True}),
        lambda z, y, **r: functional.gaussian_nll_loss(z, y, torch.full_like(z, 2.0), full=True, **r),
        real,
    ),
    (
        "bce with logits",
        ("BinaryCrossEntropy", {}),
        functional.binary_cross_entropy_with_logits,
        logits,
    ),
    (
        "bce with pos_weight",
        ("BinaryCrossEntropy", {"pos_weight": 2.5}),
        lambda z, y, **r: functional.binary_cross_entropy_with_logits(
            z, y, pos_weight=torch.tensor(2.5, dtype=z.dtype), **r
        ),
        logits,
    ),
    (
        "bce of probabilities",
        ("BinaryCrossEntropy", {"from_logits": False}),
        functional.binary_cross_entropy,
        probabilities,
    ),
    (
        "bce with smoothed labels",
        ("BinaryCrossEntropy", {"label_smoothing": 0.25}),
        lambda z, y, **r: functional.binary_cross_entropy_with_logits(z, y * 0.75 + 0.125, **r),
        labels,
    ),
    (
        "soft margin is bce with signs",
        ("BinaryCrossEntropy", {}),
        lambda z, y, **r: functional.soft_margin_loss(z, 2 * y - 1, **r),
        labels,
    ),
    (
        "focal by the published formula",
        ("Focal", {"gamma": 2.0, "alpha": 0.25}),
        lambda z, y, reduction: reduce(focal_by_formula(z, y, 2.0, 0.25), reduction),
        labels,
    ),
    ("cross_entropy", ("SoftmaxCrossEntropy", {}), functional.cross_entropy, rows),
    (
        "cross_entropy of probabilities",
        ("SoftmaxCrossEntropy", {}),
        functional.cross_entropy,
        row_probabilities,
    ),
    (
        "cross_entropy smoothed",
        ("SoftmaxCrossEntropy", {"label_smoothing": 0.2}),
        lambda z, y, **r: functional.cross_entropy(z, y, label_smoothing=0.2, **r),
        rows,
    ),
    (
        "cross_entropy of smoothed probabilities",
        ("SoftmaxCrossEntropy", {"label_smoothing": 0.2}),
        lambda z, y, **r: functional.cross_entropy(z, y, label_smoothing=0.2, **r),
        row_probabilities,
    ),
    (
        "cross_entropy with ignored class",
        ("SoftmaxCrossEntropy", {"ignore_index": 3}),
        lambda z, y, **r: functional.cross_entropy(z, y, ignore_index=3, **r),
        rows,
    ),
    (
        "cross_entropy weighted",
        ("SoftmaxCrossEntropy", {"class_weight": WEIGHTS}),
        lambda z, y, **r: functional.cross_entropy(z, y, weight=class_weight(z), **r),
        rows,
    ),
    (
        "cross_entropy weighted, smoothed, with ignored class",
        (
            "SoftmaxCrossEntropy",
            {"class_weight": WEIGHTS, "label_smoothing": 0.2, "ignore_index": 2},
        ),
        lambda z, y, **r: functional.cross_entropy(
            z, y, weight=class_weight(z), label_smoothing=0.2, ignore_index=2, **r
        ),
        rows,
    ),
    (
        "cross_entropy weighted, of smoothed probabilities",
        ("SoftmaxCrossEntropy", {"class_weight": WEIGHTS, "label_smoothing": 0.2}),
        lambda z, y, **r: functional.cross_entropy(z, y, weight=class_weight(z), label_smoothing=0.2, **r),
        row_probabilities,
    ),
    (
        "multi_margin divides by the number of classes",
        ("MulticlassHinge", {"margin": 0.5}),
        lambda z, y, **r: C * functional.multi_margin_loss(z, y, margin=0.5, **r),
        rows,
    ),
    (
        "multi_margin squared",
        ("MulticlassHinge", {"squared": True}),
        lambda z, y, **r: C * functional.multi_margin_loss(z, y, p=2, **r),
        rows,
    ),
]


def focal_by_formula(z, y, gamma, alpha):
    z_t, alpha_t = (2 * y - 1) * z, y * alpha + (1 - y) * (1 - alpha)
    return -alpha_t * (1 - torch.sigmoid(z_t)) ** gamma * functional.logsigmoid(z_t)


def reduce(loss, reduction):
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](loss)


@pytest.mark.parametrize("ours, theirs, inputs", [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
@each_dtype
@each_reduction
def test_value_and_gradient_are_pytorchs(ours, theirs, inputs, dtype, reduction, rng):
    pred, target = inputs(rng, dtype)
    z = torch.tensor(pred, requires_grad=True)
    # Ours is judged in test_losses_exact.py. PyTorch's formulas and pairwise sums round up to 64
    # times, and its terms are as large as the largest pred; an unaveraged sum has N of them.
    tolerance = {"rtol": 64 * eps_of(dtype), "atol": 64 * eps_of(dtype) * np.abs(pred).max()}
    if reduction == "sum":
        tolerance["atol"] *= N
    want = theirs(z, torch.tensor(target), reduction=reduction)
    want.sum().backward()
    name, params = ours
    value, grad = getattr(fl, name)(**params, reduction=reduction).value_and_grad(pred, target)
    np.testing.assert_allclose(value, want.detach().numpy(), **tolerance)
    np.testing.assert_allclose(grad, z.grad.numpy(), **tolerance)


def test_learned_variance_is_pytorchs_of_the_exponential(rng):
    pred, target = rng.normal(size=(N, 2)), rng.normal(size=N)
    z = torch.tensor(pred, requires_grad=True)
    variance = torch.exp(z[:, 1])
    want = functional.gaussian_nll_loss(z[:, 0], torch.tensor(target), variance, full=True)
    want.backward()
    value, grad = fl.GaussianNLL(variance=None, full=True).value_and_grad(pred, target)
    assert value == pytest.approx(want.item(), rel=N * eps_of(float))
    np.testing.assert_allclose(grad, z.grad.numpy(), rtol=1e-12, atol=N * eps_of(float))


@pytest.mark.parametrize("name", ["LogCosh", "Focal", "BinaryCrossEntropy", "PoissonNLL"])
def test_hessian_diagonal_is_that_of_automatic_differentiation(name, rng):
    formulas = {
        "LogCosh": lambda z, y: torch.log(torch.cosh(z - y)),
        "Focal": lambda z, y: 2 * focal_by_formula(z, y, 2.0, 0.5),  # alpha_t is 1/2 throughout
        "BinaryCrossEntropy": lambda z, y: -torch.log(torch.sigmoid(torch.where(y > 0, z, -z))),
        "PoissonNLL": lambda z, y: torch.exp(z) - y * z,
    }
    pred, target = rng.normal(size=N), rng.integers(0, 2, size=N)
    z, y = torch.tensor(pred, requires_grad=True), torch.tensor(target.astype(float))
    (first,) = torch.autograd.grad(formulas[name](z, y).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z)
    _, grad, hess = getattr(fl, name)(reduction="sum").value_grad_hess(pred, target)
    np.testing.assert_allclose(grad, first.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(hess, second.numpy(), rtol=1e-10, atol=1e-12)


@each_dtype
def test_tensors_are_read_as_they_are(dtype, rng):
    pred, target = rows(rng, dtype)
    loss = fl.SoftmaxCrossEntropy()
    value, grad = loss.value_and_grad(torch.tensor(pred), torch.tensor(target))
    want, want_grad = loss.value_and_grad(pred, target)
    assert value == want and grad.dtype == dtype
    np.testing.assert_array_equal(grad, want_grad)
