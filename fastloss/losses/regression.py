# SPDX-License-Identifier: BSD-3-Clause
"""Losses for regression and for counts, rates and waiting times.

Each class holds parameters and says what it computes; the formulas are compiled from ``src_c/kernels/regression.c``.
In all of them ``z`` is an entry of ``pred``, ``y`` of ``target``, and ``r = z - y``.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _check
from .._core import Loss


class SquaredError(Loss):
    """Squared error ``r**2``, or ``r**2 / 2`` with ``half``.

    Gradient ``2 r`` (``r``), second derivative 2 (1). The mean of it is the MSE; it is the negative log-likelihood of
    a Gaussian with known variance, up to scale and a constant.

    Parameters
    ----------
    half : bool
        Multiply by 1/2, so that the gradient is the residual itself.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. Loss and gradient are within 4 ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredError().value_and_grad([3.0, 5.0], [1.0, 5.0])
    (2.0, array([2., 0.]))
    """

    __slots__ = ()

    def __init__(self, *, half=False, reduction="mean"):
        half = _check.flag("SquaredError", "half", half)
        self._configure("squared_error", [0.5 if half else 1.0], {"half": half, "reduction": reduction})


class RootMeanSquaredError(Loss):
    """Root of the mean squared error, ``sqrt(mean(r**2))``.

    Gradient ``r / (n * rmse)``, 0 where the error is 0. With weights the mean is the weighted one. A scalar by nature:
    the only reduction is "mean", and there is no diagonal Hessian.

    Parameters
    ----------
    reduction : {"mean"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. The squares are scaled where they would overflow or underflow.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.RootMeanSquaredError()([3.0, 4.0], [0.0, 0.0])
    3.5355339059327378
    """

    __slots__ = ()
    _no_hess = "the root ties all entries together, so the Hessian is not diagonal"

    def __init__(self, *, reduction="mean"):
        _check.choice("RootMeanSquaredError", "reduction", reduction, ("mean",))
        self._configure("root_mean_squared_error", [], {"reduction": reduction})


class AbsoluteError(Loss):
    """Absolute error ``|r|``; its gradient is ``sign(r)``, 0 at 0. The mean of it is the MAE.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. Loss and gradient are within 1 ULP before the mean's factor.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.AbsoluteError(reduction="sum").value_and_grad([3.0, 5.0], [1.0, 5.0])
    (2.0, array([1., 0.]))
    """

    __slots__ = ()

    def __init__(self, *, reduction="mean"):
        self._configure("absolute_error", [], {"reduction": reduction})


class Huber(Loss):
    """Huber's loss: ``r**2 / 2`` where ``|r| <= delta``, ``delta * (|r| - delta / 2)`` beyond.

    Gradient ``clip(r, -delta, delta)``, second derivative 1 inside and 0 outside. Huber (1964), Ann. Math. Stat. 35.

    Parameters
    ----------
    delta : float
        Above 0: where the square ends.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. Loss and gradient are within 4 ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Huber(reduction="sum").value_and_grad([3.0, 0.5], [0.0, 0.0])
    (2.625, array([1. , 0.5]))
    """

    __slots__ = ()

    def __init__(self, *, delta=1.0, reduction="mean"):
        delta = _check.number("Huber", "delta", delta, low=0, open_low=True)
        self._configure("huber", [delta], {"delta": delta, "reduction": reduction})


class LogCosh(Loss):
    """``log(cosh(r))``: about ``r**2 / 2`` near 0 and ``|r| - log 2`` far out, smooth everywhere.

    Gradient ``tanh(r)``, second derivative ``1 / cosh(r)**2``. No overflow: the stable form never takes ``cosh``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. Loss and gradient are within 4 ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.LogCosh()([1000.0], [0.0])
    999.3068528194401
    """

    __slots__ = ()

    def __init__(self, *, reduction="mean"):
        self._configure("log_cosh", [], {"reduction": reduction})


class Pinball(Loss):
    """Pinball (quantile) loss ``max(q (y - z), (q - 1) (y - z))``: its minimum is the q-quantile of the targets.

    Gradient ``-q`` below the target, ``1 - q`` above, 0 at it. Koenker & Bassett (1978), Econometrica 46.

    Parameters
    ----------
    quantile : float
        In [0, 1]; 0.5 gives half the absolute error.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. Loss and gradient are within 4 ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Pinball(quantile=0.9, reduction="none")([1.0, 3.0], [2.0, 2.0])
    array([0.9, 0.1])
    """

    __slots__ = ()

    def __init__(self, *, quantile=0.5, reduction="mean"):
        quantile = _check.number("Pinball", "quantile", quantile, low=0, high=1)
        self._configure("pinball", [quantile], {"quantile": quantile, "reduction": reduction})


class EpsilonInsensitive(Loss):
    """``max(0, |r| - epsilon)``, or its square: nothing inside a tube around the target (support vector regression).

    Gradient ``sign(r)`` outside the tube (squared: ``2 (|r| - epsilon) sign(r)``), 0 in it and at its edge.
    Vapnik (1995), The Nature of Statistical Learning Theory.

    Parameters
    ----------
    epsilon : float
        At least 0: half the width of the tube.
    squared : bool
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any. ``r`` and ``|r| - epsilon`` are rounded once each, so the absolute
    error of the excess is at most eps * (|z| + |y| + epsilon), eps the spacing at 1; the rest is within 2 ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.EpsilonInsensitive(epsilon=0.5, reduction="none")([1.0, 3.0], [1.25, 2.0])
    array([0. , 0.5])
    """

    __slots__ = ()

    def __init__(self, *, epsilon=0.1, squared=False, reduction="mean"):
        epsilon = _check.number("EpsilonInsensitive", "epsilon", epsilon, low=0)
        squared = _check.flag("EpsilonInsensitive", "squared", squared)
        self._configure(
            "epsilon_insensitive_squared" if squared else "epsilon_insensitive",
            [epsilon],
            {"epsilon": epsilon, "squared": squared, "reduction": reduction},
        )


class GaussianNLL(Loss):
    """Negative log-likelihood of a Gaussian, its variance known or learned.

    Known variance v: ``r**2 / (2 v) + log(v) / 2``, gradient ``r / v``, second derivative ``1 / v``.
    With ``variance=None`` each row of ``pred`` is (m, k), mean and log-variance, and the loss is
    ``((m - y)**2 exp(-k) + k) / 2``; gradient ``(m - y) exp(-k)`` and ``(1 - (m - y)**2 exp(-k)) / 2``.
    ``full`` adds ``log(2 pi) / 2``.

    Parameters
    ----------
    variance : float or None
        Above 0, in squared units of the target; None to learn it.
    full : bool
        Keep the constant of the likelihood.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any; learned: (n, 2) and (n,), one loss per row. The loss is a sum of terms
    of either sign: its absolute error is at most 4 eps times the sum of their sizes, eps the spacing at 1, and so is
    that of dk. For a learned variance the rounding of the residual enters twice.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GaussianNLL(variance=2.0).value_and_grad([3.0], [1.0])
    (1.3465735902799727, array([1.]))
    >>> fl.GaussianNLL(variance=None).predict([[3.0, 0.5]])
    array([3.])
    """

    __slots__ = ()

    def __init__(self, *, variance=1.0, full=False, reduction="mean"):
        full = _check.flag("GaussianNLL", "full", full)
        config = {"variance": variance, "full": full, "reduction": reduction}
        if variance is None:
            self._configure("gaussian_nll_learned", [full], config)
            return
        config["variance"] = _check.number("GaussianNLL", "variance", variance, low=0, open_low=True)
        self._configure("gaussian_nll", [config["variance"], full], config)

    @property
    def _target_kind(self):
        return "pairs" if self.variance is None else "real"

    def predict(self, pred):
        """The mean: ``pred``, or its first column where the variance is learned."""
        z = _check.as_floats("GaussianNLL", "pred", pred)
        if self.variance is not None:
            return z
        _check.check_pred_shape(self, z)
        return z[:, 0].copy()


class _LogMean(Loss):
    """What the losses with a log link share: the mean is ``exp(pred)``, or ``pred`` without ``log_input``."""

    __slots__ = ()
    _pred_words = "above 0 (log_input=False)"

    def predict(self, pred):
        """The mean: ``exp(pred)``, or ``pred`` itself with ``log_input=False``."""
        z = _check.as_floats(type(self).__name__, "pred", pred)
        with np.errstate(over="ignore"):
            return np.exp(z) if self._config_log_input else z

    @property
    def _config_log_input(self):
        return getattr(self, "log_input", True)

    def _domain(self, dense):
        return 0.0, math.inf, None, "at least 0"

    def _bad_pred(self, pred):
        return False if self._config_log_input else ~(pred > 0)


class PoissonNLL(_LogMean):
    """Negative log-likelihood of a Poisson count, from its log-rate: ``exp(z) - y z`` [``full``: ``+ log y!``].

    Gradient ``exp(z) - y``, second derivative ``exp(z)``. With ``log_input=False`` ``pred`` is the rate mu itself:
    ``mu - y log(mu)``, gradient ``(mu - y) / mu``. ``y z`` and ``y log(mu)`` are 0 where y is 0.

    Parameters
    ----------
    log_input : bool
    full : bool
        Add ``log y!``, exact (not Stirling's approximation).
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any; targets are counts of at least 0. Loss and gradient are differences of
    terms, each rounded: absolute error at most 2 eps (exp(z) + y |z| + log y!) and 2 eps (exp(z) + y).

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.PoissonNLL().value_and_grad([0.0, 0.0], [1, 3])
    (1.0, array([ 0., -1.]))
    """

    __slots__ = ()

    def __init__(self, *, log_input=True, full=False, reduction="mean"):
        log_input = _check.flag("PoissonNLL", "log_input", log_input)
        full = _check.flag("PoissonNLL", "full", full)
        self._configure(
            "poisson_nll" if log_input else "poisson_nll_rate",
            [full],
            {"log_input": log_input, "full": full, "reduction": reduction},
        )


class ExponentialNLL(_LogMean):
    """Negative log-likelihood of an exponential waiting time, from its log-mean: ``z + y exp(-z)``.

    Gradient ``1 - y exp(-z)``, second derivative ``y exp(-z)``. In terms of the rate lambda = exp(-z) it is
    ``lambda y - log(lambda)``. With ``log_input=False`` ``pred`` is the mean mu: ``log(mu) + y / mu``.

    Parameters
    ----------
    log_input : bool
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any; targets are at least 0. Absolute error at most 2 eps (|z| + y exp(-z))
    and 2 eps (1 + y exp(-z)).

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.ExponentialNLL().value_and_grad([0.0], [2.0])
    (2.0, array([-1.]))
    """

    __slots__ = ()

    def __init__(self, *, log_input=True, reduction="mean"):
        log_input = _check.flag("ExponentialNLL", "log_input", log_input)
        self._configure(
            "gamma_nll" if log_input else "gamma_nll_mean",
            [1.0, 0.0],
            {"log_input": log_input, "reduction": reduction},
        )


class GammaNLL(_LogMean):
    """Negative log-likelihood of a gamma variable with known shape k, from its log-mean: ``k (z + y exp(-z))``.

    Gradient ``k (1 - y exp(-z))``, second derivative ``k y exp(-z)``. ``full`` adds
    ``lgamma(k) - k log(k) - (k - 1) log(y)``. With ``log_input=False`` ``pred`` is the mean mu:
    ``k (log(mu) + y / mu)``. McCullagh & Nelder (1989), Generalized Linear Models, chapter 8.

    Parameters
    ----------
    shape : float
        Above 0; 1 is the exponential distribution.
    log_input : bool
    full : bool
        Keep the terms that do not depend on ``pred``.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` and ``target`` have one shape, any; targets are above 0. Absolute error at most 3 eps times the sum of the
    sizes of the terms.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GammaNLL(shape=2.0).value_and_grad([0.0], [2.0])
    (4.0, array([-2.]))
    """

    __slots__ = ()

    def __init__(self, *, shape=1.0, log_input=True, full=False, reduction="mean"):
        shape = _check.number("GammaNLL", "shape", shape, low=0, open_low=True)
        log_input = _check.flag("GammaNLL", "log_input", log_input)
        full = _check.flag("GammaNLL", "full", full)
        self._configure(
            "gamma_nll" if log_input else "gamma_nll_mean",
            [shape, full],
            {"shape": shape, "log_input": log_input, "full": full, "reduction": reduction},
        )

    def _domain(self, dense):
        return 0.0, math.inf, None, "above 0"


class TweedieNLL(_LogMean):
    """Tweedie quasi-likelihood with a log link: ``exp((2-p) z) / (2-p) - y exp((1-p) z) / (1-p)``.

    Gradient ``exp((2-p) z) - y exp((1-p) z)``. For p in (1, 2) a Poisson number of gamma amounts: mass at 0 and a
    density above. Jorgensen (1987), J. R. Stat. Soc. B 49.

    Parameters
    ----------
    power : float
        In (1, 2) or above 2. The limits are losses of their own: 0 SquaredError, 1 PoissonNLL, 2 GammaNLL.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` is the log-mean, any shape; targets have the same and are at least 0. On machines with FMA the exponents
    are exact before the exponential, and the absolute error is at most 4 eps times the sum of the terms' sizes; without
    it their rounding adds up to eps |(2-p) z| and eps |(1-p) z| of the terms.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.TweedieNLL(power=1.5).value_and_grad([0.0], [3.0])
    (8.0, array([-2.]))
    """

    __slots__ = ()

    def __init__(self, *, power=1.5, reduction="mean"):
        power = _check.number("TweedieNLL", "power", power)
        if not (1 < power < 2 or power > 2):
            raise ValueError(
                f"TweedieNLL: power is {power!r}, but must be between 1 and 2 or above 2 "
                "(1 is PoissonNLL, 2 is GammaNLL, 0 is SquaredError)"
            )
        self._configure("tweedie_nll", [power], {"power": power, "reduction": reduction})

    def _domain(self, dense):
        return 0.0, math.inf, None, "at least 0" if self.power < 2 else "above 0"
