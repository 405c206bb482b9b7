# SPDX-License-Identifier: BSD-3-Clause
"""Numerical against analytic gradients."""

from __future__ import annotations

import numpy as np

from . import _check
from ._core import Loss


def check_grad(function, x, target=None, *, sample_weight=None):
    """Largest relative difference between an analytic gradient and a numerical one.

    The numerical one is the central difference of order 4, ``(8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / (12 h)``,
    with h = 1e-3 times the entry's size, at least 1e-3 in float64. A right gradient of a smooth function gives about
    1e-9; at a kink of the function (a hinge, an absolute value) the difference means nothing.

    Parameters
    ----------
    function : Loss, or callable
        A loss, differentiated in ``x`` at ``target``; or any function of one array that returns (value, grad).
    x : array_like
        Where: float, any shape. Computed in float64.
    target : array_like, optional
        The loss's target.
    sample_weight : array_like, optional
        As for the loss.

    Returns
    -------
    float
        The largest ``|analytic - numerical| / max(|analytic|, |numerical|, scale)`` over the entries, with scale 1e-3
        times the largest entry of either gradient; 0.0 for an empty ``x``.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.check_grad(fl.LogCosh(), [0.3, -2.0], [0.0, 0.0]) < 1e-8
    True
    >>> bool(fl.check_grad(lambda x: (float((x**2).sum()), x), [1.0, 2.0]) > 0.1)  # should be 2 x
    True
    """
    if isinstance(function, Loss):
        loss = function
        if target is None:
            raise TypeError("check_grad: target is missing, but a loss needs one")
        total = loss._replace(reduction="sum") if loss.reduction == "none" else loss

        def function(z):
            return total.value_and_grad(z, target, sample_weight=sample_weight)

    elif not callable(function):
        raise TypeError(f"check_grad: function is a {type(function).__name__}, but must be a loss or a callable")
    x = np.array(_check.as_floats("check_grad", "x", x), dtype=np.float64)
    analytic = np.asarray(function(x.copy())[1], dtype=np.float64)
    if analytic.shape != x.shape:
        raise ValueError(f"check_grad: the gradient has shape {analytic.shape}, but x has {x.shape}")
    numerical = np.empty_like(x)
    for i in np.ndindex(x.shape):
        h = 1e-3 * max(1.0, abs(x[i]))
        values = []
        for k in (1, -1, 2, -2):
            moved = x.copy()
            moved[i] += k * h
            values.append(float(function(moved)[0]))
        numerical[i] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
    if x.size == 0:
        return 0.0
    scale = np.maximum(np.abs(analytic), np.abs(numerical))
    floor = max(1e-3 * scale.max(), np.finfo(np.float64).tiny)
    return float((np.abs(analytic - numerical) / np.maximum(scale, floor)).max())
