# SPDX-License-Identifier: BSD-3-Clause
"""What an optimizer leaves behind: nothing after a failed step, and state dicts and files that go on identically.

The formulas are tested in test_optimizers.py.
"""

import copy
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import optimizer_cases as cases
import pytest

import fastloss as fl

each_own_case = pytest.mark.parametrize("case", cases.OWN, ids=cases.label)


def make(case, dtype=np.float64, steps=3):
    """An optimizer that has taken some steps, and its parameters."""
    name, options = case
    params = cases.start(dtype)
    opt = getattr(fl, name)(params, **options)
    for t in range(1, steps + 1):
        opt.step(cases.gradients(params, t))
    return opt, params


def snapshot(opt, params):
    """Every byte that a step may change."""
    entries = opt.state_dict()["state"]
    state = {k: {name: np.asarray(v).tobytes() for name, v in e.items()} for k, e in entries.items()}
    return [w.tobytes() for w in params], state, opt.t


def go_on(opt, params, count=20):
    for t in range(100, 100 + count):
        opt.step(cases.gradients(params, t))
    return snapshot(opt, params)


# ---- a step is a transaction ----


def spoil(grads, k, value):
    grads = list(grads)
    grads[k] = value
    return grads


NAN = np.full(33, np.nan)
FAILURES = {
    "too few gradients": (lambda p, g: g[:-1], ValueError, r"Adam: grads has 6 entries, but params has 7"),
    "a gradient is missing": (lambda p, g: spoil(g, 6, None), TypeError, r"Adam: grads\[6\] is None, but params\[6\] "),
    "another shape": (
        lambda p, g: spoil(g, 2, np.ones(3)),
        ValueError,
        r"Adam: grads\[2\] has shape \(3,\), but params\[2\] has shape \(5,\)",
    ),
    "another number of axes": (lambda p, g: spoil(g, 0, np.ones(1)), ValueError, r"grads\[0\] has shape \(1,\)"),
    "another dtype": (
        lambda p, g: spoil(g, 6, g[6].astype(np.float32)),
        TypeError,
        r"Adam: grads\[6\] is an array of float32 and shape \(33,\), but must be float64 as params\[6\]",
    ),
    "integers": (lambda p, g: spoil(g, 6, np.ones(33, int)), TypeError, r"grads\[6\] is an array of int64"),
    "an array in place of a list": (lambda p, g: np.ones(7), TypeError, r"grads is a ndarray, but params is a list"),
    "a dict in place of a list": (lambda p, g: {0: g[0]}, TypeError, r"grads is a dict, but params is a list of 7"),
    "a gradient is its parameter": (lambda p, g: spoil(g, 6, p[6]), ValueError, r"grads\[6\] overlaps params\[6\]"),
    "a gradient is another parameter": (
        lambda p, g: spoil(g, 3, p[4].reshape(2, 4)[:, :3]),
        ValueError,
        r"grads\[3\] overlaps params\[4\], but may not change in a step",
    ),
    "a gradient overlaps backwards": (lambda p, g: spoil(g, 6, p[6][::-1]), ValueError, r"grads\[6\] overlaps params"),
    "not a number at all": (lambda p, g: spoil(g, 6, "x"), TypeError, r"grads\[6\] is an array of <U1"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_step_changes_no_byte(failure):
    change, error, message = FAILURES[failure]
    opt, params = make(("Adam", {}))
    before = snapshot(opt, params)
    with pytest.raises(error, match=message):
        opt.step(change(params, cases.gradients(params, 4)))
    assert snapshot(opt, params) == before
    opt.step(cases.gradients(params, 4))  # and it goes on
    assert opt.t == 4


def test_a_parameter_that_became_read_only_fails_the_step_before_any_write():
    opt, params = make(("Adam", {}))
    before = snapshot(opt, params)
    params[6].flags.writeable = False
    with pytest.raises(ValueError, match=r"Adam: params\[6\] is read-only, but must be writeable"):
        opt.step(cases.gradients(params, 4))
    assert snapshot(opt, params) == before


def test_a_resized_parameter_fails_the_step():
    w = np.ones(4)
    opt = fl.SGD(w)
    w.resize(1000, refcheck=False)
    with pytest.raises(ValueError, match="resized"):
        opt.step(np.ones(1000))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
@each_own_case
def test_raise_changes_no_byte_and_names_the_entry(case, bad, clip, kernel_target):
    name, options = case
    opt, params = make((name, {**options, **clip, "nonfinite": "raise"}))
    before = snapshot(opt, params)
    grads = cases.gradients(params, 4)
    grads[3][1, 2] = bad
    with pytest.raises(FloatingPointError, match=rf"{name}: grads\[3\]\[1, 2\] is {bad}, but must be finite"):
        opt.step(grads)
    assert snapshot(opt, params) == before


@each_own_case
def test_skip_changes_no_byte_and_does_not_count_the_step(case):
    name, options = case
    opt, params = make((name, {**options, "nonfinite": "skip"}))
    before = snapshot(opt, params)
    grads = cases.gradients(params, 4)
    grads[6][-1] = np.nan
    opt.step(grads)
    assert snapshot(opt, params) == before and opt.t == 3


@each_own_case
def test_watching_for_nan_changes_no_bit_of_a_finite_path(case):
    name, options = case
    plain, params = make(case)
    watched, others = make((name, {**options, "nonfinite": "raise"}))
    assert snapshot(plain, params) == snapshot(watched, others)


def test_a_dict_of_gradients_with_other_keys_is_a_value_error():
    w = {"a": np.ones(2), "b": np.ones(2)}
    opt = fl.SGD(w)
    with pytest.raises(ValueError, match="SGD: grads has no entry 'b', but params has one"):
        opt.step({"a": np.ones(2)})
    with pytest.raises(ValueError, match="SGD: grads has an entry 'c', but params has none"):
        opt.step({"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)})
    with pytest.raises(TypeError, match=r"SGD: grads\['b'\] is None"):
        opt.step({"a": np.ones(2), "b": None})
    with pytest.raises(TypeError, match="grads is a list, but params is a dict of 2"):
        opt.step([np.ones(2), np.ones(2)])
    assert np.all(w["a"] == 1)


# ---- parameters that cannot be updated ----


def read_only():
    w = np.ones(3)
    w.flags.writeable = False
    return w


MEMORY = np.zeros(10)
BAD_PARAMS = {
    "read-only": (read_only, ValueError, "SGD: params is read-only, but must be writeable"),
    "strided": (lambda: np.ones(6)[::2], ValueError, r"params has strides \(16,\), but must be C-contiguous"),
    "Fortran order": (lambda: [np.ones((2, 3), order="F")], ValueError, r"params\[0\] has strides"),
    "integers": (lambda: np.ones(3, int), TypeError, "params is an array of int64 .* must be float32 or float64"),
    "float16": (lambda: np.ones(3, np.float16), TypeError, "params is an array of float16"),
    "big-endian": (lambda: np.ones(3, ">f8"), TypeError, "params is an array of >f8"),
    "numbers": (lambda: [1.0, 2.0], TypeError, r"params\[0\] is a float, but must be an array to write to"),
    "a NumPy number": (lambda: np.float64(1), TypeError, "params is a float64, but must be an array"),
    "nothing": (lambda: [], ValueError, "params is empty"),
    "the same array twice": (lambda: [MEMORY, MEMORY], ValueError, r"params\[1\] overlaps params\[0\]"),
    "overlapping views": (
        lambda: {"a": MEMORY[5:], "b": MEMORY[:6]},
        ValueError,
        r"params\['b'\] overlaps params\['a'\], but each parameter needs memory of its own",
    ),
    "a masked array": (lambda: np.ma.array([1.0]), TypeError, "params is a masked array"),
}


@pytest.mark.parametrize("kind", BAD_PARAMS)
def test_parameters_that_cannot_be_updated_are_refused(kind):
    give, error, message = BAD_PARAMS[kind]
    with pytest.raises(error, match=message):
        fl.SGD(give())


class Unversioned:
    """An array of a library whose DLPack has no versions, so that NumPy cannot know whether it may be written to."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self, **_):
        return self.a.__dlpack__()

    def __dlpack_device__(self):
        return self.a.__dlpack_device__()


class WithMemory(Unversioned):
    def __array__(self, dtype=None, copy=None):
        return self.a


class WithACopy(Unversioned):
    def __array__(self, dtype=None, copy=None):
        return self.a.copy()


def test_arrays_of_a_dlpack_without_versions_are_updated_if_their_memory_is_seen_otherwise():
    w = np.ones(3)
    fl.SGD(WithMemory(w), lr=0.5).step(np.ones(3))
    assert w.tolist() == [0.5, 0.5, 0.5]
    for hidden in (Unversioned, WithACopy):
        with pytest.raises(ValueError, match=r"^SGD: params is read-only, but must be writeable$"):
            fl.SGD(hidden(w))


BAD_OPTIONS = [
    ("SGD", {"lr": -1.0}, ValueError, "SGD: lr is -1.0, but must be finite and at least 0"),
    ("SGD", {"lr": np.nan}, ValueError, "lr is nan"),
    ("SGD", {"lr": "fast"}, TypeError, "lr is 'fast', but must be a number or a function of the number of steps"),
    ("SGD", {"momentum": -0.1}, ValueError, "momentum is -0.1"),
    ("SGD", {"nesterov": True}, ValueError, "SGD: nesterov is True, but then momentum must be above 0"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "nesterov is True"),
    ("SGD", {"nesterov": 1}, TypeError, "nesterov is 1, but must be True or False"),
    ("SGD", {"nonfinite": "ignore"}, ValueError, "nonfinite is 'ignore', but must be one of 'propagate', 'raise', "),
    ("SGD", {"clip_norm": 0.0}, ValueError, "clip_norm is 0.0, but must be finite and above 0"),
    ("SGD", {"clip_value": -1.0}, ValueError, "clip_value is -1.0"),
    ("SGD", {"weight_decay": -1.0}, ValueError, "weight_decay is -1.0"),
    ("Adagrad", {"lr_decay": -1.0}, ValueError, "lr_decay"),
    ("Adagrad", {"initial_accumulator": -1.0}, ValueError, "initial_accumulator"),
    ("Adadelta", {"rho": 1.5}, ValueError, "rho is 1.5, but must be finite and at least 0 and at most 1"),
    ("RMSprop", {"alpha": -0.5}, ValueError, "alpha"),
    (
        "Adam",
        {"betas": (0.9, 1.0)},
        ValueError,
        r"Adam: betas\[1\] is 1.0, but must be finite and at least 0 and below",
    ),
    ("Adam", {"betas": 0.9}, TypeError, "betas is 0.9, but must be a pair of numbers"),
    ("Adam", {"eps": -1.0}, ValueError, "eps is -1.0"),
    ("NAdam", {"momentum_decay": -1.0}, ValueError, "momentum_decay"),
]


@pytest.mark.parametrize("name, options, error, message", BAD_OPTIONS)
def test_options_out_of_range_are_refused(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(fl, name)(np.ones(2), **options)


# ---- state dicts ----


@each_own_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_state_goes_on_with_the_same_bits(case, dtype):
    opt, params = make(case, dtype)
    others = [w.copy() for w in params]
    again = getattr(fl, case[0])(others)
    again.load_state_dict(opt.state_dict())
    assert snapshot(again, others) == snapshot(opt, params)
    assert go_on(again, others) == go_on(opt, params)


def test_a_state_dict_is_a_copy_both_ways():
    opt, _params = make(("Adam", {}))
    state = opt.state_dict()
    for entry in state["state"].values():
        entry["exp_avg"][...] = 77
    assert not np.any(opt.state_dict()["state"][6]["exp_avg"] == 77)
    opt.load_state_dict(state)
    for entry in state["state"].values():
        entry["exp_avg"][...] = 88
    assert np.all(opt.state_dict()["state"][6]["exp_avg"] == 77)
    assert opt.state_dict()["t"] == 3


def test_a_state_before_the_first_step_is_empty_as_in_torch():
    assert fl.Adam(np.ones(2)).state_dict()["state"] == {}
    assert fl.Adagrad(np.ones(2), initial_accumulator=0.5).state_dict()["state"][0]["sum"].tolist() == [0.5, 0.5]
    again = fl.Adam(np.ones(2))
    again.load_state_dict(fl.Adam(np.ones(2)).state_dict())
    assert again.t == 0


def test_loading_converts_to_the_type_of_the_parameter():
    opt, _ = make(("Adam", {}), np.float64)
    again = fl.Adam(cases.start(np.float32))
    again.load_state_dict(opt.state_dict())
    kept, given = (o.state_dict()["state"][6]["exp_avg"] for o in (again, opt))
    assert kept.dtype == np.float32 and np.array_equal(kept, given.astype(np.float32))


def test_options_that_a_state_names_replace_those_of_the_optimizer():
    opt, params = make(("Adam", {"lr": 0.5, "amsgrad": True, "betas": (0.5, 0.6), "weight_decay": 0.1}))
    again = fl.Adam([w.copy() for w in params], clip_norm=3.0)
    state = opt.state_dict()
    del state["param_groups"][0]["clip_norm"]  # PyTorch's have none
    again.load_state_dict(state)
    assert (again.lr, again.amsgrad, again.betas, again.weight_decay) == (0.5, True, (0.5, 0.6), 0.1)
    assert again.clip_norm == 3.0


def test_a_schedule_stays_when_a_state_is_loaded_and_starts_from_its_t():
    opt, params = make(("SGD", {"lr": fl.schedules.exponential(1.0, 0.5)}))
    assert opt.state_dict()["param_groups"][0]["lr"] == 0.125
    schedule = fl.schedules.exponential(8.0, 0.5)
    again = fl.SGD([w.copy() for w in params], lr=schedule)
    again.load_state_dict(opt.state_dict())
    assert again.lr is schedule and again.t == 3


def test_parameters_may_have_taken_different_numbers_of_steps():
    """As after adding a parameter in PyTorch: each has its own bias correction."""
    a, b = np.zeros(2), np.zeros(2)
    opt = fl.Adam([a, b], lr=0.1)
    state = fl.Adam([a, b], lr=0.1).state_dict()
    state["state"] = {1: {"step": np.array(9.0), "exp_avg": np.full(2, 0.5), "exp_avg_sq": np.full(2, 0.25)}}
    opt.load_state_dict(state | {"t": 9})
    opt.step([np.ones(2), np.ones(2)])
    assert a[0] == pytest.approx(-0.1)
    m, v = 0.9 * 0.5 + 0.1, 0.999 * 0.25 + 0.001
    assert b[0] == pytest.approx(-0.1 * m / (1 - 0.9**10) / (np.sqrt(v / (1 - 0.999**10)) + 1e-8), rel=1e-12)
    assert [float(e["step"]) for e in opt.state_dict()["state"].values()] == [1, 10]


def broken(change):
    def apply(state):
        state = copy.deepcopy(state)
        return change(state) or state

    return apply


def entry_of(state):
    return state["state"][6]


BAD_STATES = {
    "not a dict": (lambda s: [1], TypeError, "state is a list, but must be a dict with state and param_groups"),
    "no groups": (broken(lambda s: s.update(param_groups=[])), TypeError, r"state\['param_groups'\] must be a list"),
    "fewer parameters": (
        broken(lambda s: s["param_groups"][0]["params"].remove(6)),
        ValueError,
        "Adam: state holds 6 parameters, but params has 7",
    ),
    "another shape": (
        broken(lambda s: entry_of(s).update(exp_avg=np.ones(3))),
        ValueError,
        r"Adam: state\[6\]\['exp_avg'\] has shape \(3,\), but its parameter has shape \(33,\)",
    ),
    "a state is missing": (
        broken(lambda s: entry_of(s).pop("exp_avg_sq") is None),
        ValueError,
        r"Adam: state\[6\] has no 'exp_avg_sq', but Adam with these options needs one",
    ),
    "the step is missing": (broken(lambda s: entry_of(s).pop("step") is None), ValueError, "has no 'step'"),
    "half a step": (broken(lambda s: entry_of(s).update(step=1.5)), ValueError, "is 1.5, but must be a whole number"),
    "negative steps": (broken(lambda s: entry_of(s).update(step=-1)), ValueError, "but must be finite and at least 0"),
    "text": (broken(lambda s: entry_of(s).update(exp_avg=np.full(33, "x"))), TypeError, "must hold real numbers"),
    "an option out of range": (
        broken(lambda s: s["param_groups"][0].update(eps=-1.0)),
        ValueError,
        "Adam: eps is -1.0",
    ),
    "a negative rate": (broken(lambda s: s["param_groups"][0].update(lr=-1.0)), ValueError, "lr is -1.0"),
    "a bad t": (broken(lambda s: s.update(t=-3)), ValueError, "t is -3.0"),
    "the state of AdamW": (
        broken(lambda s: s["param_groups"][0].update(decoupled_weight_decay=True, weight_decay=0.1)),
        ValueError,
        "state has decoupled_weight_decay=True, but Adam cannot have that",
    ),
    "two groups that differ": (
        broken(lambda s: s["param_groups"].append({**s["param_groups"][0], "lr": 9.0})),
        ValueError,
        "groups with different options",
    ),
    "amsgrad without its state": (
        broken(lambda s: s["param_groups"][0].update(amsgrad=True)),
        ValueError,
        r"state\[0\] has no 'max_exp_avg_sq'",
    ),
}


@pytest.mark.parametrize("kind", BAD_STATES)
def test_a_bad_state_is_refused_and_changes_nothing(kind):
    change, error, message = BAD_STATES[kind]
    opt, params = make(("Adam", {}))
    good, _ = make(("Adam", {"lr": 0.7, "eps": 0.1}), steps=5)
    before, text = snapshot(opt, params), repr(opt)
    with pytest.raises(error, match=message):
        opt.load_state_dict(change(good.state_dict()))
    assert snapshot(opt, params) == before and repr(opt) == text


def test_groups_with_the_same_options_are_read_as_one():
    opt, params = make(("Adam", {}))
    state = opt.state_dict()
    (group,) = state["param_groups"]
    state["param_groups"] = [{**group, "params": [0, 1, 2]}, {**group, "params": [3, 4, 5, 6]}]
    others = [w.copy() for w in params]
    again = fl.Adam(others)
    again.load_state_dict(state)
    assert go_on(again, others) == go_on(opt, params)


def test_a_dict_of_parameters_is_numbered_in_its_order():
    w = {"b": np.zeros(2), "a": np.zeros(3)}
    opt = fl.Adam(w)
    opt.step({"a": np.ones(3), "b": np.ones(2)})
    assert [e["exp_avg"].size for e in opt.state_dict()["state"].values()] == [2, 3]
    assert opt.params == w


def test_an_optimizer_is_not_pickled_by_accident():
    with pytest.raises(TypeError):
        pickle.dumps(fl.Adam(np.ones(2)))


# ---- files ----


@each_own_case
def test_a_saved_state_goes_on_with_the_same_bits(case, tmp_path):
    opt, params = make(case)
    opt.save(tmp_path / "state")
    others = [w.copy() for w in params]
    again = getattr(fl, case[0])(others)
    again.load(tmp_path / "state")
    assert [f.name for f in tmp_path.iterdir()] == ["state"]
    assert go_on(again, others) == go_on(opt, params)


def test_a_file_is_plain_npz_without_pickle(tmp_path):
    opt, _ = make(("NAdam", {}))
    opt.save(str(tmp_path / "state.npz"))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        assert {"about", "6.exp_avg", "6.mu_product"} <= set(file.files)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failure_while_saving_leaves_the_old_file_alone(function, tmp_path, monkeypatch):
    opt, params = make(("Adam", {}))
    opt.save(tmp_path / "state")
    before = (tmp_path / "state").read_bytes()
    opt.step(cases.gradients(params, 4))

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        opt.save(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["state"]


def test_where_folders_cannot_be_opened_a_state_is_saved_all_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)  # as on Windows
    opened, open_ = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *more: (opened.append(Path(path)), open_(path, *more))[1])
    opt, params = make(("Adam", {}))
    opt.step(cases.gradients(params, 1))
    opt.save(tmp_path / "state")
    assert len(opened) == 1 and opened[0].parent == tmp_path  # the new file, and no folder
    again, _ = make(("Adam", {}))
    again.load(tmp_path / "state")
    assert again.t == opt.t and again.state_dict()["state"].keys() == opt.state_dict()["state"].keys()


@pytest.mark.parametrize("function", ["write", "fsync", "replace"])
def test_a_process_that_dies_while_saving_leaves_the_old_file_whole(function, tmp_path):
    script = f"""
import os, sys
import numpy as np
import fastloss as fl
opt = fl.Adam(np.zeros(100_000))
opt.step(np.ones(100_000))
opt.save({str(tmp_path / "state")!r})
opt.step(np.ones(100_000))
if {function!r} == "write":
    fdopen = os.fdopen
    def half(*args):
        file = fdopen(*args)
        class Half:
            def __enter__(self): return self
            def __exit__(self, *error): pass
            def write(self, content):
                file.write(content[: len(content) // 2]); file.flush(); os._exit(9)
        return Half()
    os.fdopen = half
else:
    os.{function} = lambda *args: os._exit(9)
opt.save({str(tmp_path / "state")!r})
"""
    package = str(Path(fl.__file__).parents[1])  # the one that is under test, wherever the child starts
    env = {**os.environ, "PYTHONPATH": package}
    assert subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path).returncode == 9
    opt = fl.Adam(np.zeros(100_000))
    opt.load(tmp_path / "state")
    assert opt.t == 1


def test_a_damaged_or_foreign_file_is_a_value_error_and_changes_nothing(tmp_path):
    opt, params = make(("Adam", {}))
    before = snapshot(opt, params)
    good = tmp_path / "good"
    opt.save(good)
    damaged = tmp_path / "damaged"
    content = bytearray(good.read_bytes())
    for wrong in (content[: len(content) // 2], b"", b"hello", content[:200] + b"\0" * 200 + content[400:]):
        damaged.write_bytes(bytes(wrong))
        with pytest.raises(ValueError, match="is not a file written by save"):
            opt.load(damaged)
    with zipfile.ZipFile(damaged, "w") as file:
        file.writestr("about.npy", "x")
    with pytest.raises(ValueError, match="is not a file written by save"):
        opt.load(damaged)
    with pytest.raises(ValueError, match=r"RMSprop: .* holds the state of 'Adam'"):
        fl.RMSprop(cases.start()).load(good)
    with pytest.raises(FileNotFoundError):
        opt.load(tmp_path / "absent")
    assert snapshot(opt, params) == before


def test_no_changed_byte_of_a_file_loses_the_state_in_silence(tmp_path):
    """Each byte in turn: a ValueError that changes nothing, or the very state that was saved."""
    saved = fl.Adam(np.zeros(3))
    saved.step(np.ones(3))
    saved.save(tmp_path / "whole")
    whole, wanted = (tmp_path / "whole").read_bytes(), saved.state_dict()["state"][0]
    refused = 0
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (tmp_path / "damaged").write_bytes(damaged)
        opt = fl.Adam(np.zeros(3))
        try:
            opt.load(tmp_path / "damaged")
        except ValueError:
            refused += 1
            assert opt.t == 0 and not opt.state_dict()["state"]
            continue
        for name, value in opt.state_dict()["state"][0].items():
            np.testing.assert_array_equal(value, wanted[name])
    assert refused > len(whole) // 12


def test_a_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        fl.Adam(np.zeros(3)).load(tmp_path / "none")
