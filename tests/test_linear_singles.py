# SPDX-License-Identifier: BSD-3-Clause
"""Single-sample descent in C against the same steps one by one from Python, which test_linear.py tests against loops.

The two add up in different orders, so they agree to rounding only.
"""

import functools
import signal
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
from linear_cases import IDS, LABELS, LOSSES, NUMBERS, make_data

import fastloss as fl
from fastloss.linear import batches

MORE = [
    (fl.SoftmaxCrossEntropy(), LABELS),
    (fl.MulticlassHinge(), LABELS),
    (fl.CrammerSingerHinge(ignore_index=2), LABELS),
    (fl.Hinge(), "signs"),
    (fl.Focal(), "signs"),
    (fl.SquaredError(), "columns"),
    (fl.SoftmaxCrossEntropy(label_smoothing=0.1), "probabilities"),
    (fl.BinaryCrossEntropy(pos_weight=[1.0, 2.0, 3.0]), "labels per column"),
]
OPTIMIZERS = {
    "sgd": fl.SGD,
    "sgd with decay": functools.partial(fl.SGD, weight_decay=0.01),
    "sgd clipped": functools.partial(fl.SGD, clip_norm=0.5, clip_value=0.3),
    "momentum": functools.partial(fl.SGD, momentum=0.9, nesterov=True),
    "adagrad": fl.Adagrad,
    "adadelta": fl.Adadelta,
    "rmsprop": functools.partial(fl.RMSprop, centered=True, momentum=0.5),
    "adam": fl.Adam,
    "adamw": functools.partial(fl.AdamW, amsgrad=True),
    "adamax": fl.Adamax,
    "nadam": fl.NAdam,
    "radam": fl.RAdam,
    "lion": fl.Lion,
}
PENALTIES = {"none": None, "L2": fl.L2(0.02), "L1": fl.L1(0.01), "both": fl.ElasticNet(l1=0.01, l2=0.02)}


def any_data(kind, rng, n=70, d=19, dtype=np.float64):
    if kind == "columns":
        return rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(n, 3))
    if kind == "probabilities":
        return rng.normal(size=(n, d)).astype(dtype), rng.dirichlet(np.ones(3), n)
    if kind == "labels per column":
        return rng.normal(size=(n, d)).astype(dtype), rng.integers(0, 2, (n, 3))
    return make_data(kind, rng, n, d, dtype)


def thinned(X, rng):
    """Most entries 0, one row and one column wholly, as a CSR array."""
    X = np.where(rng.uniform(size=X.shape) < 0.7, 0, X).astype(X.dtype)
    X[3] = X[:, 4] = 0
    return sp.csr_array(X)


def both_paths(objective, monkeypatch, **options):
    """The result in C, and that of the loop in Python."""
    options = dict(batch_size=1, epochs=2, seed=1) | options
    fast = fl.linear.train(objective, **options)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_is_compiled", lambda objective, optimizer: False)
        return fast, fl.linear.train(objective, **options)


def assert_same(fast, slow, rtol):
    """rtol: about the number of steps times the rounding of one; entries near 0 count by the size of the largest."""
    np.testing.assert_allclose(fast.w, slow.w, rtol=rtol, atol=rtol * np.abs(slow.w).max())
    for name in ("loss", "penalty", "gradient_norm"):
        np.testing.assert_allclose(fast.history[name], slow.history[name], rtol=10 * rtol, atol=rtol, err_msg=name)
    assert fast.history["learning_rate"] == slow.history["learning_rate"]
    assert fast.optimizer.t == slow.optimizer.t


RTOL = {np.float32: 1e-4, np.float64: 1e-11}  # 140 steps of some 20 roundings each, 3e3 eps, and some for growth


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "kind"), LOSSES + MORE, ids=IDS + [f"{loss!r} of {kind}" for loss, kind in MORE])
def test_every_loss_takes_the_path_of_single_steps(loss, kind, weighted, dtype, rng, monkeypatch, kernel_target):
    X, y = any_data(kind, rng, dtype=dtype)
    weight = rng.uniform(size=len(y)) * (rng.uniform(size=len(y)) > 0.2) if weighted else None
    rate = 1e-3 if loss.reduction == "mean" else 1e-5
    for data in (X, thinned(X, rng)):
        objective = fl.linear.Objective(loss, data, y, penalty=fl.L2(0.02), sample_weight=weight)
        fast, slow = both_paths(objective, monkeypatch, optimizer="sgd", lr=rate)
        assert_same(fast, slow, RTOL[dtype])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_penalty_takes_the_path_of_single_steps(
    optimizer, penalty, fit_intercept, rng, monkeypatch, kernel_target
):
    X, y = make_data(LABELS, rng, 70, 19)
    start = rng.normal(size=4 * (19 + fit_intercept))  # away from 0, where L1 has its kink
    for data in (X, thinned(X, rng)):
        objective = fl.linear.Objective(
            fl.SoftmaxCrossEntropy(), data, y, penalty=PENALTIES[penalty], fit_intercept=fit_intercept
        )
        options = dict(optimizer=OPTIMIZERS[optimizer], lr=fl.schedules.inverse_time(1e-2, 0.01), initial=start)
        assert_same(*both_paths(objective, monkeypatch, **options), 1e-10)


def test_compiled_path_is_taken_for_fastloss_own_parts_only():
    class OwnLoss(fl.SquaredError):
        pass

    class OwnPenalty:
        def add_grad(self, w, dw):
            return 0.0

    class OwnAdam(fl.Adam):
        pass

    data, w = (np.ones((3, 2)), np.array([1.0, 2.0, 3.0])), np.zeros(3)
    plain = fl.linear.Objective(fl.SquaredError(), *data, penalty=fl.L2(1.0))
    assert batches._is_compiled(plain, fl.Adam(w))
    assert not batches._is_compiled(plain, OwnAdam(w))
    assert not batches._is_compiled(fl.linear.Objective(OwnLoss(), *data), fl.Adam(w))
    own = fl.linear.Objective(fl.SquaredError(), *data, penalty=OwnPenalty())
    assert not batches._is_compiled(own, fl.Adam(w))
    assert fl.linear.train(own, batch_size=1, epochs=1).n_epochs == 1


@pytest.mark.parametrize("layout", ["F", "rows", "unshuffled", "one column", "many columns", "int32 labels"])
def test_any_layout_takes_the_path_of_single_steps(layout, rng, monkeypatch):
    d = {"one column": 1, "many columns": 3001}.get(layout, 33)
    X, y = rng.normal(size=(40, d)), rng.integers(0, 3, 40)
    given = {"F": np.asfortranarray(X), "rows": np.repeat(X, 2, axis=0)[::2]}.get(layout, X)
    y = y.astype(np.int32) if layout == "int32 labels" else y
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), given, y)
    fast, slow = both_paths(objective, monkeypatch, optimizer="sgd", lr=1e-2, shuffle=layout != "unshuffled")
    assert_same(fast, slow, 1e-11)


@pytest.mark.parametrize("rate", [0.6, 25.0, 0.4999])
def test_decay_of_sparse_rows_by_any_factor_is_that_of_dense_rows(rate, rng, monkeypatch):
    """With 2 l2 lr of 1.2, 50 and 1 - 2e-4 the scale changes sign, grows, and falls below its limit."""
    X, y = make_data(NUMBERS, rng, 30, 6)
    objective = fl.linear.Objective(fl.AbsoluteError(), thinned(X, rng), y, penalty=fl.L2(1.0))
    options = dict(optimizer="sgd", lr=rate, epochs=1, initial=rng.normal(size=7))
    fast, slow = both_paths(objective, monkeypatch, **options)
    np.testing.assert_allclose(fast.w, slow.w, rtol=1e-9)
    np.testing.assert_allclose(fast.history["penalty"], slow.history["penalty"], rtol=1e-9)
    np.testing.assert_allclose(fast.history["gradient_norm"], slow.history["gradient_norm"], rtol=1e-9)


def test_unsorted_duplicates_and_wide_indices_serve(rng, monkeypatch):
    X, y = make_data(LABELS, rng, 30, 6)
    rows = sp.csr_array(X)
    double = sp.csr_array((np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2), rows.indptr * 2), shape=rows.shape)
    double.indices, double.indptr = double.indices.astype(np.int64), double.indptr.astype(np.int64)
    for optimizer in ("sgd", "adam"):
        results = [
            fl.linear.train(
                fl.linear.Objective(fl.SoftmaxCrossEntropy(), data, y, penalty=fl.L2(0.1)),
                batch_size=1, epochs=2, optimizer=optimizer, lr=1e-2,
            )
            for data in (double, X)
        ]  # fmt: skip
        assert_same(*results, 1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_bits_do_not_depend_on_threads(optimizer, rng):
    X, y = rng.normal(size=(30, 40_000)).astype(np.float32), rng.integers(0, 4, 30)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(1e-3))
    before, results = fl.get_num_threads(), set()
    try:
        for threads in (1, 2, 3):
            fl.set_num_threads(threads)
            results.add(fl.linear.train(objective, batch_size=1, epochs=1, optimizer=optimizer).w.tobytes())
    finally:
        fl.set_num_threads(before)
    assert len(results) == 1


def test_gradients_that_are_not_finite_are_treated_as_the_optimizer_says(rng, monkeypatch):
    X, y = np.array([[1.0], [1e200], [1.0]]), np.array([1.0, 1e200, 1.0])
    objective = fl.linear.Objective(fl.SquaredError(), X, y)

    def options(nonfinite):
        return dict(optimizer=functools.partial(fl.SGD, nonfinite=nonfinite), shuffle=False, epochs=1, lr=1e-3)

    fast, slow = both_paths(objective, monkeypatch, **options("skip"))
    assert fast.optimizer.t == slow.optimizer.t == 2
    np.testing.assert_allclose(fast.w, slow.w, rtol=1e-14)
    with pytest.raises(FloatingPointError, match=r"SGD: grads\[0\] is -inf"):
        fl.linear.train(objective, batch_size=1, **options("raise"))


def test_state_of_the_optimizer_carries_on_between_chunks(rng, monkeypatch):
    """However many steps a call takes, the path is the same."""
    X, y = make_data(LABELS, rng, 50)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y)
    for optimizer in ("adam", "nadam", "sgd"):
        whole = fl.linear.train(objective, batch_size=1, epochs=2, optimizer=optimizer)
        monkeypatch.setattr(batches, "STEPS", 7)
        np.testing.assert_array_equal(
            fl.linear.train(objective, batch_size=1, epochs=2, optimizer=optimizer).w, whole.w
        )
        monkeypatch.undo()


def test_interrupt_comes_within_a_second_and_after_a_whole_step(rng):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    X = rng.normal(size=(100_000, 50))
    objective = fl.linear.Objective(fl.SquaredError(), X, X[:, 0])
    pressed = []

    def press():
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(0.5, press)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            fl.linear.train(objective, batch_size=1, epochs=100_000, optimizer="adam")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    result = caught.value.result
    assert pressed
    assert np.isfinite(result.w).all()
    assert result.optimizer.t % batches.STEPS == 100_000 * result.n_epochs % batches.STEPS  # whole calls, 100,000 rows
