# SPDX-License-Identifier: BSD-3-Clause
"""Hostile arguments of every part: objects that raise, lie or hold masks, memory that moves, weights that vanish.

Ordinary bad arguments are in test_losses_arguments.py and test_regularizers.py; random ones in test_fuzz.py.
"""

import copy
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import CASES, DTYPES

import fastloss as fl

# ---- objects that raise or lie ----


class Raises:
    """An array of another library that fails in its own way."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


class RaisesDlpack(Raises):
    def __dlpack__(self, **_):
        raise self.error

    def __dlpack_device__(self):
        return 1, 0


class RaisesAttribute(Raises):
    @property
    def __dlpack__(self):
        raise self.error


class RaisesSign(Raises):
    def is_neg(self):
        raise self.error


class NoCapsule(RaisesDlpack):
    def __dlpack__(self, **_):
        return "no capsule"


ERRORS = [
    KeyError("key"),
    ZeroDivisionError("of their own\nin two lines"),
    OSError(),
    AssertionError(),
    LookupError("x"),
]


@pytest.mark.parametrize("make", [Raises, RaisesDlpack, RaisesAttribute, RaisesSign, NoCapsule])
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_what_an_object_raises_of_its_own_becomes_a_type_error_that_names_it(make, error):
    x = make(error)
    opt = fl.SGD(np.ones(2))
    calls = {
        "SquaredError: pred": lambda: fl.SquaredError()(x, [1.0]),
        "SquaredError: target": lambda: fl.SquaredError()([1.0], x),
        "Hinge: sample_weight": lambda: fl.Hinge()([1.0], [1.0], sample_weight=x),
        "SoftmaxCrossEntropy: pred": lambda: fl.SoftmaxCrossEntropy().predict_proba(x),
        "SoftmaxCrossEntropy: class_weight": lambda: fl.SoftmaxCrossEntropy(class_weight=x),
        "SGD: grads": lambda: opt.step(x),
        "L2: w": lambda: fl.L2(1.0).value(x),
        "dropout: x": lambda: fl.dropout(x),
        "BatchNorm: x": lambda: fl.BatchNorm(2).forward(x),
        "check_grad: x": lambda: fl.check_grad(fl.SquaredError(), x, [1.0]),
    }
    for place, call in calls.items():
        with pytest.raises(TypeError, match=rf"^{place} is a {make.__name__} that NumPy cannot read") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert make is NoCapsule or caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_and_missing_memory_go_through_as_they_are(error):
    for x in (Raises(error()), RaisesDlpack(error())):
        with pytest.raises(error):
            fl.SquaredError()(x, [1.0])


class Number:
    def __init__(self, error):
        self.error = error

    def __float__(self):
        raise self.error

    __index__ = __repr__ = __float__


NO_NUMBERS = [Number(KeyError()), np.complex64(1), 1j, "1", b"1", np.array("1"), [1], [[1], [1, 2]], None, {}]
NO_NUMBERS += [np.ma.masked, np.ma.array(1.0), np.timedelta64(1, "s")]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_a_parameter_that_is_no_real_number_is_a_type_error(value):
    makes = [
        lambda: fl.Huber(delta=value),
        lambda: fl.L1(value),
        lambda: fl.SGD(np.ones(2), lr=value),
        lambda: fl.schedules.constant(value),
        lambda: fl.L2(1.0).prox(np.ones(2), value),
        lambda: fl.dropout([1.0], rate=value),
    ]
    for make in makes:
        with pytest.raises(TypeError, match="but must be a number") as caught:
            make()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [3, np.float32(3), np.int8(3), np.array(3.0), True, np.float16(3)])
def test_a_number_of_any_library_serves_as_a_parameter(value):
    assert fl.Huber(delta=value).delta == float(value)


def test_a_message_stays_short_whatever_it_shows():
    for call in (lambda: fl.Huber(delta="x" * 10**5), lambda: fl.Huber(reduction=np.zeros((50, 50)))):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


# ---- masks ----


def test_masked_weights_of_classes_are_refused():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for make in (fl.SoftmaxCrossEntropy, fl.MulticlassHinge, fl.CrammerSingerHinge):
        with pytest.raises(TypeError, match=f"{make.__name__}: class_weight is a masked array"):
            make(class_weight=masked)
    with pytest.raises(TypeError, match="BinaryCrossEntropy: pos_weight is a masked array"):
        fl.BinaryCrossEntropy(pos_weight=masked)


# ---- weights that the type of pred cannot hold ----


@pytest.mark.parametrize("weight", [1e-46, 1e-300, 1e39])
@pytest.mark.parametrize("shape", [(2,), (2, 3)])
def test_a_weight_that_would_become_zero_or_infinite_is_refused(weight, shape):
    """A weight of 0 means that the sample is not there, NaN and all; no sample may get lost in silence."""
    pred, weights = np.ones(shape, np.float32), np.ones(shape)
    weights.flat[-1] = weight
    place = ", ".join(str(n - 1) for n in shape)
    message = rf"sample_weight\[{place}\] is {re.escape(str(weight))}, but float32, the type of pred, cannot hold that"
    with pytest.raises(ValueError, match=message):
        fl.SquaredError()(pred, pred, sample_weight=weights)
    assert fl.SquaredError(reduction="sum")(pred.astype(float), 0 * pred, sample_weight=weights) > 0
    weights.flat[-1] = 1
    step = fl.SquaredError().bind(pred, pred, sample_weight=weights)
    step()
    weights.flat[-1] = weight
    with pytest.raises(ValueError, match=message):
        step()


@pytest.mark.parametrize("weight", [1e-46, 3.4028235677973366e38, 1e39])
def test_a_class_weight_that_float32_cannot_hold_is_refused_there_alone(weight):
    loss = fl.SoftmaxCrossEntropy(class_weight=[1.0, weight], reduction="sum")
    message = rf"class_weight\[1\] is {re.escape(str(weight))}, but float32, the type of pred, cannot hold that"
    with pytest.raises(ValueError, match=message):
        loss(np.zeros((1, 2), np.float32), [0])
    assert loss(np.zeros((1, 2)), [1]) == pytest.approx(weight * np.log(2), rel=1e-15)
    per_column = fl.BinaryCrossEntropy(pos_weight=[weight, 1.0], reduction="sum")
    with pytest.raises(ValueError, match=message.replace("class_weight\\[1", "pos_weight\\[0")):
        per_column(np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert per_column(np.zeros((1, 2)), np.ones((1, 2))) == pytest.approx((weight + 1) * np.log(2), rel=1e-15)


def test_weights_that_are_zero_or_subnormal_are_taken():
    pred, tiny = np.ones(2, np.float32), float(np.finfo(np.float32).smallest_subnormal)
    assert fl.SquaredError()(pred, pred - 1, sample_weight=np.array([0.0, tiny])) == 1
    assert fl.SquaredError()(pred, pred - 1, sample_weight=np.array([0.0, 0.0])) == 0


@pytest.mark.parametrize(("weight", "pred"), [(2.0**127, [0.5, 0.25]), (2.0**-149, [2.0, 4.0])])
def test_weights_at_either_end_of_float32_give_the_mean_and_its_gradient(weight, pred):
    """Their sum is beyond what float32 holds, or below; a weighted loss is not."""
    value, grad = fl.SquaredError().value_and_grad(
        np.array(pred, np.float32), np.zeros(2, np.float32), sample_weight=np.full(2, weight, np.float32)
    )
    assert value == (pred[0] ** 2 + pred[1] ** 2) / 2
    np.testing.assert_array_equal(grad, pred)


# ---- memory that moves under a bound call ----


def test_a_bound_view_of_memory_that_is_resized_is_refused():
    whole = np.ones(64)
    step = fl.SquaredError().bind(whole[8:16], np.ones(8))
    assert step() == 0
    whole.resize(10**6, refcheck=False)
    with pytest.raises(ValueError, match="bind again"):
        step()


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_a_bound_array_that_changes_its_dtype_or_becomes_read_only_is_refused():
    pred, out = np.ones(8), np.ones(8)
    step = fl.SquaredError().bind(pred, np.ones(8), out=out)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only; bind again"):
        step()
    out.flags.writeable = True
    assert step() == 0
    pred.dtype = ">f8"
    with pytest.raises(ValueError, match="bind again"):
        step()


# ---- nothing at all ----


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_batch_gives_zero_and_an_empty_gradient(case, dtype):
    shape = case.shape(0, 3)
    pred, target = np.zeros(shape, dtype), np.zeros(0 if case.kind != "pointwise" else shape, int)
    for weight in (None, np.zeros(0)):
        for reduction in case.reductions:
            loss = case.make(shape, reduction=reduction)
            value, grad = loss.value_and_grad(pred, target, sample_weight=weight)
            assert np.all(value == 0) and grad.shape == shape and grad.dtype == dtype
            assert reduction != "none" or value.shape == (shape if case.kind == "pointwise" else (0,))
            assert loss.bind(pred, target, sample_weight=weight).grad.shape == shape


# ---- overlaps that are hard to decide ----


def test_an_overlap_that_would_take_long_to_decide_is_refused_at_once():
    """Whether arrays of many odd strides share a byte is as hard as any knapsack."""
    strides = [8 * p for p in (10007, 20011, 40009, 80021, 160031, 320041)]
    size = 6 * sum(s // 8 for s in strides) + 1
    memory = np.zeros(2 * size)
    pred = np.lib.stride_tricks.as_strided(memory, (7,) * 6, strides)
    out = memory[3:3 + 7**6].reshape((7,) * 6)  # fmt: skip
    with pytest.raises(ValueError, match="out overlaps pred"):
        fl.SquaredError().value_and_grad(pred, np.zeros((7,) * 6), out=out)


# ---- subclasses ----


class Scaled(fl.Huber):
    """Another constructor, and something of its own."""

    def __init__(self, scale):
        super().__init__(delta=2 * scale)
        self.scale = scale


class Slotted(fl.SoftmaxCrossEntropy):
    __slots__ = ("classes",)

    def __init__(self, classes, reduction):
        super().__init__(class_weight=[1.0] * classes, reduction=reduction)
        self.classes = classes


class Strong(fl.L2):
    def __init__(self):
        super().__init__(100.0)
        self.name = "strong"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_subclass_with_another_constructor_is_copied_and_pickled(again):
    loss = again(Scaled(3.0))
    assert type(loss) is Scaled and loss == Scaled(3.0) and (loss.delta, loss.scale) == (6.0, 3.0)
    loss = again(Slotted(2, "none"))
    assert type(loss) is Slotted and loss == Slotted(2, "none") and loss.classes == 2
    penalty = again(Strong())
    assert type(penalty) is Strong and penalty.name == "strong" and penalty.value(np.ones(1)) == 100


def test_a_subclass_with_another_constructor_serves_everywhere():
    X, y = np.eye(3), np.array([9.0, -9, 1])
    value, grad = fl.linear.Objective(Scaled(3.0), X, y)(np.zeros(4))
    want, want_grad = fl.linear.Objective(fl.Huber(delta=6.0), X, y)(np.zeros(4))
    assert value == want and np.array_equal(grad, want_grad)
    none = Slotted(2, "none")
    assert fl.check_grad(none, np.eye(2), [0, 1]) < 1e-8
    assert none._replace(reduction="sum").classes == 2


# ---- objects that were not set up ----


@pytest.mark.parametrize("cls", [fl.L1, fl.L2, fl.ElasticNet, fl.MaxNorm])
def test_a_regularizer_without_its_constructor_says_so(cls):
    made = cls.__new__(cls)
    assert repr(made) == f"{cls.__name__}()" and dir(made) and hash(made) is not None
    names = ["project"] if cls is fl.MaxNorm else ["value", "value_and_grad", "add_grad", "prox"]
    for name in names:
        with pytest.raises(TypeError, match=f"{cls.__name__}: the constructor of fastloss's regularizer has not been"):
            getattr(made, name)(*[np.ones(2), np.ones(2)][: 2 if name in ("add_grad", "prox") else 1])


def test_a_bound_call_is_only_made_by_bind():
    bound = type(fl.SquaredError().bind([1.0], [1.0]))
    with pytest.raises(TypeError):
        bound.__new__(bound)


# ---- ranges ----


@pytest.mark.parametrize("axis", [(0, 0), (None,), ("x",), 1.5, [0, None]])
def test_an_axis_that_no_array_has_is_refused_when_it_is_given(axis):
    with pytest.raises((TypeError, ValueError), match="MaxNorm: axis"):
        fl.MaxNorm(1.0, axis=axis)


@pytest.mark.parametrize("n", [2**60, 10**30])
def test_counts_beyond_all_memory_are_value_errors(n):
    for call in (lambda: fl.BatchNorm(n), lambda: fl.stochastic_depth(n), lambda: fl.schedules.cosine(1.0, n)):
        with pytest.raises(ValueError, match=r"but must be at most \d+"):
            call()


SCHEDULES = [
    fl.schedules.constant(1.0),
    fl.schedules.step(1.0, every=1, factor=10.0),
    fl.schedules.exponential(1.0, 2.0),
    fl.schedules.exponential(0.0, 2.0),
    fl.schedules.inverse_time(1.0, 1e308),
    fl.schedules.cosine(1.0, 2**50),
    fl.schedules.linear_warmup(1.0, 2**50),
    fl.schedules.linear_warmup(fl.schedules.exponential(1.0, 2.0), 1),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_schedule_tends_to_its_limit_and_never_raises_for_a_number_of_steps(schedule):
    for t in (0, 1, 10**4, 2**62, 2**63 - 1):
        rate = schedule(t)
        assert rate >= 0  # inf too: what a power beyond all floats tends to
    for t in (-1, 2**63, 10**400):
        with pytest.raises(ValueError, match=r"t is .*, but must be at least 0 and at most"):
            schedule(t)
    for t in (1.5, "1", None):
        with pytest.raises(TypeError, match=r"t is .*, but must be an integer"):
            schedule(t)


def test_a_schedule_keeps_products_whose_power_alone_is_beyond_all_floats():
    # 2^-1000 2^1100 = 2^100; the exponent 69 goes through logarithms of about 760, each within an eps of itself
    assert fl.schedules.exponential(2.0**-1000, 2.0)(1100) == pytest.approx(2.0**100, rel=1e-12)
    assert fl.schedules.exponential(1.0, 2.0)(5000) == np.inf
    assert fl.schedules.exponential(0.0, 2.0)(5000) == 0
    opt = fl.SGD(np.ones(1), lr=fl.schedules.exponential(1.0, 1e200))
    opt.step(np.ones(1))
    opt.step(np.ones(1))
    with pytest.raises(ValueError, match=r"SGD: lr\(2\) is inf, but must be finite"):
        opt.step(np.ones(1))


# ---- one object from many threads ----


def test_a_loss_and_a_regularizer_serve_many_threads_at_once(rng):
    losses = [fl.SoftmaxCrossEntropy(class_weight=[1.0, 2, 3]), fl.MulticlassHinge(), fl.SoftmaxCrossEntropy()]
    penalty, barrier = fl.ElasticNet(0.5, 0.25), threading.Barrier(8)
    tables = [(rng.normal(size=(n, 3)), rng.integers(0, 3, n)) for n in (1, 7, 500, 20_000, 3, 1, 900, 5000)]

    def results(pred, labels):
        return [loss.value_and_grad(pred, labels) for loss in losses] + [penalty.value_and_grad(pred)]

    def flat(pairs):
        return b"".join(np.float64(value).tobytes() + grad.tobytes() for value, grad in pairs)

    alone = [flat(results(*table)) for table in tables]

    def run(k):
        barrier.wait(30)
        return {flat(results(*tables[k])) for _ in range(20)}

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, range(8)))
    assert together == [{bits} for bits in alone]


# ---- refusals that no other test reaches ----


def test_an_overlap_that_numpy_gives_up_on_counts_as_one(monkeypatch):
    def give_up(*args, **kwargs):
        raise np.exceptions.TooHardError

    monkeypatch.setattr(np, "shares_memory", give_up)
    with pytest.raises(ValueError, match="SquaredError: out overlaps pred"):
        fl.SquaredError().value_and_grad(np.ones(4)[::2], np.ones(2), out=np.ones(2))


def test_the_numerical_gradient_refuses_what_it_cannot_judge():
    with pytest.raises(TypeError, match="check_grad: target is missing"):
        fl.check_grad(fl.SquaredError(), [1.0])
    with pytest.raises(TypeError, match="check_grad: function is a int, but must be a loss or a callable"):
        fl.check_grad(3, [1.0])
    with pytest.raises(ValueError, match=r"check_grad: the gradient has shape \(2,\), but x has \(1,\)"):
        fl.check_grad(lambda x: (0.0, np.ones(2)), [1.0])
    assert fl.check_grad(lambda x: (0.0, x), []) == 0.0


def test_missing_memory_in_a_number_of_another_library_goes_through():
    with pytest.raises(MemoryError):
        fl.Huber(delta=Number(MemoryError()))


def test_states_without_what_the_optimizer_keeps_are_refused_or_empty():
    opt = fl.NAdam(np.ones(2))
    opt.step(np.ones(2))
    state = opt.state_dict()
    del state["state"][0]["mu_product"]
    with pytest.raises(ValueError, match=r"NAdam: state.* has no 'mu_product', but NAdam needs one"):
        opt.load_state_dict(state)
    with pytest.raises(TypeError, match=r"NAdam: state\['state'\] is a list, but must be a dict"):
        opt.load_state_dict({"state": [], "param_groups": [{"params": [0]}]})
    with pytest.raises(TypeError, match="NAdam: grads is a dict, but params is one array"):
        opt.step({"a": np.ones(2)})
    sgd = fl.SGD(np.ones(2), momentum=0.5)
    sgd.load_state_dict({"state": {0: {"momentum_buffer": None}}, "param_groups": [{"params": [0]}], "t": 3})
    assert sgd.t == 3 and sgd.state_dict()["state"] == {}
