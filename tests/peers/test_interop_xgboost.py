# SPDX-License-Identifier: BSD-3-Clause
"""Losses as objectives and metrics of XGBoost: the trees of its own objectives, in every place it takes a function.

The equivalences are those of the table in docs/interop.md.
"""

import copy
import pickle

import boosting_cases as cases
import numpy as np
import pytest
import xgboost
from interop_docs import built_in
from sklearn.base import clone

import fastloss as fl
from fastloss.interop.xgboost import metric, objective

ROUNDS = 20
BASE = {"nthread": 1}
# A few roundings of a float32 score per round; a split decided by a rounding would move leaves by far more.
SAME = {"rtol": 0, "atol": 20 * 2.0**-23}


def splits(booster):
    """The trees' features, thresholds and shapes, without what is in the leaves."""
    table = booster.trees_to_dataframe()
    return table[["Tree", "Node", "Feature", "Split", "Yes", "No"]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("row", built_in("XGBoost"), ids=str)
def test_trees_are_those_of_the_built_in_objective(row, weighted, rng):
    x, targets, weight = cases.data(rng)
    d = xgboost.DMatrix(x, targets[row.target], weight=weight if weighted else None)
    theirs = xgboost.train({**BASE, **row.theirs}, d, ROUNDS)
    ours = xgboost.train({**BASE, **row.parameters}, d, ROUNDS, obj=objective(row.loss, hessian=row.hessian))
    assert splits(ours).equals(splits(theirs))
    np.testing.assert_allclose(ours.predict(d, output_margin=True), theirs.predict(d, output_margin=True), **SAME)


@pytest.mark.parametrize("case", cases.SUITABLE, ids=cases.label)
def test_training_lowers_any_suitable_loss(case, rng):
    loss, target, hessian = case
    x, targets, weight = cases.data(rng)
    d = xgboost.DMatrix(x, targets[target], weight=weight)
    shape = {"num_class": cases.CLASSES} if target == "classes" else {}
    history = {}
    xgboost.train(
        {**BASE, **shape, "base_score": 0.0, "disable_default_eval_metric": 1},
        d,
        10,
        obj=objective(loss, hessian=hessian),
        custom_metric=metric(loss, name="loss"),
        evals=[(d, "train")],
        evals_result=history,
        verbose_eval=False,
    )
    values = history["train"]["loss"]
    assert values[0] - values[-1] > 0.01 * abs(values[0])


def test_a_mean_and_its_variance_can_be_learned(rng):
    x, targets, _ = cases.data(rng)
    d = xgboost.DMatrix(x, targets["real"])
    loss = fl.GaussianNLL(variance=None)
    model = xgboost.train({**BASE, "num_class": 2, "base_score": 0.0}, d, 30, obj=objective(loss, hessian="abs"))
    scores, y = model.predict(d, output_margin=True), targets["real"]
    assert loss(scores, y) < fl.GaussianNLL(variance=float(y.var()), full=False)(np.full_like(y, y.mean()), y)


def test_several_targets_go_through_one_objective(rng):
    x, targets, _ = cases.data(rng)
    y = np.stack([targets["real"], -targets["real"]], axis=1)
    d = xgboost.DMatrix(x, y)
    ours = xgboost.train({**BASE, "base_score": 0.0}, d, 5, obj=objective(fl.SquaredError(half=True)))
    theirs = xgboost.train({**BASE, "base_score": 0.0, "objective": "reg:squarederror"}, d, 5)
    np.testing.assert_allclose(ours.predict(d), theirs.predict(d), **SAME)


@pytest.mark.parametrize("weighted", [False, True])
def test_estimators_take_the_same_objective(weighted, rng):
    x, targets, weight = cases.data(rng)
    w = weight if weighted else None
    options = {"n_estimators": 10, "n_jobs": 1}
    for cls, y, loss, hessian, theirs, score in [
        (xgboost.XGBRegressor, targets["real"], fl.SquaredError(half=True), "exact", "reg:squarederror", 0.0),
        (xgboost.XGBClassifier, targets["binary"], fl.BinaryCrossEntropy(), "exact", "binary:logistic", 0.5),
        (xgboost.XGBClassifier, targets["classes"], fl.SoftmaxCrossEntropy(), "upper", "multi:softprob", 0.5),
    ]:
        built = cls(objective=theirs, base_score=score, **options).fit(x, y, sample_weight=w)
        ours = clone(cls(objective=objective(loss, hessian=hessian), base_score=score, **options))
        ours.fit(x, y, sample_weight=w)
        np.testing.assert_allclose(ours.predict(x, output_margin=True), built.predict(x, output_margin=True), **SAME)
        np.testing.assert_array_equal(ours.predict(x), built.predict(x))  # the class gives the link


def test_metrics_are_the_built_in_ones(rng):
    x, targets, weight = cases.data(rng)
    d = xgboost.DMatrix(x, targets["binary"], weight=weight)
    history = {}
    xgboost.train(
        {**BASE, "objective": "binary:logistic", "eval_metric": "logloss"},
        d,
        5,
        obj=objective(fl.BinaryCrossEntropy()),
        custom_metric=metric(fl.BinaryCrossEntropy(reduction="sum")),
        evals=[(d, "train")],
        evals_result=history,
        verbose_eval=False,
    )
    # theirs is summed in float32 over probabilities rounded to float32
    np.testing.assert_allclose(history["train"]["BinaryCrossEntropy"], history["train"]["logloss"], rtol=1e-5)


def test_estimators_stop_early_by_a_metric(rng):
    x, targets, weight = cases.data(rng)
    model = xgboost.XGBRegressor(
        objective=objective(fl.Huber(delta=0.5), hessian="one"),
        eval_metric=metric(fl.Huber(delta=0.5), name="huber"),
        early_stopping_rounds=3,
        n_estimators=200,
        learning_rate=0.5,
        n_jobs=1,
    )
    y = targets["real"]
    model.fit(
        x[:1000], y[:1000], eval_set=[(x[1000:], y[1000:])], sample_weight_eval_set=[weight[1000:]], verbose=False
    )
    values = model.evals_result()["validation_0"]["huber"]
    assert len(values) == model.best_iteration + 4 < 200 and min(values) == values[model.best_iteration]


def test_cross_validation_takes_it(rng):
    x, targets, _ = cases.data(rng)
    d = xgboost.DMatrix(x, targets["counts"])
    loss = fl.PoissonNLL()
    table = xgboost.cv({**BASE, "base_score": 0.0}, d, 5, obj=objective(loss), custom_metric=metric(loss))
    assert table["test-PoissonNLL-mean"].is_monotonic_decreasing


def test_objectives_and_metrics_can_be_copied_and_shown():
    given = objective(fl.Huber(delta=2.0), hessian="one")
    assert repr(given) == "objective(Huber(delta=2.0, reduction='mean'), hessian='one')"
    assert repr(metric(fl.Huber(delta=2.0))) == "metric(Huber(delta=2.0, reduction='mean'), name='Huber')"
    y, z = np.zeros(3, np.float32), np.array([1, -1, 5], np.float32)
    for other in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        np.testing.assert_array_equal(other(y, z), [[1, -1, 2], [1, 1, 1]])


def test_gradients_and_curvatures_by_hand():
    y, z = np.zeros(1, np.float32), np.zeros(1, np.float32)
    w = np.array([3.0], np.float32)
    for hessian, expected in [("exact", 0.25), ("upper", 0.25), ("abs", 0.25), ("one", 1.0), (2, 0.5)]:
        grad, hess = objective(fl.BinaryCrossEntropy(), hessian=hessian)(y, z)
        assert (grad, hess) == (0.5, expected) and grad.dtype == hess.dtype == np.float32
        grad, hess = objective(fl.BinaryCrossEntropy(), hessian=hessian)(y, z, sample_weight=w)
        assert (grad, hess) == (1.5, 3 * expected)
    rows = np.zeros((1, 4), np.float32)
    for hessian, expected in [("exact", 3 / 16), ("upper", 6 / 16), ("abs", 3 / 16), ("one", 1.0), (0.5, 3 / 32)]:
        grad, hess = objective(fl.SoftmaxCrossEntropy(), hessian=hessian)(np.ones(1, np.float32), rows, w)
        np.testing.assert_array_equal(grad, [[0.75, -2.25, 0.75, 0.75]])
        np.testing.assert_array_equal(hess, np.full((1, 4), 3 * expected))


def test_upper_bounds_the_whole_hessian(rng):
    z = rng.normal(size=(50, 5))
    _, hess = objective(fl.SoftmaxCrossEntropy(), hessian="upper")(np.zeros(50), z)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    for row, bound in zip(p, hess, strict=True):
        full = np.diag(row) - np.outer(row, row)
        assert np.linalg.eigvalsh(np.diag(bound) - full).min() > -1e-15


def test_what_cannot_be_boosted_is_refused():
    with pytest.raises(TypeError, match="objective: loss is a str, but must be a loss of fastloss"):
        objective("huber")
    with pytest.raises(TypeError, match="metric: loss is a function"):
        metric(lambda: 0)
    with pytest.raises(NotImplementedError, match="RootMeanSquaredError: value_grad_hess is not offered"):
        objective(fl.RootMeanSquaredError())
    with pytest.raises(ValueError, match="objective: hessian is 'upper', but no bound is known for GaussianNLL"):
        objective(fl.GaussianNLL(variance=None), hessian="upper")
    for hessian in ("exakt", 0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="objective: hessian is"):
            objective(fl.Huber(), hessian=hessian)


def test_what_no_tree_could_grow_from_is_refused(rng):
    x, targets, _ = cases.data(rng)
    d = xgboost.DMatrix(x, targets["real"])
    with pytest.raises(ValueError, match=r"AbsoluteError: hessian is 'exact', but the second derivative is 0 .* 'one'"):
        xgboost.train({}, d, 1, obj=objective(fl.AbsoluteError()))
    with pytest.raises(ValueError, match=r"SoftmaxCrossEntropy: target\[0\] is .*, but classes must be whole numbers"):
        xgboost.train({"num_class": 3}, d, 1, obj=objective(fl.SoftmaxCrossEntropy()))
    with pytest.raises(ValueError, match=r"SoftmaxCrossEntropy: pred has shape \(1500,\), but must be \(n, c\)"):
        xgboost.train({}, xgboost.DMatrix(x, targets["classes"]), 1, obj=objective(fl.SoftmaxCrossEntropy()))
