# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM: losses as custom objectives and metrics, for ``lightgbm.train`` and the scikit-learn estimators alike.

What objectives for boosters share is in ``boosting.py``.
"""

from __future__ import annotations

import math

import numpy as np

try:
    import lightgbm
except ImportError as error:
    raise ImportError("fastloss.interop.lightgbm needs LightGBM: pip install 'fastloss[lightgbm]'") from error

from .boosting import Metric, Objective

__all__ = ["metric", "objective"]

BLOCK = 32768  # scores that are worked on at a time: their float64 arrays stay in cache, and two threads have work


def objective(loss, *, hessian="exact"):
    """A loss as LightGBM's custom objective: ``params["objective"]``, or ``LGBMRegressor(objective=)``.

    Computed in float64, as LightGBM keeps its scores, and returned as float32 in its own order.

    Parameters
    ----------
    loss : fastloss loss
        Any with a second derivative; its ``reduction`` does not matter. Losses over classes need ``num_class`` among
        LightGBM's parameters (``LGBMClassifier`` gives it from three classes on). Sample weights are multiplied in.
    hessian : {"exact", "upper", "abs", "one"} or float
        The curvature that the trees get: the diagonal of the Hessian; what LightGBM's own softmax takes for losses over
        c classes, c / (c - 1) times the diagonal (else the diagonal); its absolute value, for losses that are not
        convex; 1, for those without curvature; or the diagonal times a factor above 0.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        While training: a class is no whole number, or the second derivative is 0 everywhere.

    Notes
    -----
    Which built-in objectives are reproduced, and with which parameters: docs/interop.md.

    Examples
    --------
    >>> import fastloss as fl
    >>> import lightgbm
    >>> import numpy as np
    >>> from fastloss.interop.lightgbm import objective
    >>> x = np.arange(100.0).reshape(-1, 1)
    >>> data = lightgbm.Dataset(x, label=np.sqrt(x[:, 0]))
    >>> model = lightgbm.train({"objective": objective(fl.LogCosh()), "verbose": -1}, data, 10)
    >>> model.predict(x).shape
    (100,)
    """
    return _Objective(loss, hessian)


def metric(loss, *, name=None):
    """The mean of a loss as a metric: ``lightgbm.train(..., feval=)`` and ``LGBMRegressor.fit(..., eval_metric=)``.

    Parameters
    ----------
    loss : fastloss loss
        Evaluated on what LightGBM hands over: scores, if the objective is a custom one.
    name : str, optional
        What the metric is called; the loss's class by default.

    Returns
    -------
    callable
    """
    return _Metric(loss, name)


class _Objective(Objective):
    upper_factor = staticmethod(lambda classes: classes / (classes - 1))

    # LightGBM's estimators count the parameters: a third one gets the weights.
    def __call__(self, y_true, y_pred, weight=None):
        if isinstance(y_pred, lightgbm.Dataset):  # lightgbm.train gives (scores, data)
            y_true, y_pred, weight = y_pred.get_label(), y_true, y_pred.get_weight()
        grad, hess = (np.empty(y_pred.shape, np.float32, order="F") for _ in range(2))
        rows = max(1, BLOCK // math.prod(y_pred.shape[1:]))
        for begin in range(0, len(y_pred), rows):
            block = slice(begin, begin + rows)
            some = None if weight is None else weight[block]
            grad[block], hess[block] = self.derivatives(y_pred[block], y_true[block], some)
        return self.checked(grad, hess)


class _Metric(Metric):
    def __call__(self, y_true, y_pred, weight=None):
        if isinstance(y_pred, lightgbm.Dataset):
            y_true, y_pred, weight = y_pred.get_label(), y_true, y_pred.get_weight()
        return self.__name__, self.mean(y_pred, y_true, weight), False
