# SPDX-License-Identifier: BSD-3-Clause
"""The estimators of ``fastloss.sklearn``: scikit-learn's own checks, optima against scikit-learn's, and the interface.

The objective and the trainer under them are tested in test_linear*.py.
"""

import importlib
import inspect
import pickle
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn import datasets, linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastloss as fl
from fastloss import _lbfgs
from fastloss.sklearn import CLASSIFICATION, OPTIMIZERS, REGRESSION, LinearClassifier, LinearRegressor

SAME = 1e-6  # of the objective, which both solvers reach to better than this
CHECKED = [
    LinearClassifier(),
    LinearClassifier("hinge"),
    LinearClassifier("squared_hinge", penalty="elasticnet", tol=1e-6),
    LinearClassifier(class_weight="balanced"),
    LinearClassifier(solver="sgd"),
    LinearRegressor(),
    LinearRegressor("absolute_error"),
    LinearRegressor("poisson", penalty="l1"),
    LinearRegressor("huber", solver="adagrad"),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # 1000 steps on 20 rows are not enough
@parametrize_with_checks(CHECKED)
def test_estimators_pass_every_check_of_scikit_learn(estimator, check):
    check(estimator)


# ---- optima ----


def objective_at(model, loss, X, y, sample_weight=None):
    """The objective that the docs state, at a fitted model's coefficients."""
    objective = fl.linear.Objective(loss, X, y, sample_weight=sample_weight)
    w = np.concatenate([np.ravel(model.coef_), np.ravel(model.intercept_)])
    return objective(w)[0]


def half_squares(model):
    return np.square(model.coef_).sum() / 2


@pytest.fixture(scope="module")
def iris():
    return datasets.load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return scale(X), y


@pytest.mark.parametrize("alpha", [1e-3, 1.0])
def test_softmax_reaches_the_optimum_of_logistic_regression(iris, alpha):
    X, y = iris
    ours = LinearClassifier(alpha=alpha, tol=1e-6).fit(X, y)
    theirs = linear_model.LogisticRegression(C=1 / (len(y) * alpha), solver="newton-cg", tol=1e-10, max_iter=10_000)
    theirs.fit(X, y)
    loss = fl.SoftmaxCrossEntropy()
    a, b = (objective_at(m, loss, X, y) + alpha * half_squares(m) for m in (ours, theirs))
    assert a == pytest.approx(b, rel=SAME)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_two_classes_are_binary_logistic_regression_with_one_row(iris):
    X, y = iris[0][50:], np.array(["no", "yes"])[iris[1][50:] - 1]
    alpha = 1e-2
    ours = LinearClassifier("softmax", alpha=alpha, tol=1e-6).fit(X, y)
    theirs = linear_model.LogisticRegression(C=1 / (len(y) * alpha), tol=1e-10, max_iter=10_000).fit(X, y)
    assert ours.coef_.shape == (1, 4) and ours.intercept_.shape == (1,)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)))


# scikit-learn 1.6 takes the number of iterations of "crammer_singer" from memory that nobody has set.
@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
@pytest.mark.parametrize(
    ("loss", "options", "objective"),
    [
        ("hinge", {"loss": "hinge"}, fl.Hinge()),
        ("squared_hinge", {"loss": "squared_hinge", "dual": False}, fl.Hinge(squared=True)),
        ("crammer_singer", {"multi_class": "crammer_singer"}, fl.CrammerSingerHinge()),
    ],
)
def test_hinges_reach_the_optimum_of_linear_svc(iris, loss, options, objective):
    X, y = scale(iris[0]), iris[1]
    if "multi_class" not in options:
        X, y = X[50:], y[50:] - 1
    alpha = 0.1
    ours = LinearClassifier(loss, alpha=alpha, fit_intercept=False, tol=1e-6).fit(X, y)
    theirs = LinearSVC(
        C=1 / (len(y) * alpha), fit_intercept=False, tol=1e-10, max_iter=1_000_000, random_state=0, **options
    )
    theirs.fit(X, y)
    theirs.intercept_ = np.zeros(len(theirs.coef_))
    a, b = (objective_at(m, objective, X, y) + alpha * half_squares(m) for m in (ours, theirs))
    assert a == pytest.approx(b, rel=SAME)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_pinball_loss_reaches_the_optimum_of_quantile_regressor(diabetes, quantile, alpha):
    X, y = diabetes
    ours = LinearRegressor(fl.Pinball(quantile=quantile), penalty="l1", alpha=alpha).fit(X, y)
    theirs = linear_model.QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, y)
    a, b = (
        objective_at(m, fl.Pinball(quantile=quantile), X, y) + alpha * np.abs(m.coef_).sum() for m in (ours, theirs)
    )
    assert a == pytest.approx(b, rel=SAME)


def test_quantile_regression_needs_no_scaled_columns(diabetes, rng):
    X, y = diabetes
    X = X * np.logspace(-3, 3, X.shape[1]) + 100 * rng.normal(size=X.shape[1])
    ours = LinearRegressor("quantile", penalty=None).fit(X, y)
    theirs = linear_model.QuantileRegressor(alpha=0).fit(scale(X), y)
    a, b = objective_at(ours, fl.Pinball(), X, y), objective_at(theirs, fl.Pinball(), scale(X), y)
    assert a == pytest.approx(b, rel=SAME)


@pytest.mark.parametrize("weighted", [False, True])
def test_squared_error_is_ridge(diabetes, weighted, rng):
    X, y = diabetes
    weight = rng.uniform(0.1, 2, len(y)) if weighted else None
    total = len(y) if weight is None else weight.sum()
    alpha = 0.3
    ours = LinearRegressor(alpha=alpha).fit(X, y, sample_weight=weight)
    theirs = linear_model.Ridge(alpha=total * alpha).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6 * np.abs(theirs.coef_).max())
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        ("poisson", linear_model.PoissonRegressor),
        ("gamma", linear_model.GammaRegressor),
        (fl.TweedieNLL(power=1.3), lambda **options: linear_model.TweedieRegressor(power=1.3, **options)),
    ],
)
def test_likelihoods_with_log_link_are_generalized_linear_models(diabetes, loss, model):
    X, y = diabetes
    ours = LinearRegressor(loss, alpha=0.1, tol=1e-6).fit(X, y)
    theirs = model(alpha=0.1, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


def test_huber_reaches_the_optimum_of_huber_regressor_at_its_scale(diabetes):
    X, y = diabetes
    alpha, epsilon = 2.0, 1.35
    theirs = linear_model.HuberRegressor(epsilon=epsilon, alpha=alpha, tol=1e-10, max_iter=10_000).fit(X, y)
    # sigma * sum(H(r / sigma)) + alpha |w|^2 with H = 2 * Huber: with sigma fixed, Huber's threshold is epsilon * sigma
    loss = fl.Huber(delta=epsilon * theirs.scale_)
    mapped = alpha * theirs.scale_ / len(y)
    ours = LinearRegressor(loss, alpha=mapped, tol=1e-6).fit(X, y)
    a, b = (objective_at(m, loss, X, y) + mapped * half_squares(m) for m in (ours, theirs))
    assert a == pytest.approx(b, rel=SAME)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_l1_gives_the_zeros_of_elastic_net(diabetes, l1_ratio):
    X, y = diabetes
    penalty = "l1" if l1_ratio == 1 else "elasticnet"
    ours = LinearRegressor(penalty=penalty, alpha=5.0, l1_ratio=0.5, tol=1e-6).fit(X, y)
    theirs = linear_model.ElasticNet(alpha=5.0, l1_ratio=l1_ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    assert 0 < (theirs.coef_ == 0).sum() < X.shape[1]
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)


def test_weston_watkins_optimum_is_that_of_the_quadratic_program(iris):
    X, y = scale(iris[0][::3]), iris[1][::3]
    n, (d, c), alpha = len(y), (X.shape[1], 3), 0.1
    model = LinearClassifier("hinge", alpha=alpha, fit_intercept=False, tol=1e-6).fit(X, y)
    value = objective_at(model, fl.MulticlassHinge(), X, y) + alpha * half_squares(model)
    # its dual, by SciPy: maximize sum(v) / n - |G v|^2 / (2 alpha) for v in [0, 1], one v per row and wrong class
    columns = []
    for i in range(n):
        for k in set(range(c)) - {y[i]}:
            G = np.zeros((c, d))
            G[k], G[y[i]] = X[i], -X[i]
            columns.append(G.ravel() / n)
    G = np.array(columns).T
    dual = scipy.optimize.minimize(
        lambda v: (np.square(G @ v).sum() / (2 * alpha) - v.sum() / n, G.T @ (G @ v) / alpha - 1 / n),
        np.zeros(G.shape[1]),
        jac=True,
        bounds=[(0, 1)] * G.shape[1],
        options={"maxiter": 100_000, "maxfun": 1_000_000, "ftol": 1e-15, "gtol": 1e-10},
    )
    assert value == pytest.approx(-dual.fun, rel=SAME)


@pytest.mark.parametrize("name", ["absolute_error", "epsilon_insensitive", "root_mean_squared_error"])
def test_no_step_from_a_kinked_optimum_leads_lower(diabetes, name, rng):
    X, y = diabetes
    model = LinearRegressor(name, penalty="elasticnet", alpha=0.1, tol=1e-6, max_iter=10_000).fit(X, y)
    objective = fl.linear.Objective(REGRESSION[name], X, y, penalty=fl.ElasticNet(0.1 * 0.15, 0.1 * 0.85 / 2))
    w = np.append(model.coef_, model.intercept_)
    lowest = objective(w)[0]
    for size in (1e-6, 1e-3, 1.0):
        for _ in range(20):
            assert objective(w + size * rng.normal(size=w.size))[0] >= lowest * (1 - 1e-8)


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_every_optimizer_comes_near_the_optimum_by_itself(iris, solver):
    X, y = scale(iris[0]), iris[1]
    best = LinearClassifier(alpha=0.1).fit(X, y)
    model = LinearClassifier(alpha=0.1, solver=solver, batch_size=32, random_state=0, tol=1e-5, max_iter=3000).fit(X, y)
    a, b = (objective_at(m, fl.SoftmaxCrossEntropy(), X, y) + 0.1 * half_squares(m) for m in (model, best))
    assert b <= a < 1.03 * b


# ---- weights, sparse data, several outputs ----


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_class_weights_are_sample_weights(iris, loss):
    X, y = iris
    given = LinearClassifier(loss, alpha=0.1, class_weight={0: 1, 1: 2, 2: 5}).fit(X, y)
    by_row = LinearClassifier(loss, alpha=0.1).fit(X, y, sample_weight=np.array([1, 2, 5])[y])
    np.testing.assert_array_equal(given.coef_, by_row.coef_)


def test_balanced_classes_are_balanced_by_sample_weight_too(iris):
    X, y = iris[0][20:], iris[1][20:]
    weight = np.arange(len(y)) % 3
    weighted = LinearClassifier(alpha=0.1, class_weight="balanced").fit(X, y, sample_weight=weight)
    repeated = LinearClassifier(alpha=0.1, class_weight="balanced").fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "solver", "penalty"),
    [("log_loss", "lbfgs", "l1"), ("hinge", "lbfgs", "l2"), ("squared_hinge", "adam", "l2")],
)
def test_sparse_data_give_what_dense_data_give(iris, loss, solver, penalty):
    X, y = iris
    model = LinearClassifier(loss, solver=solver, penalty=penalty, alpha=0.1, random_state=0, tol=1e-3)
    dense = clone(model).fit(X, y)
    for container in (scipy.sparse.csr_matrix, scipy.sparse.csc_array):
        sparse = clone(model).fit(container(X), y)
        np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(sparse.predict(container(X)), dense.predict(X))


@pytest.mark.parametrize("loss", ["squared_error", "log_cosh"])
def test_outputs_side_by_side_are_models_of_their_own(diabetes, loss, rng):
    X, y = diabetes
    Y = np.column_stack([y, rng.normal(size=len(y))])
    both = LinearRegressor(loss, alpha=0.1).fit(X, Y)
    assert both.coef_.shape == (2, 10) and both.predict(X).shape == Y.shape
    for k in range(2):
        alone = LinearRegressor(loss, alpha=0.1).fit(X, Y[:, k])
        np.testing.assert_allclose(both.predict(X)[:, k], alone.predict(X), atol=1e-4 * np.ptp(Y[:, k]))


def test_float32_data_stay_float32(iris):
    X, y = iris[0].astype(np.float32), iris[1]
    single, double = LinearClassifier(alpha=0.1).fit(X, y), LinearClassifier(alpha=0.1).fit(iris[0], y)
    assert single.coef_.dtype == single.decision_function(X).dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_units_of_the_target_do_not_matter(diabetes, factor):
    X, y = diabetes
    for loss in ("squared_error", "absolute_error"):
        one, other = (LinearRegressor(loss, penalty=None).fit(X, u * y) for u in (1, factor))
        np.testing.assert_allclose(other.predict(X), factor * one.predict(X), rtol=1e-3)


def test_gaussian_with_learned_variance_predicts_the_mean(diabetes):
    X, y = diabetes
    model = LinearRegressor(fl.GaussianNLL(variance=None), penalty=None).fit(X, y)
    assert model.coef_.shape == (2, 10) and model.predict(X).shape == y.shape
    assert model.score(X, y) > 0.45


# ---- scikit-learn's ways ----


def test_grid_search_and_pipelines_work(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), LinearClassifier(tol=1e-2))
    grid = {"linearclassifier__alpha": [1e-2, 10.0], "linearclassifier__loss": ["log_loss", fl.MulticlassHinge()]}
    search = GridSearchCV(pipeline, grid, cv=StratifiedKFold(3)).fit(X, y)
    assert search.best_params_["linearclassifier__alpha"] == 1e-2
    assert search.best_score_ > 0.94
    assert cross_val_score(LinearRegressor("huber"), *datasets.load_diabetes(return_X_y=True), cv=3).min() > 0.3


@pytest.mark.parametrize("model", [LinearClassifier("hinge"), LinearClassifier(solver="adam", tol=1e-2)])
def test_fitted_models_can_be_pickled(iris, model):
    X, y = iris
    model = clone(model).set_params(random_state=0, loss=fl.MulticlassHinge(margin=0.5)).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    if model.solver == "adam":  # its state goes along
        np.testing.assert_array_equal(copy.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


def test_parameters_are_those_of_the_contract_in_order():
    names = list(inspect.signature(LinearRegressor).parameters)
    assert names == [
        "loss", "penalty", "alpha", "l1_ratio", "fit_intercept", "solver", "lr", "batch_size", "max_iter", "tol",
        "shuffle", "random_state", "early_stopping", "validation_fraction", "warm_start", "verbose",
    ]  # fmt: skip
    assert list(inspect.signature(LinearClassifier).parameters) == [*names, "class_weight"]


@pytest.mark.parametrize("kind", [LinearClassifier, LinearRegressor])
def test_a_warm_start_refused_for_its_features_changes_nothing(iris, kind):
    X, y = iris
    model = kind(warm_start=True).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4 features"):
        model.fit(X[:, :3], y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_warm_start_goes_on_from_the_last_fit(iris):
    X, y = iris
    for solver in ("lbfgs", "adam"):
        model = LinearClassifier(solver=solver, alpha=0.1, warm_start=True, random_state=0, tol=1e-3).fit(X, y)
        first = model.n_iter_
        model.fit(X, y)
        assert model.n_iter_ < first / 2
    with pytest.raises(ValueError, match="classes"):
        model.fit(X[:100], y[:100])


def test_partial_fit_learns_from_pieces(iris):
    X, y = scale(iris[0]), iris[1]
    model = LinearClassifier(solver="adam", lr=0.05, alpha=1e-3, batch_size=16, random_state=0)
    for _ in range(30):
        for k in range(3):  # each piece holds one class
            model.partial_fit(X[y == k], y[y == k], classes=[0, 1, 2])
    assert model.n_iter_ == 90 and model.score(X, y) > 0.9
    with pytest.raises(ValueError, match="y holds 7"):
        model.partial_fit(X[:2], [0, 7])
    with pytest.raises(ValueError, match="first call said"):
        model.partial_fit(X[:2], [0, 1], classes=[0, 1])


def test_partial_fit_is_one_epoch_of_fit(diabetes):
    X, y = diabetes
    with pytest.warns(ConvergenceWarning):
        whole = LinearRegressor(solver="sgd", shuffle=False, max_iter=1).fit(X, y)
    pieces = LinearRegressor(solver="sgd", shuffle=False).partial_fit(X, y)
    # train divides a batch by n * (its share), partial_fit by its rows: the same up to rounding
    np.testing.assert_allclose(pieces.coef_, whole.coef_, rtol=1e-12)
    assert pieces.loss_curve_ == pytest.approx(whole.loss_curve_, rel=1e-12)


def test_partial_fit_takes_weights_for_repeated_rows(diabetes):
    X, y = diabetes
    weight = np.arange(len(y)) % 3
    model = LinearRegressor(solver="adam", lr=0.1, batch_size=None, shuffle=False)
    weighted = clone(model).partial_fit(X, y, sample_weight=weight).partial_fit(X, y, sample_weight=weight)
    more = X.repeat(weight, axis=0), y.repeat(weight)
    repeated = clone(model).partial_fit(*more).partial_fit(*more)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-10)
    assert weighted.loss_curve_ == pytest.approx(repeated.loss_curve_, rel=1e-12)


def test_a_batch_of_little_weight_makes_a_small_step():
    X, y, weight = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([1.0, -1.0, 2.0, 5.0]), np.array([1, 2, 3, 6.0])
    model = LinearRegressor(penalty=None, fit_intercept=False, solver="sgd", lr=0.1, batch_size=2, shuffle=False)
    model.partial_fit(X, y, sample_weight=weight)
    w = 0.0  # by hand: the weights' mean is 3, and a batch has 2 rows
    for batch in (slice(0, 2), slice(2, 4)):
        x = X[batch, 0]
        w -= 0.1 * np.sum(weight[batch] / 3 * (w * x - y[batch]) * x) / 2
    np.testing.assert_allclose(model.coef_, [w], rtol=1e-14)


def test_a_batch_of_all_rows_takes_one_step_an_epoch(diabetes):
    X, y = diabetes
    options = dict(penalty=None, fit_intercept=False, solver="sgd", lr=0.1, batch_size=None, tol=None)
    model = LinearRegressor(max_iter=1, **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, 0.1 * X.T @ y / len(y), rtol=1e-11)


def test_sgd_finds_a_rate_of_its_own_for_the_root_of_the_mean_square(diabetes):
    X, y = diabetes
    loss = fl.RootMeanSquaredError()
    best = objective_at(linear_model.LinearRegression().fit(X, y), loss, X, y)
    for unit in (1.0, 1e3):
        model = LinearRegressor("root_mean_squared_error", penalty=None, solver="sgd", random_state=0, tol=1e-4)
        model.fit(X, unit * y)
        assert objective_at(model, loss, X, unit * y) < 1.03 * unit * best


def test_early_stopping_of_a_regressor_measures_rows_that_it_holds_back(diabetes):
    X, y = diabetes
    model = LinearRegressor(solver="adam", lr=3.0, early_stopping=True, validation_fraction=0.2, random_state=0)
    model.fit(X, y)
    _, held = train_test_split(np.arange(len(y)), test_size=0.2, random_state=np.random.RandomState(0))
    curve = model.validation_loss_curve_
    assert min(curve) == pytest.approx(np.mean((model.predict(X[held]) - y[held]) ** 2) / 2, rel=1e-12)
    assert np.argmin(curve) < len(curve) - 1 == model.n_iter_ - 1


def test_early_stopping_keeps_validation_data_apart(iris):
    X, y = scale(iris[0]), iris[1]
    model = LinearClassifier(solver="adam", lr=0.1, early_stopping=True, validation_fraction=0.2, random_state=0)
    model.fit(X, y)
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == model.n_iter_ < 1000
    assert model.score(X, y) > 0.9


def test_random_state_fixes_the_path(iris):
    X, y = iris
    model = LinearClassifier(solver="sgd", batch_size=8, tol=1e-2)
    a, b, c = (clone(model).set_params(random_state=s).fit(X, y).coef_ for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert np.any(a != c)


def test_verbose_prints_the_objective(iris, capsys):
    LinearClassifier(verbose=1).fit(*iris)
    assert "iteration 10: objective" in capsys.readouterr().out


def test_verbose_prints_each_round_of_a_kinked_loss(iris, capsys):
    model = LinearClassifier("hinge", verbose=2).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"iteration {model.n_iter_}: objective {model.loss_curve_[-1]:.6g}"
    assert len(lines) == len(model.loss_curve_)


def test_loss_curve_falls_to_the_optimum(iris):
    curve = LinearClassifier(alpha=0.1).fit(*iris).loss_curve_
    assert np.all(np.diff(curve) <= 0) and curve[0] <= np.log(3)


@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_only_log_loss_has_probabilities(loss):
    assert hasattr(LinearClassifier(loss), "predict_proba") == (loss in ("log_loss", "softmax"))
    assert not hasattr(LinearClassifier(loss), "partial_fit")
    assert hasattr(LinearClassifier(loss, solver="sgd"), "partial_fit")


@pytest.mark.parametrize(
    ("loss", "counterpart"),
    [
        (fl.SoftmaxCrossEntropy(label_smoothing=0.2), fl.BinaryCrossEntropy(label_smoothing=0.2)),
        (fl.MulticlassHinge(margin=2.0, squared=True), fl.Hinge(margin=2.0, squared=True)),
        (fl.CrammerSingerHinge(margin=0.5), fl.Hinge(margin=0.5)),
    ],
)
def test_losses_have_counterparts_for_two_classes(iris, loss, counterpart):
    X, y = iris[0][50:], iris[1][50:]
    a, b = (LinearClassifier(one, alpha=0.1).fit(X, y) for one in (loss, counterpart))
    np.testing.assert_array_equal(a.coef_, b.coef_)
    assert a.coef_.shape == (1, 4)
    assert LinearClassifier(counterpart, alpha=0.1, max_iter=5000).fit(*iris).coef_.shape == (3, 4)


def test_newton_steps_end_after_ten_where_they_are_slow():
    # x**4 / 4: its gradient is x**3, and each step leaves two thirds of x and (2 / 3)**3 of the gradient.
    variables = types.SimpleNamespace(bounds=None, cancel=lambda x: None, projected=lambda x, gradient: gradient)
    run = types.SimpleNamespace(x=np.array([1.0, -2.0]))
    _lbfgs._newton(variables, lambda x: (np.sum(x**4) / 4, x**3), run, 1e-10)
    # The second derivative is a difference over 1e-6 of the largest entry: in error by 3e-6 of itself for each.
    np.testing.assert_allclose(run.x, np.array([1.0, -2.0]) * (2 / 3) ** 10, rtol=1e-4)
    assert run.residual == pytest.approx((2 * (2 / 3) ** 10) ** 3, rel=3e-4)


# ---- errors and warnings ----


def test_max_iter_reached_is_warned_of(iris, monkeypatch):
    for model in (LinearClassifier(max_iter=3), LinearClassifier("hinge", max_iter=3)):
        with pytest.warns(ConvergenceWarning, match="not converged after 3 iterations"):
            model.fit(*iris)
    with pytest.warns(ConvergenceWarning):
        LinearClassifier(solver="sgd", max_iter=2).fit(*iris)
    monkeypatch.setattr(_lbfgs, "MOST_ROUNDS", 2)
    with pytest.warns(ConvergenceWarning, match="not converged after"):
        assert len(LinearClassifier("hinge").fit(*iris).loss_curve_) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LinearClassifier(solver="sgd", max_iter=2, tol=None).fit(*iris).n_iter_ == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "squared_error"}, "loss is 'squared_error', but must be one of 'log_loss'"),
        ({"loss": fl.SquaredError()}, "must be a loss for classification"),
        ({"loss": fl.SoftmaxCrossEntropy(reduction="sum")}, "must have 'mean'"),
        ({"loss": fl.MulticlassHinge(class_weight=[1, 1, 2])}, "class_weight"),
        ({"loss": fl.BinaryCrossEntropy(from_logits=False)}, "from_logits=False"),
        ({"loss": fl.Focal()}, "Only binary classification is supported"),
        ({"penalty": "l3"}, "penalty is 'l3'"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"l1_ratio": 1.5}, "l1_ratio is 1.5"),
        ({"solver": "newton"}, "solver is 'newton', but must be one of 'lbfgs', 'sgd'"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_iter": 0}, "max_iter is 0"),
        ({"tol": -1.0}, "tol is -1.0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"early_stopping": True}, "must be False with solver 'lbfgs'"),
        ({"solver": "sgd", "lr": 1e300}, "became infinite or NaN"),
    ],
)
def test_bad_options_are_named(iris, options, message):
    with pytest.raises(ValueError, match=r"LinearClassifier: .*"), np.errstate(all="ignore"):
        try:
            LinearClassifier(**options).fit(*iris)
        except ValueError as error:
            assert message in str(error)
            raise


def test_bad_data_are_named(iris):
    X, y = iris
    with pytest.raises(ValueError, match="one class"):
        LinearClassifier().fit(X, np.zeros(len(y)))
    for zero in (np.zeros(len(y)), [0] * len(y), 0):
        with pytest.raises(ValueError, match=r"^LinearClassifier: sample_weight is zero everywhere"):
            LinearClassifier().fit(X, y, sample_weight=zero)
    with pytest.raises(ValueError, match="only one class in y has sample weight"):
        LinearClassifier().fit(X, y, sample_weight=y == 1)
    with pytest.raises(ValueError, match=r"target\[0\] is -1"):
        LinearRegressor("poisson").fit(X, np.full(len(y), -1.0))
    with pytest.raises(ValueError, match="log_input=False"):
        LinearRegressor(fl.PoissonNLL(log_input=False)).fit(X, y)
    with pytest.raises(ValueError, match="must be a loss for regression"):
        LinearRegressor(fl.Hinge()).fit(X, y)
    with pytest.raises(TypeError, match="must be a name or one of fastloss's losses"):
        LinearRegressor(7).fit(X, y)
    with pytest.raises(NotFittedError):
        LinearRegressor().predict(X)
    with pytest.raises(AttributeError, match="partial_fit"):
        LinearRegressor().partial_fit(X, y)
    with pytest.raises(ValueError, match="classes is None"):
        LinearClassifier(solver="sgd").partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes is \[1\], but there must be two"):
        LinearClassifier(solver="sgd").partial_fit(X, y, classes=[1, 1])
    for model in (LinearRegressor, LinearClassifier):
        with pytest.raises(ValueError, match="early_stopping is True, but must be False for partial_fit"):
            model(solver="sgd", early_stopping=True).partial_fit(
                X, y, **({"classes": [0, 1, 2]} if model is LinearClassifier else {})
            )
    with pytest.raises(ValueError, match=r"coef_ of the last fit has shape \(1, 4\), but the data now need \(2, 4\)"):
        LinearRegressor(warm_start=True).fit(X, y).fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="balanced"):
        LinearClassifier(solver="sgd", class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_fastloss_itself_imports_neither_scikit_learn_nor_scipy():
    code = "import sys, fastloss; assert not {'sklearn', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["sklearn", "scipy"])
def test_missing_or_old_packages_are_named(module, monkeypatch):
    oldest = {"sklearn": "1.6", "scipy": "1.11"}[module]
    old = types.ModuleType(module)
    old.__version__ = {"sklearn": "1.5.2", "scipy": "1.10.0"}[module]
    monkeypatch.delitem(sys.modules, "fastloss.sklearn")
    for found, words in ((None, "cannot import it"), (old, f"found {old.__version__}")):
        monkeypatch.setitem(sys.modules, module, found)
        with pytest.raises(ImportError, match=f"^fastloss.sklearn needs {module} {oldest} or newer, but {words}: pip"):
            importlib.import_module("fastloss.sklearn")
