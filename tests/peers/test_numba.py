# SPDX-License-Identifier: BSD-3-Clause
"""The kernels called from functions that numba compiles: the loop of examples/numba_calls.py beside the references.

Run by `make test-peers`, for numba is an optional tool of other developers.
"""

import importlib.util

import numpy as np
import pytest
import reference
import reference_optimizers
from building import ROOT


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("numba_calls", ROOT / "examples/numba_calls.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_jitted_loop_follows_the_references(example, rng):
    X, y, coef = rng.normal(size=(50, 6)), rng.integers(0, 4, 50), rng.normal(size=(6, 4))
    expected, values = reference_optimizers.Reference("Adam", [coef], lr=0.02), []
    for _ in range(20):
        value, grad, _ = reference.evaluate("SoftmaxCrossEntropy", X @ expected.params[0], y, {})
        values.append(value)
        expected.step([X.T @ grad])
    losses = example.train(X, y, coef, 0.02, 20)
    # 20 steps; rounding in the gradient is divided by its root, which is not small here
    np.testing.assert_allclose(losses, values, rtol=1e-12)
    np.testing.assert_allclose(coef, expected.params[0], rtol=0, atol=1e-11)


def test_a_bad_label_is_seen_in_jitted_code(example):
    coef = np.zeros((2, 3))
    with pytest.raises(ValueError, match="label"):
        example.train(np.ones((4, 2)), np.array([0, 1, 2, 3]), coef, 0.1, 5)
    assert (coef == 0).all()


def test_the_example_prints_what_it_promises(example, capsys):
    example.main()
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"mean cross-entropy {np.log(5):.4f} at first")
    assert float(last.split()[-1]) > 0.9
