# SPDX-License-Identifier: BSD-3-Clause
"""Hostile uses of the losses that once went wrong: aliases, changing arrays, objects that only look like buffers.

Ordinary bad arguments are in test_losses_arguments.py.
"""

import threading
import time
from collections import deque

import numpy as np
import pytest

import fastloss as fl


@pytest.mark.parametrize("columns", [3, 40])
def test_a_target_that_is_pred_itself_refuses_the_gradient_in_its_place(columns, rng):
    rows = rng.dirichlet(np.ones(columns), 8)
    before = rows.copy()
    loss = fl.SoftmaxCrossEntropy()
    with pytest.raises(ValueError, match="out overlaps target"):
        loss.value_and_grad(rows, rows, out=rows)
    np.testing.assert_array_equal(rows, before)
    flat = rng.random(5)
    with pytest.raises(ValueError, match="out overlaps sample_weight"):
        fl.SquaredError().value_and_grad(flat, np.zeros(5), sample_weight=flat, out=flat)


def test_a_bound_call_sees_new_weights_of_samples_with_many_entries(rng):
    pred, weight = rng.normal(size=(2, 3, 4)), np.ones(2)
    loss = fl.SquaredError(reduction="sum")
    step = loss.bind(pred, np.zeros_like(pred), sample_weight=weight)
    step()
    weight[0] = 0
    assert step() == loss(pred, np.zeros_like(pred), sample_weight=weight)
    weight[1] = -1
    with pytest.raises(ValueError, match=r"sample_weight\[1\] is -1"):
        step()


def test_a_bad_weight_of_a_sample_with_many_entries_is_named_by_its_sample():
    with pytest.raises(ValueError, match=r"sample_weight\[2\] is -1"):
        fl.SquaredError()(np.ones((4, 3, 2)), np.ones((4, 3, 2)), sample_weight=[1.0, 1, -1, 1])


def test_a_bound_call_refuses_an_array_that_has_been_resized():
    pred = np.zeros(1000)
    step = fl.SquaredError().bind(pred, np.zeros(1000))
    assert step() == 0
    pred.resize(10, refcheck=False)
    with pytest.raises(ValueError, match="bind again"):
        step()


def test_rows_without_classes_lose_nothing():
    loss = fl.SoftmaxCrossEntropy(reduction="none", ignore_index=0)
    out = np.full(3, 7.0)
    np.testing.assert_array_equal(loss(np.zeros((3, 0)), np.zeros(3, int), out=out), np.zeros(3))
    np.testing.assert_array_equal(loss(np.zeros((3, 0)), np.zeros(3, int)), np.zeros(3))
    with pytest.raises(ValueError, match="sample_weight"):
        fl.SquaredError()(np.zeros((3, 0)), np.zeros((3, 0)), sample_weight=[1.0, np.nan, 1])


@pytest.mark.parametrize("classes", [8, 40])
def test_labels_that_another_thread_changes_during_a_call_do_no_harm(classes):
    rows, stop = 20_000, threading.Event()
    pred, labels = np.zeros((rows, classes)), np.zeros(rows, np.int64)
    losses = [
        fl.SoftmaxCrossEntropy(class_weight=np.ones(classes)),
        fl.SoftmaxCrossEntropy(),
        fl.MulticlassHinge(),
        fl.CrammerSingerHinge(),
    ]

    def change():
        while not stop.is_set():
            labels[-1] = 2**40
            labels[-1] = 0

    thread = threading.Thread(target=change)
    thread.start()
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for loss in losses:
                try:
                    value, grad = loss.value_and_grad(pred, labels)
                    assert np.isfinite(value) and np.isfinite(grad).all()
                except IndexError:
                    pass  # seen by the check
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("out", [deque([0.0, 0.0]), [0.0, 0.0], np.float64(0), bytes(16)])
def test_an_out_that_cannot_be_written_in_place_is_refused(out):
    with pytest.raises((TypeError, ValueError), match="SquaredError: out"):
        fl.SquaredError().value_and_grad([1.0, 2.0], [0.0, 0.0], out=out)


def test_big_endian_unsigned_labels_are_ignored_beyond_int64():
    labels = np.array([0, 2**63, 1], ">u8")
    loss = fl.SoftmaxCrossEntropy(ignore_index=2**63)
    pred = np.array([[1.0, 0], [5, 5], [0, 1]])
    assert loss(pred, labels) == fl.SoftmaxCrossEntropy()(pred[[0, 2]], [0, 1])
    loss.check(pred, labels)
    step = loss.bind(pred, labels)
    assert step() == loss(pred, labels) == step()


class Unconfigured(fl.losses.Loss):
    def __init__(self):
        pass


@pytest.mark.parametrize("make", [fl.losses.Loss, Unconfigured])
def test_a_loss_without_its_constructor_says_so(make):
    loss = make()
    assert repr(loss) == f"{make.__name__}()"
    hash(loss)
    for call in (loss, loss.value_and_grad, loss.value_grad_hess, loss.bind):
        with pytest.raises(TypeError, match="constructor"):
            call([1.0], [1.0])


def test_parameters_beyond_all_floats_are_value_errors():
    with pytest.raises(ValueError, match="delta"):
        fl.Huber(delta=10**400)
    with pytest.raises(ValueError, match="reduction"):
        fl.Huber(reduction=["mean"])
    assert fl.schedules.step(1.0, every=2**40)(2**33) == 1.0


def test_editing_what_pickle_was_given_does_not_change_a_loss():
    loss = fl.Huber(delta=2.0)
    loss.__reduce__()[1][1]["delta"] = 3.0
    assert loss.delta == 2.0
