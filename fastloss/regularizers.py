# SPDX-License-Identifier: BSD-3-Clause
"""What keeps a model from fitting noise: penalties on weights, and layers that disturb or normalize what flows.

Parameters and documentation only; the loops are compiled from ``src_c/kernels/regularizers.c`` and ``features.c``.
Everything here gives the same bits for every number of threads, and for every kernel set with fused multiply-add.
"""

from __future__ import annotations

import math

import numpy as np

from . import _check, _core
from ._core import Penalty, Regularizer

__all__ = ["L1", "L2", "BatchNorm", "ElasticNet", "MaxNorm", "dropout", "dropout_grad", "stochastic_depth"]

STOCHASTIC_DEPTH = 1  # third word of the counter, so that one seed gives dropout (0) other numbers


class L1(Penalty):
    """L1 penalty (lasso), ``strength * sum(abs(w))``.

    Gradient ``strength * sign(w)``, 0 at 0. The proximal step is the soft threshold ``sign(w) * max(0, abs(w) -
    step * strength)``, whose zeros are exact. Tibshirani (1996), J. R. Stat. Soc. B 58.

    Parameters
    ----------
    strength : float
        At least 0. A penalty of strength 0 is 0 everywhere, also at NaN and infinity.

    Notes
    -----
    ``w`` has any shape; float32 and float64 are computed in that type, the value is summed in double. The gradient is
    within 1 ULP, the value within ``n`` roundings in double for ``n`` entries.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> l1 = fl.L1(0.5)
    >>> w = np.array([3.0, -0.1, 0.0])
    >>> l1.value_and_grad(w)
    (1.55, array([ 0.5, -0.5,  0. ]))
    >>> l1.prox(w, 1.0)
    >>> w
    array([2.5, 0. , 0. ])
    """

    __slots__ = ()

    def __init__(self, strength):
        strength = _check.number("L1", "strength", strength, low=0)
        self._configure({"strength": strength}, l1=strength)


class L2(Penalty):
    """L2 penalty (ridge), ``strength * sum(w**2)``, or half of it with ``half``.

    Gradient ``2 * strength * w`` (``strength * w``): with ``half``, what optimizers call weight decay. Proximal step
    ``w / (1 + 2 * strength * step)`` (``w / (1 + strength * step)``).

    Parameters
    ----------
    strength : float
        At least 0. A penalty of strength 0 is 0 everywhere, also at NaN and infinity.
    half : bool
        Multiply by 1/2.

    Notes
    -----
    ``w`` has any shape; float32 and float64 are computed in that type, the value is summed in double, where the squares
    of floats are exact. The gradient is within 2 ULP.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> fl.L2(0.5).value_and_grad(np.array([1.0, -2.0]))
    (2.5, array([ 1., -2.]))
    >>> dw = np.array([1.0, 1.0])
    >>> fl.L2(0.5, half=True).add_grad(np.array([1.0, -2.0]), dw)
    1.25
    >>> dw
    array([1.5, 0. ])
    """

    __slots__ = ()

    def __init__(self, strength, half=False):
        strength = _check.number("L2", "strength", strength, low=0)
        half = _check.flag("L2", "half", half)
        self._configure({"strength": strength, "half": half}, l2=strength / 2 if half else strength)


class ElasticNet(Penalty):
    """Elastic net, ``l1 * sum(abs(w)) + l2 * sum(w**2)``: the sum of both penalties.

    Gradient ``l1 * sign(w) + 2 * l2 * w``; proximal step: the soft threshold by ``step * l1``, then division by
    ``1 + 2 * step * l2``. Zou & Hastie (2005), J. R. Stat. Soc. B 67.

    Parameters
    ----------
    l1, l2 : float
        At least 0. A term of strength 0 is 0 everywhere, also at NaN and infinity.

    Notes
    -----
    ``w`` has any shape; float32 and float64 are computed in that type, the value is summed in double. The terms of the
    gradient have one sign, so that it is within 3 ULP.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> fl.ElasticNet(l1=1.0, l2=0.5).value_and_grad(np.array([1.0, -2.0]))
    (5.5, array([ 2., -3.]))
    """

    __slots__ = ()

    def __init__(self, l1, l2):
        l1 = _check.number("ElasticNet", "l1", l1, low=0)
        l2 = _check.number("ElasticNet", "l2", l2, low=0)
        self._configure({"l1": l1, "l2": l2}, l1=l1, l2=l2)


class MaxNorm(Regularizer):
    """Max-norm constraint: a column, or other slice, whose Euclidean norm is above the limit is scaled to it.

    ``w[:, j] *= limit / norm(w[:, j])`` where ``norm(w[:, j]) > limit``. Srebro & Shraibman (2005); with dropout in
    Srivastava et al. (2014), J. Mach. Learn. Res. 15.

    Parameters
    ----------
    limit : float
        Above 0.
    axis : int, tuple of int or None
        The axes that the norm runs over, 0 by default: with ``w`` of shape (inputs, outputs) the weights that go into
        one output. None: the whole array. For convolutions of shape (out, in, height, width) it is ``(1, 2, 3)``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([[3.0, 0.3], [4.0, 0.4]])
    >>> fl.MaxNorm(1.0).project(w)
    >>> w
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """

    __slots__ = ()

    def __init__(self, limit, axis=0):
        limit = _check.number("MaxNorm", "limit", limit, low=0, open_low=True)
        self._set({"limit": limit, "axis": _check.axes("MaxNorm", "axis", axis)})

    def project(self, w):
        """Scale what is above the limit, in place.

        ``w`` is float32 or float64, C-contiguous or row-strided. The norm neither overflows nor underflows, and scaled
        entries are within 2 ULP and the rounding of the norm's sum (in double). A slice that holds NaN stays as it is;
        one that holds an infinity becomes 0, and NaN where it was infinite.
        """
        self._require_configured()
        w = _check.writeable("MaxNorm", "w", w)
        axes = _check.axes_of("MaxNorm", self.axis, w.ndim)
        if w.size == 0:
            return
        features = _check.slices(w, axes)
        if features is not None:
            _core.max_norm(features, self.limit)
            return
        moved = np.moveaxis(w, axes, range(len(axes)))  # axes that alternate with others: on a copy
        copy = np.ascontiguousarray(moved)
        _core.max_norm(copy.reshape(math.prod(moved.shape[: len(axes)]), -1, 1), self.limit)
        moved[...] = copy


def dropout(x, rate=0.5, seed=None):
    """Inverted dropout: each entry is kept with probability ``1 - rate`` and divided by that, else 0.

    Parameters
    ----------
    x : array_like
        Any shape and layout; computed in float32 or float64.
    rate : float
        In [0, 1): the probability of 0. It is rounded to a multiple of 2**-32.
    seed : int or None
        From 0 to 2**64 - 1; None draws a fresh one. One seed gives one mask for a given shape, whatever the dtype,
        layout, number of threads or kernel set: use another one at every step.

    Returns
    -------
    y : ndarray
        ``where(mask, x / (1 - rate), 0)``, of x's shape and float type: exactly 0 where dropped, even of NaN.
    mask : ndarray of bool
        True where kept.

    Notes
    -----
    The numbers come from Philox4x32-10, a counter-based generator (Salmon et al., 2011): entry i in row-major order
    looks at the i-th 32-bit word and is kept if that is at least ``rate * 2**32``. Srivastava et al. (2014).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> y, mask = fl.dropout(np.ones(6), rate=0.5, seed=0)
    >>> bool(np.all(y == 2 * mask))
    True
    """
    rate = _check.number("dropout", "rate", rate, low=0, high=1, open_high=True)
    seed = _check.seed("dropout", seed)
    array = _check.readable_rows(_check.as_floats("dropout", "x", x))
    y = np.empty(array.shape, array.dtype)
    mask = np.empty(array.shape, np.bool_)
    rows, y_rows = _check.flat_rows(array, y)
    _core.dropout(rows, y_rows, mask, rate, seed)
    return y, mask


def dropout_grad(dy, mask, rate):
    """Gradient of :func:`dropout`: ``where(mask, dy / (1 - rate), 0)``.

    Parameters
    ----------
    dy : array_like
        The gradient that comes back to ``y``, of its shape; computed in float32 or float64.
    mask : array of bool
        As :func:`dropout` returned it.
    rate : float
        The rate that was used, in [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> fl.dropout_grad([1.0, 3.0], np.array([True, False]), rate=0.5)
    array([2., 0.])
    """
    rate = _check.number("dropout_grad", "rate", rate, low=0, high=1, open_high=True)
    dx, mask_rows, dy_rows, dx_rows = _check.mask_rows("dropout_grad", mask, dy)
    _core.dropout_grad(dy_rows, mask_rows, dx_rows, rate)
    return dx


def stochastic_depth(n_blocks, survival=0.5, seed=None):
    """Which residual blocks stay in this step: block l of L is kept with probability ``1 - l / L * (1 - survival)``.

    The linear decay rule of Huang et al. (2016), with l from 1: early blocks nearly always stay, the last one with
    probability ``survival``. In training a block is skipped where this is False; at inference all blocks run, and the
    output of each residual branch is multiplied by its probability.

    Parameters
    ----------
    n_blocks : int
        At least 1.
    survival : float
        In [0, 1], of the last block.
    seed : int or None
        From 0 to 2**64 - 1; None draws a fresh one. Other numbers than :func:`dropout` takes from the same seed.

    Returns
    -------
    keep : ndarray of bool, shape (n_blocks,)

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.stochastic_depth(3, survival=1.0, seed=0)
    array([ True,  True,  True])
    """
    n_blocks = _check.positive_int("stochastic_depth", "n_blocks", n_blocks)
    survival = _check.number("stochastic_depth", "survival", survival, low=0, high=1)
    seed = _check.seed("stochastic_depth", seed)
    words = _core.random_words(seed, (0, 0, STOCHASTIC_DEPTH, 0), -(-n_blocks // 4))[:n_blocks]
    dropped = np.arange(1, n_blocks + 1) / n_blocks * (1 - survival)
    return words >= np.round(dropped * 2**32)


class BatchNorm:
    """Batch normalization: each feature to mean 0 and variance 1 over the batch, then ``gamma * . + beta``.

    Training: ``y = (x - mean) / sqrt(var + eps) * gamma + beta`` with the batch's mean and biased variance; the running
    averages move by ``running += momentum * (batch - running)``, the variance with its unbiased value. Otherwise the
    running averages stand for the batch's. Ioffe & Szegedy (2015), with PyTorch's conventions.

    Parameters
    ----------
    features : int
        At least 1: columns of a batch (n, features), or channels of one (n, features, ...).
    eps : float
        Above 0, added to the variance.
    momentum : float
        In [0, 1], the weight of the new batch in the running averages (Keras's is 1 minus this).
    dtype : dtype
        Of ``gamma``, ``beta`` and the running averages: float32 or float64. The batch has its own.

    Attributes
    ----------
    gamma, beta : ndarray, shape (features,)
        Scale (ones) and shift (zeros), to be trained: change them in place or replace them.
    running_mean, running_var : ndarray, shape (features,)
        Zeros and ones at first; updated in place.

    Notes
    -----
    Moments and gradients are summed in double, the rest is computed in the batch's type. The mean is subtracted in
    double precision, so that in float32 an entry's error is a few ULP of ``abs(x - mean)``, however far the mean.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> bn = fl.BatchNorm(1, eps=1e-12)
    >>> bn.forward(np.array([[1.0], [3.0]])).round(6)
    array([[-1.],
           [ 1.]])
    >>> bn.running_mean, bn.running_var
    (array([0.2]), array([1.1]))
    """

    def __init__(self, features, eps=1e-5, momentum=0.1, dtype=np.float64):
        self.features = _check.positive_int("BatchNorm", "features", features)
        self.eps = _check.number("BatchNorm", "eps", eps, low=0, open_low=True)
        self.momentum = _check.number("BatchNorm", "momentum", momentum, low=0, high=1)
        dtype = _check.float_type("BatchNorm", "dtype", dtype)
        self.gamma = np.ones(self.features, dtype)
        self.beta = np.zeros(self.features, dtype)
        self.running_mean = np.zeros(self.features, dtype)
        self.running_var = np.ones(self.features, dtype)
        self._saved = None

    def __repr__(self):
        name = self.gamma.dtype.name
        return f"BatchNorm({self.features}, eps={self.eps!r}, momentum={self.momentum!r}, dtype={name!r})"

    def forward(self, x, training=True):
        """Normalize a batch; ``y`` has x's shape and float type.

        ``x`` is (n, features) or (n, features, ...), any layout; training needs more than one value per feature. It is
        kept for :meth:`backward`, not copied where it needs no conversion: do not change it before that.
        """
        training = _check.flag("BatchNorm", "training", training)
        array, rows = _check.channels("BatchNorm", "x", x, self.features)
        gamma, beta, mean, variance = map(self._doubles, ("gamma", "beta", "running_mean", "running_var"))
        count = array.size // self.features
        if training:
            if count < 2:
                raise ValueError(
                    f"BatchNorm: x has {count} value{'s' * (count != 1)} per feature, but training needs at least 2"
                )
            _check.writeable("BatchNorm", "running_mean", self.running_mean)
            _check.writeable("BatchNorm", "running_var", self.running_var)
        y = np.empty(array.shape, array.dtype)
        _core.batch_norm(rows, y.reshape(rows.shape), gamma, beta, mean, variance, self.eps, training)
        if training:
            self._update(self.running_mean, mean)
            self._update(self.running_var, variance * (count / (count - 1)))
        self._saved = (array, rows, gamma, mean, variance, training)
        return y

    def backward(self, dy):
        """``(dx, dgamma, dbeta)`` for the last forward pass: the gradients of the loss whose gradient in y is ``dy``.

        ``dy`` has y's shape and is converted to its type; ``dx`` too has that type, ``dgamma`` and ``dbeta`` gamma's.
        After ``forward(x, training=False)`` the running averages are constants.
        """
        if self._saved is None:
            raise RuntimeError("BatchNorm: backward needs a forward pass before it")
        array, rows, gamma, mean, variance, training = self._saved
        given, dy_rows = _check.channels("BatchNorm", "dy", dy, self.features, array.dtype)
        if given.shape != array.shape:
            raise ValueError(f"BatchNorm: dy has shape {given.shape}, but x had {array.shape}")
        dx = np.empty(array.shape, array.dtype)
        dgamma, dbeta = np.zeros(self.features), np.zeros(self.features)
        _core.batch_norm_grad(dy_rows, rows, dx.reshape(rows.shape), gamma, mean, variance, dgamma, dbeta, self.eps,
                              training)  # fmt: skip
        kind = _check.as_floats("BatchNorm", "gamma", self.gamma).dtype
        return dx, dgamma.astype(kind, copy=False), dbeta.astype(kind, copy=False)

    def _doubles(self, name):
        """A copy in float64 of a parameter, checked."""
        return _check.per_feature("BatchNorm", name, getattr(self, name), self.features).copy()

    def _update(self, running, batch):
        """Move a running average towards the batch's value."""
        running[...] = running + self.momentum * (batch - running)
