# SPDX-License-Identifier: BSD-3-Clause
"""Linear models: any loss on ``X @ coef.T + intercept`` as a function to minimize, and a trainer for it.

Scores and gradients are matrix products over blocks of rows; what stands between them is the loss's compiled kernel.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time

import numpy as np

from . import _check
from ._core import Loss
from .losses import RootMeanSquaredError, SquaredError

# Rows go through in blocks, whose X should still be in a cache for its second product. Measured on a million to 50
# million entries, 1 to 50 classes: 1 to 4 MB are within 5 % of the best, less pays for more calls, more for memory.
BLOCK_BYTES = 1 << 21  # of X and scores
LEAST_ROWS = 128


class Objective:
    """Loss of a linear model plus penalty, as a function of the flat parameter vector w.

    ``value = loss(X @ coef.T + intercept, y) + penalty(coef)``, and its gradient in w. The rows go through in blocks,
    so that nothing with n rows is allocated; the blocks depend on the shape of ``X`` alone.

    Parameters
    ----------
    loss : Loss
        With ``reduction`` "mean" or "sum", which is over all of ``X``; with "mean" the value is divided by the total
        weight, as the loss itself does.
    X : array_like
        (n, d), finite. float32 and float64 in C or Fortran order, or with strided rows, are used as they are and must
        not change; everything else is converted once.
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
        Number of scores for a loss over classes; else that of its class weights, the largest label plus one, or the
        columns of ``y``.

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
        self.X = _rows_or_columns(X)
        self._read_targets(y, n_classes)
        self.sample_weight, self._total_weight = self._read_weights(sample_weight)

        d = self.X.shape[1]
        self.coef_shape = (d,) if self._single else (self.n_scores, d)
        self.size = self.n_scores * (d + self.fit_intercept)
        row_bytes = (d + self.n_scores) * self.X.itemsize
        self._block = max(LEAST_ROWS, BLOCK_BYTES // max(row_bytes, 1))
        self._check_data()

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
            if given.ndim > 2:
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
        labels = self.y if self._ignore is None else self.y[self.y != self._ignore]
        if self.loss.class_weight is not None:
            return len(self.loss.class_weight)
        if labels.size == 0:
            raise ValueError("Objective: y has no label to count classes by: give n_classes")
        return max(int(labels.max()), 0) + 1

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

    def _check_data(self):
        """Refuse what is not finite in X, labels out of range, and parameters of the loss that do not fit."""
        n = self.X.shape[0]
        for start in range(0, n, self._block):
            block = self.X[start : start + self._block]
            finite = np.isfinite(block)
            if not finite.all():
                row, column = (int(i) for i in np.argwhere(~finite)[0])
                raise ValueError(f"Objective: X[{start + row}, {column}] is {block[row, column]}, but must be finite")
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

    def _add_rows(self, start, stop, w, grad, order=None, before_block=None):
        """Add the gradients of rows start to stop (in ``order``, if given) into ``grad``; the sum of their losses."""
        X, y, weight, block, dtype = self.X, self.y, self.sample_weight, self._block, self.X.dtype
        coef, intercept = self._matrices(w.astype(dtype, copy=False))
        grad_coef, grad_intercept = self._matrices(grad)
        sum_loss = self._sum_loss
        scores = np.empty((min(block, max(stop - start, 0)), self.n_scores), dtype)
        part, ones = np.empty(coef.shape, dtype), np.ones(len(scores), dtype)
        total = 0.0
        for low in range(start, stop, block):
            if before_block is not None:
                before_block()
            high = min(low + block, stop)
            rows = slice(low, high) if order is None else order[low:high]
            x, z = X[rows], scores[: high - low]
            np.matmul(x, coef.T, out=z)
            if intercept is not None:
                z += intercept
            pred = z[:, 0] if self._single else z
            some = None if weight is None else weight[rows]
            total += sum_loss.value_and_grad(pred, y[rows], sample_weight=some, out=pred)[0]
            grad_coef += np.matmul(z.T, x, out=part)
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


def _rows_or_columns(X):
    """X as a float matrix that BLAS takes as it is: contiguous along its rows or along its columns."""
    if hasattr(X, "tocsr"):
        raise TypeError(f"Objective: X is a {type(X).__name__}, but must be a dense array")
    array = _check.as_floats("Objective", "X", X)
    if array.ndim != 2:
        raise ValueError(f"Objective: X has shape {array.shape}, but must be (n, d)")
    ordered = all(s > 0 for s in array.strides) and (
        _check.as_rows(array) is not None or _check.as_rows(array.T) is not None
    )
    return array if ordered else np.ascontiguousarray(array)


class Result:
    """What :func:`train` found.

    Attributes
    ----------
    coef, intercept : ndarray
        As :meth:`Objective.unpack` gives them.
    w : ndarray
        Both as the flat vector.
    history : dict of list of float
        One entry per epoch: ``loss`` and ``penalty`` (means over the epoch's batches, each before its step),
        ``learning_rate`` (at the epoch's first step), ``gradient_norm`` (of the mean of the batches' gradients) and
        ``seconds``.
    """

    def __init__(self, objective, w):
        self.w = w
        self.coef, self.intercept = objective.unpack(w)
        self.history = {name: [] for name in ("loss", "penalty", "learning_rate", "gradient_norm", "seconds")}

    @property
    def n_epochs(self):
        """Whole epochs done."""
        return len(self.history["loss"])

    def plot(self, ax=None):
        """Draw loss plus penalty over the epochs; needs matplotlib. Returns the axes."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots()[1]
        total = np.add(self.history["loss"], self.history["penalty"])
        ax.plot(np.arange(1, len(total) + 1), total)
        ax.set(xlabel="epoch", ylabel="loss + penalty")
        return ax


def train(
    objective,
    *,
    optimizer="adam",
    lr=1e-3,
    batch_size=128,
    epochs=20,
    tol=None,
    shuffle=True,
    seed=0,
    progress=False,
    callback=None,
    checkpoint=None,
):
    """Minimize an objective by steps on batches of its rows, from w = 0.

    A batch's loss, weighted sum over its rows times n / (rows in the batch) and then reduced as the objective's, plus
    the whole penalty: its mean over all batches is the objective, weights and ignored labels included.

    Parameters
    ----------
    objective : Objective
    optimizer : str or callable
        A name (``"adam"``, ``"sgd"``, ...), or what makes an optimizer from the flat parameter array and ``lr``: a
        class, or for instance ``functools.partial(fl.SGD, momentum=0.9)``.
    lr : float or callable
        Learning rate, or a schedule: a function of the number of steps taken.
    batch_size : int or None
        Rows in a step; 1 is stochastic descent, None takes all of them.
    epochs : int
        Passes over the data, at most.
    tol : float, optional
        Stop after an epoch that changed loss plus penalty by less than this.
    shuffle : bool
        Draw a new order of the rows for each epoch.
    seed : int or numpy.random.Generator
        For that order.
    progress : bool
        Show a bar (with tqdm, on a terminal), or else about ten lines.
    callback : callable, optional
        Called with the result so far after each epoch; training stops where it returns True.
    checkpoint : None
        Not there yet.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        Before anything is computed: for no rows, for targets outside the loss's domain (the first is named), for
        labels that are all of one class, and for parameters out of range.
    KeyboardInterrupt
        On Ctrl-C, after the last whole step, with the result so far in its attribute ``result``.

    Examples
    --------
    >>> import fastloss as fl
    >>> objective = fl.linear.Objective(fl.SquaredError(), [[1.0], [2.0], [3.0]], [1.0, 3.0, 5.0])
    >>> result = fl.linear.train(objective, optimizer="sgd", lr=0.1, batch_size=1, epochs=200)
    >>> result.coef.round(3), result.intercept.round(3)
    (array([2.]), np.float64(-1.0))
    """
    epochs, tol = _check_options(objective, epochs, tol, checkpoint)
    _check_targets(objective)
    n = objective.X.shape[0]
    batch_size = n if batch_size is None else min(_check.positive_int("train", "batch_size", batch_size), n)
    w = np.zeros(objective.size, objective.X.dtype)
    step = _optimizer(optimizer)(w, lr=lr)
    result, random = Result(objective, w), np.random.default_rng(seed)
    with _Interrupt(result) as interrupt, _Progress(progress, epochs) as report, np.errstate(all="ignore"):
        batches = _Batches(objective, w, batch_size, interrupt)
        order = None if not shuffle or batch_size == n else np.arange(n)
        for _ in range(epochs):
            begin, rate = time.perf_counter(), _rate(step)
            if order is not None:
                order = random.permutation(n)
            loss, penalty, gradient_norm = batches.epoch(order, step.step)
            entry = (loss, penalty, rate, gradient_norm, time.perf_counter() - begin)
            for values, value in zip(result.history.values(), entry):
                values.append(value)
            report(result)
            if callback is not None and callback(result):
                break
            if tol is not None and result.n_epochs > 1 and _last_change(result.history) < tol:
                break
    return result


class _Batches:
    """The loop over the batches of an epoch, and its buffers."""

    def __init__(self, objective, w, batch_size, interrupt):
        self.objective, self.w, self.interrupt = objective, w, interrupt
        self.grad, self.grad_sum = np.zeros_like(w), np.zeros_like(w)
        self.coef, self.grad_coef = objective.unpack(w)[0], objective.unpack(self.grad)[0]
        n = objective.X.shape[0]
        small = batch_size < n and batch_size <= objective._block
        X = np.ascontiguousarray(objective.X) if small else objective.X  # take() would copy other layouts every time
        sizes = {batch_size, n % batch_size} - {0} if small else ()
        gathered = {rows: _Gathered(objective, X, w, self.grad, rows) for rows in sizes}
        self.plan = []
        for start in range(0, n, batch_size):
            rows = min(batch_size, n - start)
            self.plan.append((start, start + rows, rows / n, gathered.get(rows, self._in_blocks)))

    def epoch(self, order, step):
        """Step through all batches; means of loss and penalty, norm of the mean gradient."""
        objective, grad, grad_sum, interrupt = self.objective, self.grad, self.grad_sum, self.interrupt
        scale, penalty, coef, grad_coef = objective._scale, objective.penalty, self.coef, self.grad_coef
        loss_sum = penalty_sum = 0.0
        grad_sum.fill(0)
        for start, stop, share, evaluate in self.plan:
            loss, factor = scale(evaluate(order, start, stop), share)
            np.multiply(grad, factor, out=grad)
            if penalty is not None:
                penalty_sum += share * float(penalty.add_grad(coef, grad_coef))
            loss_sum += share * loss
            np.add(grad_sum, grad, out=grad_sum)
            interrupt.stop_if_pressed()
            step(grad)
        return loss_sum, penalty_sum, float(np.linalg.norm(grad_sum)) / len(self.plan)

    def _in_blocks(self, order, start, stop):
        """Batches that do not fit a block, or hold all rows: sum of losses; the gradient's sum goes to ``grad``."""
        total = np.zeros(self.w.size)
        loss = self.objective._add_rows(start, stop, self.w, total, order, self.interrupt.stop_if_pressed)
        self.grad[:] = total
        return loss


class _Gathered:
    """Buffers for the rows of one batch, and the loss bound to them: nothing is allocated in a step."""

    def __init__(self, objective, X, w, grad, rows):
        self.sources = [X, objective.y]
        self.x = np.empty((rows, X.shape[1]), X.dtype)
        y = np.empty((rows, *objective.y.shape[1:]), objective.y.dtype)
        weight = None
        if objective.sample_weight is not None:
            weight = np.empty((rows, *objective.sample_weight.shape[1:]), X.dtype)
            self.sources.append(objective.sample_weight)
        self.buffers = [self.x, y] if weight is None else [self.x, y, weight]
        self.scores, self.ones = np.empty((rows, objective.n_scores), X.dtype), np.ones(rows, X.dtype)
        pred = self.scores[:, 0] if objective._single else self.scores
        self.loss = objective._sum_loss.bind(pred, y, sample_weight=weight, out=pred)
        coef, self.intercept = objective._matrices(w)
        self.coef_t = coef.T
        self.grad_coef, self.grad_intercept = objective._matrices(grad)
        self.scores_t = self.scores.T

    def __call__(self, order, start, stop):
        """Sum of losses; the gradient's sum goes to ``grad``."""
        if order is None:
            for source, buffer in zip(self.sources, self.buffers):
                np.copyto(buffer, source[start:stop])
        else:
            rows = order[start:stop]
            for source, buffer in zip(self.sources, self.buffers):
                source.take(rows, 0, buffer, "clip")  # "raise" would go through a temporary
        scores = self.scores
        np.matmul(self.x, self.coef_t, scores)
        if self.intercept is not None:
            np.add(scores, self.intercept, scores)
            loss = self.loss()
            np.dot(self.ones, scores, self.grad_intercept)
        else:
            loss = self.loss()
        np.matmul(self.scores_t, self.x, self.grad_coef)
        return loss


class _Interrupt:
    """Turns Ctrl-C into a KeyboardInterrupt between two steps, with the result; a second one comes at once."""

    def __init__(self, result):
        self.result, self.pressed, self.installed = result, False, False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)
            self.installed = True
        return self

    def _press(self, number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.pressed = True

    def stop_if_pressed(self):
        if self.pressed:
            raise KeyboardInterrupt

    def __exit__(self, kind, error, trace):
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.stop_if_pressed()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            error.result = self.result


class _Progress:
    """A bar on a terminal with tqdm, else about ten lines; or nothing."""

    def __init__(self, wanted, epochs):
        self.bar, self.every = None, max(1, epochs // 10) if wanted else 0
        self.epochs = epochs
        if wanted and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=epochs, unit="epoch", dynamic_ncols=True)

    def __call__(self, result):
        if not self.every:
            return
        history, done = result.history, result.n_epochs
        total, rate = history["loss"][-1] + history["penalty"][-1], history["learning_rate"][-1]
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {total:.6g}, rate {rate:.3g}", refresh=False)
            self.bar.update()
        elif done % self.every == 0 or done in (1, self.epochs):
            print(f"epoch {done}/{self.epochs}: loss {total:.6g}, rate {rate:.3g}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()


def _optimizer(optimizer):
    """What makes the optimizer: found by its name in lower case, or given."""
    if callable(optimizer):
        return optimizer
    from . import optimizers

    names = {name.lower(): getattr(optimizers, name) for name in optimizers.__all__}
    return names[_check.choice("train", "optimizer", optimizer, names)]


def _rate(optimizer):
    return float(optimizer.lr(optimizer.t) if callable(optimizer.lr) else optimizer.lr)


def _last_change(history):
    (loss, penalty) = history["loss"], history["penalty"]
    return abs(loss[-1] + penalty[-1] - loss[-2] - penalty[-2])


def _check_options(objective, epochs, tol, checkpoint):
    if not isinstance(objective, Objective):
        raise TypeError(f"train: objective is a {type(objective).__name__}, but must be an Objective")
    if checkpoint is not None:
        raise NotImplementedError("train: checkpoint is given, but checkpoints are not implemented yet")
    epochs = _check.positive_int("train", "epochs", epochs)
    return epochs, None if tol is None else _check.number("train", "tol", tol, low=0)


def _check_targets(objective):
    """Refuse what cannot be learned from: no rows, targets outside the loss's domain, a single class."""
    y, loss, ignore = objective.y, objective.loss, objective._labels and objective._ignore
    if objective.X.size == 0:
        raise ValueError(f"train: X has shape {objective.X.shape}, but must have rows and columns")
    if objective._labels:
        used = y if ignore is None else y[y != ignore]
        if used.size == 0:
            raise ValueError("train: all labels in y are ignored")
        if used.min() == used.max():
            raise ValueError(f"train: y holds one class ({used[0]}), but there must be two")
        return
    _check.scan_values(loss, "train", "y", y, loss._target_kind == "classes")
    if loss._target_kind == "binary" and y.ndim == 1 and np.isin(y, (-1, 0, 1)).all() and not np.ptp(np.sign(y)):
        raise ValueError(f"train: y holds one class ({y[0]:g}), but there must be two")
