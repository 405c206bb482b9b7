# SPDX-License-Identifier: BSD-3-Clause
"""Losses for classification, binary and with many classes.

Each class holds parameters and says what it computes; the formulas are compiled from
``src_c/kernels/classification.c``. In all of them ``z`` is an entry of ``pred`` and ``y`` its target.
"""

from __future__ import annotations

import numpy as np

from .. import _check
from .._core import Loss


def _sigmoid(z):
    """1 / (1 + exp(-z)) without overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1, e) / (1 + e)


class _Binary(Loss):
    """What the losses over one score per entry share."""

    __slots__ = ()
    _target_kind = "binary"

    def predict(self, pred):
        """The likelier of the classes 0 and 1, int64, in ``pred``'s shape; 0 where both are equally likely."""
        z = _check.as_floats(type(self).__name__, "pred", pred)
        return (z > self._threshold).astype(np.int64)

    _threshold = 0.0

    def predict_proba(self, pred):
        """The probability of class 1, in ``pred``'s shape and dtype."""
        return _sigmoid(_check.as_floats(type(self).__name__, "pred", pred))


class BinaryCrossEntropy(_Binary):
    """Binary cross-entropy ``-w y log(s) - (1-y) log(1-s)``, ``s = 1 / (1 + exp(-z))`` or, without logits, ``s = z``.

    Gradient in the logit ``(1-y) s - w y (1-s)``, which is ``s - y`` for w = 1; second derivative
    ``(1 - y + w y) s (1-s)``. In the probability f: ``(f-y) / (f (1-f))``. The sum over the columns of a 2-D ``pred``
    is the multi-label loss. Stable at any logit; a term whose factor y or 1-y is 0 counts as 0.

    Parameters
    ----------
    from_logits : bool
        ``pred`` holds logits (True) or probabilities of class 1.
    label_smoothing : float
        a in [0, 1]: targets become ``y (1-a) + a/2``.
    pos_weight : float or sequence of float
        At least 0; what class 1 weighs against class 0: one number, or one per column of ``pred``.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` any shape; targets have the same: bool, integers 0 and 1, or probabilities in [0, 1]. For labels 0 and 1
    loss and gradient are within 4 ULP, however small; for a probability y the gradient is a difference, its absolute
    error at most 4 eps ((1-y) s + w y (1-s)), eps the spacing at 1.

    Examples
    --------
    >>> import fastloss as fl
    >>> bce = fl.BinaryCrossEntropy(reduction="none")
    >>> bce([0.0, 40.0], [1, 1])
    array([6.93147181e-01, 4.24835426e-18])
    >>> bce.predict_proba([0.0]), bce.predict([-1.0, 2.0])
    (array([0.5]), array([0, 1]))
    """

    __slots__ = ()
    _columns_name = "pos_weight"
    _pred_words = "in [0, 1] (from_logits=False)"

    def __init__(self, *, from_logits=True, label_smoothing=0.0, pos_weight=1.0, reduction="mean"):
        who = "BinaryCrossEntropy"
        from_logits = _check.flag(who, "from_logits", from_logits)
        label_smoothing = _check.number(who, "label_smoothing", label_smoothing, low=0, high=1)
        columns = None
        if np.ndim(pos_weight) == 0:
            pos_weight = _check.number(who, "pos_weight", pos_weight, low=0)
        else:
            columns = pos_weight = _check.weights_of_classes(who, "pos_weight", pos_weight)
        self._configure(
            "binary_cross_entropy" if from_logits else "binary_cross_entropy_probabilities",
            [1.0 if columns else pos_weight, label_smoothing],
            {
                "from_logits": from_logits,
                "label_smoothing": label_smoothing,
                "pos_weight": pos_weight,
                "reduction": reduction,
            },
            per_column=_check.both_types(columns),
        )

    @property
    def _threshold(self):
        return 0.0 if self.from_logits else 0.5

    def predict_proba(self, pred):
        """The probability of class 1, in ``pred``'s shape and dtype."""
        z = _check.as_floats("BinaryCrossEntropy", "pred", pred)
        return _sigmoid(z) if self.from_logits else z

    def _domain(self, dense):
        return 0.0, 1.0, None, "in [0, 1]"

    def _bad_pred(self, pred):
        return False if self.from_logits else ~((pred >= 0) & (pred <= 1))


class Focal(_Binary):
    """Focal loss ``-a_t (1 - p_t)**gamma log(p_t)`` from logits, p_t the probability of the true class.

    Binary cross-entropy in which easy samples count less. ``a_t`` is ``alpha`` for class 1 and ``1 - alpha`` for
    class 0. Lin et al. (2017), Focal Loss for Dense Object Detection, equation 5.

    Parameters
    ----------
    gamma : float
        At least 0; 0 gives binary cross-entropy.
    alpha : float or None
        In [0, 1]; None leaves the classes unweighted.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` any shape (logits); targets have the same, 0 or 1: above 1/2 counts as 1, anything else as 0. The error is
    at most (2 gamma + 6) ULP for gamma a multiple of 1/2 up to 16: the power is then made by products and a root.
    Otherwise the fraction f of gamma goes through exp(-f M), M = -log(1 - p_t), which adds 2 f M ULP.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Focal(gamma=2.0)([0.0], [1])
    0.17328679513998632
    """

    __slots__ = ()

    def __init__(self, *, gamma=2.0, alpha=None, reduction="mean"):
        gamma = _check.number("Focal", "gamma", gamma, low=0)
        if alpha is not None:
            alpha = _check.number("Focal", "alpha", alpha, low=0, high=1)
        ones, zeros = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        self._configure("focal", [gamma, ones, zeros], {"gamma": gamma, "alpha": alpha, "reduction": reduction})

    def _domain(self, dense):
        return 0.0, 1.0, (0.0, 1.0), "0 or 1"


class Hinge(Loss):
    """Hinge loss ``max(0, margin - y z)``, y = -1 or +1, or its square: the binary support vector machine.

    Gradient ``-y`` where ``margin - y z > 0`` (squared: ``-2 y max(0, margin - y z)``), 0 elsewhere and at the kink.

    Parameters
    ----------
    margin : float
        At least 0, in units of the score.
    squared : bool
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` any shape; targets have the same. A target above 0 counts as +1, any other as -1, so labels 0 and 1 serve
    as well. ``margin - y z`` is rounded once; everything else is within 2 ULP of that.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Hinge(reduction="sum").value_and_grad([0.5, 2.0], [1, 1])
    (0.5, array([-1.,  0.]))
    """

    __slots__ = ()
    _target_kind = "binary"

    def __init__(self, *, margin=1.0, squared=False, reduction="mean"):
        margin = _check.number("Hinge", "margin", margin, low=0)
        squared = _check.flag("Hinge", "squared", squared)
        self._configure(
            "hinge_squared" if squared else "hinge",
            [margin],
            {"margin": margin, "squared": squared, "reduction": reduction},
        )

    def predict(self, pred):
        """The class, -1 or +1, int64, in ``pred``'s shape; -1 where the score is 0."""
        z = _check.as_floats("Hinge", "pred", pred)
        return np.where(z > 0, 1, -1)

    def _domain(self, dense):
        return -1.0, 1.0, (-1.0, 0.0, 1.0), "-1 or +1"


class _Multiclass(Loss):
    """What the losses over rows of classes share."""

    __slots__ = ()
    _target_kind = "classes"

    def predict(self, pred):
        """The class with the largest score, int64, shape (n,); the lowest of several."""
        who = type(self).__name__
        z = _check.as_floats(who, "pred", pred)
        _check.check_pred_shape(self, z)
        if z.shape[1] == 0:
            raise ValueError(f"{who}: pred has shape {z.shape}, but predict needs at least one class")
        return z.argmax(axis=1)

    def _setup(self, kernel, param, config, **kernels):
        who = type(self).__name__
        config["class_weight"] = _check.weights_of_classes(who, "class_weight", config["class_weight"])
        config["ignore_index"] = _check.optional_index(who, "ignore_index", config["ignore_index"])
        ignore = config["ignore_index"]
        fits = ignore is not None and -(2**63) <= ignore < 2**63
        self._configure(
            kernel,
            param,
            config,
            per_column=_check.both_types(config["class_weight"]),
            ignore_index=ignore if fits else None,
            **kernels,
        )


class SoftmaxCrossEntropy(_Multiclass):
    """Softmax cross-entropy ``log(sum_k exp(z_k)) - z_y``: the negative log-likelihood of a class, from logits.

    Gradient ``p_k - [k = y]`` with p the softmax of the row, second derivative ``p_k (1 - p_k)``. For a row q of
    target probabilities: ``sum_k q_k (log(sum_j exp(z_j)) - z_k)``, gradient ``p_k sum(q) - q_k``. The log-sum-exp is
    taken after the row's maximum, and the part below the maximum is kept apart, so nothing overflows and a loss of
    1e-12 is 1e-12.

    Parameters
    ----------
    label_smoothing : float
        a in [0, 1]: the target distribution becomes ``(1-a) onehot + a/c``.
    class_weight : sequence of float or None
        One per class, at least 0. Multiplies the samples of the class, and the mean divides by the sum of the weights;
        with smoothing or probabilities the weights stand inside the sum over k, as in PyTorch.
    ignore_index : int or None
        Samples with this label count as weight 0.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` (n, c) logits; targets (n,) classes 0 to c-1 of any integer type, or (n, c) probabilities. -inf is a
    probability of 0; a row of -inf alone, or with +inf or NaN, gives NaN. Error: d = z_k - max is rounded once, which
    changes exp(d) by at most |d| eps/2 in proportion; the sum over a row of c entries adds at most
    min(c, 64 + c/16) eps/2; with that, loss and gradient are within 4 ULP, eps the spacing at 1. For target
    probabilities the gradient is a difference with absolute error at most 4 eps (p_k sum(q) + q_k).

    Examples
    --------
    >>> import fastloss as fl
    >>> ce = fl.SoftmaxCrossEntropy()
    >>> value, grad = ce.value_and_grad([[3.2, 5.1, -1.7]], [0])
    >>> round(value, 2), grad.round(2)
    (2.04, array([[-0.87,  0.87,  0.  ]]))
    >>> ce.predict_proba([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """

    __slots__ = ()
    _takes_probabilities = True

    def __init__(self, *, label_smoothing=0.0, class_weight=None, ignore_index=None, reduction="mean"):
        smoothing = _check.number("SoftmaxCrossEntropy", "label_smoothing", label_smoothing, low=0, high=1)
        self._setup(
            "softmax_cross_entropy_smooth" if smoothing else "softmax_cross_entropy",
            [smoothing],
            {
                "label_smoothing": smoothing,
                "class_weight": class_weight,
                "ignore_index": ignore_index,
                "reduction": reduction,
            },
            dense_kernel="softmax_cross_entropy_probabilities",
        )

    def predict_proba(self, pred):
        """The class probabilities of each row: softmax, in ``pred``'s shape and dtype."""
        return _SOFTMAX._probabilities(pred) if self is not _SOFTMAX else self._probabilities(pred)

    def _domain(self, dense):
        return 0.0, 1.0, None, "in [0, 1]"


class MulticlassHinge(_Multiclass):
    """Multiclass hinge ``sum over k != y of max(0, z_k - z_y + margin)``, or of its squares: Weston & Watkins's SVM.

    Gradient 1 for each class k whose term is above 0, and minus their number at y; squared ``2 (z_k - z_y + margin)``
    and minus their sum. 0 at the kink. Weston & Watkins (1999), ESANN.

    Parameters
    ----------
    margin : float
        At least 0, in units of the score.
    squared : bool
    class_weight : sequence of float or None
        One per class, at least 0. Multiplies the samples of the class; the mean divides by the sum of the weights.
    ignore_index : int or None
        Samples with this label count as weight 0.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` (n, c) scores; targets (n,) classes 0 to c-1 of any integer type. Each term is rounded twice, an absolute
    error of at most eps (|z_k| + |z_y| + margin), and their sum over c classes adds min(c, 64 + c/16) eps/2 in
    proportion; the plain gradient is exact.

    Examples
    --------
    >>> import fastloss as fl
    >>> scores = [[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]
    >>> fl.MulticlassHinge(reduction="none")(scores, [0, 1, 2]).round(6)
    array([ 2.9,  0. , 12.9])
    """

    __slots__ = ()

    def __init__(self, *, margin=1.0, squared=False, class_weight=None, ignore_index=None, reduction="mean"):
        margin = _check.number("MulticlassHinge", "margin", margin, low=0)
        squared = _check.flag("MulticlassHinge", "squared", squared)
        self._setup(
            "multiclass_hinge_squared" if squared else "multiclass_hinge",
            [margin],
            {
                "margin": margin,
                "squared": squared,
                "class_weight": class_weight,
                "ignore_index": ignore_index,
                "reduction": reduction,
            },
        )


class CrammerSingerHinge(_Multiclass):
    """Hinge over the worst wrong class, ``max(0, margin + max over k != y of z_k - z_y)``: Crammer & Singer's SVM.

    Gradient +1 at the worst wrong class (the first of several) and -1 at y where the loss is above 0.
    Crammer & Singer (2001), J. Mach. Learn. Res. 2.

    Parameters
    ----------
    margin : float
        At least 0, in units of the score.
    class_weight : sequence of float or None
        One per class, at least 0. Multiplies the samples of the class; the mean divides by the sum of the weights.
    ignore_index : int or None
        Samples with this label count as weight 0.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    ``pred`` (n, c) scores; targets (n,) classes 0 to c-1 of any integer type. The loss is rounded twice: absolute
    error at most eps (|z_k| + |z_y| + margin); the gradient is exact.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.CrammerSingerHinge().value_and_grad([[1.0, 2.0, 2.0]], [0])
    (2.0, array([[-1.,  1.,  0.]]))
    """

    __slots__ = ()

    def __init__(self, *, margin=1.0, class_weight=None, ignore_index=None, reduction="mean"):
        margin = _check.number("CrammerSingerHinge", "margin", margin, low=0)
        self._setup(
            "crammer_singer_hinge",
            [margin],
            {
                "margin": margin,
                "class_weight": class_weight,
                "ignore_index": ignore_index,
                "reduction": reduction,
            },
        )


_SOFTMAX = SoftmaxCrossEntropy()  # plain: a row's probabilities do not depend on smoothing or class weights
