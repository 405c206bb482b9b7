# SPDX-License-Identifier: BSD-3-Clause
"""linear.Objective and linear.train against loops, closed forms and other libraries.

The losses themselves are tested elsewhere; here they are taken as right.
"""

import functools
import signal
import sys
import threading

import numpy as np
import pytest
from linear_cases import IDS, LABELS, LOSSES, digits, make_data, scores_of
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import fastloss as fl

# ---- Objective ----


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
def test_objective_is_the_loss_of_the_scores_plus_the_penalty(loss, kind, weighted, fit_intercept, rng):
    X, y = make_data(kind, rng)
    weight = rng.uniform(size=len(y)) * (rng.uniform(size=len(y)) > 0.2) if weighted else None
    objective = fl.linear.Objective(
        loss, X, y, penalty=fl.L2(0.3), fit_intercept=fit_intercept, sample_weight=weight, n_classes=None
    )
    w = rng.normal(size=objective.size)
    value, grad = objective(w)
    coef, _ = objective.unpack(w)
    expected = loss(scores_of(objective, w, X), y, sample_weight=weight) + 0.3 * (coef**2).sum()
    assert value == pytest.approx(expected, rel=1e-13)
    assert grad.shape == w.shape
    assert grad.dtype == np.float64
    kinks = "squared" in loss._keywords()  # in the derivative of a squared hinge, which the difference may straddle
    assert fl.check_grad(objective, w) < (1e-3 if kinks else 1e-8)


@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
def test_value_alone_has_the_bits_of_the_value_with_gradient(loss, kind, rng):
    X, y = make_data(kind, rng, n=500)
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(0.3))
    w = rng.normal(size=objective.size)
    assert objective.value(w) == objective(w)[0]
    plain = fl.linear.Objective(loss, X, y)
    assert objective.value(w, penalty=False) == plain(w)[0]


@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
def test_blocks_change_nothing_but_rounding(loss, kind, rng, monkeypatch):
    X, y = make_data(kind, rng, n=1000)
    w = rng.normal(size=fl.linear.Objective(loss, X, y).size)
    whole_value, whole_grad = fl.linear.Objective(loss, X, y)(w)
    monkeypatch.setattr(fl.linear.objective, "BLOCK_BYTES", 0)
    monkeypatch.setattr(fl.linear.objective, "LEAST_ROWS", 7)
    value, grad = fl.linear.Objective(loss, X, y)(w)
    assert value == pytest.approx(whole_value, rel=1e-12)
    np.testing.assert_allclose(grad, whole_grad, rtol=1e-11, atol=1e-12 * np.abs(whole_grad).max())


def test_svm_gradient_is_the_matrix_product_of_data_and_indicator(rng):
    X, y = rng.normal(size=(30, 6)), rng.integers(0, 4, 30)
    objective = fl.linear.Objective(fl.MulticlassHinge(), X, y, fit_intercept=False, n_classes=4)
    W = rng.normal(size=(4, 6))
    expected, loss = np.zeros_like(W), 0.0
    for x, label in zip(X, y):
        scores = [float(W[k] @ x) for k in range(4)]
        for k in range(4):
            margin = scores[k] - scores[label] + 1
            if k != label and margin > 0:
                loss += margin / 30
                expected[k] += x / 30
                expected[label] -= x / 30
    value, grad = objective(W.ravel())
    assert value == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(grad.reshape(4, 6), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layout", ["C", "F", "rows", "reversed", "integers", "lists"])
def test_any_layout_of_the_data_gives_the_same_result(layout, rng):
    X = rng.integers(-5, 6, (40, 3)).astype(float)
    y = rng.integers(0, 3, 40)
    given = {
        "C": X,
        "F": np.asfortranarray(X),
        "rows": np.repeat(X, 2, axis=0)[::2],
        "reversed": X[::-1].copy()[::-1],
        "integers": X.astype(int),
        "lists": X.tolist(),
    }[layout]
    w = rng.normal(size=12)
    value, grad = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)(w)
    other_value, other_grad = fl.linear.Objective(fl.SoftmaxCrossEntropy(), given, y)(w)
    assert other_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(other_grad, grad, rtol=1e-12, atol=1e-15)


def test_float_and_fortran_data_are_not_copied(rng):
    for dtype in (np.float32, np.float64):
        for order in "CF":
            X = np.array(rng.normal(size=(20, 3)), dtype=dtype, order=order)
            objective = fl.linear.Objective(fl.SquaredError(), X, np.zeros(20))
            assert np.shares_memory(objective.X, X)
            assert objective.X.dtype == dtype


def test_float32_data_gives_float32_accuracy_and_the_gradient_in_the_dtype_of_w(rng):
    X, y = rng.normal(size=(5000, 8)), rng.integers(0, 3, 5000)
    w = rng.normal(size=27)
    value, grad = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)(w)
    narrow = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X.astype(np.float32), y)
    value64, grad64 = narrow(w)
    _, grad32 = narrow(w.astype(np.float32))
    assert (grad64.dtype, grad32.dtype) == (np.float64, np.float32)
    assert value64 == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(grad64, grad, rtol=1e-4, atol=1e-6)


def test_result_has_the_same_bits_for_every_number_of_threads(rng):
    X, y = rng.normal(size=(20000, 10)), rng.integers(0, 8, 20000)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)
    w, before, results = rng.normal(size=objective.size), fl.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            fl.set_num_threads(threads)
            value, grad = objective(w)
            results.append((value, grad.tobytes()))
    finally:
        fl.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_multilabel_and_probability_targets_take_their_columns_as_scores(rng):
    X = rng.normal(size=(30, 4))
    for loss, y in (
        (fl.BinaryCrossEntropy(), rng.integers(0, 2, (30, 3))),
        (fl.SoftmaxCrossEntropy(), rng.dirichlet(np.ones(3), 30)),
        (fl.SquaredError(), rng.normal(size=(30, 3))),
    ):
        objective = fl.linear.Objective(loss, X, y)
        assert objective.coef_shape == (3, 4)
        w = rng.normal(size=objective.size)
        assert objective(w)[0] == pytest.approx(loss(scores_of(objective, w, X), y), rel=1e-13)
        assert fl.check_grad(objective, w) < 1e-6


def test_weight_per_entry_serves_where_the_loss_takes_it(rng):
    X, y, weight = rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), rng.uniform(size=(30, 3))
    objective = fl.linear.Objective(fl.SquaredError(), X, y, sample_weight=weight)
    w = rng.normal(size=objective.size)
    expected = fl.SquaredError()(scores_of(objective, w, X), y, sample_weight=weight)
    assert objective(w)[0] == pytest.approx(expected, rel=1e-13)


def test_zero_weights_and_no_rows_give_zero():
    for X, y, weight in ((np.ones((3, 2)), np.ones(3), np.zeros(3)), (np.ones((0, 2)), np.ones(0), None)):
        value, grad = fl.linear.Objective(fl.SquaredError(), X, y, sample_weight=weight)(np.ones(3))
        assert value == 0.0
        assert not grad.any()


def test_unpack_gives_views():
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), np.ones((4, 2)), [0, 1, 2, 1])
    w = np.arange(9.0)
    coef, intercept = objective.unpack(w)
    np.testing.assert_array_equal(coef, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(intercept, [6, 7, 8])
    assert np.shares_memory(coef, w)
    assert np.shares_memory(intercept, w)
    coef, intercept = fl.linear.Objective(fl.SquaredError(), np.ones((4, 2)), np.ones(4)).unpack(np.arange(3.0))
    assert (coef.tolist(), float(intercept)) == ([0.0, 1.0], 2.0)


@pytest.mark.parametrize("penalty", [fl.L2(0.1), fl.L1(0.1), fl.ElasticNet(l1=0.1, l2=0.2)], ids=repr)
def test_penalty_spares_the_intercept(penalty):
    objective = fl.linear.Objective(fl.SquaredError(), np.zeros((3, 2)), np.zeros(3), penalty=penalty)
    w = np.array([1.0, -2.0, 0.0])
    value, grad = objective(w)
    assert value == pytest.approx(penalty.value(w[:2]))
    np.testing.assert_allclose(grad, [*penalty.value_and_grad(w[:2])[1], 0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(loss="squared"), TypeError, "loss is a str"),
        (dict(loss=fl.SquaredError(reduction="none")), ValueError, "reduction 'none'"),
        (dict(penalty=0.1), TypeError, "penalty is a float"),
        (dict(X=np.ones(3)), ValueError, r"X has shape \(3,\)"),
        (dict(X=np.ones((3, 2)) * 1j), TypeError, "X is an array of complex128"),
        (dict(X=[[1, 2], [3, np.nan], [5, 6]]), ValueError, r"X\[1, 1\] is nan"),
        (dict(X=[[1, 2], [3, 4], [-np.inf, 6]]), ValueError, r"X\[2, 0\] is -inf"),
        (dict(y=np.ones(4)), ValueError, r"y has shape \(4,\), but X has 3 rows"),
        (dict(y=np.ones((3, 1, 1))), ValueError, r"y has shape \(3, 1, 1\)"),
        (dict(y=np.ones((3, 0))), ValueError, r"y has shape \(3, 0\), but must be"),
        (dict(y=["a", "b", "c"]), TypeError, "y is an array of <U1"),
        (dict(sample_weight=[1, -1, 1]), ValueError, r"sample_weight\[1\] is -1"),
        (dict(sample_weight=[1, 1]), ValueError, r"sample_weight has shape \(2,\)"),
        (dict(n_classes=3), ValueError, "n_classes is 3"),
        (dict(fit_intercept=1), TypeError, "fit_intercept is 1"),
        (dict(loss=fl.SoftmaxCrossEntropy(), y=[0, 1, 2], n_classes=2), IndexError, r"y\[2\] is 2, .* 2 classes"),
        (dict(loss=fl.SoftmaxCrossEntropy(), y=[0, -1, 2]), IndexError, r"y\[1\] is -1"),
        (dict(loss=fl.SoftmaxCrossEntropy(), y=[0.0, 1.0, 2.0]), TypeError, "classes must be integers"),
        (dict(loss=fl.SoftmaxCrossEntropy(class_weight=[1, 2]), y=[0, 1, 2]), IndexError, "there are 2 classes"),
        (
            dict(loss=fl.SoftmaxCrossEntropy(class_weight=[1, 2]), y=[0, 1, 1], n_classes=3),
            ValueError,
            "class_weight has 2 entries",
        ),
        (dict(loss=fl.MulticlassHinge(ignore_index=0), y=[0, 0, 0]), ValueError, "no label to count classes by"),
        (
            dict(loss=fl.SoftmaxCrossEntropy(), y=[0, 2**40, 1]),
            ValueError,
            r"y\[1\] is 1099511627776, .*: give n_classes",
        ),
        (dict(loss=fl.MulticlassHinge(ignore_index=7), y=[7, 1, 2000]), ValueError, r"y\[2\] is 2000"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, message):
    good = dict(loss=fl.SquaredError(), X=np.ones((3, 2)), y=np.ones(3))
    given = {**good, **arguments}
    with pytest.raises(error, match=message):
        fl.linear.Objective(given.pop("loss"), given.pop("X"), given.pop("y"), **given)


def test_w_of_another_size_is_refused():
    objective = fl.linear.Objective(fl.SquaredError(), np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match=r"w has shape \(2,\), but must have shape \(3,\)"):
        objective(np.ones(2))


# ---- Objective with scipy's minimizers ----


def fit(objective, method="L-BFGS-B", **options):
    return minimize(objective, np.zeros(objective.size), jac=True, method=method, options=options)


def test_least_squares_reach_the_closed_form(rng):
    X, y = rng.normal(size=(200, 4)), rng.normal(size=200)
    found = fit(fl.linear.Objective(fl.SquaredError(), X, y), gtol=1e-10, ftol=0)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(200)]), y, rcond=None)[0]
    np.testing.assert_allclose(found.x, expected, atol=1e-8)


def test_weighted_ridge_reaches_the_closed_form(rng):
    X, y, weight = rng.normal(size=(100, 4)), rng.normal(size=100), rng.uniform(0.1, 2, 100)
    objective = fl.linear.Objective(
        fl.SquaredError(reduction="sum"), X, y, penalty=fl.L2(3.0), fit_intercept=False, sample_weight=weight
    )
    found = fit(objective, gtol=1e-9, ftol=0)
    expected = np.linalg.solve(X.T @ (weight[:, None] * X) + 3 * np.eye(4), X.T @ (weight * y))
    np.testing.assert_allclose(found.x, expected, atol=1e-8)


def test_regression_through_the_origin_has_the_slope_of_the_lecture():
    x, y = np.array([48.0, 53, 54, 60]), np.array([158.0, 160, 165, 168])
    found = fit(fl.linear.Objective(fl.SquaredError(), x[:, None], y, fit_intercept=False))
    assert found.x[0] == pytest.approx((x @ y) / (x @ x), rel=1e-8)


@pytest.mark.parametrize("method", ["L-BFGS-B", "BFGS", "CG"])
def test_logistic_regression_reaches_the_objective_of_scikit_learn(method):
    X, y = load_digits(n_class=3, return_X_y=True)
    X = X / 16
    reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(X, y)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(reduction="sum"), X, y, penalty=fl.L2(1.0, half=True))
    expected = objective(np.concatenate([reference.coef_.ravel(), reference.intercept_]))[0]
    found = fit(objective, method, maxiter=5000, gtol=1e-4)
    assert found.fun == pytest.approx(expected, rel=1e-6)


def test_exponential_fit_has_the_rate_of_the_lecture():
    y = np.array([158.0, 160, 165, 168])
    objective = fl.linear.Objective(fl.ExponentialNLL(), np.zeros((4, 1)), y)
    found = fit(objective, "BFGS")
    assert np.exp(-objective.unpack(found.x)[1]) == pytest.approx(4 / 651, rel=1e-4)


# ---- train ----


def test_training_decreases_the_loss_and_records_it():
    objective = digits()
    result = fl.linear.train(objective, lr=1e-2, epochs=10)
    history = result.history
    assert set(history) == {"loss", "penalty", "learning_rate", "gradient_norm", "seconds"}
    assert all(len(values) == 10 for values in history.values())
    assert result.n_epochs == 10
    assert np.all(np.diff(history["loss"]) < 0)
    assert history["learning_rate"] == [1e-2] * 10
    assert min(history["seconds"]) > 0
    value, _ = objective(result.w)
    assert value == pytest.approx(history["loss"][-1] + history["penalty"][-1], rel=0.1)
    assert (result.coef.shape, result.intercept.shape) == ((10, 64), (10,))


@pytest.mark.parametrize("batch_size", [None, 100, 128, 2000])
def test_a_seed_gives_the_same_bits_again_and_another_seed_others(batch_size):
    first, again, other = (
        fl.linear.train(digits(), batch_size=batch_size, epochs=2, seed=seed).w.tobytes() for seed in (1, 1, 2)
    )
    assert first == again
    whole = batch_size is None or batch_size >= 1797
    assert (first == other) == whole


@pytest.mark.parametrize(("loss", "kind"), LOSSES, ids=IDS)
@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_one_epoch_is_what_the_loops_say(loss, kind, batch_size, rng):
    X, y = make_data(kind, rng)
    weight = rng.uniform(0.1, 1, len(y))
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(0.1), sample_weight=weight)
    rate = 1e-3 if loss.reduction == "mean" else 1e-5
    result = fl.linear.train(objective, optimizer="sgd", lr=rate, batch_size=batch_size, epochs=1, seed=3)
    w, n = np.zeros(objective.size), len(y)
    order = np.random.default_rng(3).permutation(n) if batch_size < n else np.arange(n)
    # each batch alone as an objective, its reduction undone: the sum over its rows
    root = isinstance(loss, fl.RootMeanSquaredError)
    sum_loss = fl.SquaredError(reduction="sum") if root else type(loss)(**{**loss._keywords(), "reduction": "sum"})
    per_row = type(loss)(**{**loss._keywords(), "reduction": "sum"}) if not root else sum_loss
    total_weight = total_weight_of(loss, y, weight)
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        part = fl.linear.Objective(per_row, X[rows], y[rows], sample_weight=weight[rows], n_classes=classes_of(kind))
        value, grad = part(w)
        share = len(rows) / n
        factor = 1 / share if loss.reduction == "sum" else 1 / (share * total_weight)
        if root:
            factor /= 2 * np.sqrt(value * factor)
        grad = grad * factor
        coef, _ = objective.unpack(w)
        grad[: coef.size] += 0.2 * coef.ravel()
        w -= rate * grad
    np.testing.assert_allclose(result.w, w, rtol=1e-9, atol=1e-13)


def classes_of(kind):
    return 4 if kind == LABELS else None


def total_weight_of(loss, y, weight):
    weight = weight.copy()
    if getattr(loss, "ignore_index", None) is not None:
        weight[y == loss.ignore_index] = 0
    if getattr(loss, "class_weight", None) is not None:
        weight *= np.array(loss.class_weight)[y]
    return weight.sum()


def test_batches_larger_than_a_block_give_the_same_path(monkeypatch):
    plain = fl.linear.train(digits(), batch_size=500, epochs=2)
    monkeypatch.setattr(fl.linear.objective, "BLOCK_BYTES", 0)
    monkeypatch.setattr(fl.linear.objective, "LEAST_ROWS", 60)
    in_blocks = fl.linear.train(digits(), batch_size=500, epochs=2)
    np.testing.assert_allclose(in_blocks.w, plain.w, rtol=1e-6, atol=1e-12)


def test_fortran_order_and_float32_train_as_well(rng):
    X, y = load_digits(return_X_y=True)
    X = np.asfortranarray(X / 16, dtype=np.float32)
    result = fl.linear.train(fl.linear.Objective(fl.MulticlassHinge(), X, y), lr=1e-2, epochs=20)
    assert result.coef.dtype == np.float32
    assert (np.argmax(X @ result.coef.T + result.intercept, axis=1) == y).mean() > 0.95


def test_sgd_recovers_the_line_of_the_lecture():
    x = np.arange(-3.0, 4.0)
    objective = fl.linear.Objective(fl.SquaredError(), x[:, None], 2 * x - 1)
    result = fl.linear.train(objective, optimizer="sgd", lr=0.01, batch_size=1, epochs=300)
    assert result.coef[0] == pytest.approx(2, abs=1e-6)
    assert float(result.intercept) == pytest.approx(-1, abs=1e-6)


def test_single_samples_obey_their_weights():
    """With a batch of one, a mean over the batch's own weights would lose them."""
    objective = fl.linear.Objective(fl.SquaredError(), np.zeros((2, 1)), [0.0, 1.0], sample_weight=[1.0, 3.0])
    result = fl.linear.train(objective, optimizer="sgd", lr=1e-3, batch_size=1, epochs=4000)
    assert float(result.intercept) == pytest.approx(0.75, abs=1e-2)


def test_tol_stops_and_callback_stops():
    assert fl.linear.train(digits(), epochs=50, tol=1e9).n_epochs == 2
    assert fl.linear.train(digits(), epochs=3, tol=0).n_epochs == 3
    seen = []
    result = fl.linear.train(digits(), epochs=50, callback=lambda r: seen.append(r.n_epochs) or r.n_epochs == 4)
    assert (result.n_epochs, seen) == (4, [1, 2, 3, 4])


def test_schedules_and_optimizer_factories_serve():
    factory = functools.partial(fl.SGD, momentum=0.9)
    result = fl.linear.train(digits(), optimizer=factory, lr=lambda t: 0.1 / (1 + t), epochs=2, batch_size=None)
    assert result.history["learning_rate"] == [0.1, 0.05]
    for optimizer in ("rmsprop", fl.Adam, "SGD".lower()):
        assert fl.linear.train(digits(), optimizer=optimizer, epochs=1).n_epochs == 1


def test_progress_prints_lines_where_there_is_no_terminal(capsys):
    fl.linear.train(digits(), epochs=20, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("epoch 1/20: loss 2.")
    assert lines[-1].startswith("epoch 20/20: loss ")


def test_progress_shows_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fl.linear.train(digits(), epochs=3, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "3/3" in captured.err
    assert "loss" in captured.err


def test_progress_prints_lines_on_a_terminal_without_tqdm(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fl.linear.train(digits(), epochs=3, progress=True)
    captured = capsys.readouterr()
    assert [line.split(":")[0] for line in captured.out.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert captured.err == ""


def test_plot_draws_the_loss_per_epoch():
    from matplotlib.figure import Figure

    result = fl.linear.train(digits(), epochs=3)
    axes = result.plot(Figure().add_subplot())
    x, y = axes.lines[0].get_data()
    np.testing.assert_array_equal(x, [1, 2, 3])
    np.testing.assert_allclose(y, np.add(result.history["loss"], result.history["penalty"]))


def test_plot_without_axes_draws_into_a_figure_of_its_own():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    before = pyplot.get_fignums()
    axes = fl.linear.train(digits(), epochs=2).plot()
    assert axes.figure.number not in before and pyplot.gca() is axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss + penalty")
    assert len(axes.lines) == 1
    pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("loss", "X", "y", "message"),
    [
        (fl.SquaredError(), np.ones((0, 2)), np.ones(0), r"X has shape \(0, 2\)"),
        (fl.SquaredError(), np.ones((3, 0)), np.ones(3), r"X has shape \(3, 0\), but must have rows and columns"),
        (fl.SquaredError(), np.ones((3, 2)), [1, np.nan, 1], r"y\[1\] is nan"),
        (fl.PoissonNLL(), np.ones((3, 2)), [1, 2, -1], r"y\[2\] is -1"),
        (fl.Hinge(), np.ones((3, 2)), [1, 2, -1], r"y\[1\] is 2"),
        (fl.Hinge(), np.ones((3, 2)), [1, 1, 1], r"one class \(1\)"),
        (fl.BinaryCrossEntropy(), np.ones((3, 2)), [0, 0, 0], r"one class \(0\)"),
        (fl.SoftmaxCrossEntropy(), np.ones((3, 2)), [2, 2, 2], r"one class \(2\)"),
        (fl.SoftmaxCrossEntropy(), np.ones((2, 2)), [[0.5, 0.5], [0.5, 0.6]], r"y\[1\] adds up to 1.1"),
        (fl.SoftmaxCrossEntropy(class_weight=[1, 1], ignore_index=7), np.ones((2, 2)), [7, 7], "all labels in y are i"),
    ],
)
def test_data_to_learn_nothing_from_are_refused(loss, X, y, message):
    with pytest.raises(ValueError, match=message):
        fl.linear.train(fl.linear.Objective(loss, X, y))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (dict(epochs=0), ValueError),
        (dict(epochs=1.5), TypeError),
        (dict(batch_size=0), ValueError),
        (dict(tol=-1.0), ValueError),
        (dict(optimizer="gradient"), ValueError),
        (dict(lr="fast"), TypeError),
    ],
)
def test_bad_options_are_refused(options, error):
    with pytest.raises(error):
        fl.linear.train(digits(), **options)


def test_what_is_trained_must_be_an_objective():
    with pytest.raises(TypeError, match=r"^train: objective is a SquaredError, but must be an Objective$"):
        fl.linear.train(fl.SquaredError())


@pytest.fixture
def interruptible():
    """Python's own handler for Ctrl-C: a shell that runs this in the background may have told it to ignore that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_carries_the_result_of_whole_steps(interruptible):
    objective = digits()

    def press(result):
        if result.n_epochs == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        fl.linear.train(objective, epochs=100, callback=press)
    result = caught.value.result
    assert result.n_epochs == 3
    whole = fl.linear.train(objective, epochs=4)
    assert np.isfinite(result.w).all()
    assert result.w.shape == whole.w.shape
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_comes_within_a_second(interruptible):
    X = np.random.default_rng(0).normal(size=(200_000, 50))
    objective = fl.linear.Objective(fl.SquaredError(), X, X[:, 0])
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            fl.linear.train(objective, epochs=100_000)
    finally:
        timer.cancel()
    assert caught.value.result.n_epochs >= 0


def test_objective_allocates_nothing_of_the_size_of_the_scores(rng):
    import tracemalloc

    X, y = rng.normal(size=(200_000, 4)).astype(np.float32), rng.integers(0, 50, 200_000)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, n_classes=50)
    w = np.zeros(objective.size)
    tracemalloc.start()
    objective(w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000  # a block; all scores would take 40 MB
