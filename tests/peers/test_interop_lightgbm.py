# SPDX-License-Identifier: BSD-3-Clause
"""Losses as objectives and metrics of LightGBM: the trees of its own objectives, in every place it takes a function.

The equivalences are those of the table in docs/interop.md.
"""

import copy
import pickle

import boosting_cases as cases
import lightgbm
import numpy as np
import pytest
from interop_docs import built_in
from sklearn.base import clone

import fastloss as fl
from fastloss.interop.lightgbm import metric, objective

ROUNDS = 20
BASE = {"verbose": -1, "num_threads": 1, "deterministic": True}
# Gradients are within 4 ULP of double before they are rounded to float, so that hardly one differs; where one does, the
# leaves differ by a few roundings of float32 per round.
SAME = {"rtol": 0, "atol": 20 * 2.0**-23}


def splits(booster):
    """The trees' features, thresholds and shapes, without what is in the leaves."""
    table = booster.trees_to_dataframe()
    return table[["tree_index", "node_index", "left_child", "right_child", "split_feature", "threshold"]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("row", built_in("LightGBM"), ids=str)
def test_trees_are_those_of_the_built_in_objective(row, weighted, rng):
    x, targets, weight = cases.data(rng)

    def train(params):
        d = lightgbm.Dataset(x, targets[row.target], weight=weight if weighted else None)
        return lightgbm.train({**BASE, **params}, d, ROUNDS)

    theirs = train(row.theirs)
    ours = train({**row.parameters, "objective": objective(row.loss, hessian=row.hessian)})
    assert splits(ours).equals(splits(theirs))
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, raw_score=True), **SAME)


@pytest.mark.parametrize("case", cases.SUITABLE, ids=cases.label)
def test_training_lowers_any_suitable_loss(case, rng):
    loss, target, hessian = case
    x, targets, weight = cases.data(rng)
    shape = {"num_class": cases.CLASSES} if target == "classes" else {}
    d, history = lightgbm.Dataset(x, targets[target], weight=weight), {}
    lightgbm.train(
        {**BASE, **shape, "objective": objective(loss, hessian=hessian)},
        d,
        10,
        valid_sets=[d],
        feval=metric(loss, name="loss"),
        callbacks=[lightgbm.record_evaluation(history)],
    )
    values = history["training"]["loss"]
    assert values[0] - values[-1] > 0.01 * abs(values[0])


@pytest.mark.parametrize("weighted", [False, True])
def test_estimators_take_the_same_objective(weighted, rng):
    x, targets, weight = cases.data(rng)
    w = weight if weighted else None
    options = {"n_estimators": 10, "n_jobs": 1, "verbose": -1, "boost_from_average": False}
    for cls, y, loss, hessian in [
        (lightgbm.LGBMRegressor, targets["real"], fl.SquaredError(half=True), "exact"),
        (lightgbm.LGBMClassifier, targets["binary"], fl.BinaryCrossEntropy(), "exact"),
        (lightgbm.LGBMClassifier, targets["classes"], fl.SoftmaxCrossEntropy(), "upper"),
    ]:
        built = cls(**options).fit(x, y, sample_weight=w)
        ours = clone(cls(objective=objective(loss, hessian=hessian), **options)).fit(x, y, sample_weight=w)
        scores = ours.predict(x, raw_score=True)
        np.testing.assert_allclose(scores, built.predict(x, raw_score=True), **SAME)
        if cls is lightgbm.LGBMClassifier:
            np.testing.assert_array_equal(loss.predict(scores), built.predict(x))


def test_scores_to_start_from_are_those_of_the_data_set(rng):
    x, targets, _ = cases.data(rng)
    y = targets["counts"]
    start = np.full(len(y), np.log(y.astype(np.float64).mean()))
    theirs = lightgbm.train({**BASE, "objective": "poisson"}, lightgbm.Dataset(x, y), ROUNDS)
    d = lightgbm.Dataset(x, y, init_score=start)
    ours = lightgbm.train({**BASE, "objective": objective(fl.PoissonNLL(), hessian=np.exp(0.7))}, d, ROUNDS)
    np.testing.assert_allclose(start + ours.predict(x), theirs.predict(x, raw_score=True), **SAME)


def test_metrics_are_the_built_in_ones(rng):
    x, targets, weight = cases.data(rng)
    d, history = lightgbm.Dataset(x, targets["classes"], weight=weight), {}
    lightgbm.train(
        {**BASE, "objective": "multiclass", "metric": "multi_logloss", "num_class": cases.CLASSES},
        d,
        5,
        valid_sets=[d],
        # LightGBM hands over probabilities, as the objective is its own
        feval=lambda p, data: metric(fl.SoftmaxCrossEntropy(reduction="sum"))(np.log(p), data),
        callbacks=[lightgbm.record_evaluation(history)],
    )
    values = history["training"]
    np.testing.assert_allclose(values["SoftmaxCrossEntropy"], values["multi_logloss"], rtol=1e-12)


def test_estimators_stop_early_by_a_metric(rng):
    x, targets, weight = cases.data(rng)
    y, loss = targets["real"], fl.Huber(delta=0.5)
    model = lightgbm.LGBMRegressor(
        objective=objective(loss, hessian="one"),
        n_estimators=200,
        learning_rate=0.5,
        metric="None",
        verbose=-1,
        n_jobs=1,
    )
    model.fit(
        x[:1000],
        y[:1000],
        eval_X=x[1000:],
        eval_y=y[1000:],
        eval_sample_weight=[weight[1000:]],
        eval_metric=metric(loss, name="huber"),
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    values = model.evals_result_["valid_0"]["huber"]
    assert len(values) == model.best_iteration_ + 3 < 200 and min(values) == values[model.best_iteration_ - 1]
    z = model.predict(x[1000:])
    np.testing.assert_allclose(min(values), loss(z, y[1000:], sample_weight=weight[1000:]), rtol=1e-12)


def test_cross_validation_takes_it(rng):
    x, targets, _ = cases.data(rng)
    loss = fl.PoissonNLL()
    history = lightgbm.cv(
        {**BASE, "objective": objective(loss)},
        lightgbm.Dataset(x, targets["counts"]),
        5,
        feval=metric(loss),
        stratified=False,
    )
    assert np.all(np.diff(history["valid PoissonNLL-mean"]) < 0)


@pytest.mark.parametrize("shape", [(100_000,), (10_000, 7), (1, 40_000), (3,), (0,)])
def test_gradients_are_float32_in_the_order_of_lightgbm(shape, rng):
    z = np.asfortranarray(rng.normal(size=shape))
    w = rng.uniform(0.5, 2, shape[0])
    if len(shape) == 2:
        y, loss = rng.integers(0, shape[1], shape[0]).astype(np.float32), fl.SoftmaxCrossEntropy(reduction="none")
    else:
        y, loss = rng.integers(0, 2, shape).astype(np.float32), fl.BinaryCrossEntropy(reduction="none")
    grad, hess = objective(loss)(y, z, w)
    target = y.astype(np.int64)
    _, exact_grad, exact_hess = loss.value_grad_hess(z, target, sample_weight=w)
    for got, want in ((grad, exact_grad), (hess, exact_hess)):  # however it is cut into blocks
        assert got.dtype == np.float32 and got.flags.f_contiguous
        assert got.size == 0 or got.ravel(order="F").base is not None  # no copy in LightGBM
        np.testing.assert_array_equal(got, want.astype(np.float32))


def test_curvature_of_upper_is_that_of_lightgbm():
    z, y = np.zeros((1, 4), order="F"), np.ones(1, np.float32)
    _, hess = objective(fl.SoftmaxCrossEntropy(), hessian="upper")(y, z)
    np.testing.assert_allclose(hess, np.full((1, 4), 4 / 3 * 3 / 16), rtol=2.0**-23)


def test_objectives_and_metrics_can_be_copied_and_shown():
    given = objective(fl.Huber(delta=2.0), hessian="one")
    assert repr(given) == "objective(Huber(delta=2.0, reduction='mean'), hessian='one')"
    y, z = np.zeros(3, np.float32), np.array([1.0, -1.0, 5.0])
    for other in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        np.testing.assert_array_equal(other(y, z), [[1, -1, 2], [1, 1, 1]])
    assert pickle.loads(pickle.dumps(metric(fl.Huber(delta=2.0), name="h")))(y, z) == ("h", 3.0, False)


def test_what_no_tree_could_grow_from_is_refused(rng):
    x, targets, _ = cases.data(rng)
    with pytest.raises(ValueError, match=r"Pinball: hessian is 'exact', but the second derivative is 0 .* 'one'"):
        lightgbm.train({**BASE, "objective": objective(fl.Pinball())}, lightgbm.Dataset(x, targets["real"]), 1)
    with pytest.raises(ValueError, match=r"MulticlassHinge: target\[0\] is .*, but classes must be whole numbers"):
        lightgbm.train(
            {**BASE, "num_class": 3, "objective": objective(fl.MulticlassHinge(), hessian="one")},
            lightgbm.Dataset(x, targets["real"]),
            1,
        )
