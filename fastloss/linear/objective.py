# SPDX-License-Identifier: BSD-3-Clause
"""Any loss on ``X @ coef.T + intercept``, plus penalty, as a function of one flat vector.

Scores and gradients are matrix products over blocks of rows; what stands between them is the loss's compiled kernel.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _check
from .._core import Loss
from ..losses import MulticlassHinge, RootMeanSquaredError, SoftmaxCrossEntropy, SquaredError
from . import data
from .sums import Partial, Sums

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
        and returns its value; :meth:`hessp` also needs ``hessp(W, V)``. The intercept is spared.
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
    block_rows : int
        Rows that go through together: see :meth:`partial`.

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
        self.sample_weight = self._read_weights(sample_weight)
        d = self.X.shape[1]
        self.coef_shape = (d,) if self._single else (self.n_scores, d)
        self.size = self.n_scores * (d + self.fit_intercept)
        row_bytes = self._data.row_bytes + self.n_scores * self.X.dtype.itemsize
        self.block_rows = max(LEAST_ROWS, max(BLOCK_BYTES, 8 * self.size) // max(row_bytes, 1))
        self._check_labels()
        weights = self._sum_blocks(lambda rows, count, node: node.fill(self._weight_of(rows)), 1)
        self._total_weight = float(weights[0])

    # -- the arguments, once --

    def _read_targets(self, y, n_classes):
        """Targets in the form that the loss takes without converting; the number of scores; the loss that sums."""
        loss, kind, n = self.loss, self.loss._target_kind, self.X.shape[0]
        given = _check.as_array("Objective", "y", y)
        if given.ndim == 0 or given.shape[0] != n:
            raise ValueError(f"Objective: y has shape {given.shape}, but X has {n} rows")
        keywords = {"reduction": "sum"}
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
        self._sum_loss = SquaredError(reduction="sum") if self._is_root else loss._replace(**keywords)

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
        """Weights in X's dtype, or None."""
        n = self.X.shape[0]
        pred = np.broadcast_to(self.X.dtype.type(0), (n,) if self._single else (n, self.n_scores))
        weight, given = _check.weights(self.loss, sample_weight, pred)
        _check.check_weights(self.loss, weight, given)
        return weight

    def _weight_of(self, rows):
        """What these rows weigh together in the loss's mean."""
        if not self._labels:
            weight = self.sample_weight
            total = float(rows.stop - rows.start) if weight is None else float(weight[rows].sum(dtype=np.float64))
            per_entry = weight is not None and weight.ndim == 2
            entries = (
                1 if per_entry or self._single or self.loss._target_kind in ("classes", "pairs") else self.n_scores
            )
            return total * entries
        return float(self._row_weights(rows).sum(dtype=np.float64))

    def _row_weights(self, rows):
        """For targets that are labels: the weight of each row in the loss's mean."""
        y = self.y[rows]
        weight = np.ones(len(y)) if self.sample_weight is None else self.sample_weight[rows].astype(np.float64)
        used = slice(None) if self._ignore is None else y != self._ignore
        if self._ignore is not None:
            weight[~used] = 0
        if self.loss.class_weight is not None:
            weight[used] *= np.asarray(self.loss.class_weight)[y[used]]
        return weight

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

    def _as_vector(self, w, name="w"):
        w = _check.as_floats("Objective", name, w)
        if w.shape != (self.size,):
            raise ValueError(f"Objective: {name} has shape {w.shape}, but must have shape ({self.size},)")
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
        return self._finished(self._sum_blocks(self._gradients(w), 2 + self.size), w, given.dtype)

    def _finished(self, sums, w, dtype):
        """Value and gradient from what :meth:`_gradients` says of all rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            value, factor = self._scale(float(sums[0]), 1.0)
            grad = sums[2:] * factor
            if self.penalty is not None:
                value += self._add_penalty(w, grad)
        return value, grad.astype(dtype, copy=False)

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
            value, _ = self._scale(float(self._sum_blocks(self._losses(w), 1)[0]), 1.0)
            if penalized:
                value += self._add_penalty(w, np.zeros(self.size))
        return value

    # -- in parts --

    def partial(self, w, start, stop):
        """The sums over the rows start to stop, to be added to those of the other rows and finished.

        Parts may be computed by several threads, processes or machines that hold the same data, in any order; added
        up in any order they give :meth:`finish` the same bits as the objective itself. (Blocks of rows are summed in
        one fixed order, whoever computes them. BLAS must be the same everywhere, with as many threads.)

        Parameters
        ----------
        w : array_like
            (size,), float32 or float64.
        start, stop : int
            Multiples of ``block_rows``, or for stop the number of rows.

        Returns
        -------
        Partial
            At most 2 log2(blocks) vectors of ``size`` doubles.

        Raises
        ------
        ValueError
            The rows are no whole blocks.

        Examples
        --------
        >>> import numpy as np, fastloss as fl
        >>> X = np.arange(1e6).reshape(-1, 2) / 1e6
        >>> objective = fl.linear.Objective(fl.SquaredError(), X, X[:, 0])
        >>> w, half = np.ones(3), objective.block_rows * 2
        >>> parts = objective.partial(w, half, len(X)) + objective.partial(w, 0, half)
        >>> objective.finish(w, parts)[0] == objective(w)[0]
        True
        """
        given = self._as_vector(w)
        start, stop = _check.whole_blocks("Objective", start, stop, self.X.shape[0], self.block_rows)
        w = np.ascontiguousarray(given, dtype=np.float64)
        gradients = self._gradients(w)

        def evaluate(rows, count, node):
            gradients(rows, count, node)
            node[1] = self._weight_of(rows)

        with np.errstate(over="ignore", invalid="ignore"):
            sums = self._blocks(evaluate, 2 + self.size, start, stop)
        return Partial(self._problem(w), [(start, stop)] if start < stop else [], sums)

    def finish(self, w, parts):
        """Value and gradient from the sum of all parts, as the objective itself gives them.

        Parameters
        ----------
        w : array_like
            As for the parts.
        parts : Partial
            Their sum, ``sum(parts)`` or ``a + b + ...``; together they must hold every row.

        Returns
        -------
        value : float
        grad : ndarray

        Raises
        ------
        ValueError
            Rows are missing, or the parts belong to another objective or other parameters.
        """
        given = self._as_vector(w)
        w, n = np.ascontiguousarray(given, dtype=np.float64), self.X.shape[0]
        if not isinstance(parts, Partial):
            raise TypeError(f"Objective: parts is a {type(parts).__name__}, but must be a sum of partial(...)")
        if parts._problem != self._problem(w):
            raise ValueError("Objective: parts are of another objective, or at other parameters than w")
        if parts.rows != ([(0, n)] if n else []):
            raise ValueError(f"Objective: parts hold the rows {parts.rows}, but must hold 0 to {n}")
        return self._finished(parts._sums.total() if n else np.zeros(2 + self.size), w, given.dtype)

    def _problem(self, w):
        """What parts must have in common to be added."""
        import hashlib  # here, as it brings OpenSSL

        about = (repr(self.loss), self.X.shape, str(self.X.dtype), self.size, self.block_rows)
        return (*about, hashlib.blake2b(w.tobytes(), digest_size=16).hexdigest())

    # -- blocks of rows --

    def _sum_blocks(self, evaluate, length, start=0, stop=None, order=None, before_block=None):
        """The sum of vectors over the blocks of rows start to stop (in ``order``, if given)."""
        stop = self.X.shape[0] if stop is None else stop
        with np.errstate(over="ignore", invalid="ignore"):
            total = self._blocks(evaluate, length, start, stop, order, before_block).total()
        return np.zeros(length) if total is None else total

    def _blocks(self, evaluate, length, start, stop, order=None, before_block=None):
        """``evaluate(rows, count, node)`` writes a block's vector into ``node``, which is all 0 before."""
        sums, block = Sums(), self.block_rows
        for low in range(start, stop, block):
            if before_block is not None:
                before_block()
            high, node = min(low + block, stop), np.zeros(length)
            evaluate(slice(low, high) if order is None else order[low:high], high - low, node)
            sums.add(low // block, node)
        return sums

    def _scorer(self, w):
        """A function of (block of X, buffer) that fills the buffer with the block's scores at w."""
        coef, intercept = self._matrices(w.astype(self.X.dtype, copy=False))
        multiply = self._data.multiply

        def scores(x, out):
            multiply(x, coef, out)
            if intercept is not None:
                out += intercept
            return out

        return scores

    def _buffer(self):
        """Scores of a block."""
        return np.empty((min(self.block_rows, self.X.shape[0]), self.n_scores), self.X.dtype)

    def _pred(self, z):
        return z[:, 0] if self._single else z

    def _weight(self, rows):
        return None if self.sample_weight is None else self.sample_weight[rows]

    def _losses(self, w):
        """Evaluates a block: the sum of its losses."""
        scores, buffer = self._scorer(w), self._buffer()

        def evaluate(rows, count, node):
            z = scores(self._data.rows(rows), buffer[:count])
            node[0] = self._sum_loss.value(self._pred(z), self.y[rows], sample_weight=self._weight(rows))

        return evaluate

    def _gradients(self, w):
        """Evaluates a block: the sum of its losses, a place for its weight, the sum of its gradients."""
        scores, buffer, add = self._scorer(w), self._buffer(), self._products()

        def evaluate(rows, count, node):
            x = self._data.rows(rows)
            z = scores(x, buffer[:count])
            pred = self._pred(z)
            weight = self._weight(rows)
            node[0] = self._sum_loss.value_and_grad(pred, self.y[rows], sample_weight=weight, out=pred)[0]
            add(z, x, node[2:])

        return evaluate

    def _products(self):
        """A function that adds derivatives in the scores of a block, times its rows, into a flat double vector."""
        part = np.empty((self.n_scores, self.X.shape[1]), self.X.dtype)
        ones = np.ones(min(self.block_rows, self.X.shape[0]), self.X.dtype)

        def add(z, x, flat):
            coef, intercept = self._matrices(flat)
            coef += self._data.gradient(z, x, part)
            if intercept is not None:
                intercept += ones[: len(z)] @ z

        return add

    # -- second derivatives --

    def hessp(self, w, v):
        """The Hessian of the whole objective at w, penalty included, times v.

        Of a loss with kinks in its derivative it is the generalized Hessian, without the kinks; of a piecewise linear
        one 0. Computed in blocks, by two more products than the gradient; the Hessian itself is never there.

        Parameters
        ----------
        w, v : array_like
            (size,), float32 or float64.

        Returns
        -------
        ndarray
            (size,), in w's dtype, new at every call.

        Raises
        ------
        TypeError
            The penalty has no ``hessp(W, V)``, which returns its Hessian at W times V.

        Notes
        -----
        Softmax: each row brings ``s (diag(p) - p p^T)``, with its probabilities p and the sum s of its target weights.
        Learned variance (m, k): ``[[e, -r e], [-r e, r^2 e / 2]]`` with r = m - y, e = exp(-k). Root mean squared
        error R, from Q = R^2: ``Q'' v / (2 R) - R' (R' v) / R``, and 0 at R = 0, where it has a kink.

        Examples
        --------
        >>> import numpy as np, fastloss as fl
        >>> objective = fl.linear.Objective(fl.SquaredError(half=True), [[1.0], [2.0]], [1.0, 3.0])
        >>> objective.hessp(np.zeros(2), np.array([1.0, 0.0]))  # mean of x^2 and of x
        array([2.5, 1.5])
        """
        given, v = self._as_vector(w), self._as_vector(v, "v")
        w, v = (np.ascontiguousarray(a, dtype=np.float64) for a in (given, v))
        if self.penalty is not None and not hasattr(self.penalty, "hessp"):
            raise TypeError(f"Objective: penalty is a {type(self.penalty).__name__}, but must have hessp(W, V)")
        sums = self._sum_blocks(self._curvatures(w, v), self.size)
        with np.errstate(over="ignore", invalid="ignore"):
            product = self._root_curvature(w, v, sums) if self._is_root else sums * self._scale(0.0, 1.0)[1]
            if self.penalty is not None:
                self.unpack(product)[0][...] += self.penalty.hessp(self.unpack(w)[0], self.unpack(v)[0])
        return product.astype(given.dtype, copy=False)

    def _curvatures(self, w, v):
        """Evaluates a block: the sum of its rows' Hessians times v."""
        scores, moves, add = self._scorer(w), self._scorer(v), self._products()
        z_buffer, u_buffer = self._buffer(), self._buffer()
        curve = self._curve()

        def evaluate(rows, count, node):
            x = self._data.rows(rows)
            z, u = scores(x, z_buffer[:count]), moves(x, u_buffer[:count])
            curve(rows, z, u)
            add(u, x, node)

        return evaluate

    def _curve(self):
        """What turns changes u of a block's scores z into changes of the derivatives in them, in place of u."""
        if isinstance(self.loss, SoftmaxCrossEntropy):
            return self._curve_softmax
        if self._labels:
            squared = isinstance(self.loss, MulticlassHinge) and self.loss.squared
            return self._curve_hinge_squared if squared else lambda rows, z, u: u.fill(0)
        return self._curve_pairs if self.loss._target_kind == "pairs" else self._curve_diagonal

    def _derivatives(self, rows, z):
        """Gradient (in place of z) and diagonal second derivatives of a block in its scores."""
        pred = self._pred(z)
        _, _, hess = self._sum_loss.value_grad_hess(
            pred, self.y[rows], sample_weight=self._weight(rows), out=(pred, None)
        )
        return z, hess.reshape(z.shape)

    def _curve_diagonal(self, rows, z, u):
        u *= self._derivatives(rows, z)[1]

    def _curve_pairs(self, rows, z, u):
        grad, hess = self._derivatives(rows, z)
        cross = -grad[:, :1] * u[:, ::-1]  # -(m - y) exp(-k) is minus the derivative in m
        u *= hess
        u += cross

    def _curve_softmax(self, rows, z, u):
        p, weight = self.loss.predict_proba(z), self._softmax_weights(rows)
        u -= (p * u).sum(axis=1, keepdims=True)
        u *= p
        u *= weight.astype(u.dtype)[:, None]
        u[weight == 0] = 0  # whatever such a row holds

    def _softmax_weights(self, rows):
        """For each row the sum of its target weights, smoothed and by class: what multiplies its Hessian."""
        c, smoothing = self.n_scores, self.loss.label_smoothing
        per_class = np.ones(c) if self.loss.class_weight is None else np.asarray(self.loss.class_weight)
        if not self._labels:
            targets = (1 - smoothing) * self.y[rows] + smoothing / c
            weight = self._weight(rows)
            return targets @ per_class * (1.0 if weight is None else weight)
        if smoothing == 0:
            return self._row_weights(rows)
        y, weight = self.y[rows], self._weight(rows)
        used = np.ones(len(y), bool) if self._ignore is None else y != self._ignore
        own = per_class[np.where(used, y, 0)]
        return used * ((1 - smoothing) * own + smoothing * per_class.mean()) * (1.0 if weight is None else weight)

    def _curve_hinge_squared(self, rows, z, u):
        y = self.y[rows]
        used = np.arange(len(y)) if self._ignore is None else np.flatnonzero(y != self._ignore)
        weight = self._row_weights(rows)
        grad = self._sum_loss.value_and_grad(z, y, sample_weight=self._weight(rows), out=z)[1]
        active = grad > 0  # the classes whose margin is violated; the own one has a negative sum
        own = np.zeros(len(y), u.dtype)
        own[used] = u[used, y[used]]
        u -= own[:, None]
        u *= (2 * weight).astype(u.dtype)[:, None]
        u[~active] = 0
        u[used, y[used]] = -u[used].sum(axis=1)

    def _root_curvature(self, w, v, sums):
        gradients = self._sum_blocks(self._gradients(w), 2 + self.size)
        root, factor = self._scale(float(gradients[0]), 1.0)
        if root == 0:
            return np.zeros(self.size)
        grad = gradients[2:] * factor
        return sums * factor - grad * (grad @ v / root)

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
