# SPDX-License-Identifier: BSD-3-Clause
"""Linear models as scikit-learn estimators, over ``fastloss.linear``; import ``fastloss.sklearn`` to have them.

Arguments, attributes and penalties are scikit-learn's. How an optimum is reached is in ``_lbfgs.py`` and ``linear``.
"""

from __future__ import annotations

import functools
import importlib
import re
import warnings

import numpy as np

from . import _check, linear, optimizers
from .losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrammerSingerHinge,
    EpsilonInsensitive,
    ExponentialNLL,
    Focal,
    GammaNLL,
    GaussianNLL,
    Hinge,
    Huber,
    LogCosh,
    Loss,
    MulticlassHinge,
    Pinball,
    PoissonNLL,
    RootMeanSquaredError,
    SoftmaxCrossEntropy,
    SquaredError,
    TweedieNLL,
)
from .regularizers import L2, ElasticNet


def _need(module, oldest):
    """ImportError unless the module is there in this version or a newer one."""
    words = f"fastloss.sklearn needs {module} {'.'.join(map(str, oldest))} or newer"
    try:
        version = importlib.import_module(module).__version__
    except ImportError as error:
        raise ImportError(f"{words}, but cannot import it: pip install 'fastloss[sklearn]'") from error
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < oldest:
        raise ImportError(f"{words}, but found {version}: pip install 'fastloss[sklearn]'")


_need("scipy", (1, 11))
_need("sklearn", (1, 6))

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_random_state, compute_class_weight  # noqa: E402
from sklearn.utils.metaestimators import available_if  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # noqa: E402

from . import _lbfgs  # noqa: E402

__all__ = ["LinearClassifier", "LinearRegressor"]

FLOATS = [np.float64, np.float32]
OPTIMIZERS = {name.lower(): getattr(optimizers, name) for name in optimizers.__all__}
OPTIMIZERS["adamw"] = functools.partial(optimizers.AdamW, weight_decay=0.0)  # the penalty stands in its place
RATES = {"adagrad": 0.1, "adadelta": 1.0, "lion": 0.003}  # others 0.01

CLASSIFICATION = {
    "log_loss": SoftmaxCrossEntropy(),
    "softmax": SoftmaxCrossEntropy(),
    "hinge": MulticlassHinge(),
    "squared_hinge": MulticlassHinge(squared=True),
    "crammer_singer": CrammerSingerHinge(),
}
REGRESSION = {
    "squared_error": SquaredError(half=True),
    "root_mean_squared_error": RootMeanSquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "log_cosh": LogCosh(),
    "quantile": Pinball(),
    "pinball": Pinball(),
    "epsilon_insensitive": EpsilonInsensitive(),
    "squared_epsilon_insensitive": EpsilonInsensitive(squared=True),
    "gaussian": GaussianNLL(),
    "poisson": PoissonNLL(),
    "exponential": ExponentialNLL(),
    "gamma": GammaNLL(),
    "tweedie": TweedieNLL(),
}


def _takes_steps(estimator):
    if estimator.solver == "lbfgs":
        raise AttributeError(f"{type(estimator).__name__}: partial_fit needs an optimizer as solver, not 'lbfgs'")
    return True


def _gives_probabilities(estimator):
    if estimator.loss in ("log_loss", "softmax") or isinstance(
        estimator.loss, (SoftmaxCrossEntropy, BinaryCrossEntropy)
    ):
        return True
    raise AttributeError(f"LinearClassifier: loss {estimator.loss!r} gives no probabilities, only log_loss does")


class _Linear(BaseEstimator):
    """What both estimators share: options, fitting, scores."""

    def __init__(
        self,
        loss="squared_error",
        *,
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        solver="lbfgs",
        lr=None,
        batch_size=128,
        max_iter=1000,
        tol=1e-4,
        shuffle=True,
        random_state=None,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        verbose=0,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.lr = lr
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- options --

    def _check_options(self):
        who = type(self).__name__
        if self.penalty is not None:
            _check.choice(who, "penalty", self.penalty, ("l2", "l1", "elasticnet"))
        _check.number(who, "alpha", self.alpha, low=0)
        _check.number(who, "l1_ratio", self.l1_ratio, low=0, high=1)
        _check.choice(who, "solver", self.solver, ("lbfgs", *OPTIMIZERS))
        if self.lr is not None and not callable(self.lr):
            _check.number(who, "lr", self.lr, low=0, open_low=True)
        if self.batch_size is not None:
            _check.positive_int(who, "batch_size", self.batch_size)
        _check.positive_int(who, "max_iter", self.max_iter)
        if self.tol is not None:
            _check.number(who, "tol", self.tol, low=0)
        for name in ("fit_intercept", "shuffle", "early_stopping", "warm_start"):
            _check.flag(who, name, getattr(self, name))
        _check.number(
            who, "validation_fraction", self.validation_fraction, low=0, high=1, open_low=True, open_high=True
        )
        _check.number(who, "verbose", self.verbose, low=0)
        if self.early_stopping and self.solver == "lbfgs":
            raise ValueError(f"{who}: early_stopping is True, but must be False with solver 'lbfgs'")

    def _strengths(self):
        """What multiplies the sum of absolute values, and half the sum of squares."""
        ratio = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio}[self.penalty]
        alpha = 0.0 if self.penalty is None else float(self.alpha)
        return alpha * ratio, alpha * (1 - ratio)

    def _objective(self, loss, X, y, weight, penalty=None):
        labels = loss._target_kind == "classes"
        return linear.Objective(
            loss,
            X,
            y,
            penalty=penalty,
            fit_intercept=self.fit_intercept,
            sample_weight=weight,
            n_classes=len(self.classes_) if labels else None,
        )

    def _weights(self, sample_weight, X):
        """Checked sample weights, or None."""
        if sample_weight is None:
            return None
        if not np.asarray(sample_weight).any():  # newer scikit-learn refuses these itself, in other words
            raise ValueError(f"{type(self).__name__}: sample_weight is zero everywhere, but some must be above 0")
        return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)

    # -- fitting --

    def _fit(self, loss, X, y, weight, outputs=1):
        """Fit to checked data, and set the attributes."""
        if weight is not None and not weight.all():  # what has no weight is not there, for batches neither
            kept = np.flatnonzero(weight)
            X, y, weight = X[kept], y[kept], weight[kept]
        start = self._old_vector(X.dtype) if self._goes_on() else None
        self._loss = loss
        l1, l2 = (strength / outputs for strength in self._strengths())
        fit = self._fit_lbfgs if self.solver == "lbfgs" else self._fit_steps
        w, converged = fit(loss, X, y, weight, l1, l2, start)
        if not np.isfinite(w).all():
            raise ValueError(
                f"{type(self).__name__}: coefficients became infinite or NaN; scale the columns of X"
                + (", or lower lr" if self.solver != "lbfgs" else "")
            )
        if not converged:
            warnings.warn(
                f"{type(self).__name__}: not converged after {self.n_iter_} iterations (max_iter={self.max_iter}, "
                f"tol={self.tol}); increase max_iter or tol, or scale the columns of X",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _fit_lbfgs(self, loss, X, y, weight, l1, l2, start):
        objective = self._objective(loss, X, y, weight, L2(l2, half=True))
        minimum = _lbfgs.minimize(
            objective,
            l1,
            l2,
            start=start,
            tol=self.tol or 0.0,
            max_iter=self.max_iter,
            report=self._report if self.verbose else None,
        )
        self.n_iter_, self.loss_curve_ = minimum.n_iter, minimum.curve
        self._set_coefficients(objective, minimum.w.astype(X.dtype, copy=False))
        return minimum.w, minimum.converged or self.tol is None

    def _report(self, n_iter, value):
        if n_iter % 10 == 0 or self.verbose > 1:
            print(f"iteration {n_iter}: objective {value:.6g}", flush=True)

    def _fit_steps(self, loss, X, y, weight, l1, l2, start):
        random = check_random_state(self.random_state)
        validation = None
        if self.early_stopping:
            X, y, weight, validation = self._split(X, y, weight, random)
        objective = self._objective(loss, X, y, weight, ElasticNet(l1, l2 / 2))
        zero = np.zeros(objective.size, X.dtype)
        tol = None if self.tol is None else self.tol * abs(objective(zero)[0])
        result = linear.train(
            objective,
            optimizer=OPTIMIZERS[self.solver],
            lr=self._rate(objective),
            batch_size=self.batch_size,
            epochs=self.max_iter,
            tol=tol,
            shuffle=self.shuffle,
            seed=random.randint(np.iinfo(np.int32).max),
            progress=bool(self.verbose),
            validation=None if validation is None else self._objective(loss, *validation),
            initial=start,
        )
        self.n_iter_, self._optimizer_state = result.n_epochs, result.optimizer.state_dict()
        history = result.history
        self.loss_curve_ = np.add(history["loss"], history["penalty"]).tolist()
        if self.early_stopping:
            self.validation_loss_curve_ = list(history["validation"])
        self._set_coefficients(objective, result.w)
        return result.w, self.tol is None or self.n_iter_ < self.max_iter

    def _split(self, X, y, weight, random):
        """Training data, and validation data as a triple."""
        everything = np.arange(X.shape[0])
        kept, held = train_test_split(
            everything, test_size=self.validation_fraction, random_state=random, stratify=self._strata(y)
        )
        parts = [(X[rows], y[rows], None if weight is None else weight[rows]) for rows in (kept, held)]
        return *parts[0], parts[1]

    def _rate(self, objective):
        return _default_rate(self.solver, objective) if self.lr is None else self.lr

    def _old_vector(self, dtype):
        """Coefficients and intercepts of the last fit as a flat vector."""
        parts = [np.ravel(self.coef_), np.ravel(self.intercept_)] if self.fit_intercept else [np.ravel(self.coef_)]
        return np.concatenate(parts).astype(dtype)

    def _goes_on(self):
        """Whether the next fit starts at the last one's coefficients; its features must then be the same."""
        return self.warm_start and hasattr(self, "coef_")

    def _check_old_shape(self, rows, n_features):
        """Refuse to go on from coefficients of another shape."""
        old = np.atleast_2d(self.coef_).shape
        if old != (rows, n_features):
            raise ValueError(
                f"{type(self).__name__}: coef_ of the last fit has shape {old}, "
                f"but the data now need {(rows, n_features)}"
            )

    # -- steps on data that come in pieces --

    def _partial_fit(self, loss, X, y, weight, outputs=1):
        """One pass over checked data, in batches; the optimizer goes on where it was."""
        if self.early_stopping:
            raise ValueError(f"{type(self).__name__}: early_stopping is True, but must be False for partial_fit")
        l1, l2 = (strength / outputs for strength in self._strengths())
        penalty, weight = ElasticNet(l1, l2 / 2), None if weight is None else weight / weight.mean()
        w, optimizer = self._resume(loss, X, y, weight)
        n, total = X.shape[0], 0.0
        size = self.batch_size or n
        order = self._random.permutation(n) if self.shuffle else np.arange(n)
        for rows in (order[begin : begin + size] for begin in range(0, n, size)):
            share = None if weight is None else weight[rows]
            batch = self._objective(loss, X[rows], y[rows], share)
            value, gradient = batch(w)
            if share is not None:  # a batch of little weight makes a small step
                value, gradient = value * share.mean(), gradient * share.mean()
            value += penalty.add_grad(batch.unpack(w)[0], batch.unpack(gradient)[0])
            total += value * len(rows) / n
            optimizer.step(gradient)
        self._optimizer_state = optimizer.state_dict()
        self.n_iter_ += 1
        self.loss_curve_.append(total)
        self._set_coefficients(batch, w)
        return self

    def _resume(self, loss, X, y, weight):
        """The parameters and an optimizer over them, in the state of the last call or a fresh one."""
        objective = self._objective(loss, X, y, weight)
        if hasattr(self, "coef_"):
            w = self._old_vector(self.coef_.dtype)
        else:
            w = np.zeros(objective.size, X.dtype)
            self._loss, self.n_iter_, self.loss_curve_ = loss, 0, []
        optimizer = OPTIMIZERS[self.solver](w, lr=self._rate(objective))
        if hasattr(self, "_optimizer_state"):
            optimizer.load_state_dict(self._optimizer_state)
            if self.lr is not None:
                optimizer.lr = self.lr
        if not hasattr(self, "_random"):
            self._random = check_random_state(self.random_state)
        return w, optimizer

    # -- scores --

    def _scores(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        return X @ self.coef_.T + self.intercept_


def _default_rate(solver, objective):
    """A learning rate for columns of X of about unit size, in units of the scores; for SGD whatever their size.

    SGD takes 1 / (mean curvature of the loss * mean square of a row), which bounds the objective's curvature.
    """
    unit, intercept = _lbfgs.natural_units(objective)
    if solver != "sgd":
        return RATES.get(solver, 0.01) * float(unit.mean())
    loss, n, c = objective.loss, objective.X.shape[0], objective.n_scores
    scores = np.tile(intercept.astype(objective.X.dtype), (n, 1))
    curvature = 0.0
    if not isinstance(loss, RootMeanSquaredError):
        pred = scores if objective.y.ndim == 2 or c > 1 else scores[:, 0]
        hess = loss.value_grad_hess(pred, objective.y, sample_weight=objective.sample_weight)[2]
        curvature = float(hess.sum()) / (1 if objective.y.ndim == 2 else c)
    rows = float(_lbfgs.moments(objective)[1].sum()) + 1
    return 1 / ((curvature or 1 / float(unit.mean())) * rows)


class LinearClassifier(ClassifierMixin, _Linear):
    """Linear classifier: softmax regression, support vector machines, and any other of fastloss's losses.

    Minimizes ``sum(s_i * loss(z_i, y_i)) / sum(s_i) + alpha * R(coef)``, s the sample times class weights and
    ``z_i = X_i @ coef.T + intercept`` the scores. Two classes have one row of coefficients and one score, and the
    loss's binary counterpart.

    Parameters
    ----------
    loss : str or Loss
        "log_loss" or "softmax": ``SoftmaxCrossEntropy``, of two classes ``BinaryCrossEntropy``. "hinge" and
        "squared_hinge": ``MulticlassHinge`` (Weston & Watkins), of two classes ``Hinge``. "crammer_singer":
        ``CrammerSingerHinge``, of two classes ``Hinge``. Or an object, for its parameters.
    penalty : {"l2", "l1", "elasticnet", None}
        R, over the coefficients w, the intercept spared: half the sum of squares; the sum of absolute values;
        ``l1_ratio`` times the one plus ``1 - l1_ratio`` times the other. As in ``SGDClassifier``.
    alpha : float
        At least 0: what multiplies R.
    l1_ratio : float
        In [0, 1], for "elasticnet".
    fit_intercept : bool
    solver : str
        "lbfgs" reaches the optimum, of kinked losses and L1 penalties too, with exact zeros; or an optimizer's name
        ("sgd", "adam", ...), for steps on batches by ``fl.linear.train``. "adamw" decays nothing by itself here.
    lr : float, callable or None
        Learning rate of the optimizer, or a schedule ``t -> lr``. None chooses one that suits columns of about unit
        size; SGD's is stable with others too, but slow where they differ much.
    batch_size : int or None
        Rows in a step of the optimizer; None takes all.
    max_iter : int
        Iterations of L-BFGS or epochs, at most; a ``ConvergenceWarning`` says if they did not do.
    tol : float or None
        When to stop. Optimizers: after an epoch that changed the objective by less than ``tol`` times its value at
        w = 0. "lbfgs", kinked loss: the objective is known to be within ``tol / 100`` of its minimum, in proportion.
        "lbfgs", other losses: the largest entry of the gradient is at most ``1e-4 * tol`` times that at w = 0, in
        units in which the columns vary alike. None: all ``max_iter`` iterations, without a warning.
    shuffle : bool
        Draw a new order of the rows for each epoch.
    random_state : int, RandomState or None
        For that order, and for the rows of ``early_stopping``.
    early_stopping : bool
        For optimizers: hold back ``validation_fraction`` of the rows, stop after 5 epochs in which their loss did not
        fall by ``tol``, and keep the best epoch's coefficients.
    validation_fraction : float
        Between 0 and 1.
    warm_start : bool
        Begin where the last ``fit`` ended.
    verbose : int
        Above 0: show progress.
    class_weight : dict, "balanced" or None
        Weights of the classes; "balanced" gives all the same total.

    Attributes
    ----------
    coef_, intercept_ : ndarray
        (1, d) and (1,) for two classes, (c, d) and (c,) for more.
    classes_ : ndarray
    n_iter_ : int
        Iterations or epochs done.
    loss_curve_ : list of float
        The objective after each iteration (kinked losses: each round of smoothing); of optimizers its mean over each
        epoch's batches.
    validation_loss_curve_ : list of float
        With ``early_stopping``, the loss of the rows held back, after each epoch.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Of n rows without weights, ``C = 1 / (n * alpha)`` gives the same optimum in ``LogisticRegression``, and in
    ``LinearSVC`` (two classes, or three and more with ``multi_class="crammer_singer"``) where neither has an
    intercept, as LinearSVC penalizes its own. Methods: L-BFGS-B, finished by Newton steps; kinked losses by the
    method of multipliers. Weights stand for repeated rows: in the objective exactly, and for optimizers in the path
    too where a batch holds all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastloss.sklearn import LinearClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearClassifier("crammer_singer", alpha=0.01).fit(X, y)
    >>> model.predict(X[:2]), round(model.score(X, y), 2)
    (array([0, 0]), 0.99)
    """

    def __init__(
        self,
        loss="log_loss",
        *,
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        solver="lbfgs",
        lr=None,
        batch_size=128,
        max_iter=1000,
        tol=1e-4,
        shuffle=True,
        random_state=None,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        verbose=0,
        class_weight=None,
    ):
        super().__init__(
            loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            solver=solver,
            lr=lr,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            shuffle=shuffle,
            random_state=random_state,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not _only_binary(self.loss)
        return tags

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array_like or sparse matrix
            (n, d), finite; float32 stays float32.
        y : array_like
            (n,), classes of any type.
        sample_weight : array_like, optional
            (n,), at least 0.

        Returns
        -------
        self
        """
        self._check_options()
        X, y, classes, labels = self._read(X, y, reset=not self._goes_on())
        if len(classes) < 2:
            raise ValueError(f"LinearClassifier: y holds one class ({classes.tolist()[0]!r}), but there must be two")
        weight = self._class_weighted(self._weights(sample_weight, X), y, classes, labels)
        used = labels if weight is None else labels[weight > 0]
        if used.min() == used.max():
            raise ValueError("LinearClassifier: only one class in y has sample weight, but there must be two classes")
        if self._goes_on():
            if not np.array_equal(classes, self.classes_):
                raise ValueError(f"LinearClassifier: y holds classes {classes}, but the last fit had {self.classes_}")
            self._check_old_shape(_rows(len(classes)), X.shape[1])
        self.classes_ = classes
        loss = _classifier_loss(self.loss, len(classes))
        return self._fit(loss, X, self._targets(labels, X.dtype), weight)

    @available_if(_takes_steps)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass once over the data in batches, going on from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; ``y`` need not hold all classes.
        classes : array_like
            All classes that will ever occur; needed at the first call only.

        Returns
        -------
        self
        """
        self._check_options()
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("LinearClassifier: classes is None, but the first call of partial_fit needs all classes")
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"LinearClassifier: class_weight is {self.class_weight!r}, but partial_fit cannot know the balance: "
                "give a dict"
            )
        if classes is not None:
            classes = np.unique(classes)
            if first and len(classes) < 2:
                raise ValueError(f"LinearClassifier: classes is {classes}, but there must be two")
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(f"LinearClassifier: classes is {classes}, but the first call said {self.classes_}")
        known = classes if first else self.classes_
        X, y, present, labels = self._read(X, y, reset=not hasattr(self, "coef_"))
        unknown = np.setdiff1d(present, known)
        if unknown.size:
            raise ValueError(f"LinearClassifier: y holds {unknown.tolist()[0]!r}, but the classes are {known}")
        labels = np.searchsorted(known, present)[labels]
        weight = self._class_weighted(self._weights(sample_weight, X), y, known, labels)
        self.classes_ = known
        loss = _classifier_loss(self.loss, len(known))
        return self._partial_fit(loss, X, self._targets(labels, X.dtype), weight)

    def _read(self, X, y, reset=True):
        """Checked X and y, its classes, and y as numbers of classes."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS, reset=reset)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        return X, y, classes, labels

    def _class_weighted(self, weight, y, classes, labels):
        """Sample weights times class weights; None if all are 1."""
        if self.class_weight is None:
            return weight
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            counts = np.bincount(labels, weights=weight, minlength=len(classes))
            of_class = np.divide(counts.sum(), len(classes) * counts, out=np.zeros(len(classes)), where=counts > 0)
        else:
            of_class = compute_class_weight(self.class_weight, classes=classes, y=y)
        return of_class[labels] if weight is None else weight * of_class[labels]

    @staticmethod
    def _strata(y):
        return y

    def _targets(self, labels, dtype):
        """What the loss takes: 0.0 and 1.0 of two classes, numbers of more."""
        return labels.astype(dtype) if len(self.classes_) == 2 else labels

    def _set_coefficients(self, objective, w):
        coef, intercept = objective.unpack(w)
        self.coef_, self.intercept_ = np.atleast_2d(coef).copy(), np.atleast_1d(intercept).copy()

    def decision_function(self, X):
        """Scores: (n, c), or (n,) for two classes, above 0 for the second."""
        scores = self._scores(X)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The class of the largest score, of several the first."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Probabilities of the classes, (n, c)."""
        return np.exp(self.predict_log_proba(X))

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of the probabilities, (n, c); exact where a probability underflows."""
        scores = self._scores(X)
        if len(self.classes_) == 2:
            scores = np.hstack([np.zeros_like(scores), scores])
        below = scores - scores.max(axis=1, keepdims=True)
        return below - np.log(np.exp(below).sum(axis=1, keepdims=True))


class LinearRegressor(RegressorMixin, _Linear):
    """Linear regressor with any of fastloss's regression losses.

    Minimizes ``sum(s_i * loss(z_i, y_i)) / sum(s_i) + alpha * R(coef)``, s the sample weights and
    ``z_i = X_i @ coef + intercept`` the scores.

    Parameters
    ----------
    loss : str or Loss
        "squared_error" (half the square, as in ``SGDRegressor``), "root_mean_squared_error", "absolute_error",
        "huber", "log_cosh", "quantile" or "pinball" (the median), "epsilon_insensitive",
        "squared_epsilon_insensitive", "gaussian", "poisson", "exponential", "gamma", "tweedie" (power 1.5); these
        have the parameters that fastloss's classes have by default. Or an object, for others:
        ``LinearRegressor(fl.Pinball(quantile=0.9))``.
    penalty : {"l2", "l1", "elasticnet", None}
        R, over the coefficients w, the intercept spared: half the sum of squares; the sum of absolute values;
        ``l1_ratio`` times the one plus ``1 - l1_ratio`` times the other. As in ``SGDClassifier``.
    alpha : float
        At least 0: what multiplies R.
    l1_ratio : float
        In [0, 1], for "elasticnet".
    fit_intercept : bool
    solver : str
        "lbfgs" reaches the optimum, of kinked losses and L1 penalties too, with exact zeros; or an optimizer's name
        ("sgd", "adam", ...), for steps on batches by ``fl.linear.train``. "adamw" decays nothing by itself here.
    lr : float, callable or None
        Learning rate of the optimizer, or a schedule ``t -> lr``. None chooses one that suits columns of about unit
        size; SGD's is stable with others too, but slow where they differ much.
    batch_size : int or None
        Rows in a step of the optimizer; None takes all.
    max_iter : int
        Iterations of L-BFGS or epochs, at most; a ``ConvergenceWarning`` says if they did not do.
    tol : float or None
        When to stop. Optimizers: after an epoch that changed the objective by less than ``tol`` times its value at
        w = 0. "lbfgs", kinked loss: the objective is known to be within ``tol / 100`` of its minimum, in proportion.
        "lbfgs", other losses: the largest entry of the gradient is at most ``1e-4 * tol`` times that at w = 0, in
        units in which the columns vary alike. None: all ``max_iter`` iterations, without a warning.
    shuffle : bool
        Draw a new order of the rows for each epoch.
    random_state : int, RandomState or None
        For that order, and for the rows of ``early_stopping``.
    early_stopping : bool
        For optimizers: hold back ``validation_fraction`` of the rows, stop after 5 epochs in which their loss did not
        fall by ``tol``, and keep the best epoch's coefficients.
    validation_fraction : float
        Between 0 and 1.
    warm_start : bool
        Begin where the last ``fit`` ended.
    verbose : int
        Above 0: show progress.

    Attributes
    ----------
    coef_ : ndarray
        (d,), or (k, d) for k outputs.
    intercept_ : float or ndarray
        (k,) for k outputs.
    n_iter_ : int
        Iterations or epochs done.
    loss_curve_ : list of float
        The objective after each iteration (kinked losses: each round of smoothing); of optimizers its mean over each
        epoch's batches.
    validation_loss_curve_ : list of float
        With ``early_stopping``, the loss of the rows held back, after each epoch.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    The last four losses have a log link: ``predict`` gives ``exp(z)``, and targets must not be negative (gamma:
    above 0). The other losses, but "root_mean_squared_error", take several outputs, and fit each by itself.
    ``GaussianNLL(variance=None)`` has two rows of coefficients, for mean and log-variance; ``predict`` gives the mean.

    With n the total weight, the same optimum have ``Ridge(alpha=n * alpha)`` for "squared_error",
    ``ElasticNet(alpha, l1_ratio)`` for that with penalty "elasticnet", ``QuantileRegressor(alpha=alpha)`` for penalty
    "l1", ``PoissonRegressor``, ``GammaRegressor`` and ``TweedieRegressor`` with the same alpha (``TweedieNLL`` is half
    the deviance), and, sigma being the ``scale_`` that it finds, ``HuberRegressor(epsilon, alpha=n * alpha / sigma)``
    for ``fl.Huber(delta=epsilon * sigma)``. Methods and weights as in :class:`LinearClassifier`.

    Examples
    --------
    >>> from fastloss.sklearn import LinearRegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [1.0, 3.0, 5.0, 100.0, 9.0]
    >>> model = LinearRegressor("absolute_error", penalty=None).fit(X, y)
    >>> model.predict([[1.0]]).round(3)
    array([3.])
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        loss = REGRESSION.get(self.loss) if isinstance(self.loss, str) else self.loss
        tags.target_tags.positive_only = isinstance(loss, _lbfgs.LOG_MEANS)
        tags.target_tags.multi_output = _splits(loss)
        return tags

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array_like or sparse matrix
            (n, d), finite; float32 stays float32.
        y : array_like
            (n,), or (n, k) for k models side by side.
        sample_weight : array_like, optional
            (n,), at least 0.

        Returns
        -------
        self
        """
        self._check_options()
        loss = _regressor_loss(self.loss)
        X, y, weight = self._read(loss, X, y, sample_weight, reset=not self._goes_on())
        if self._goes_on():
            self._check_old_shape(_scores_of(loss, y), X.shape[1])
        return self._fit(loss, X, y, weight, outputs=_outputs(y))

    @available_if(_takes_steps)
    def partial_fit(self, X, y, sample_weight=None):
        """Pass once over the data in batches, going on from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        self._check_options()
        loss = _regressor_loss(self.loss)
        X, y, weight = self._read(loss, X, y, sample_weight, reset=not hasattr(self, "coef_"))
        if hasattr(self, "coef_"):
            self._check_old_shape(_scores_of(loss, y), X.shape[1])
        return self._partial_fit(loss, X, y, weight, outputs=_outputs(y))

    def _read(self, loss, X, y, sample_weight, reset=True):
        """Checked data."""
        several = _splits(loss)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=FLOATS, y_numeric=True, multi_output=several, reset=reset
        )
        y = y.astype(X.dtype, copy=False)
        pairs = loss._target_kind == "pairs"
        loss.check(np.ones((len(y), 2) if pairs else y.shape, X.dtype), y)
        return X, y, self._weights(sample_weight, X)

    @staticmethod
    def _strata(y):
        return None

    def _set_coefficients(self, objective, w):
        coef, intercept = objective.unpack(w)
        self.coef_, self.intercept_ = coef.copy(), intercept.copy() if intercept.ndim else intercept[()]

    def predict(self, X):
        """Predicted means: (n,) or (n, k)."""
        scores = self._scores(X)
        return self._loss.predict(scores)


# ---- losses ----


def _only_binary(loss):
    return isinstance(loss, Focal) or (isinstance(loss, BinaryCrossEntropy) and loss.pos_weight != 1)


def _splits(loss):
    """Whether the loss takes several targets, its value being the mean of theirs."""
    other = (RootMeanSquaredError, *_lbfgs.LOG_MEANS)
    return getattr(loss, "_target_kind", None) == "real" and not isinstance(loss, other)


def _rows(n_classes):
    """Rows of coefficients."""
    return 1 if n_classes == 2 else n_classes


def _outputs(y):
    return 1 if y.ndim == 1 else y.shape[1]


def _scores_of(loss, y):
    return 2 if loss._target_kind == "pairs" else _outputs(y)


def _named_or_given(who, loss, names):
    """The loss as an object whose reduction is a mean."""
    if isinstance(loss, str):
        return names[_check.choice(who, "loss", loss, names)]
    if not isinstance(loss, Loss):
        raise TypeError(f"{who}: loss is a {type(loss).__name__}, but must be a name or one of fastloss's losses")
    if loss.reduction != "mean":
        raise ValueError(f"{who}: loss has reduction {loss.reduction!r}, but must have 'mean'")
    return loss


def _regressor_loss(loss):
    loss = _named_or_given("LinearRegressor", loss, REGRESSION)
    if not isinstance(loss, tuple(type(known) for known in REGRESSION.values())):
        raise ValueError(f"LinearRegressor: loss is {loss!r}, but must be a loss for regression")
    if getattr(loss, "log_input", True) is False:
        raise ValueError("LinearRegressor: loss has log_input=False, but must take scores of any sign")
    return loss


def _classifier_loss(loss, n_classes):
    """The loss for so many classes: over one score for two of them."""
    who = "LinearClassifier"
    loss = _named_or_given(who, loss, CLASSIFICATION)
    if getattr(loss, "class_weight", None) is not None or getattr(loss, "ignore_index", None) is not None:
        raise ValueError(f"{who}: loss is {loss!r}, but weights of classes go into the estimator's class_weight")
    if getattr(loss, "from_logits", True) is False:
        raise ValueError(f"{who}: loss has from_logits=False, but must take scores of any sign")
    if n_classes > 2 and _only_binary(loss):
        raise ValueError(
            f"{who}: Only binary classification is supported. loss is {loss!r}, but y holds {n_classes} classes"
        )
    pairs = (
        (BinaryCrossEntropy, SoftmaxCrossEntropy, ("label_smoothing",)),
        (Hinge, MulticlassHinge, ("margin", "squared")),
        (Hinge, CrammerSingerHinge, ("margin",)),
    )
    for binary, multiclass, options in pairs:
        given, wanted = (multiclass, binary) if n_classes == 2 else (binary, multiclass)
        if isinstance(loss, given):
            return wanted(**{name: getattr(loss, name) for name in options})
    if loss._target_kind not in ("binary", "classes"):
        raise ValueError(f"{who}: loss is {loss!r}, but must be a loss for classification")
    return loss
