# SPDX-License-Identifier: BSD-3-Clause
"""The numbers that the example scripts print, against closed forms and other libraries; and their pictures.

Each script runs once, in this process. The demo has a test of its own.
"""

import contextlib
import functools
import io
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy.optimize
import statsmodels.api
from scipy.special import expit, logsumexp, softmax
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import scale

import fastloss as fl

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ELSEWHERE = {"demo": "test_demo.py", "numba_calls": "peers/test_numba.py"}  # run by tests of their own
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("[a-z]*.py") if path.stem not in ELSEWHERE)
pytestmark = pytest.mark.usefixtures("one_blas_thread")
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[-+]\d+)?|nan")


class Example:
    """What a script printed, the folder of its pictures, and its names."""

    def __init__(self, name, folder):
        self.folder, printed = folder, io.StringIO()
        command = [f"{name}.py", "--output", str(folder)]
        with (
            mock.patch.object(sys, "argv", command),
            mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]),
            contextlib.redirect_stdout(printed),
        ):
            self.names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        self.text = printed.getvalue()

    def numbers(self, label, which=0):
        """The numbers behind the label on the line that begins with it (the first such line, or the one asked for)."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip().startswith(label)]
        assert len(lines) > which, f"no line begins with {label!r} in\n{self.text}"
        return [float(word.replace(",", "")) for word in NUMBER.findall(lines[which][len(label) :])]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A function from a script's name to what it did."""
    return functools.cache(lambda name: Example(name, tmp_path_factory.mktemp(name)))


def printed(expected, digits):
    """What a number printed with that many decimals may differ from the exact one: half a unit, and the fit's error."""
    return pytest.approx(expected, abs=10.0**-digits)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_saves_the_pictures_that_it_announces(name, example):
    pictures = re.findall(r"^saved (.*)$", example(name).text, flags=re.MULTILINE)
    assert pictures
    for picture in pictures:
        assert Path(picture).parent == example(name).folder
        assert Path(picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [*ELSEWHERE, *SCRIPTS])
def test_every_script_is_in_the_list_of_examples(name):
    assert f"[{name}.py]({name}.py)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_a_script_runs_as_it_is_called(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(Path(fl.__file__).parents[1])}
    command = [sys.executable, EXAMPLES / "hinge_margins.py", "--output", tmp_path / "new" / "folder"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "folder" / "hinge_margins.png").exists()


# ---- from likelihood to loss ----


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("normal, mean", 651 / 4),
        ("normal, variance", (4.75**2 + 2.75**2 + 2.25**2 + 5.25**2) / 4),
        ("exponential, rate", 4 / 651),
        ("Bernoulli, p", 357 / 569),
        ("Poisson, rate", 196 / 280),
        ("categorical, p0", 59 / 178),
        ("categorical, p1", 71 / 178),
        ("categorical, p2", 48 / 178),
    ],
)
def test_likelihoods_are_greatest_at_the_closed_forms(label, expected, example):
    by_hand, by_bfgs = example("likelihoods").numbers(label)
    assert by_hand == printed(expected, 8)
    assert by_bfgs == pytest.approx(expected, rel=1e-6, abs=1e-8)  # gtol is 1e-9, and a variance ends at roundoff


def test_linear_regression_by_descent_is_that_by_hand(example):
    run = example("linear_regression")
    x, y = np.array([48.0, 53, 54, 60]), np.array([158.0, 160, 165, 168])
    beta = (48 * 158 + 53 * 160 + 54 * 165 + 60 * 168) / (48**2 + 53**2 + 54**2 + 60**2)
    for label in ("by hand", "BFGS, MSE", "BFGS, normal"):
        assert run.numbers(label) == [printed(beta, 6)]
    shrink = 1 - 2e-4 * np.mean(x**2)  # a step multiplies the distance from the minimum by this
    for step in (1, 2, 3):
        assert run.numbers(f"step {step}") == [printed(beta + shrink**step * (0.1 - beta), 6)]
    assert run.numbers("height =", which=1) == pytest.approx(np.polyfit(x, y, 1), abs=1e-3)  # flat in that direction


def test_linear_regression_recovers_the_line(example):
    run = example("linear_regression")
    for label in ("single samples", "batches of 5"):
        assert run.numbers(label) == [2, -1]
    x = np.linspace(-2, 2, 20)
    w, design = np.zeros(2), np.column_stack([x, np.ones(20)])
    for _ in range(60):
        w -= 0.05 * 2 * design.T @ (design @ w - (2 * x - 1)) / 20
    assert run.numbers("all 20") == pytest.approx(w, abs=1e-6)


def test_poisson_counts_are_fitted_as_by_statsmodels_and_in_the_book(example):
    run = example("poisson_counts")
    quarter = np.arange(1.0, 15)
    deaths = [0, 1, 2, 3, 1, 4, 9, 18, 23, 31, 20, 25, 37, 45]
    design = np.column_stack([quarter, np.ones(14)])
    family = statsmodels.api.families.Poisson()
    reference = statsmodels.api.GLM(deaths, design, family=family).fit(tol=1e-12)
    for label, estimate, error in zip(("slope", "intercept"), reference.params, reference.bse):
        assert run.numbers(label) == [printed(estimate, 6), printed(error, 6)]
    assert run.numbers("slope")[0] == pytest.approx(0.2565, abs=5e-5)  # as published
    assert run.numbers("intercept")[0] == pytest.approx(0.3396, abs=5e-5)
    assert run.numbers("log-likelihood") == [printed(reference.llf, 6)]
    assert run.numbers("straight line") == pytest.approx(np.polyfit(quarter, deaths, 1), abs=1e-5)
    assert run.numbers("negative means")[0] == np.sum(np.polyval(np.polyfit(quarter, deaths, 1), quarter) < 0)


def line_of(name, x, y):
    """Slope and intercept of the best line by other means."""
    if name in ("MSE", "RMSE"):
        return np.polyfit(x, y, 1)
    if name == "MAE":  # the best one goes through two of the points
        lines = [np.polyfit(x[[i, j]], y[[i, j]], 1) for i in range(len(x)) for j in range(i)]
        return min(lines, key=lambda line: np.abs(np.polyval(line, x) - y).mean())
    start = np.polyfit(x, y, 1)
    return scipy.optimize.least_squares(
        lambda line: np.polyval(line, x) - y, start, loss="huber", f_scale=0.5, xtol=1e-12, ftol=1e-12, gtol=1e-12
    ).x


@pytest.mark.parametrize("name", ["MSE", "RMSE", "MAE", "Huber"])
def test_outliers_move_each_fit_where_other_methods_put_it(name, example):
    run = example("outliers")
    x, y, bad = run.names["data"]()
    line = line_of(name, x, y)
    residual = np.polyval(line, x) - y
    mse = np.mean(residual**2)
    expected = [*line, mse, np.sqrt(mse), np.abs(residual).mean()]
    assert run.numbers(name) == pytest.approx(expected, abs=2e-3)  # the descent ends that near a kink
    clean = np.polyfit(x[~bad], y[~bad], 1)[0]
    assert (abs(line[0] - clean) < 0.1) == (name in ("MAE", "Huber"))


def test_convexity_of_the_perceptron(example):
    run = example("convexity")
    x, y, grid = run.names["X"], run.names["Y"], run.names["WEIGHTS"]
    s = expit(grid[:, None] * x)
    least, *minima = run.numbers("binary cross-entropy")
    assert least == printed((s * (1 - s) * x**2).mean(axis=1).min(), 6)
    assert least > 0

    def cost(w):
        return np.mean((expit(w * x) - y) ** 2)

    h = 1e-4
    second = [(cost(w + h) - 2 * cost(w) + cost(w - h)) / h**2 for w in grid]
    least, *two = run.numbers("squared error")
    assert least == pytest.approx(min(second), rel=1e-4)
    assert least < 0
    assert len(minima) == 1
    found = [scipy.optimize.minimize_scalar(cost, bounds=b, method="bounded").x for b in ((-1, 0.1), (0.5, 8))]
    assert two == pytest.approx(found, abs=grid[1] - grid[0])


def test_convexity_trains_the_perceptron_as_scikit_learn_does(example):
    run = example("convexity")
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    reference = linear_model.LogisticRegression(C=1 / (2e-3 * len(y)), tol=1e-10, max_iter=10000).fit(X, y)
    z = X @ reference.coef_[0] + reference.intercept_
    cost = np.mean(np.logaddexp(0, z) - y * z) + 1e-3 * np.sum(reference.coef_**2)
    assert run.numbers("perceptron on tumours: cost") == [printed(cost, 7), printed(reference.score(X, y), 4)]
    assert run.numbers("gradient against X^T (s - y) / n:")[0] < 1e-14


def test_entropy_numbers(example):
    run = example("entropy")
    scores = np.array([3.2, 5.1, -1.7])
    p = softmax(scores)
    assert run.numbers("softmax") == pytest.approx(p, abs=5e-5)
    assert run.numbers("gradient") == pytest.approx(p - [1, 0, 0], abs=5.1e-5)
    nats = -np.log(p[0])
    assert run.numbers("cross-entropy") == pytest.approx([nats, nats / np.log(10), nats / np.log(2)], abs=5.1e-5)
    assert run.numbers("log-sum-exp") == [printed(logsumexp(scores), 4)]
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])
    parts = [-(p * np.log(q)).sum(), -(p * np.log(p)).sum(), (p * np.log(p / q)).sum()]
    assert run.numbers("H(p, q)") == pytest.approx(parts, abs=1e-6)


@pytest.mark.parametrize(("shift", "naive_works"), [("0", True), ("700", True), ("1000", False), ("1e+06", False)])
def test_entropy_survives_large_scores(shift, naive_works, example):
    naive, ours = example("entropy").numbers(shift + " ")
    assert ours == 2.0404
    assert (naive == 2.0404) == naive_works


def test_sigmoid_outputs_cost_what_separate_perceptrons_do(example):
    run = example("sigmoid_outputs")
    assert run.numbers("cost with weights 0") == [printed(3 * np.log(2), 6)]
    X, labels = load_iris(return_X_y=True)
    X = scale(X)
    losses, objectives = [], []
    for k in range(3):
        y = labels == k
        model = linear_model.LogisticRegression(C=1 / (6e-3 * 150), tol=1e-10, max_iter=10000).fit(X, y)
        z = X @ model.coef_[0] + model.intercept_
        losses.append(np.mean(np.logaddexp(0, z) - y * z))
        objectives.append(losses[-1] + 3e-3 * np.sum(model.coef_**2))
    assert run.numbers("output by output") == pytest.approx(losses, abs=1e-5)
    assert run.numbers("cost after the fit") == [printed(sum(losses), 5)]
    assert run.numbers("objective") == [printed(np.mean(objectives), 6)]
    assert run.numbers("K separate perceptrons") == pytest.approx([np.mean(objectives), *objectives], abs=1e-6)


@pytest.mark.parametrize(
    ("label", "losses"),
    [
        ("margin 1 ", [2.9, 0, 12.9]),
        ("sum over all classes", [2.9 + 1, 0 + 1, 12.9 + 1]),
        ("mean over the wrong ones", [2.9 / 2, 0, 12.9 / 2]),
        ("squared", [2.9**2, 0, 6.3**2 + 6.6**2]),
        ("margin 100 ", [101.9 + 95.1, 96.4 + 97.1, 105.3 + 105.6]),
        ("margin 100, scores * 100", [290, 0, 1290]),
        ("the worst class alone", [2.9, 0, 6.6]),
        ("scores changed by 0.5", [2.9, 0, 12.9]),
        ("scores 0, as W = 0 gives", [2, 2, 2]),
        ("softmax cross-entropy", [2.0404, 0.0791, 6.1565]),  # log(1 + e^1.9 + e^-4.9) and so on
    ],
)
def test_hinge_margins_by_hand(label, losses, example):
    assert example("hinge_margins").numbers(label) == pytest.approx([*losses, np.mean(losses)], abs=5.1e-5)


# ---- from loss to gradient ----


def test_svm_gradient_is_the_slope_of_the_loss(example):
    run = example("svm_gradient")
    X, y = load_digits(return_X_y=True)
    X, W = X / 16, 0.3 * np.random.default_rng(0).normal(size=(64, 10))
    rows = np.arange(len(y))

    def loss(W):
        scores = X @ W
        return np.maximum(0, scores - scores[rows, y][:, None] + 1).sum() / len(y) - 1

    *ours, _ = run.names["by_matrix_product"](X, y, W)
    norm = np.linalg.norm(ours[1])
    h = 1e-6 * ours[1] / norm
    slope = (loss(W + h) - loss(W - h)) / 2e-6
    for label, off in (("loops", 0), ("matrix product", 1e-12), ("linear.Objective", 1e-12)):
        value, length, difference = run.numbers(label)
        assert value == printed(loss(W), 7)
        assert length == pytest.approx(slope, rel=1e-4)  # a step of 1e-6 may pass a kink or two of 17,970
        assert difference <= off
    assert run.numbers("indicator matrix and the gradient of MulticlassHinge differ in") == [0]


def test_gradient_check_has_the_errors_of_taylors_theorem(example):
    run = example("gradient_check")
    p, h = softmax([3.2, 5.1, -1.7])[0], 1e-3
    assert run.numbers("analytic derivative:") == [printed(p - 1, 12)]
    second, third = p * (1 - p), p * (1 - p) * (1 - 2 * p)
    _, error, *_ = run.numbers("forward")
    assert error == pytest.approx(h / 2 * second, rel=0.05)  # two digits are printed
    _, error, best, least = run.numbers("central ")
    assert error == pytest.approx(h**2 / 6 * third, rel=0.05)
    assert 1e-7 < best < 1e-3
    assert least < 1e-10
    assert run.numbers("check_grad, the loss:")[0] < 1e-8
    assert run.numbers("check_grad, sin(x + y^2):")[0] < 1e-8
    assert run.numbers("check_grad, without the inner 2 y:") == [pytest.approx(1 - 1 / (2 * 1.5), abs=0.01)]


# ---- from gradient to optimizer ----


def test_learning_rates_shrink_by_their_factor(example):
    run = example("learning_rates")
    for label, rate in (("too small (0.1)", 0.1), ("good (0.7)", 0.7), ("large (1.9)", 1.9), ("too large (2.1)", 2.1)):
        assert run.numbers(label) == [printed(1 - rate, 2), printed(4 * (1 - rate) ** 12, 6)]


@pytest.mark.parametrize(
    ("label", "rate"),
    [
        ("constant 0.3", lambda t: 0.3),
        ("constant 0.003", lambda t: 0.003),
        ("0.3 / (1 + 0.05 t)", lambda t: 0.3 / (1 + 0.05 * t)),
        ("cosine from 0.3 to 0", lambda t: 0.15 * (1 + np.cos(np.pi * t / 4000))),
        ("0.3, a fifth every 800", lambda t: 0.3 * 0.2 ** (t // 800)),
    ],
)
def test_learning_rates_decay_as_plain_loops_do(label, rate, example):
    run = example("learning_rates")
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 200)
    y = 2 * x - 1 + rng.normal(size=200)
    design = np.column_stack([x, np.ones(200)])
    w, t, order = np.zeros(2), 0, np.random.default_rng(0)
    for _ in range(20):
        for i in order.permutation(200):
            w -= rate(t) * (design[i] @ w - y[i]) * design[i]
            t += 1
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    excess = np.mean((design @ (w - best)) ** 2) / 2  # the residual of the best line is orthogonal to the design
    assert run.numbers(label) == [pytest.approx(excess, rel=0.01)]  # three digits are printed


def test_batch_sizes_take_the_steps_of_plain_loops(example):
    run = example("batch_sizes")
    X, y = load_digits(return_X_y=True)
    X, one_hot, n = np.column_stack([X / 16, np.ones(1797)]), np.eye(10)[y], 1797
    W, decay = np.zeros((65, 10)), 2e-4 * (np.arange(65) < 64)[:, None]
    for _ in range(150):
        W -= 0.5 * (X.T @ (softmax(X @ W, axis=1) - one_hot) / n + decay * W)
    scores = X @ W
    value = np.mean(logsumexp(scores, axis=1) - scores[np.arange(n), y]) + 1e-4 * np.sum(W[:64] ** 2)
    epochs, steps, objective, _ = run.numbers("full batch")
    assert (epochs, steps) == (150, 150)
    assert objective == printed(value, 5)
    for label, size in (("mini-batches of 32", 32), ("single samples", 1)):
        epochs, steps, objective, change = run.numbers(label)
        assert steps == epochs * np.ceil(n / size)
        assert epochs < 150
        assert change < 1e-3
        assert objective < value


def test_optimizer_paths_prints_every_optimizer(example):
    run = example("optimizer_paths")
    for name in ("SGD", "Adagrad", "Adadelta", "RMSprop", "Adam ", "AdamW", "RAdam", "NAdam", "Adamax", "Lion"):
        height, loss, accuracy = run.numbers(name)
        assert height < 2.45 + 4  # the start: 49 / 20 + 4
        assert loss < np.log(10)
        assert accuracy > 0.9
    x, y = -7 * (1 - 0.9 / 10) ** 60, 2 * (1 - 0.9 * 2) ** 60
    assert run.numbers("SGD")[0] == pytest.approx(x**2 / 20 + y**2, rel=0.005)


# ---- from optimizer to model ----


def digits_split(divisor):
    images, labels = load_digits(return_X_y=True)
    return train_test_split(images / divisor, labels, test_size=0.25, random_state=0, stratify=labels)


def test_softmax_reaches_the_optimum_of_scikit_learn(example):
    X, test, y, labels = digits_split(16)
    model = linear_model.LogisticRegression(C=1 / (2e-3 * len(y)), tol=1e-8, max_iter=10000).fit(X, y)
    cost = -np.mean(model.predict_log_proba(X)[np.arange(len(y)), y]) + 1e-3 * np.sum(model.coef_**2)
    run = example("svm_against_softmax")
    accuracies = [printed(model.score(X, y), 4), printed(model.score(test, labels), 4)]
    assert run.numbers("softmax") == [printed(cost, 7), *accuracies, 0.0]
    assert run.numbers("test image 5 is a")[-1] == pytest.approx(model.predict_proba(test[5:6]).max(), abs=1e-3)


def test_svm_reaches_the_optimum_of_its_formula(example):
    X, test, y, labels = digits_split(16)
    X, n = np.column_stack([X, np.ones(len(y))]), len(y)
    rows = np.arange(n)

    def cost(w):
        W = w.reshape(65, 10)
        scores = X @ W
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
        margins[rows, y] = 0
        pull = 2 * margins
        pull[rows, y] = -pull.sum(axis=1)
        shrink = 2e-3 * W * (np.arange(65) < 64)[:, None]
        return (margins**2).sum() / n + 1e-3 * np.sum(W[:64] ** 2), (X.T @ pull / n + shrink).ravel()

    found = scipy.optimize.minimize(cost, np.zeros(650), jac=True, method="CG", options={"gtol": 1e-6})
    scores = np.column_stack([test, np.ones(len(test))]) @ found.x.reshape(65, 10)
    margins = np.maximum(0, scores - scores[np.arange(len(test)), labels][:, None] + 1)
    expected = [
        printed(found.fun, 7),
        printed(np.mean((X @ found.x.reshape(65, 10)).argmax(axis=1) == y), 4),
        printed(np.mean(scores.argmax(axis=1) == labels), 4),
        pytest.approx(np.mean(margins.sum(axis=1) == 1), abs=0.005),  # two images of 450 may lie on the margin
    ]
    assert example("svm_against_softmax").numbers("SVM (squared hinge)") == expected


@pytest.mark.parametrize("p", [1, 2])
def test_nearest_neighbours_are_those_of_scikit_learn(p, example):
    X, test, y, labels = digits_split(1)
    model = KNeighborsClassifier(3, p=p, algorithm="brute").fit(X, y)
    expected = [printed(model.score(test, labels), 4), 1347 * 65, 1.0]
    assert example("nearest_neighbours").numbers(f"3-NN, L{p}") == expected


def test_regularization_paths_pass_through_the_solutions_of_scikit_learn(example):
    run = example("regularization_paths")
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    models = {
        "L2, strength 0.1": linear_model.Ridge(0.1 * len(y), fit_intercept=False),
        "L1, strength 0.1": linear_model.Lasso(0.1, fit_intercept=False, tol=1e-10),
        "elastic net, strength 0.1": linear_model.ElasticNet(0.1, l1_ratio=0.5, fit_intercept=False, tol=1e-10),
    }
    for label, model in models.items():
        coef = model.fit(X, y).coef_
        expected = [*coef, np.sum(coef == 0), np.linalg.norm(coef)]
        assert run.numbers(label) == pytest.approx(expected, abs=1e-3)


def test_max_norm_is_a_ridge_whose_solution_has_that_norm(example):
    run = example("regularization_paths")
    X, y = load_diabetes(return_X_y=True)
    X, y, limit = scale(X), scale(y), float(np.geomspace(0.05, 1.5, 25)[12])

    def ridge(strength):
        return np.linalg.solve(X.T @ X / len(y) + strength * np.eye(10), X.T @ y / len(y))

    strength = scipy.optimize.brentq(lambda s: np.linalg.norm(ridge(s)) - limit, 1e-6, 100)
    expected = [*ridge(strength), 0, limit]
    assert run.numbers(f"max norm {limit:.3f}") == pytest.approx(expected, abs=1e-3)


def gradient_of_weights(network, value_and_grad):
    """The network's loss as a function of one flat vector, for check_grad."""
    shapes = {name: array.shape for name, array in network.weights.items()}

    def function(w):
        start = 0
        for name, shape in shapes.items():
            stop = start + int(np.prod(shape))
            network.weights[name] = w[start:stop].reshape(shape)
            start = stop
        value, grads = value_and_grad()
        return value, np.concatenate([grads[name].ravel() for name in shapes])

    return function, np.concatenate([array.ravel() for array in network.weights.values()])


def directional_error(function, w, rng):
    """The relative difference between gradient and central differences along three random directions."""
    errors = []
    for _ in range(3):
        direction = rng.normal(size=w.shape)
        direction /= np.linalg.norm(direction)
        slope = (function(w + 1e-5 * direction)[0] - function(w - 1e-5 * direction)[0]) / 2e-5
        errors.append(abs(slope - function(w)[1] @ direction) / abs(slope))
    return max(errors)


def test_dropout_keeps_its_share_and_the_network_its_gradient(example, rng):
    run = example("dropout")
    (kept,) = run.numbers("kept by dropout with rate 0.5:")
    assert abs(kept - 0.5) < 5 * np.sqrt(0.25 / 256_000)
    network, X, y = run.names["Network"](seed=1), rng.uniform(size=(9, 64)), np.arange(9)
    function, w = gradient_of_weights(network, lambda: network.value_and_grad(X, y, rate=0.5, seed=3))
    assert directional_error(function, w, rng) < 1e-4  # the kinks of relu


def test_dropout_and_max_norm_do_their_job(example):
    run = example("dropout")
    table = {name: run.numbers(name) for name in ("plain", "dropout ", "max norm", "both")}
    for name in ("dropout ", "both"):
        assert table[name][0] > table["plain"][0]  # less fitted
        assert table[name][1] < table["plain"][1]  # better on new images
    for name in ("max norm", "both"):
        assert table[name][3] == 1.0
    assert table["plain"][3] > 2


def test_batch_norm_makes_all_features_one_size(example):
    run = example("batch_norm")
    X = run.names["load_data"]()[0]
    deviation = X.std(axis=0)
    assert run.numbers("features        standard deviations from") == pytest.approx(
        [deviation.min(), deviation.max()], rel=1e-3
    )
    shrunk = deviation / np.sqrt(deviation**2 + 1e-5)
    assert run.numbers("after the layer standard deviations from") == pytest.approx(
        [shrunk.min(), shrunk.max()], abs=1e-4
    )


def test_batch_norm_learns_where_plain_descent_does_not(example):
    run = example("batch_norm")
    table = np.array([run.numbers(label + " ") for label in ("1e-08", "1e-07", "1e-06", "1e-05", "0.01", "0.1", "1")])
    assert table[:, 2].min() < 0.1 < table[:, 0].min()
    assert table[:, 3].max() > 0.95 > table[:, 1].max()


def test_stochastic_depth_runs_as_many_blocks_as_its_formula_says(example, rng):
    run = example("stochastic_depth")
    expected = 12 - 0.5 * 13 / 2
    chances = 1 - np.arange(1, 13) / 24
    deviation = np.sqrt(np.sum(chances * (1 - chances)))
    kept, blocks, formula = run.numbers("blocks kept on average:")
    assert (blocks, formula) == (12, expected)
    assert abs(kept - expected) < 5 * deviation / np.sqrt(20000)
    depth, *_ = run.numbers("stochastic depth")
    assert abs(depth - expected) < 5 * deviation / np.sqrt(400)
    assert run.numbers("all blocks")[0] == 12
    assert run.numbers("stochastic depth")[3] > 0.93
    network, X, y = run.names["Network"](), rng.uniform(size=(9, 64)), np.arange(9)
    network.weights["out"] = rng.normal(size=network.weights["out"].shape)
    keep = np.arange(12) % 3 > 0
    function, w = gradient_of_weights(network, lambda: network.value_and_grad(X, y, keep))
    assert directional_error(function, w, rng) < 1e-4


# ---- from model to validation ----


def test_cross_validation_by_hand_is_that_of_the_library(example):
    run = example("cross_validation")
    assert run.numbers("by hand") == run.numbers("scikit-learn")
    assert run.numbers("by hand", which=1) == run.numbers("scikit-learn", which=1)


def test_cross_validation_has_the_scores_of_scikit_learns_models(example):
    run = example("cross_validation")
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    scores = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        ridge = linear_model.Ridge(0.1 * len(train)).fit(X[train], y[train])
        scores.append(np.mean((ridge.predict(X[test]) - y[test]) ** 2))
    assert run.numbers("by hand") == pytest.approx([*scores, np.mean(scores)], abs=1e-3)  # solved to tol=1e-4

    X, y = load_wine(return_X_y=True)
    X, scores = scale(X), []
    for fold, (train, test) in enumerate(StratifiedKFold(5).split(X, y)):
        model = linear_model.LogisticRegression(C=1 / (0.1 * len(train)), tol=1e-8).fit(X[train], y[train])
        scores.append(model.score(X[test], y[test]))
        assert run.numbers(f"fold {fold}:") == [len(test), *np.bincount(y[test])]
    assert run.numbers("by hand", which=1) == pytest.approx([*scores, np.mean(scores)], abs=1e-5)


def legendre_ridge(x, y, strength):
    """A function from points to predictions, by the closed form; the intercept goes free."""
    design = np.polynomial.legendre.legvander(x, 9)
    penalty = strength * np.diag(np.arange(10) > 0)
    w = np.linalg.solve(design.T @ design / len(x) + penalty, design.T @ y / len(x))
    return lambda new: np.polynomial.legendre.legvander(new, 9) @ w


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_bias_and_variance_are_those_of_the_closed_form(strength, example):
    rng, grid = np.random.default_rng(0), np.linspace(-1, 1, 401)
    curves, errors = [], []
    for _ in range(40):
        x = rng.uniform(-1, 1, 25)
        y = np.sin(np.pi * x) + 0.3 * rng.normal(size=25)
        new_x = rng.uniform(-1, 1, 1000)
        new_y = np.sin(np.pi * new_x) + 0.3 * rng.normal(size=1000)
        model = legendre_ridge(x, y, strength)
        curves.append(model(grid))
        errors.append([np.mean((model(new_x) - new_y) ** 2), np.mean((model(x) - y) ** 2)])
    bias = np.mean((np.mean(curves, axis=0) - np.sin(np.pi * grid)) ** 2)
    variance = np.mean(np.var(curves, axis=0))
    expected = [bias, variance, 0.09, bias + variance + 0.09, *np.mean(errors, axis=0)]
    assert example("bias_variance").numbers(f"{strength:.0e}") == pytest.approx(expected, rel=2e-3, abs=1e-5)


def test_learning_curves_close_upon_the_noise(example):
    run = example("bias_variance")
    fitted, new = np.array([run.numbers(f"{n} ") for n in (15, 20, 30, 50, 100, 200, 400)]).T
    assert np.all(np.diff(fitted) > 0)
    assert np.all(np.diff(new) < 0)
    assert np.all(fitted < 0.09) and np.all(new > 0.09)
    assert new[-1] - fitted[-1] < 0.01
