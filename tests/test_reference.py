# SPDX-License-Identifier: BSD-3-Clause
"""The tests' own tools: generators, the list of cases, the reference against the exact oracle.

Nothing of the package is imported here.
"""

import exact
import numpy as np
import pytest
import reference
from cases import BY_ID, CASES, DTYPES, PARAMETERS, assert_within, eps_of, real_pair
from mpmath import mpf

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def test_cases_vary_every_parameter_of_every_class():
    for name, parameters in PARAMETERS.items():
        of_class = [case for case in CASES if case.name == name]
        assert of_class, name
        assert set().union(*(case.params for case in of_class)) == parameters


def test_case_ids_are_unique():
    assert len(BY_ID) == len(CASES)


@each_case
@each_dtype
def test_generators_draw_varied_pred_and_target_inside_the_domain(case, dtype, rng):
    pred, target = case.draw(rng, case.shape(1000), dtype)
    assert pred.dtype == dtype and pred.shape == case.shape(1000)
    assert np.isfinite(pred).all() and np.isfinite(target).all()
    assert len(np.unique(pred)) > 500
    positive = pred > (0.5 if case.params.get("from_logits") is False else 0)
    assert positive.any()
    assert (~positive).any() == (case.params.get("log_input") is not False)

    values = np.unique(target)
    if case.kind == "rows" and target.ndim == 2:
        assert ((target >= 0) & (target <= 1)).all() and (target == 0).any()
        np.testing.assert_allclose(target.sum(axis=1), 1, rtol=4 * eps_of(dtype))
    elif case.kind == "rows":
        ignore = case.params.get("ignore_index")
        assert set(values) == {0, 1, 2} | ({ignore} - {None})
    elif case.name in ("BinaryCrossEntropy", "Focal"):
        assert {0, 1} <= set(values) and ((target >= 0) & (target <= 1)).all()
        assert (len(values) > 2) == (target.dtype == dtype)
    elif case.name == "Hinge":
        assert set(values) == {-1, 1}
    elif case.name in ("GammaNLL", "TweedieNLL", "PoissonNLL", "ExponentialNLL"):
        assert len(values) > 4 and (target >= 0).all()
        assert case.name != "GammaNLL" or (target > 0).all()
    else:
        assert len(values) > 500 and (target > 0).any() and (target < 0).any()


@pytest.mark.parametrize("case", [c for c in CASES if c.draw is real_pair], ids=str)
@each_dtype
def test_generators_meet_ties_but_not_often(case, dtype, rng):
    pred, target = case.draw(rng, (4000,), dtype)
    assert 0 < np.mean(pred == target) < 0.1


@pytest.mark.parametrize("case", [c for c in CASES if c.kind != "scalar"], ids=str)
def test_reference_agrees_with_the_exact_oracle(case, rng):
    pred, target = case.draw(rng, case.shape(12, 5), np.float64)
    if case.kind == "rows":
        ignored = target == case.params.get("ignore_index")
        pred, target = (pred[~ignored], target[~ignored]) if target.ndim == 1 else (pred, target)
    params = case.params_for(pred.shape)
    if case.per_column and case.kind == "pointwise":
        wanted = by_column(case, pred, target)
    else:
        wanted = exact.evaluate(case.name, pred, target, params)
    results = reference.LOSSES[case.name](pred, target, **params)
    bounds = case.bounds(pred, target, results)
    for got, want, bound, what in zip(results, wanted, bounds, ("loss", "grad", "hess"), strict=True):
        assert_within(got, want.astype(np.float64), bound, what)


def by_column(case, pred, target):
    """exact.evaluate for parameters that differ from column to column."""
    params = case.params_for(pred.shape)
    columns = []
    for j in range(pred.shape[1]):
        own = {k: v[j] if callable(case.params[k]) else v for k, v in params.items()}
        columns.append(exact.evaluate(case.name, pred[:, j], target[:, j], own))
    return [np.stack(parts, axis=1) for parts in zip(*columns, strict=True)]


def test_reference_rmse_agrees_with_the_exact_oracle(rng):
    z, y = rng.normal(size=(2, 30))
    value, grad = reference.root_mean_squared_error(z, y)
    exact_value, exact_grad = exact.root_mean_squared_error(exact.number(z), exact.number(y))
    np.testing.assert_allclose(value, float(exact_value), rtol=1e-14)
    np.testing.assert_allclose(grad, np.array(exact_grad, dtype=float), rtol=1e-14)


def test_reduction_divides_by_the_weights_in_effect():
    loss, grad, weight = np.array([1.0, 2.0, np.nan]), np.ones(3), np.array([1.0, 3.0, 0.0])
    value, grad, _ = reference.reduce(loss, grad, grad, weight, "mean")
    assert value == 7 / 4
    assert grad.tolist() == [0.25, 0.75, 0.0]
    assert reference.reduce(loss, grad, grad, weight, "sum")[0] == 7.0
    assert reference.reduce(loss, grad, grad, weight, "none")[0].tolist() == [1.0, 6.0, 0.0]
    assert reference.reduce(loss, grad, grad, 0 * weight, "mean")[0] == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_error_counts_neighbours(dtype):
    one, least, most = dtype(1), np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    assert exact.ulp_error(one, mpf(1), dtype) == 0
    assert exact.ulp_error(np.nextafter(one, dtype(2)), mpf(1), dtype) == 1
    assert exact.ulp_error(2 * least, mpf(float(least)), dtype) == 1
    assert exact.ulp_error(dtype(np.inf), mpf(10) ** 400, dtype) == 0
    assert exact.ulp_error(dtype(-np.inf), mpf(10) ** 400, dtype) == np.inf
    assert exact.ulp_error(dtype(np.inf), mpf(float(most)), dtype) == np.inf
    assert exact.ulp_error(dtype(np.nan), mpf(0), dtype) == np.inf


def test_every_case_is_listed_with_its_parameters():
    assert {case.name for case in CASES} == set(PARAMETERS)
