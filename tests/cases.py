# SPDX-License-Identifier: BSD-3-Clause
"""The one list of loss configurations: constructor, reference, random inputs, accuracy bound.

Formulas live in reference.py and exact.py; what is asserted about a case lives in the test files.
"""

from dataclasses import dataclass, field

import numpy as np
import reference
from scipy.special import digamma, expit, gammaln, xlogy

DTYPES = (np.float32, np.float64)

# The Hessian's diagonal is a product of up to three factors, each within 4 ULP.
HESS_ULPS = 12

# ---- random inputs: draw(rng, shape, dtype) -> (pred, target)


def on_lattice(rng, *arrays):
    """A tenth of the places moved to multiples of 1/4, so that ties and kinks are met exactly."""
    place = rng.random(arrays[0].shape) < 0.1
    return [np.where(place, np.round(4 * a) / 4, a) for a in arrays]


def real_pair(rng, shape, dtype):
    pred, target = on_lattice(rng, 2 * rng.normal(size=shape), 2 * rng.normal(size=shape))
    return pred.astype(dtype), target.astype(dtype)


def log_rate_and(draw_target):
    def draw(rng, shape, dtype):
        return rng.normal(size=shape).astype(dtype), draw_target(rng, shape).astype(dtype)

    return draw


def rate_and(draw_target):
    def draw(rng, shape, dtype):
        pred, target = log_rate_and(draw_target)(rng, shape, dtype)
        return np.exp(pred), target

    return draw


def counts(rng, shape):
    return rng.poisson(1.5, size=shape)


def nonnegative(rng, shape):
    return np.where(rng.random(shape) < 0.1, 0.0, rng.exponential(size=shape))


def positive(rng, shape):
    return rng.gamma(2.0, size=shape) + 1e-3


def mean_and_log_variance(rng, shape, dtype):
    pred = rng.normal(size=(shape[0], 2))
    return pred.astype(dtype), rng.normal(size=shape[0]).astype(dtype)


def logit_and(draw_target):
    def draw(rng, shape, dtype):
        return (3 * rng.normal(size=shape)).astype(dtype), draw_target(rng, shape, dtype)

    return draw


def binary(rng, shape, dtype):
    return rng.integers(0, 2, size=shape)


def signs(rng, shape, dtype):
    return 2 * rng.integers(0, 2, size=shape) - 1


def soft(rng, shape, dtype):
    return np.where(rng.random(shape) < 0.2, binary(rng, shape, dtype), rng.random(shape)).astype(dtype)


def probability_and(draw_target):
    def draw(rng, shape, dtype):
        return (0.002 + 0.996 * rng.random(shape)).astype(dtype), draw_target(rng, shape, dtype)

    return draw


def scores_and_classes(ignore=None):
    def draw(rng, shape, dtype):
        (pred,) = on_lattice(rng, 2 * rng.normal(size=shape))
        target = rng.integers(0, shape[1], size=shape[0])
        if ignore is not None and not 0 <= ignore < shape[1]:
            target = np.where(rng.random(shape[0]) < 0.25, ignore, target)
        return pred.astype(dtype), target

    return draw


def scores_and_probabilities(rng, shape, dtype):
    pred, _ = scores_and_classes()(rng, shape, dtype)
    target = rng.exponential(size=shape) * (rng.random(shape) < 0.7)  # some of them exactly 0
    target[:, 0] += 1e-3
    return pred, (target / target.sum(axis=1, keepdims=True)).astype(dtype)


# ---- allowances beyond 4 ULP, where the definition itself cancels: slack(z, y, eps, **params)
#
# Each returns absolute allowances for (loss, grad, hess); a missing one means none anywhere. The
# derivation is the same throughout. A term of a sum is rounded up to four times, half an eps each
# (exp or log counts as two), so a sum is off by up to 2 eps times the sum of the terms'
# magnitudes. A difference of two inputs, r = fl(z - y), is off by eps/2 times its magnitude.


def rounding(parameter, eps):
    """What is lost when a parameter, a Python float, is held in the type of pred."""
    dtype = np.float32 if eps > 1e-10 else np.float64
    return abs(float(dtype(parameter)) - parameter)


def slack_huber(z, y, eps, delta=1.0):
    # The Hessian jumps at delta; which side r = fl(z - y) is on is not known within its rounding.
    r = np.abs(z - y)
    return 0, 0, 1.0 * (np.abs(r - delta) <= eps / 2 * r + rounding(delta, eps))


def slack_log_cosh(z, y, eps):
    # 1/cosh^2 has the slope -2 tanh r relative to itself, and r = fl(z - y) is rounded.
    r = np.abs(z - y)
    return 0, 0, eps * r * reference.log_cosh(z, y)[2]


def slack_tube(z, y, eps, epsilon=0.1, squared=False):
    # t = abs(r) - epsilon cancels at the tube's edge; which side is not known within its error.
    r = np.abs(z - y)
    t, error = np.maximum(r - epsilon, 0), eps / 2 * r + rounding(epsilon, eps)
    edge = np.abs(r - epsilon) <= error
    if squared:
        return error * (2 * t + error), 2 * error, 2.0 * edge
    return error, 1.0 * edge, 0


def slack_gaussian(z, y, eps, variance=1.0, full=False):
    constant = np.log(2 * np.pi) / 2 if full else 0.0
    if variance is None:
        square = 2 * reference.gaussian_nll(z, y, variance=None)[2][:, 1]
        grad = np.stack([np.zeros_like(square), eps * (1 + square)], axis=1)
        return 2 * eps * (square / 2 + np.abs(z[:, 1]) / 2 + constant), grad, 0
    terms = (z - y) ** 2 / (2 * variance) + abs(np.log(variance)) / 2 + constant
    return (2 * eps * terms if variance < 1 else 0), 0, 0


def slack_poisson(z, y, eps, log_input=True, full=False):
    # log y! = lgamma(y + 1), and y + 1 is rounded: that counts with lgamma's slope, digamma.
    constant = np.abs(gammaln(y + 1)) + (y + 1) * np.abs(digamma(y + 1)) if full else 0.0
    if log_input:
        return 2 * eps * (np.exp(z) + np.abs(y * z) + constant), 2 * eps * (np.exp(z) + y), 0
    return 2 * eps * (z + np.abs(xlogy(y, z)) + constant), 0, 0


def slack_gamma(z, y, eps, shape=1.0, log_input=True, full=False):
    k, constant = shape, 0.0
    if full:
        constant = np.abs(gammaln(k)) + np.abs(xlogy(k, k)) + np.abs(xlogy(k - 1, y))
    if log_input:
        ratio = reference.gamma_nll(z, y)[2]
        return 2 * eps * (k * (np.abs(z) + ratio) + constant), 2 * eps * k * (1 + ratio), 0
    terms = k * (np.abs(np.log(z)) + y / z) + constant
    return 2 * eps * terms, 0, 2 * eps * k * (2 * y / z + 1) / z / z


def slack_exponential(z, y, eps, log_input=True):
    return slack_gamma(z, y, eps, log_input=log_input)


def slack_tweedie(z, y, eps, power=1.5):
    # The exponents a z and b z are products: their own rounding counts as often as they are long.
    a, b = 2 - power, 1 - power
    with np.errstate(over="ignore", invalid="ignore"):
        first = np.exp(a * z) * (2 + np.abs(a * z))
        second = np.where(y == 0, 0.0, y * np.exp(b * z) * (2 + np.abs(b * z)))
    cancelled = eps * (first + second)
    return eps * (first / abs(a) + second / abs(b)), cancelled, eps * (abs(a) * first - b * second)


def slack_bce(z, y, eps, from_logits=True, label_smoothing=0.0, pos_weight=1.0):
    # s - y cancels, and so does its like for pos_weight, unless the label is exactly 0 or 1. A
    # smoothed label is rounded in pred's type, to within eps; it enters the loss times z.
    w, blurred = np.asarray(pos_weight, dtype=float), eps * (label_smoothing > 0)
    exact = ((y == 0) | (y == 1)) & (label_smoothing == 0)
    y = y * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        s, t = expit(z), expit(-z)
        loss = blurred * (w * reference.softplus(-z) + reference.softplus(z))
        grad = np.where(exact, 0, 2 * eps * ((1 - y) * s + w * y * t)) + blurred * (s + w * t)
        return loss, grad, blurred * (1 + w) * s * t
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where nothing is weighted, (f - y)/(f(1 - f)) has only one difference, of two inputs.
        grad = np.where(exact | (w == 1), 0, 2 * eps * (w * y / z + (1 - y) / (1 - z)))
        blur = (blurred * d for d in (-w * np.log(z) - np.log1p(-z), w / z + 1 / (1 - z)))
        loss_blur, grad_blur = blur
        return loss_blur, grad + grad_blur, blurred * (w / z**2 + 1 / (1 - z) ** 2)


def slack_hinge(z, y, eps, margin=1.0, squared=False):
    # margin - y z is one rounding of two inputs; only a margin that pred's type lacks is off.
    t, error = margin - np.where(y > 0, z, -z), rounding(margin, eps)
    edge = np.abs(t) <= error
    if squared:
        return error * (2 * np.maximum(t, 0) + error), 2 * error, 2.0 * edge
    return error, 1.0 * edge, 0


def slack_focal(z, y, eps, gamma=2.0, alpha=None):
    # (1-p)^gamma = exp(gamma log(1-p)): an exponent x, a log then a product, is off by 1.5 eps x.
    power = 1.5 * eps * gamma * reference.softplus(np.where(y > 0, z, -z))
    loss, grad, _ = reference.focal(z, y, gamma=gamma, alpha=alpha)
    sign = np.where(y > 0, 1.0, -1.0)
    p, q = expit(sign * z), expit(-sign * z)
    a = 1.0 if alpha is None else np.where(y > 0, alpha, 1 - alpha)
    softplus = reference.softplus(-sign * z)
    terms = a * q**gamma * p * ((1 + 2 * gamma) * q + gamma * softplus * np.abs(q - gamma * p))
    terms += a * q**gamma * p * gamma * softplus * (q + gamma * p)  # q - gamma p cancels as well
    return power * loss, power * np.abs(grad), (power + 2 * eps) * terms


def slack_softmax(z, y, eps, label_smoothing=0.0, class_weight=None, ignore_index=None):
    # exp(z_k - m) inherits the rounding of its exponent, eps/2 times that; a row's sum of c terms
    # is off by c eps/2 of itself. Both reach p and, through log1p(S'), the loss.
    n, c = z.shape
    rows, top, hard = np.arange(n), np.argmax(z, axis=1), np.ndim(y) == 1 and label_smoothing == 0
    d = z[rows, top][:, None] - z
    e, relative = np.exp(-d), eps * (np.minimum(d, 1e4) / 2 + 2 + c / 2)
    relative[rows, top] = 0.0
    lost = (e * relative).sum(axis=1, keepdims=True) / e.sum(axis=1, keepdims=True)
    p = e / e.sum(axis=1, keepdims=True)
    total, cancelled = 1.0, 0.0
    if not hard:
        q = y if np.ndim(y) == 2 else np.eye(c)[reference.class_of(y, ignore_index)].reshape(n, c)
        q = (1 - label_smoothing) * q + label_smoothing / c
        q = q * (1.0 if class_weight is None else np.asarray(class_weight))
        total = q.sum(axis=1, keepdims=True)
        cancelled = 2 * eps * q + eps * (2 + c / 2) * p * total  # p sum(q) - q, and the sum itself
    off = total * p * (relative + lost)
    loss = (total * lost)[:, 0] if not hard else lost[:, 0]
    if not hard:
        with np.errstate(invalid="ignore"):
            terms = np.where(q == 0, 0.0, q * (d + np.log(e.sum(axis=1, keepdims=True))))
        loss = loss + eps * (1 + c / 2) * terms.sum(axis=1)
    return loss, off + cancelled, off + cancelled + eps * total * p


def slack_multiclass_hinge(z, y, eps, margin=1.0, squared=False, **weights):
    # z_j - z_y is rounded before the margin joins it and may cancel it; a row sums c terms.
    rows, y = np.arange(len(z)), reference.class_of(y, weights.get("ignore_index"))
    d = z - z[rows, y][:, None]
    t, error = np.maximum(d + margin, 0), eps / 2 * np.abs(d) + rounding(margin, eps)
    t[rows, y] = error[rows, y] = 0.0
    off = np.where(t > 0, error, 0.0)
    edge = 2.0 * (np.abs(d + margin) <= error)
    edge[rows, y] = edge.sum(axis=1)
    row_sum = eps * z.shape[1] / 2
    if squared:
        grad = 2 * off
        grad[rows, y] = grad.sum(axis=1) + row_sum * 2 * t.sum(axis=1)
        return (off * (2 * t + off)).sum(axis=1) + row_sum * (t**2).sum(axis=1), grad, edge
    return off.sum(axis=1) + row_sum * t.sum(axis=1), edge, 0


def slack_crammer_singer(z, y, eps, margin=1.0, **weights):
    rows, y = np.arange(len(z)), reference.class_of(y, weights.get("ignore_index"))
    wrong = z.copy()
    wrong[rows, y] = -np.inf
    d = wrong.max(axis=1) - z[rows, y]
    error = eps / 2 * np.where(np.isfinite(d), np.abs(d), 0.0) + rounding(margin, eps)
    return error, (np.abs(d + margin) <= error)[:, None] * 1.0, 0


SLACK = {
    "Huber": slack_huber,
    "LogCosh": slack_log_cosh,
    "EpsilonInsensitive": slack_tube,
    "GaussianNLL": slack_gaussian,
    "PoissonNLL": slack_poisson,
    "ExponentialNLL": slack_exponential,
    "GammaNLL": slack_gamma,
    "TweedieNLL": slack_tweedie,
    "BinaryCrossEntropy": slack_bce,
    "Hinge": slack_hinge,
    "Focal": slack_focal,
    "SoftmaxCrossEntropy": slack_softmax,
    "MulticlassHinge": slack_multiclass_hinge,
    "CrammerSingerHinge": slack_crammer_singer,
}

# ---- the list


def class_weights(c):
    """Unequal weights, 0.5 to 2, exact in both types."""
    return (0.5 + 0.5 * (np.arange(c) % 4)).tolist()


@dataclass(frozen=True)
class Case:
    """One loss as users configure it, with everything needed to judge what it returns."""

    id: str
    draw: callable
    params: dict = field(default_factory=dict)  # a function stands for one number per column
    kind: str = "pointwise"  # "rows": one loss a row; "pair": that, of two columns; "scalar"

    def __str__(self):
        return self.id

    @property
    def name(self):
        return self.id.partition("-")[0]

    @property
    def reductions(self):
        return ("mean",) if self.kind == "scalar" else ("mean", "sum", "none")

    @property
    def has_hess(self):
        return self.kind != "scalar"

    @property
    def per_column(self):
        """A parameter holds one number per column, so pred must be a table."""
        return any(callable(value) for value in self.params.values())

    def params_for(self, shape):
        return {k: v(shape[-1]) if callable(v) else v for k, v in self.params.items()}

    def make(self, shape=(1, 1), **more):
        import fastloss

        return getattr(fastloss, self.name)(**self.params_for(shape), **more)

    def shape(self, n, c=3):
        """A shape of pred with n samples: (n,) unless the loss needs columns."""
        if self.kind == "pair":
            return (n, 2)
        return (n, c) if self.kind == "rows" or self.per_column else (n,)

    def reference(self, pred, target, sample_weight=None, reduction="mean"):
        params = self.params_for(pred.shape)
        return reference.evaluate(self.name, pred, target, params, sample_weight, reduction)

    def slack(self, pred, target):
        """Absolute allowances beyond ULPs for (loss, grad, hess), each in its own shape or 0."""
        z, y = pred.astype(np.float64), np.asarray(target)
        y = y.astype(np.float64) if y.dtype.kind == "f" or self.kind == "pointwise" else y
        more = (0, 0, 0)
        if self.name in SLACK:
            with np.errstate(all="ignore"):
                params = self.params_for(pred.shape)
                more = SLACK[self.name](z, y, eps_of(pred.dtype), **params)
        return tuple(np.nan_to_num(m, nan=0.0) for m in more)

    def bounds(self, pred, target, results, ulps=4):
        """Absolute errors allowed in unreduced float64 results: ulps plus the case's slack."""
        ulp = (ulp_of(r, pred.dtype) for r in results)
        limits = (ulps, ulps, HESS_ULPS)
        slack = self.slack(pred, target)
        return tuple(n * u + m for n, u, m in zip(limits, ulp, slack, strict=True))


def eps_of(dtype):
    return float(np.finfo(dtype).eps)


def ulp_of(x, dtype):
    """Spacing of dtype at float64 values; at those that overflow it, its spacing at the largest."""
    with np.errstate(over="ignore"):
        x = np.minimum(np.abs(x), float(np.finfo(dtype).max)).astype(dtype)
    return np.spacing(np.nan_to_num(x)).astype(np.float64)


CASES = [
    Case("SquaredError", real_pair),
    Case("SquaredError-half", real_pair, {"half": True}),
    Case("RootMeanSquaredError", real_pair, kind="scalar"),
    Case("AbsoluteError", real_pair),
    Case("Huber", real_pair),
    Case("Huber-delta0.3", real_pair, {"delta": 0.3}),
    Case("LogCosh", real_pair),
    Case("Pinball", real_pair),
    Case("Pinball-quantile0.9", real_pair, {"quantile": 0.9}),
    Case("EpsilonInsensitive", real_pair),
    Case("EpsilonInsensitive-epsilon0.5", real_pair, {"epsilon": 0.5}),
    Case("EpsilonInsensitive-squared", real_pair, {"epsilon": 0.25, "squared": True}),
    Case("GaussianNLL", real_pair),
    Case("GaussianNLL-variance0.3", real_pair, {"variance": 0.3}),
    Case("GaussianNLL-variance2-full", real_pair, {"variance": 2.0, "full": True}),
    Case("GaussianNLL-learned", mean_and_log_variance, {"variance": None}, "pair"),
    Case("GaussianNLL-learned-full", mean_and_log_variance, {"variance": None, "full": True}, "pair"),
    Case("PoissonNLL", log_rate_and(counts)),
    Case("PoissonNLL-full", log_rate_and(counts), {"full": True}),
    Case("PoissonNLL-rate", rate_and(counts), {"log_input": False}),
    Case("PoissonNLL-rate-full", rate_and(nonnegative), {"log_input": False, "full": True}),
    Case("ExponentialNLL", log_rate_and(nonnegative)),
    Case("ExponentialNLL-mean", rate_and(positive), {"log_input": False}),
    Case("GammaNLL", log_rate_and(positive)),
    Case("GammaNLL-shape2.5-full", log_rate_and(positive), {"shape": 2.5, "full": True}),
    Case("GammaNLL-mean-shape0.7", rate_and(positive), {"shape": 0.7, "log_input": False}),
    Case(
        "GammaNLL-mean-shape3-full",
        rate_and(positive),
        {"shape": 3.0, "log_input": False, "full": True},
    ),
    Case("TweedieNLL", log_rate_and(nonnegative)),
    Case("TweedieNLL-power1.2", log_rate_and(nonnegative), {"power": 1.2}),
    Case("TweedieNLL-power2.5", log_rate_and(positive), {"power": 2.5}),
    Case("BinaryCrossEntropy", logit_and(binary)),
    Case("BinaryCrossEntropy-soft", logit_and(soft)),
    Case("BinaryCrossEntropy-smoothing", logit_and(binary), {"label_smoothing": 0.1}),
    Case("BinaryCrossEntropy-posweight", logit_and(soft), {"pos_weight": 2.5}),
    Case("BinaryCrossEntropy-posweights", logit_and(binary), {"pos_weight": class_weights}),
    Case(
        "BinaryCrossEntropy-smoothing-posweights",
        logit_and(binary),
        {"label_smoothing": 0.25, "pos_weight": class_weights},
    ),
    Case("BinaryCrossEntropy-probabilities", probability_and(binary), {"from_logits": False}),
    Case("BinaryCrossEntropy-probabilities-soft", probability_and(soft), {"from_logits": False}),
    Case(
        "BinaryCrossEntropy-probabilities-smoothing-posweight",
        probability_and(binary),
        {"from_logits": False, "label_smoothing": 0.1, "pos_weight": 3.0},
    ),
    Case("Hinge", logit_and(signs)),
    Case("Hinge-margin0.7", logit_and(signs), {"margin": 0.7}),
    Case("Hinge-squared", logit_and(signs), {"margin": 0.5, "squared": True}),
    Case("Focal", logit_and(binary)),
    Case("Focal-gamma0-alpha0.25", logit_and(binary), {"gamma": 0.0, "alpha": 0.25}),
    Case("Focal-gamma1.5", logit_and(binary), {"gamma": 1.5}),
    Case("SoftmaxCrossEntropy", scores_and_classes(), kind="rows"),
    Case("SoftmaxCrossEntropy-probabilities", scores_and_probabilities, kind="rows"),
    Case("SoftmaxCrossEntropy-smoothing", scores_and_classes(), {"label_smoothing": 0.1}, "rows"),
    Case(
        "SoftmaxCrossEntropy-classweight",
        scores_and_classes(),
        {"class_weight": class_weights},
        "rows",
    ),
    Case("SoftmaxCrossEntropy-ignore", scores_and_classes(-100), {"ignore_index": -100}, "rows"),
    Case(
        "SoftmaxCrossEntropy-smoothing-classweight-ignore",
        scores_and_classes(0),
        {"label_smoothing": 0.2, "class_weight": class_weights, "ignore_index": 0},
        "rows",
    ),
    Case(
        "SoftmaxCrossEntropy-probabilities-smoothing-classweight",
        scores_and_probabilities,
        {"label_smoothing": 0.1, "class_weight": class_weights},
        "rows",
    ),
    Case("MulticlassHinge", scores_and_classes(), kind="rows"),
    Case("MulticlassHinge-margin0.7", scores_and_classes(), {"margin": 0.7}, "rows"),
    Case(
        "MulticlassHinge-squared-classweight",
        scores_and_classes(),
        {"squared": True, "margin": 0.5, "class_weight": class_weights},
        "rows",
    ),
    Case("MulticlassHinge-ignore", scores_and_classes(2**40), {"ignore_index": 2**40}, "rows"),
    Case("CrammerSingerHinge", scores_and_classes(), kind="rows"),
    Case(
        "CrammerSingerHinge-margin2-classweight-ignore",
        scores_and_classes(-1),
        {"margin": 2.0, "class_weight": class_weights, "ignore_index": -1},
        "rows",
    ),
]
BY_ID = {case.id: case for case in CASES}

# One configuration of each class, for what depends on the arguments and not on the formula.
DEFAULTS = [case for case in CASES if "-" not in case.id]

# What the contract's table lists; test_reference.py checks that CASES varies all of it.
PARAMETERS = {
    "SquaredError": {"half"},
    "RootMeanSquaredError": set(),
    "AbsoluteError": set(),
    "Huber": {"delta"},
    "LogCosh": set(),
    "Pinball": {"quantile"},
    "EpsilonInsensitive": {"epsilon", "squared"},
    "GaussianNLL": {"variance", "full"},
    "PoissonNLL": {"log_input", "full"},
    "ExponentialNLL": {"log_input"},
    "GammaNLL": {"shape", "log_input", "full"},
    "TweedieNLL": {"power"},
    "BinaryCrossEntropy": {"from_logits", "label_smoothing", "pos_weight"},
    "Hinge": {"margin", "squared"},
    "Focal": {"gamma", "alpha"},
    "SoftmaxCrossEntropy": {"label_smoothing", "class_weight", "ignore_index"},
    "MulticlassHinge": {"margin", "squared", "class_weight", "ignore_index"},
    "CrammerSingerHinge": {"margin", "class_weight", "ignore_index"},
}


# ---- comparing


def assert_within(got, want, bound, what=""):
    """Every element of got within bound of want, which is rounded to got's type; NaN equals NaN."""
    got = np.asarray(got)
    want, bound = np.broadcast_to(want, got.shape), np.broadcast_to(bound, got.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = want.astype(got.dtype)
        same = (got == rounded) | (np.isnan(got) & np.isnan(want))
        error = np.abs(got.astype(np.float64) - want)
        good = same | (error <= bound) & np.isfinite(rounded)
    if not good.all():
        i = tuple(int(k[0]) for k in np.nonzero(~good))
        raise AssertionError(
            f"{what}: {np.sum(~good)} of {got.size} wrong, first [{', '.join(map(str, i))}]: got "
            f"{got[i]!r}, want {want[i]!r}, off by {error[i]:.3g}, allowed {bound[i]:.3g}"
        )
