# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost: losses as custom objectives and metrics, for ``xgboost.train`` and the scikit-learn estimators alike.

What objectives for boosters share is in ``boosting.py``.
"""

from __future__ import annotations

try:
    import xgboost
except ImportError as error:
    raise ImportError("fastloss.interop.xgboost needs XGBoost: pip install 'fastloss[xgboost]'") from error

from .boosting import Metric, Objective

__all__ = ["metric", "objective"]


def objective(loss, *, hessian="exact"):
    """A loss as XGBoost's custom objective: ``xgboost.train(..., obj=)`` and ``XGBRegressor(objective=)``.

    Parameters
    ----------
    loss : fastloss loss
        Any with a second derivative; its ``reduction`` does not matter. Losses over classes need ``num_class`` among
        XGBoost's parameters (``XGBClassifier`` gives it from three classes on). Sample weights are multiplied in.
    hessian : {"exact", "upper", "abs", "one"} or float
        The curvature that the trees get: the diagonal of the Hessian; an upper bound of the whole Hessian (twice the
        diagonal for losses over classes, as XGBoost's own softmax takes it; else the diagonal); its absolute value,
        for losses that are not convex; 1, for those without curvature; or the diagonal times a factor above 0.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        While training: a class is no whole number, or the second derivative is 0 everywhere.

    Notes
    -----
    Diagonal times 2: by Gershgorin's theorem, as each row of the Hessian of a loss over classes adds up to 0. Which
    built-in objectives are reproduced, and from which ``base_score``: docs/interop.md.

    Examples
    --------
    >>> import fastloss as fl
    >>> import numpy as np
    >>> import xgboost
    >>> from fastloss.interop.xgboost import objective
    >>> x = np.arange(8.0).reshape(-1, 1)
    >>> data = xgboost.DMatrix(x, label=np.sqrt(x))
    >>> model = xgboost.train({"base_score": 0.0}, data, obj=objective(fl.LogCosh()))
    >>> model.predict(data).shape
    (8,)
    """
    return _Objective(loss, hessian)


def metric(loss, *, name=None):
    """The mean of a loss as a metric: ``xgboost.train(..., custom_metric=)`` and ``XGBRegressor(eval_metric=)``.

    Parameters
    ----------
    loss : fastloss loss
        Evaluated on what XGBoost hands over: scores, if the objective is a custom one.
    name : str, optional
        What the metric is called; the loss's class by default.

    Returns
    -------
    callable
    """
    return _Metric(loss, name)


class _Objective(Objective):
    upper_factor = staticmethod(lambda classes: 2.0)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if isinstance(y_pred, xgboost.DMatrix):  # xgboost.train gives (scores, data)
            y_true, y_pred, sample_weight = y_pred.get_label(), y_true, y_pred.get_weight()
        return self.checked(*self.derivatives(y_pred, y_true, sample_weight))


class _Metric(Metric):
    def __call__(self, y_true, y_pred, sample_weight=None):
        if isinstance(y_pred, xgboost.DMatrix):  # xgboost.train gives (scores, data) and wants a name
            return self.__name__, self.mean(y_true, y_pred.get_label(), y_pred.get_weight())
        return self.mean(y_pred, y_true, sample_weight)
