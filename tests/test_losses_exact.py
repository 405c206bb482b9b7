# SPDX-License-Identifier: BSD-3-Clause
"""Every loss and gradient within 4 ULP of the exact value, from subnormal to huge arguments.

The allowances where a definition cancels are derived in cases.py; infinities and NaN live in
test_losses_special.py.
"""

from functools import cache

import exact
import numpy as np
import pytest
from cases import CASES, DTYPES, HESS_ULPS, eps_of

import fastloss as fl

# Where exp leaves the type (89 and 710) there are values well before and well after, not at it:
# just there a product like y exp(-z) fits although one of its factors does not.
SIZES = {
    np.float32: (1e-45, 1e-39, 1e-30, 1e-20, 80.0, 120.0, 1e3, 1e10, 1e30),
    np.float64: (5e-324, 1e-310, 1e-200, 1e-100, 80.0, 120.0, 700.0, 800.0, 1e4, 1e100, 1e300),
}
MIDDLE = (0.0, 1e-9, 1e-4, 0.01, 0.1, 0.25, 0.3, 0.7, 1.0, 1.5, 2.0, 3.7, 8.3, 16.6, 17.5, 36.0)


def both_signs(dtype):
    positive = np.array(sorted({*SIZES[dtype], *MIDDLE}))
    return np.concatenate([-positive[::-1], positive])


def table_of(pred, *targets):
    z, y = np.meshgrid(pred, targets)
    return z.ravel(), y.ravel()


def pointwise_grid(case, dtype):
    """Pairs (pred, target) over the whole domain of the case."""
    if case.name in ("BinaryCrossEntropy", "Focal", "Hinge"):
        targets = {"Hinge": (-1, 1), "BinaryCrossEntropy": (0, 1, 1e-3, 0.25, 0.5, 0.999)}
        targets = targets.get(case.name, (0, 1))
        if case.params.get("from_logits") is False:
            ends = (1 - 2 * eps_of(dtype), 1 - eps_of(dtype) / 2)
            inner = [x for x in (*SIZES[dtype], *MIDDLE, 0.999) if 0 < x < 1]
            return table_of((*inner, *ends), *targets)
        return table_of(both_signs(dtype), *targets)
    if case.params.get("log_input") is False:
        small, large = SIZES[dtype][1:4], SIZES[dtype][-2:]
        y = (1e-3, 0.3, 1, 2, 7.5, 1e4)
        return table_of((*small, *MIDDLE[1:], *large), *(y if case.name != "PoissonNLL" else (0, *y)))
    if case.name in ("PoissonNLL", "ExponentialNLL", "GammaNLL", "TweedieNLL"):
        y = (1e-3, 0.3, 1, 2, 7.5, 1e4)
        return table_of(both_signs(dtype), *(y if case.name == "GammaNLL" else (0, *y)))
    return table_of(both_signs(dtype), 0, 1, -2.5, 1 / 3, 100, 1e-4)


def row_grid(case, dtype, rng):
    """Rows of one width at every scale: spread, equal, dominated by one, two or by the last."""
    huge = {np.float32: 1e37, np.float64: 1e307}[dtype]
    for c in (1, 2, 3, 10, 33):
        base = rng.normal(size=c)
        rows = [base * scale for scale in (1e-30, 1e-3, 1.0, 10.0, 100.0, 1e4, huge)]
        rows += [np.zeros(c), np.full(c, 3.7), np.full(c, -huge)]
        for low in (-5.0, -17.0, -30.0, -80.0, -1e3):
            last, pair = np.full(c, low), np.full(c, low)
            last[-1], pair[[0, c // 2]] = 0.0, 0.0
            rows += [last, pair, 20 + last + base]
        rows += [np.sort(base) * 3, -np.sort(base) * 3]
        pred = np.array(rows)
        labels = [np.argmax(pred, axis=1), np.arange(len(rows)) % c, np.full(len(rows), c - 1)]
        for target in labels[: 1 if c == 33 else None]:
            if "probabilities" in case.id:
                target = rng.exponential(size=pred.shape) * (rng.random(pred.shape) < 0.7)
                target[:, 0] += 1e-3
                target[::4] = np.eye(c)[c - 1]
                target /= target.sum(axis=1, keepdims=True)
            yield pred.astype(dtype), target.astype(dtype) if target.ndim == 2 else target


@cache
def grid_and_exact(case_id, dtype):
    """List of (pred, target, exact triple), computed once for all kernel sets."""
    case = next(c for c in CASES if c.id == case_id)
    rng = np.random.default_rng(5)
    if case.kind == "rows":
        grids = list(row_grid(case, dtype, rng))
        ignore = case.params.get("ignore_index")
        keep = [np.ones(len(y), bool) if y.ndim == 2 else y != ignore for _, y in grids]
        grids = [(z[k], y[k]) for (z, y), k in zip(grids, keep, strict=True) if k.any()]
    elif case.kind == "pair":
        m, k = np.meshgrid([0, 1e-20, 1e-5, 0.3, 1, 20, 1e5], [-1e3, -80, -3, 0, 1e-9, 1, 80, 1e3])
        z = np.stack([m.ravel(), k.ravel()], axis=1).astype(dtype)
        grids = [(z, np.zeros(len(z), dtype)), (-z, np.full(len(z), dtype(0.3)))]
    else:
        z, y = pointwise_grid(case, dtype)
        more, more_y = case.draw(rng, (60, 1) if case.per_column else (60,), dtype)
        z, y = np.append(z, more).astype(dtype), np.append(y, more_y).astype(dtype)
        grids = [(z[:, None], y[:, None])] if case.per_column else [(z, y)]
    found = []
    for z, y in grids:
        params = case.params_for(z.shape)
        if case.kind == "pointwise":  # per_column: one column, so one number
            params = {k: v[0] if isinstance(v, list) else v for k, v in params.items()}
        found.append((z, y, exact.evaluate(case.name, z, y, params)))
    return found


def assert_exact(got, want, slack, ulps, dtype, pred, target, what):
    """Each element within ulps ULP plus its slack, a number or an array, of the exact value."""
    slack = np.broadcast_to(slack, want.shape)
    wrong = []
    for i in np.ndindex(want.shape):
        error = exact.ulp_error(got[i], want[i], dtype)
        limit = ulps + float(exact.mpf(float(slack[i])) / exact.ulp(want[i], dtype))
        if not error <= limit:
            inputs = f"pred {pred[i[: pred.ndim]]!r} target {target[i[: target.ndim]]!r}"
            want_here = exact.mpmath.nstr(want[i], 12)
            wrong.append(f"{inputs}: {got[i]!r}, exact {want_here}: {error:.3g} ULP > {limit:.3g}")
    assert not wrong, f"{what}: {len(wrong)} of {want.size} wrong\n" + "\n".join(wrong[:8])


@pytest.mark.parametrize("case", [c for c in CASES if c.kind != "scalar"], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_and_gradient_are_within_4_ulp(case, dtype, kernel_target):
    for pred, target, wanted in grid_and_exact(case.id, dtype):
        params = case.params_for(pred.shape)
        slacks = case.slack(pred, target)
        # A class weight is a sample weight: the oracle leaves it to the reduction as well.
        if not params.get("label_smoothing") and target.ndim == 1:
            params.pop("class_weight", None)
        loss = getattr(fl, case.name)(**params, reduction="none")
        results = loss.value_grad_hess(pred, target)
        names, ulps = ("loss", "grad", "hess"), (4, 4, HESS_ULPS)
        for got, want, slack, limit, what in zip(results, wanted, slacks, ulps, names, strict=True):
            assert_exact(got, want, slack, limit, dtype, pred, target, f"{case} {what}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 16, 100])
def test_rmse_is_exact_but_for_its_sum(dtype, n, kernel_target):
    rng = np.random.default_rng(n)
    for scale in (1e-30, 1.0, 1e30):
        pred, target = (scale * rng.normal(size=(2, n))).astype(dtype)
        value, grad = fl.RootMeanSquaredError().value_and_grad(pred, target)
        want, want_grad = exact.root_mean_squared_error(exact.number(pred), exact.number(target))
        # n squares added one by one in pred's type at worst; the root halves what that loses.
        relative = eps_of(dtype) * (4 + n / 4)
        assert abs(value - want) <= relative * want
        for got, g in zip(grad, want_grad, strict=True):
            assert abs(float(got) - g) <= (relative + 4 * eps_of(dtype)) * abs(g)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponential_predictions_are_within_4_ulp(dtype, kernel_target):
    z = both_signs(dtype).astype(dtype)
    got = fl.PoissonNLL().predict(z)
    want = np.array([exact.mp.exp(exact.number(x)) for x in z], dtype=object)
    assert_exact(got, want, 0, 4, dtype, z, z, "exp")


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_predictions_are_within_4_ulp(dtype, kernel_target):
    z = both_signs(dtype).astype(dtype)
    got = fl.BinaryCrossEntropy().predict_proba(z)
    want = np.array([exact.sigmoid(exact.number(x)) for x in z], dtype=object)
    assert_exact(got, want, 0, 4, dtype, z, z, "sigmoid")
