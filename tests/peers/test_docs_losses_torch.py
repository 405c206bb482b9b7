# SPDX-License-Identifier: BSD-3-Clause
"""The equalities of docs/losses.md with PyTorch, and with Keras where it is installed: values and gradients.

The other equalities of that page are in tests/test_docs_losses.py.
"""

import os

import numpy as np
import pytest
import torch
from cases import eps_of
from equalities import N, Recorder, equalities, evaluate, inputs
from torch.nn import functional

EXACT = {"rtol": 10 * N * eps_of(float), "atol": 10 * N * eps_of(float)}
SINGLE = {"rtol": 10 * N * eps_of(np.float32), "atol": 10 * N * eps_of(np.float32)}  # Keras computes in float32
PREDICTIONS = ("z", "zk", "z2", "f", "mu")


def tensors(section, rng):
    """The data of a section as tensors, the predictions with gradients."""
    names = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in inputs(section, rng).items()}
    for name in PREDICTIONS:
        if name in names:
            names[name].requires_grad_()
    return names


def assert_equal(row, names, modules, tolerance):
    recorder = Recorder()
    values = {k: v.detach().numpy() if isinstance(v, torch.Tensor) else v for k, v in names.items()}
    ours = evaluate(row.ours, {**values, "fl": recorder})
    theirs = evaluate(row.theirs, {**names, **modules})
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **tolerance)
    if not theirs.requires_grad or "reduction=" in row.ours.partition("fl.")[2]:
        return
    theirs.backward()
    (pred, grad), *others = recorder.calls
    assert not others
    (name,) = (k for k in PREDICTIONS if values.get(k) is pred)
    np.testing.assert_allclose(grad, names[name].grad.numpy(), **tolerance)


@pytest.mark.parametrize("row", equalities("torch"), ids=str)
def test_equality_with_pytorch(row, rng):
    assert_equal(row, tensors(row.section, rng), {"torch": torch, "F": functional}, EXACT)


@pytest.mark.parametrize("row", equalities("keras"), ids=str)
def test_equality_with_keras(row, rng):
    os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is imported
    import keras

    assert_equal(row, tensors(row.section, rng), {"keras": keras}, SINGLE)
