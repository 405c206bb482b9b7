# SPDX-License-Identifier: BSD-3-Clause
"""The same numbers as SciPy, scikit-learn and statsmodels where they have the same loss.

Each test writes down the relation between the two definitions; PyTorch's are in peers/.
"""

import numpy as np
import pytest
import scipy.special as sc
import scipy.stats
import sklearn.metrics as skm
from cases import eps_of
from sklearn._loss import loss as sklearn_loss

import fastloss as fl

# Both sides are float64 sums of n terms, each within a few ULP of the same number.
N = 500
RELATIVE = N * eps_of(float)


@pytest.fixture
def z(rng):
    return rng.normal(size=N)


@pytest.fixture
def y(rng):
    return rng.normal(size=N)


@pytest.fixture
def weight(rng):
    return rng.random(N)


def close(got, want, magnitude=1.0):
    """Equal up to the rounding of sums whose terms are of this magnitude."""
    np.testing.assert_allclose(got, want, rtol=RELATIVE, atol=RELATIVE * magnitude)


# ---- SciPy


def test_log_softmax(rng):
    pred, target = 5 * rng.normal(size=(50, 7)), rng.integers(0, 7, size=50)
    want = -sc.log_softmax(pred, axis=1)[np.arange(50), target]
    close(fl.SoftmaxCrossEntropy(reduction="none")(pred, target), want)
    close(fl.SoftmaxCrossEntropy().predict_proba(pred), sc.softmax(pred, axis=1))


def test_cross_entropy_of_probabilities_is_entropy_plus_divergence(rng):
    pred, q = rng.normal(size=(50, 7)), rng.dirichlet(np.ones(7), size=50)
    want = sc.entr(q).sum(axis=1) + sc.rel_entr(q, sc.softmax(pred, axis=1)).sum(axis=1)
    close(fl.SoftmaxCrossEntropy(reduction="none")(pred, q), want)


@pytest.mark.parametrize("delta", [0.3, 1.0, 2.0])
def test_scipy_huber(z, y, delta):
    close(fl.Huber(delta=delta, reduction="none")(z, y), sc.huber(delta, z - y))


def test_binary_cross_entropy_by_log_expit_and_xlogy(z, y):
    label = y > 0
    want = -np.where(label, sc.log_expit(z), sc.log_expit(-z))
    close(fl.BinaryCrossEntropy(reduction="none")(z, label), want)
    f, soft = sc.expit(z), sc.expit(y)
    want = -sc.xlogy(soft, f) - sc.xlog1py(1 - soft, -f)
    close(fl.BinaryCrossEntropy(from_logits=False, reduction="none")(f, soft), want)


def test_full_likelihoods_are_those_of_the_distributions(rng, z, y):
    counts, positive = rng.poisson(2.0, size=N), rng.gamma(2.0, size=N)
    stats = scipy.stats
    for loss, pred, target, logs in [
        (fl.GaussianNLL(full=True), z, y, stats.norm.logpdf(y, z, 1)),
        (fl.GaussianNLL(variance=2.0, full=True), z, y, stats.norm.logpdf(y, z, np.sqrt(2))),
        (fl.PoissonNLL(full=True), z, counts, stats.poisson.logpmf(counts, np.exp(z))),
        (
            fl.PoissonNLL(log_input=False, full=True),
            np.exp(z),
            counts,
            stats.poisson.logpmf(counts, np.exp(z)),
        ),
        (fl.ExponentialNLL(), z, positive, stats.expon.logpdf(positive, scale=np.exp(z))),
        (
            fl.GammaNLL(shape=2.5, full=True),
            z,
            positive,
            stats.gamma.logpdf(positive, 2.5, scale=np.exp(z) / 2.5),
        ),
    ]:
        close(loss.value(pred, target), -logs.mean(), np.abs(logs).max())


def test_learned_variance_is_the_normal_distribution(rng, y):
    pred = rng.normal(size=(N, 2))
    want = -scipy.stats.norm.logpdf(y, pred[:, 0], np.exp(pred[:, 1] / 2)).mean()
    close(fl.GaussianNLL(variance=None, full=True)(pred, y), want, 10)


def test_entropy_is_the_least_cross_entropy(rng):
    q = rng.dirichlet(np.ones(5), size=20)
    value, grad = fl.SoftmaxCrossEntropy(reduction="none").value_and_grad(np.log(q), q)
    close(value, scipy.stats.entropy(q, axis=1))
    close(grad, 0)


# ---- scikit-learn's metrics


def test_regression_metrics(z, y, weight):
    for loss, metric, kwargs in [
        (fl.SquaredError(), skm.mean_squared_error, {}),
        (fl.RootMeanSquaredError(), skm.root_mean_squared_error, {}),
        (fl.AbsoluteError(), skm.mean_absolute_error, {}),
        (fl.Pinball(quantile=0.8), skm.mean_pinball_loss, {"alpha": 0.8}),
    ]:
        close(loss(z, y), metric(y, z, **kwargs))
        want = metric(y, z, sample_weight=weight, **kwargs)
        close(loss(z, y, sample_weight=weight), want)


def test_log_loss(rng, weight):
    pred, target = rng.normal(size=(N, 4)), rng.integers(0, 4, size=N)
    p = sc.softmax(pred, axis=1)
    for w in (None, weight):
        want = skm.log_loss(target, p, sample_weight=w, labels=range(4))
        close(fl.SoftmaxCrossEntropy()(pred, target, sample_weight=w), want)


def test_hinge_losses(rng, z, weight):
    signs = rng.choice([-1, 1], size=N)
    for w in (None, weight):
        want = skm.hinge_loss(signs, z, sample_weight=w)
        close(fl.Hinge()(z, signs, sample_weight=w), want)
    pred, target = rng.normal(size=(N, 4)), rng.integers(0, 4, size=N)
    close(fl.CrammerSingerHinge()(pred, target), skm.hinge_loss(target, pred, labels=range(4)))


def test_half_the_deviance_is_the_loss_less_its_least_value(rng, z):
    """A deviance is twice the likelihood's lack against the best mean, which is y itself."""
    counts, positive = rng.poisson(2.0, size=N), rng.gamma(2.0, size=N)
    for loss, target, power in [
        (fl.PoissonNLL(), counts, 1),
        (fl.GammaNLL(), positive, 2),
        (fl.TweedieNLL(), positive, 1.5),
        (fl.TweedieNLL(power=1.2), positive, 1.2),
        (fl.TweedieNLL(power=3.0), positive, 3),
    ]:
        with np.errstate(divide="ignore"):
            least = loss(np.log(target), target)
        want = skm.mean_tweedie_deviance(target, np.exp(z), power=power) / 2
        close(loss(z, target) - least, want, 1e3)


# ---- scikit-learn's own losses, with gradients and Hessians

LINKS = [
    ("HalfSquaredError", {}, fl.SquaredError(half=True, reduction="none"), "real"),
    ("AbsoluteError", {}, fl.AbsoluteError(reduction="none"), "real"),
    ("PinballLoss", {"quantile": 0.3}, fl.Pinball(quantile=0.3, reduction="none"), "real"),
    ("HuberLoss", {"delta": 0.7}, fl.Huber(delta=0.7, reduction="none"), "real"),
    ("HalfPoissonLoss", {}, fl.PoissonNLL(reduction="none"), "count"),
    ("HalfGammaLoss", {}, fl.GammaNLL(reduction="none"), "positive"),
    ("HalfTweedieLoss", {"power": 1.5}, fl.TweedieNLL(reduction="none"), "positive"),
    ("HalfBinomialLoss", {}, fl.BinaryCrossEntropy(reduction="none"), "probability"),
]


@pytest.mark.parametrize("name, kwargs, ours, domain", LINKS, ids=[row[0] for row in LINKS])
def test_scikit_learn_losses(name, kwargs, ours, domain, rng, z):
    target = {
        "real": rng.normal(size=N),
        "count": rng.poisson(2.0, size=N).astype(float),
        "positive": rng.gamma(2.0, size=N) + 0.1,
        "probability": rng.random(N),
    }[domain]
    theirs = getattr(sklearn_loss, name)(**kwargs)
    loss, grad = theirs.loss_gradient(y_true=target, raw_prediction=z)
    if name == "HuberLoss":  # its delta is a quantile to be fitted; here it is set by hand
        theirs.closs.delta = 0.7
        loss, grad = theirs.loss_gradient(y_true=target, raw_prediction=z)
    value, got, hess = ours.value_grad_hess(z, target)
    close(value, loss, 1e2)
    close(got, grad, 1e2)
    if name not in ("AbsoluteError", "PinballLoss", "HuberLoss"):
        close(hess, theirs.gradient_hessian(y_true=target, raw_prediction=z)[1], 1e2)


def test_scikit_learn_multinomial_loss(rng):
    pred, target = rng.normal(size=(N, 5)), rng.integers(0, 5, size=N)
    theirs = sklearn_loss.HalfMultinomialLoss(n_classes=5)
    loss, grad = theirs.loss_gradient(y_true=target.astype(float), raw_prediction=pred)
    _, hess = theirs.gradient_hessian(y_true=target.astype(float), raw_prediction=pred)
    ours = fl.SoftmaxCrossEntropy(reduction="none").value_grad_hess(pred, target)
    for got, want in zip(ours, (loss, grad, hess), strict=True):
        close(got, want)


# ---- statsmodels


def test_statsmodels_families(rng, z):
    families = pytest.importorskip("statsmodels.api").families
    counts, positive = rng.poisson(2.0, size=N), rng.gamma(2.0, size=N)
    mean = np.exp(z)
    poisson = -families.Poisson().loglike(counts, mean) / N
    close(fl.PoissonNLL(full=True)(z, counts), poisson, 10)
    gamma = -families.Gamma().loglike(positive, mean, scale=1 / 2.5) / N
    close(fl.GammaNLL(shape=2.5, full=True)(z, positive), gamma, 10)
