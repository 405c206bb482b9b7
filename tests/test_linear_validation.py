# SPDX-License-Identifier: BSD-3-Clause
"""linear.train with validation data, a starting point, and its optimizer afterwards.

The path of the steps is tested in test_linear.py.
"""

import numpy as np
import pytest
from linear_cases import digits

import fastloss as fl


def noisy(rng, n=60, d=30):
    """Regression data with so many features that it is soon learned by heart, and other data of the kind."""
    w = rng.normal(size=d)
    X, other = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    return fl.linear.Objective(fl.SquaredError(), X, X @ w + 5 * rng.normal(size=n)), (other, other @ w)


def test_validation_loss_is_recorded_without_penalty(rng):
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    weight = rng.uniform(size=40)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(5.0))
    other = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X[:20], y[:20], n_classes=3, sample_weight=weight[:20])
    expected = []

    def keep(result):
        scores = X[:20] @ result.coef.T + result.intercept
        expected.append(fl.SoftmaxCrossEntropy()(scores, y[:20], sample_weight=weight[:20]))

    for validation in (other, (X[:20], y[:20], weight[:20])):
        expected.clear()
        result = fl.linear.train(objective, epochs=4, validation=validation, callback=keep)
        np.testing.assert_allclose(result.history["validation"], expected, rtol=1e-13)
    assert "validation" not in fl.linear.train(objective, epochs=1).history


def test_parameters_are_those_of_the_best_epoch(rng):
    objective, validation = noisy(rng)
    seen = []
    result = fl.linear.train(
        objective, lr=0.1, epochs=200, validation=validation, patience=7, callback=lambda r: seen.append(r.w.copy())
    )
    losses = result.history["validation"]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1
    assert result.best_epoch == best + 1
    assert len(losses) == best + 1 + 7
    np.testing.assert_array_equal(result.w, seen[best])
    np.testing.assert_array_equal(result.coef, seen[best][:-1])
    assert fl.linear.train(objective, epochs=1).best_epoch is None


def test_validation_losses_that_are_never_finite_leave_the_last_parameters():
    X = np.arange(6.0).reshape(3, 2)
    objective = fl.linear.Objective(fl.SquaredError(), X, [1.0, 2.0, 4.0])
    result = fl.linear.train(objective, epochs=5, validation=(1e200 * X + 1e200, [1.0, 2.0, 4.0]), patience=5)
    assert result.history["validation"] == [np.inf] * 5 and result.best_epoch is None
    np.testing.assert_array_equal(result.w, fl.linear.train(objective, epochs=5).w)


def test_tol_is_what_the_best_must_be_improved_by():
    objective = digits()
    validation = (objective.X[:100], objective.y[:100])
    assert fl.linear.train(objective, epochs=30, validation=validation, patience=3, tol=10.0).n_epochs == 4
    falling = fl.linear.train(objective, epochs=30, validation=validation, patience=3)
    assert falling.n_epochs == 30
    assert falling.best_epoch == 30


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        ((np.ones((3, 63)), [0, 1, 2]), ValueError, "validation has coefficients of shape"),
        ((np.ones((3, 64)), [0, 1, 10]), IndexError, r"y\[2\] is 10"),
        ((np.ones((3, 64)),), ValueError, "validation has 1 entries"),
        ((np.ones((0, 64)), np.zeros(0, int)), ValueError, r"validation has X of shape \(0, 64\)"),
        (np.ones((3, 64)), TypeError, "validation is a ndarray"),
    ],
)
def test_validation_data_that_do_not_fit_are_refused(validation, error, message):
    with pytest.raises(error, match=message):
        fl.linear.train(digits(), validation=validation)


def test_validation_targets_outside_the_domain_are_refused():
    objective = fl.linear.Objective(fl.PoissonNLL(), np.ones((3, 2)), [1, 2, 3])
    with pytest.raises(ValueError, match=r"validation y\[1\] is -1"):
        fl.linear.train(objective, validation=(np.ones((2, 2)), [1, -1]))


def test_patience_must_be_positive():
    objective = digits()
    with pytest.raises(ValueError, match="patience is 0"):
        fl.linear.train(objective, validation=objective, patience=0)


def test_plot_draws_the_validation_loss():
    from matplotlib.figure import Figure

    objective = digits()
    result = fl.linear.train(objective, epochs=3, validation=objective)
    axes = result.plot(Figure().add_subplot())
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss + penalty", "validation loss"]
    np.testing.assert_allclose(axes.lines[1].get_data()[1], result.history["validation"])


def test_initial_is_where_training_starts_and_is_not_changed(rng):
    objective = digits()
    start = rng.normal(size=objective.size)
    before = start.copy()
    result = fl.linear.train(objective, optimizer="sgd", lr=0.1, batch_size=None, epochs=1, initial=start)
    np.testing.assert_array_equal(start, before)
    np.testing.assert_allclose(result.w, start - 0.1 * objective(start)[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("initial", "message"),
    [(np.zeros(3), r"initial has shape \(3,\)"), (np.full(650, np.nan), r"initial\[0\] is nan")],
)
def test_bad_starts_are_refused(initial, message):
    with pytest.raises(ValueError, match=message):
        fl.linear.train(digits(), initial=initial)


def test_optimizer_carries_on_where_it_was():
    """Two runs, the second with the first one's state, are one run: the same steps in the same order."""
    objective, options = digits(), dict(batch_size=None, lr=fl.schedules.inverse_time(1e-2, 0.5))
    first = fl.linear.train(objective, epochs=2, **options)
    assert isinstance(first.optimizer, fl.Adam)
    assert first.optimizer.t == 2
    assert first.optimizer.params is first.w

    def carried_on(w, lr):
        optimizer = fl.Adam(w, lr=lr)
        optimizer.load_state_dict(first.optimizer.state_dict())
        return optimizer

    second = fl.linear.train(objective, optimizer=carried_on, initial=first.w, epochs=3, **options)
    np.testing.assert_array_equal(second.w, fl.linear.train(objective, epochs=5, **options).w)
