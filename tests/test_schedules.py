# SPDX-License-Identifier: BSD-3-Clause
"""Learning rate schedules against their closed forms, and how an optimizer calls them."""

import math
import pickle

import numpy as np
import pytest

import fastloss as fl
from fastloss import schedules

STEPS = list(range(60))

CLOSED_FORMS = {
    "constant": (schedules.constant(0.3), lambda t: 0.3),
    "step": (schedules.step(2.0, every=7, factor=0.5), lambda t: 2.0 * 0.5 ** math.floor(t / 7)),
    "step, a tenth": (schedules.step(2.0, 20), lambda t: 2.0 * 0.1 ** (t // 20)),
    "exponential": (schedules.exponential(2.0, 0.9), lambda t: 2.0 * math.exp(t * math.log(0.9))),
    "inverse_time": (schedules.inverse_time(2.0, 0.25), lambda t: 2.0 / (1 + 0.25 * t)),
    "cosine": (schedules.cosine(2.0, 40, final=0.5), lambda t: 0.5 + 1.5 * math.cos(math.pi * min(t, 40) / 80) ** 2),
    "linear_warmup": (schedules.linear_warmup(2.0, 8), lambda t: 2.0 * min(1, (t + 1) / 8)),
    "linear_warmup of a schedule": (
        schedules.linear_warmup(schedules.inverse_time(2.0, 0.5), 8),
        lambda t: min(1, (t + 1) / 8) * 2.0 / (1 + 0.5 * t),
    ),
}
each = pytest.mark.parametrize("name", CLOSED_FORMS)


@each
def test_a_schedule_is_its_closed_form(name):
    schedule, formula = CLOSED_FORMS[name]
    # the closed forms are written another way, so a few roundings differ
    np.testing.assert_allclose([schedule(t) for t in STEPS], [formula(t) for t in STEPS], rtol=1e-14)


@each
def test_a_schedule_gives_the_rate_of_each_step_counted_from_0(name):
    schedule, formula = CLOSED_FORMS[name]
    w = np.zeros(1)
    opt = fl.SGD(w, lr=schedule)
    for t in STEPS:
        before = w[0]
        opt.step(np.ones(1))
        assert before - w[0] == pytest.approx(formula(t), rel=1e-12)


@each
def test_a_schedule_can_be_pickled_and_compared(name):
    schedule = CLOSED_FORMS[name][0]
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule and hash(again) == hash(schedule) and repr(again) == repr(schedule)
    assert schedule != schedules.constant(77.0) and schedule != "cosine"


def test_repr_is_the_call():
    assert repr(schedules.cosine(1.0, steps=10)) == "cosine(lr=1.0, steps=10, final=0.0)"


def test_any_callable_serves_and_may_be_exchanged_for_a_number():
    w = np.zeros(1)
    opt = fl.SGD(w, lr=lambda t: 2.0**-t)
    opt.step(np.ones(1))
    opt.step(np.ones(1))
    assert w[0] == -1.5
    opt.lr = 0.25
    assert opt.lr == 0.25
    opt.step(np.ones(1))
    assert w[0] == -1.75


def test_a_schedule_that_fails_leaves_everything_as_it_was():
    w = np.ones(3)
    opt = fl.SGD(w, lr=lambda t: 1 / (1 - t))
    opt.step(np.ones(3))
    before = w.tobytes()
    with pytest.raises(ZeroDivisionError):
        opt.step(np.ones(3))
    assert w.tobytes() == before and opt.t == 1


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_schedule_that_gives_nonsense_is_a_value_error_that_names_the_step(value):
    opt = fl.SGD(np.ones(3), lr=lambda t: value)
    with pytest.raises(ValueError, match=r"SGD: lr\(0\) is .*, but must be finite and at least 0"):
        opt.step(np.ones(3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.constant(-1.0),
        lambda: schedules.step(1.0, 0),
        lambda: schedules.step(1.0, 10, factor=0.0),
        lambda: schedules.exponential(1.0, 0.0),
        lambda: schedules.inverse_time(1.0, -0.1),
        lambda: schedules.cosine(1.0, 0),
        lambda: schedules.cosine(1.0, 10, final=-1.0),
        lambda: schedules.linear_warmup(math.inf, 10),
        lambda: schedules.linear_warmup(1.0, 0),
    ],
)
def test_arguments_out_of_range_are_value_errors(make):
    with pytest.raises(ValueError, match="but must be"):
        make()


def test_arguments_of_another_kind_are_type_errors():
    with pytest.raises(TypeError, match=r"every is 2.5, but must be an integer"):
        schedules.step(1.0, 2.5)
    with pytest.raises(TypeError, match="lr is '1'"):
        schedules.constant("1")
