# SPDX-License-Identifier: BSD-3-Clause
"""Any loss on ``X @ coef.T + intercept``, plus penalty, as a function of one flat vector.

Scores and gradients are matrix products over blocks of rows; what stands between them is the loss's compiled kernel.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _check
from .._core import Loss
from ..losses import RootMeanSquaredError, SquaredError
from . import data

# Rows go through in blocks, whose X should still be in a cache for its second product. Measured on a million to 50
# million entries, 1 to 50 classes: 1 to 4 MB are within 5 % of the best, less pays for more calls, more for memory.
BLOCK_BYTES = 1 << 21  # of X and scores
LEAST_ROWS = 128
MOST_CLASSES = 1000  # or the number of rows if that is more: a label beyond is taken for a stray one


class Objective:
    """Loss of a linear model plus penalty, as a function of the flat parameter vector w.

    ``value = loss(X @ coef.T + intercept, y) + penalty(coef)``, and its gradient in w. The rows go through in blocks,
    so that nothing with n rows is allocated; the blocks depend on the shape of ``X`` alone.

    Parameters
    ----------
    loss : Loss
        With ``reduction`` "mean" or "sum", which is over all of ``X``; with "mean" the value is divided by the total
        weight, as the loss itself does.
    X : array_like, or SciPy matrix or array in CSR format
        (n, d), finite. float32 and float64 in C or Fortran order, or with strided rows, are used as they are and must
        not change; everything else is converted once. In CSR format indices may be unsorted or occur twice (the
        entries add up), and only what is stored is touched.
    y : array_like
        What the loss takes as target: (n,) classes or numbers, (n, c) probabilities, or (n, c) numbers for c scores.
    penalty : object, optional
        ``fl.L2``, ``fl.L1``, ``fl.ElasticNet``, or anything with ``add_grad(W, dW)`` that adds its gradient into dW
        and returns its value. The intercept is spared.
    fit_intercept : bool
        Whether w ends in the intercept; without it, it is 0.
    sample_weight : array_like, optional
        As for the loss: (n,), finite, at least 0.
    n_classes : int, optional
        Number of scores for a loss over classes; else that of its class weights, the largest label plus one (at most
        1000, or the number of rows), or the columns of ``y``.

    Attributes
    ----------
    size : int
        Entries of w: ``coef.ravel()``, then the intercept.
    coef_shape : tuple
        (d,) for losses with one score, (c, d) for the others.

    Raises
    ------
    TypeError, ValueError, IndexError
        As the loss does for its arguments, naming the first offender; ValueError for NaN or infinity in ``X``.

    Notes
    -----
    Products are computed in the dtype of ``X`` by NumPy's BLAS; sums over blocks, and the penalty, in double. In the
    same process a value has the same bits whatever ``fl.set_num_threads`` says.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> objective = fl.linear.Objective(fl.SquaredError(half=True), [[1.0], [2.0], [3.0]], [1.0, 3.0, 5.0])
    >>> objective(np.array([2.0, -1.0]))  # y = 2 x - 1
    (0.0, array([0., 0.]))
    """

    def __init__(self, loss, X, y, *, penalty=None, fit_intercept=True, sample_weight=None, n_classes=None):
        if not isinstance(loss, Loss):
            raise TypeError(f"Objective: loss is a {type(loss).__name__}, but must be one of fastloss's losses")
        if loss.reduction == "none":
            raise ValueError("Objective: the loss has reduction 'none', but must have 'mean' or 'sum'")
        if penalty is not None and not hasattr(penalty, "add_grad"):
            raise TypeError(f"Objective: penalty is a {type(penalty).__name__}, but must have add_grad(W, dW)")
        self.loss, self.penalty = loss, penalty
        self.fit_intercept = _check.flag("Objective", "fit_intercept", fit_intercept)
        self._data = data.read("Objective", X)
        self.X = self._data.X
        self._read_targets(y, n_classes)
        self.sample_weight, self._total_weight = self._read_weights(sample_weight)

        d = self.X.shape[1]
        self.coef_shape = (d,) if self._single else (self.n_scores, d)
        self.size = self.n_scores * (d + self.fit_intercept)
        row_bytes = self._data.row_bytes + self.n_scores * self.X.dtype.itemsize
        self._block = max(LEAST_ROWS, BLOCK_BYTES // max(row_bytes, 1))
        self._check_labels()

    # -- the arguments, once --

    def _read_targets(self, y, n_classes):
        """Targets in the form that the loss takes without converting; the number of scores; the loss that sums."""
        loss, kind, n = self.loss, self.loss._target_kind, self.X.shape[0]
        given = _check.as_array("Objective", "y", y)
        if given.ndim == 0 or given.shape[0] != n:
            raise ValueError(f"Objective: y has shape {given.shape}, but X has {n} rows")
        keywords = {**loss._keywords(), "reduction": "sum"}
        self._labels = kind == "classes" and not (given.ndim == 2 and loss._takes_probabilities)
        if self._labels:
            self.y, self._ignore = _check.as_labels("Objective", "y", given, loss._config_ignore_index)
            self.y = np.ascontiguousarray(self.y)
            keywords["ignore_index"] = self._ignore
            inferred = self._count_classes() if n_classes is None else None
        else:
            if given.ndim > 2 or given.shape[1:] == (0,):
                raise ValueError(f"Objective: y has shape {given.shape}, but must be (n,) or (n, c)")
            self.y = np.ascontiguousarray(_check.as_floats("Objective", "y", given, self.X.dtype))
            inferred = 2 if kind == "pairs" else 1 if given.ndim == 1 else given.shape[1]
        if n_classes is None:
            self.n_scores = inferred
        else:
            self.n_scores = _check.positive_int("Objective", "n_classes", n_classes)
            if not self._labels and self.n_scores != inferred:
                raise ValueError(f"Objective: n_classes is {n_classes}, but y and the loss have {inferred} score(s)")
        self._single = not self._labels and kind != "pairs" and given.ndim == 1
        self._is_root = isinstance(loss, RootMeanSquaredError)  # of which the squares add up
        self._sum_loss = SquaredError(reduction="sum") if self._is_root else type(loss)(**keywords)

    def _count_classes(self):
        """The largest label plus one, or as many as the loss has class weights."""
        if self.loss.class_weight is not None:
            return len(self.loss.class_weight)
        labels = self.y if self._ignore is None else np.where(self.y == self._ignore, -1, self.y)
        largest = int(np.argmax(labels)) if labels.size else None
        if largest is None or (self._ignore is not None and self.y[largest] == self._ignore):
            raise ValueError("Objective: y has no label to count classes by: give n_classes")
        count = max(int(labels[largest]), 0) + 1
        if count > max(MOST_CLASSES, len(labels)):
            raise ValueError(
                f"Objective: y[{largest}] is {count - 1}, but {len(labels)} rows hardly have {count} classes: "
                "give n_classes if they do"
            )
        return count

    def _read_weights(self, sample_weight):
        """Weights in X's dtype (or None), and the weight of all rows in the loss's mean."""
        entries = 1 if self._single or self.loss._target_kind in ("classes", "pairs") else self.n_scores
        n = self.X.shape[0]
        pred = np.broadcast_to(self.X.dtype.type(0), (n,) if self._single else (n, self.n_scores))
        weight, given = _check.weights(self.loss, sample_weight, pred)
        _check.check_weights(self.loss, weight, given)
        if not self._labels:
            per_entry = weight is not None and weight.shape == pred.shape and not self._single
            total = float(n) if weight is None else float(weight.sum(dtype=np.float64))
            return weight, total if per_entry else total * entries
        class_weight = self.loss.class_weight
        effective = np.ones(n) if weight is None else weight.astype(np.float64)
        if self._ignore is not None:
            effective[self.y == self._ignore] = 0
        if class_weight is not None:
            at = self.y if self._ignore is None else np.where(self.y == self._ignore, 0, self.y)
            effective *= np.asarray(class_weight)[np.clip(at, 0, len(class_weight) - 1)]
        return weight, float(effective.sum())

    def _check_labels(self):
        """Refuse labels out of range, and parameters of the loss that do not fit."""
        n = self.X.shape[0]
        if self._labels and n:
            bad = (self.y < 0) | (self.y >= self.n_scores)
            if self._ignore is not None:
                bad &= self.y != self._ignore
            if bad.any():
                i = int(np.argmax(bad))
                raise IndexError(f"Objective: y[{i}] is {self.y[i]}, but there are {self.n_scores} classes")
        if n:  # shapes of class_weight, pos_weight and the like
            pred = np.ones((1, self.n_scores), self.X.dtype)
            self._sum_loss.value(pred[:, 0] if self._single else pred, self.y[:1])

    # -- the flat vector --

    def unpack(self, w):
        """The flat vector as ``(coef, intercept)``, views where w is an array.

        Returns
        -------
        coef : ndarray
            (d,) or (c, d).
        intercept : ndarray
            () or (c,); zeros that are no view without ``fit_intercept``.
        """
        w = self._as_vector(w)
        split = self.size - self.n_scores * self.fit_intercept
        shape = () if self._single else (self.n_scores,)
        intercept = w[split:].reshape(shape) if self.fit_intercept else np.zeros(shape, w.dtype)
        return w[:split].reshape(self.coef_shape), intercept

    def _as_vector(self, w):
        w = _check.as_floats("Objective", "w", w)
        if w.shape != (self.size,):
            raise ValueError(f"Objective: w has shape {w.shape}, but must have shape ({self.size},)")
        return w

    def _matrices(self, w):
        """Views of a contiguous flat vector as (c, d) and (c,), the second None without intercept."""
        split = self.n_scores * self.X.shape[1]
        return w[:split].reshape(self.n_scores, -1), w[split:] if self.fit_intercept else None

    # -- value and gradient --

    def __call__(self, w):
        """Value and gradient at w.

        Parameters
        ----------
        w : array_like
            (size,), float32 or float64.

        Returns
        -------
        value : float
        grad : ndarray
            (size,), in w's dtype, new at every call.
        """
        given = self._as_vector(w)
        w = np.ascontiguousarray(given, dtype=np.float64)
        grad = np.zeros(self.size)
        with np.errstate(over="ignore", invalid="ignore"):
            value, factor = self._scale(self._add_rows(0, self.X.shape[0], w, grad), 1.0)
            grad *= factor
            if self.penalty is not None:
                value += self._add_penalty(w, grad)
        return value, grad.astype(given.dtype, copy=False)

    def value(self, w, *, penalty=True):
        """Value at w alone, and without the penalty if that is not wanted.

        Parameters
        ----------
        w : array_like
            (size,), float32 or float64.
        penalty : bool

        Returns
        -------
        float
        """
        w = np.ascontiguousarray(self._as_vector(w), dtype=np.float64)
        penalized = _check.flag("Objective", "penalty", penalty) and self.penalty is not None
        with np.errstate(over="ignore", invalid="ignore"):
            value, _ = self._scale(self._add_rows(0, self.X.shape[0], w, None), 1.0)
            if penalized:
                value += self._add_penalty(w, np.zeros(self.size))
        return value

    def _add_rows(self, start, stop, w, grad, order=None, before_block=None):
        """The sum of the losses of rows start to stop (in ``order``, if given); their gradients are added to ``grad``,
        unless that is None."""
        X, y, weight, block, dtype = self._data, self.y, self.sample_weight, self._block, self.X.dtype
        coef, intercept = self._matrices(w.astype(dtype, copy=False))
        sum_loss = self._sum_loss
        scores = np.empty((min(block, max(stop - start, 0)), self.n_scores), dtype)
        if grad is not None:
            grad_coef, grad_intercept = self._matrices(grad)
            part, ones = np.empty(coef.shape, dtype), np.ones(len(scores), dtype)
        total = 0.0
        for low in range(start, stop, block):
            if before_block is not None:
                before_block()
            high = min(low + block, stop)
            rows = slice(low, high) if order is None else order[low:high]
            x, z = X.rows(rows), scores[: high - low]
            X.multiply(x, coef, z)
            if intercept is not None:
                z += intercept
            pred = z[:, 0] if self._single else z
            some = None if weight is None else weight[rows]
            if grad is None:
                total += sum_loss.value(pred, y[rows], sample_weight=some)
                continue
            total += sum_loss.value_and_grad(pred, y[rows], sample_weight=some, out=pred)[0]
            grad_coef += X.gradient(z, x, part)
            if intercept is not None:
                grad_intercept += ones[: len(z)] @ z
        return total

    def _scale(self, total, share):
        """Sum of losses over a share of the rows -> the loss it estimates, and the factor of its gradient."""
        if self.loss.reduction == "sum":
            return total / share, 1 / share
        if self._total_weight == 0:
            return 0.0, 0.0
        factor = 1 / (self._total_weight * share)
        value = total * factor
        if not self._is_root:
            return value, factor
        root = math.sqrt(value)
        return root, factor / (2 * root) if root > 0 else 0.0

    def _add_penalty(self, w, grad):
        return float(self.penalty.add_grad(self.unpack(w)[0], self.unpack(grad)[0]))
