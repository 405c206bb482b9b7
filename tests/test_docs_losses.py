# SPDX-License-Identifier: BSD-3-Clause
"""What docs/losses.md says: its code runs, every loss has its section and picture, its equalities hold.

The equalities with PyTorch and Keras are in peers/test_docs_losses_torch.py.
"""

import doctest
import importlib.util
import re

import numpy as np
import pytest
import sklearn.metrics as metrics
from cases import PARAMETERS, eps_of
from equalities import PAGE, N, Recorder, equalities, evaluate, inputs, sections
from scipy import special, stats
from sklearn import linear_model, svm

import fastloss as fl

LARGEST_PICTURE = 25_000  # bytes
LABELS = ["Loss", "Gradient", "Second derivative", "Computed as", "Special values", "Accuracy"]
each_class = pytest.mark.parametrize("name", PARAMETERS)


def draw_losses():
    """docs/draw_losses.py as a module."""
    spec = importlib.util.spec_from_file_location("draw_losses", PAGE.with_name("draw_losses.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the page


def test_code_blocks_run_as_written():
    names = {}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    assert blocks
    for i, block in enumerate(blocks):
        test = doctest.DocTestParser().get_doctest(block[1], names, f"losses.md, block {i}", str(PAGE), 0)
        assert test.examples
        runner, said = doctest.DocTestRunner(verbose=False), []
        runner.run(test, out=said.append, clear_globs=False)
        assert runner.failures == 0, "".join(said)
        names = test.globs


@each_class
def test_every_class_has_a_section_with_all_it_must_say(name):
    text = sections()[name]
    assert re.findall(r"^- \*\*(.+?)\*\* ", text, re.M) == LABELS
    assert f"![{name}](images/loss_{name}.png)" in text
    for other in (r"scikit-learn|`.*(metrics|linear_model|svm)\.", r"PyTorch|`.*\b(F|torch)\.", r"Keras|`.*keras\."):
        assert re.search(other, text), f"{name} says nothing of {other}"


@each_class
def test_every_section_gives_the_constructor_with_its_defaults(name):
    keywords = re.match(r"\w+\((.*)\)", repr(getattr(fl, name)()))[1]
    keywords = re.sub(r"(, )?reduction='mean'", "", keywords)
    assert f"`{name}({keywords})`" in sections()[name]
    assert f"| [{name}](#{name.lower()}) | {keywords}" in sections()["Common to all"]


def test_there_is_a_section_for_nothing_else():
    assert set(sections()) == {"Common to all", *PARAMETERS}


@each_class
def test_every_class_has_a_small_picture(name):
    picture = PAGE.with_name("images") / f"loss_{name}.png"
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) < LARGEST_PICTURE


def test_the_script_draws_every_picture(tmp_path):
    script = draw_losses()
    assert set(script.PANELS) == set(PARAMETERS)
    for name in ("Huber", "RootMeanSquaredError", "SoftmaxCrossEntropy"):
        assert script.draw(name, tmp_path).stat().st_size < LARGEST_PICTURE


# ---- its equalities with SciPy and scikit-learn


@pytest.mark.parametrize("row", equalities("scipy"), ids=str)
def test_equality(row, rng):
    names = inputs(row.section, rng)
    ours = evaluate(row.ours, {**names, "fl": fl})
    theirs = evaluate(row.theirs, {**names, "metrics": metrics, "special": special, "stats": stats})
    # sums of N terms of order 1 to 10, each within a few ULP
    np.testing.assert_allclose(ours, theirs, rtol=N * eps_of(float), atol=10 * N * eps_of(float))


def estimator_data(row, rng):
    """Features, and targets that depend on them, of the kind that the section's loss takes."""
    x = rng.normal(size=(60, 3))
    score = x @ [1.0, -0.5, 0.2] + 0.3
    if row.section == "PoissonNLL":
        return x, rng.poisson(np.exp(score)).astype(float)
    if row.section in ("ExponentialNLL", "GammaNLL", "TweedieNLL"):
        return x, rng.gamma(2.0, np.exp(score) / 2)
    if row.section in ("BinaryCrossEntropy", "Hinge"):
        return x, (score + rng.normal(size=60) > 0).astype(np.int64)
    if row.section in ("SoftmaxCrossEntropy", "CrammerSingerHinge"):
        return x, (x @ rng.normal(size=(3, 3)) + rng.normal(size=(60, 3))).argmax(axis=1)
    return x, score + rng.normal(size=60)


@pytest.mark.parametrize("strength", [0.03, 0.2, 1.0])
@pytest.mark.parametrize("row", [r for r in equalities("estimator") if ".SGD" not in r.theirs], ids=str)
def test_estimator_minimizes_the_left_side(row, strength, rng):
    x, y = estimator_data(row, rng)
    names = inputs(row.section, rng)
    names |= {name: strength * names[name] for name in ("a", "C")}
    estimator = evaluate(row.theirs, {**names, "linear_model": linear_model, "svm": svm})
    known = estimator.get_params()
    exact = {"tol": 1e-10, "max_iter": 1_000_000, "random_state": 0}
    if isinstance(estimator, linear_model.QuantileRegressor | linear_model.LinearRegression):
        exact = {}
    estimator.set_params(**{key: value for key, value in exact.items() if key in known}).fit(x, y)

    def objective(coef, intercept):
        own = {"score": x @ np.transpose(coef) + intercept, "y": y, "n": len(y), "coef": coef, "intercept": intercept}
        own["scale"] = getattr(estimator, "scale_", None)
        return float(evaluate(row.ours, {**names, **own, "fl": fl}))

    coef, intercept = estimator.coef_, estimator.intercept_
    if coef.shape[0] == 1 or coef.ndim == 1:
        coef, intercept = coef.ravel(), float(np.ravel(intercept)[0])
    least = objective(coef, intercept)
    for _ in range(50):
        for size in (1e-2, 1e-3):
            there, shift = rng.normal(size=np.shape(coef)) * size, rng.normal(size=np.shape(intercept)) * size
            # at a minimum both ways lead up; a solver's last digits are 1e-9 of the value
            assert objective(coef + there, intercept + shift) >= least - 1e-9 * abs(least)
            assert objective(coef - there, intercept - shift) >= least - 1e-9 * abs(least)


@pytest.mark.parametrize("row", [r for r in equalities("estimator") if ".SGD" in r.theirs], ids=str)
def test_a_step_of_sgd_follows_the_gradient(row, rng):
    """One sample with the feature 1, weight z before the step: afterwards it is z - gradient(z)."""
    names = inputs(row.section, rng)
    for z, y in zip(names["z"], names["y"], strict=True):
        recorder = Recorder()
        evaluate(row.ours, {**names, "z": np.array([z]), "y": np.array([y]), "fl": recorder})
        (_, gradient), *_ = recorder.calls
        sgd = evaluate(row.theirs, {**names, "linear_model": linear_model})
        sgd.set_params(
            penalty=None, learning_rate="constant", eta0=1.0, max_iter=1, tol=None, fit_intercept=False, shuffle=False
        )
        if isinstance(sgd, linear_model.SGDClassifier):  # a sample of the other class, with feature 0
            sgd.fit([[1.0], [0.0]], [y, 1 - y], coef_init=np.array([[z]]))
        else:
            sgd.fit([[1.0]], [y], coef_init=np.array([z]))
        np.testing.assert_allclose(sgd.coef_.ravel(), z - gradient, rtol=1e-12, atol=1e-14)
