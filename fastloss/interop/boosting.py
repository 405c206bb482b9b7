# SPDX-License-Identifier: BSD-3-Clause
"""What the interfaces to boosters share: a loss as gradient and curvature, and as a metric.

How each library hands over its arrays, and wants them back, is in ``xgboost.py`` and ``lightgbm.py``.
"""

from __future__ import annotations

import numpy as np

from .. import _check
from .._core import Loss


class Objective:
    """The gradient of a loss and its curvature, summed over samples: subclasses are what a library calls."""

    upper_factor = None  # what "upper" multiplies the diagonal with, as a function of the number of classes

    def __init__(self, loss, hessian):
        who = "objective"
        self.loss = _check.loss_of(who, "loss", loss, Loss)
        _check.not_separable(loss)
        self.hessian = _check.hessian(who, hessian)
        if self.hessian == "upper" and loss._target_kind == "pairs":
            raise ValueError(f"{who}: hessian is 'upper', but no bound is known for {loss!r}")
        self._sum = loss._replace(reduction="sum")

    def __repr__(self):
        return f"objective({self.loss!r}, hessian={self.hessian!r})"

    def derivatives(self, pred, target, weight):
        """(gradient, curvature) in ``pred``'s shape and dtype; the library's names for no weights are understood."""
        weight = None if weight is None or weight.size == 0 else weight
        target = as_target(self._sum, pred, target)
        if self.hessian == "one":
            _, grad = self._sum.value_and_grad(pred, target, sample_weight=weight)
            hess = np.ones_like(grad)
            if weight is not None:
                hess *= weight if weight.shape == hess.shape else weight.reshape(-1, *[1] * (hess.ndim - 1))
            return grad, hess
        _, grad, hess = self._sum.value_grad_hess(pred, target, sample_weight=weight)
        if self.hessian == "abs":
            np.abs(hess, out=hess)
        elif self.hessian != "exact":
            factor = self.hessian
            if factor == "upper":
                factor = self.upper_factor(pred.shape[1]) if self._sum._target_kind == "classes" else 1.0
            hess *= hess.dtype.type(factor)
        return grad, hess

    def checked(self, grad, hess):
        """Both, unless no tree can grow from them."""
        if not hess.any() and grad.any():
            raise ValueError(
                f"{type(self.loss).__name__}: hessian is {self.hessian!r}, but the second derivative is 0 at every "
                "sample, so that no tree can grow: use 'one'"
            )
        return grad, hess


class Metric:
    """The mean of a loss, under a name: subclasses are what a library calls."""

    def __init__(self, loss, name):
        self.loss = _check.loss_of("metric", "loss", loss, Loss)
        self.__name__ = type(loss).__name__ if name is None else name
        self._mean = loss._replace(reduction="mean")

    def __repr__(self):
        return f"metric({self.loss!r}, name={self.__name__!r})"

    def mean(self, pred, target, weight):
        """The value, weighted as the data set is."""
        weight = None if weight is None or weight.size == 0 else weight
        return self._mean.value(pred, as_target(self._mean, pred, target), sample_weight=weight)


def as_target(loss, pred, target):
    """A booster's floats as what the loss wants: integers for classes, else in ``pred``'s shape."""
    if loss._target_kind == "classes" and target.ndim == 1:
        return _check.whole_labels(loss, target)
    return target.reshape(pred.shape) if target.size == pred.size else target  # XGBoost 2.1 flattens tables
