# SPDX-License-Identifier: BSD-3-Clause
"""Faults around an optimizer: hostile checkpoints, absurd states, memory that moves, processes that die while saving.

Ordinary bad states and the paths of the numbers are in test_optimizers_state.py and test_optimizers.py.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastloss as fl


def stepped(name="Adam", n=3, **options):
    """An optimizer that has taken two steps, and its parameter."""
    w = np.arange(float(n))
    opt = getattr(fl, name)(w, **options)
    for _ in range(2):
        opt.step(np.ones(n))
    return opt, w


def snapshot(opt, w):
    entries = opt.state_dict()["state"]
    return w.tobytes(), opt.t, repr(opt), {k: {n: v.tobytes() for n, v in e.items()} for k, e in entries.items()}


# ---- checkpoints ----


def members_of(path):
    """The arrays of a saved file as the bytes of their members."""
    with zipfile.ZipFile(path) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)


def header(shape, dtype="<f8", version=(1, 0)):
    """An .npy header that declares whatever it is told to."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text.encode()


def npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def about_with(**changes):
    def change(members):
        about = json.loads(str(np.load(io.BytesIO(members["about.npy"]))))
        members["about.npy"] = npy(np.array(json.dumps({**about, **changes})))

    return change


def group_with(**changes):
    def change(members):
        about = json.loads(str(np.load(io.BytesIO(members["about.npy"]))))
        about["param_groups"][0].update(changes)
        members["about.npy"] = npy(np.array(json.dumps(about)))

    return change


def put(name, content):
    return lambda members: members.update({name: content})


class Unpickled:
    """Writes a file if anybody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


EXP = "0.exp_avg.npy"
HOSTILE = {
    "a declared shape of a petabyte": put(EXP, header((2**47,))),
    "a declared shape beyond int64": put(EXP, header((10**30,))),
    "a declared shape that is negative": put(EXP, header((-3,))),
    "a shape as large, of other axes": put(EXP, header((3, 1)) + bytes(24)),
    "fewer bytes than declared": put(EXP, header((3,)) + bytes(23)),
    "more bytes than declared": put(EXP, header((3,)) + bytes(25)),
    "a header without end": put(EXP, b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 100),
    "a header of another version": put(EXP, header((3,), version=(2, 0)) + bytes(24)),
    "a header that is no dict": put(EXP, b"\x93NUMPY\x01\x00\x06\x00[1,2]\n"),
    "a header that calls a function": put(EXP, header("__import__('os').getpid()")),
    "a structured type": put(EXP, header((3,), "[('a', '<f8')]") + bytes(24)),
    "text in place of numbers": put(EXP, npy(np.array(["a", "b", "c"]))),
    "complex numbers": put(EXP, npy(np.ones(3, complex))),
    "no numbers at all": put(EXP, header((3,), "<V0")),
    "an entry too many": put("0.more.npy", npy(np.ones(3))),
    "a member that is no array": put("about.npy", b"{}"),
    "a text that is no JSON": put("about.npy", npy(np.array("{"))),
    "a text that is a list": put("about.npy", npy(np.array("[]"))),
    "a text nested without end": put("about.npy", npy(np.array("[" * 10_000))),
    "an integer of many digits": put("about.npy", npy(np.array("1" * 6000))),
    "a long text": put("about.npy", npy(np.array(" " * 10**5))),
    "entries that are no list": about_with(entries=7),
    "entries of another parameter": about_with(entries=["0.step", "0.exp_avg_sq", "1.exp_avg"]),
    "t beyond every count": about_with(t=1e300),
    "t beyond all floats": about_with(t=10**400),
    "t is NaN": about_with(t=float("nan")),
    "t is text": about_with(t="2"),
    "t is nothing": about_with(t=None),
    "groups that are a dict": about_with(param_groups={"lr": 1}),
    "a rate that is a list": group_with(lr=[1.0]),
    "a rate beyond all floats": group_with(lr=10**400),
    "a decay that is a dict": group_with(weight_decay={}),
    "betas of three": group_with(betas=[0.1, 0.2, 0.3]),
    "betas that are text": group_with(betas="ab"),
    "a parameter named by a list": group_with(params=[[0]]),
    "parameters without a list": group_with(params=0),
    "too many parameters": group_with(params=[0, 1]),
    "a flag of 2": group_with(amsgrad=2),
    "decoupled by a list": group_with(decoupled_weight_decay=[1]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_is_a_value_error_and_changes_nothing(kind, tmp_path):
    opt, _w = stepped()
    opt.save(tmp_path / "whole")
    members = members_of(tmp_path / "whole")
    HOSTILE[kind](members)
    write_members(tmp_path / "hostile", members)
    again, v = stepped(lr=0.5)
    before = snapshot(again, v)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^Adam: .*hostile' (is not a file written by save|does not fit)"):
            again.load(tmp_path / "hostile")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6  # the largest text above takes 0.4 MB, and nothing declared larger may be allocated
    assert snapshot(again, v) == before


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(compression, tmp_path):
    opt, w = stepped()
    opt.save(tmp_path / "whole")
    members = members_of(tmp_path / "whole")
    members[EXP] = header((10**7,)) + bytes(8 * 10**7)
    write_members(tmp_path / "bomb", members, compression)
    assert (tmp_path / "bomb").stat().st_size < 200_000
    before = snapshot(opt, w)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is not a file written by save"):
            opt.load(tmp_path / "bomb")
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    assert snapshot(opt, w) == before


def test_a_file_larger_than_the_state_can_be_is_not_even_opened(tmp_path):
    opt, _ = stepped()
    with open(tmp_path / "large", "wb") as file:
        file.truncate(10**12)  # a hole: takes no place on the disk
    with pytest.raises(ValueError, match=r"it has 1000000000000 bytes, but these parameters need at most"):
        opt.load(tmp_path / "large")


def test_a_checkpoint_is_never_unpickled(tmp_path):
    opt, _w = stepped()
    opt.save(tmp_path / "whole")
    for name in ("about.npy", EXP):
        members = members_of(tmp_path / "whole")
        members[name] = npy(np.array(Unpickled(tmp_path / "touched"), dtype=object))
        write_members(tmp_path / "pickle", members)
        with pytest.raises(ValueError, match="is not a file written by save"):
            opt.load(tmp_path / "pickle")
    assert not (tmp_path / "touched").exists()


def test_a_checkpoint_cut_anywhere_is_a_value_error(tmp_path):
    opt, w = stepped()
    opt.save(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    before = snapshot(opt, w)
    for end in range(0, len(content), 7):
        (tmp_path / "cut").write_bytes(content[:end])
        with pytest.raises(ValueError, match="is not a file written by save"):
            opt.load(tmp_path / "cut")
    assert snapshot(opt, w) == before


def test_a_checkpoint_of_parameters_of_other_shapes_is_a_value_error(tmp_path):
    opt, _ = stepped(n=4)
    opt.save(tmp_path / "four")
    again, _w = stepped(n=3)
    with pytest.raises(ValueError, match=r"shape \(4,\), but the parameter has shape \(3,\)"):
        again.load(tmp_path / "four")
    more = fl.Adam([np.zeros(3), np.zeros(3)])
    with pytest.raises(ValueError, match="state holds 1 parameters, but params has 2"):
        opt, _ = stepped(n=3)
        opt.save(tmp_path / "one")
        more.load(tmp_path / "one")


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_a_file_may_be_named_by_text_bytes_or_path(kind, tmp_path):
    opt, w = stepped()
    opt.save(kind(str(tmp_path / "state")))
    again, v = stepped(lr=0.5)
    again.load(kind(str(tmp_path / "state")))
    assert snapshot(again, v)[1:] == snapshot(opt, w)[1:]


@pytest.mark.parametrize("wrong", [None, 3, ["x"], 1.5])
def test_a_file_named_by_anything_else_is_a_type_error(wrong):
    opt, _ = stepped()
    for call in (opt.save, opt.load):
        with pytest.raises(TypeError, match=r"Adam: path is .*, but must be a str, bytes or path-like object"):
            call(wrong)


# ---- states given as dicts ----

ABSURD = {
    "t beyond int64": (lambda s: s.update(t=1e300), "t is 1e.300, but must be a whole number of at most"),
    "t beyond all floats": (lambda s: s.update(t=10**400), "t is 1000"),
    "t of another kind": (lambda s: s.update(t=[1, 2]), "t is .1, 2., but must be one number"),
    "t is ragged": (lambda s: s.update(t=[[1], [1, 2]]), "t is a list that NumPy cannot read"),
    "infinite steps": (lambda s: s["state"][0].update(step=np.inf), "step.. is inf, but must be finite"),
    "complex steps": (lambda s: s["state"][0].update(step=1j), "step.. is 1j, but must be one number"),
    "a ragged state": (lambda s: s["state"][0].update(exp_avg=[[1], [1, 2]]), "exp_avg.. is a list that NumPy cannot"),
    "an entry of another kind": (lambda s: s["state"].update({0: 5}), "state.0. is a int, but must be a dict"),
    "a rate beyond all floats": (lambda s: s["param_groups"][0].update(lr=10**400), "lr is inf, but must be finite"),
    "a rate of two": (lambda s: s["param_groups"][0].update(lr=np.ones(2)), "lr is array.*, but must be a number"),
    "a flag of two": (lambda s: s["param_groups"][0].update(amsgrad=np.ones(2)), "amsgrad is array.*, but must be T"),
    "a decay that is ragged": (
        lambda s: s["param_groups"][0].update(weight_decay=[[1], [1, 2]]),
        "weight_decay is .*, but must be a number",
    ),
    "groups of arrays": (
        lambda s: s.update(param_groups=[{"params": [0], "lr": np.ones(2)}, {"params": [], "lr": np.ones(2)}]),
        "groups with different options",
    ),
    "a parameter without a name": (lambda s: s["param_groups"][0].update(params=[None]), "has no list of params"),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_an_absurd_state_is_a_clear_error_and_changes_nothing(kind):
    change, message = ABSURD[kind]
    opt, w = stepped()
    state = opt.state_dict()
    change(state)
    before = snapshot(opt, w)
    with pytest.raises((TypeError, ValueError), match=f"^Adam: .*{message}"):
        opt.load_state_dict(state)
    assert snapshot(opt, w) == before


# ---- parameters whose memory moves ----


class Sub(np.ndarray):
    pass


def resized_subclass():
    whole = np.ones(64).view(Sub).copy()
    return whole, whole


def resized_owner_of_a_view():
    whole = np.ones(64)
    return whole, whole[3:9]


@pytest.mark.parametrize("make", [resized_subclass, resized_owner_of_a_view])
def test_a_parameter_whose_memory_is_resized_elsewhere_fails_the_step_and_the_load(make):
    whole, w = make()
    n = w.size
    opt = fl.Adam(w)
    opt.step(np.ones(n))
    state = opt.state_dict()
    del w
    whole.resize(10**6, refcheck=False)  # moves: the view that the optimizer keeps points at memory that is no more
    for call in (lambda: opt.step(np.ones(n)), lambda: opt.load_state_dict(state), opt.state_dict):
        with pytest.raises(ValueError, match="Adam: a parameter has been resized"):
            call()


def test_a_parameter_resized_around_a_load_cannot_leave_states_of_another_size():
    w = np.ones(1000)
    opt = fl.Adam(w)
    opt.step(np.ones(1000))
    state = opt.state_dict()
    for entry in state["state"].values():
        entry.update(exp_avg=np.ones(4), exp_avg_sq=np.ones(4))
    w.resize(4, refcheck=False)
    with pytest.raises(ValueError, match="resized"):
        opt.load_state_dict(state)

    class Shrinks:
        """Resizes the parameter while its state is being read."""

        def __array__(self, dtype=None, copy=None):
            w.resize(4, refcheck=False)
            return np.ones(1000)

    w = np.ones(1000)
    opt = fl.Adam(w)
    opt.step(np.ones(1000))
    state = opt.state_dict()
    state["state"][0]["exp_avg_sq"] = Shrinks()
    with pytest.raises(ValueError, match=r"resized|its parameter has shape"):
        opt.load_state_dict(state)


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize("dtype", ["int64", "float32", ">f8", "complex64"])
def test_a_parameter_whose_dtype_was_changed_in_place_fails_the_step(dtype):
    w = np.ones(8)
    opt = fl.SGD(w)
    w.dtype = dtype
    before = w.tobytes()
    with pytest.raises(ValueError, match="SGD: a parameter has been resized, or given another memory or dtype"):
        opt.step(np.ones(w.shape, dtype))
    assert w.tobytes() == before


# ---- objects that were not set up, or twice ----


@pytest.mark.parametrize("name", fl.optimizers.__all__)
def test_an_optimizer_set_up_twice_is_a_type_error_and_keeps_everything(name):
    opt, w = stepped(name)
    before = snapshot(opt, w)
    with pytest.raises(TypeError, match=f"{name}: an optimizer cannot be set up twice"):
        opt.__init__(np.ones(5), lr=0.125)
    assert snapshot(opt, w) == before


@pytest.mark.parametrize("name", fl.optimizers.__all__)
def test_an_optimizer_without_its_constructor_says_so(name):
    cls = getattr(fl, name)
    opt = cls.__new__(cls)
    repr(opt), dir(opt), opt.t, opt.lr
    for call in (lambda: opt.step(np.ones(2)), opt.state_dict, lambda: opt.load_state_dict({}), lambda: opt.params):
        with pytest.raises(TypeError, match=f"{name}: the constructor of fastloss's optimizer has not been called"):
            call()


# ---- processes that die while saving ----

KILL = """
import os, sys
import numpy as np
import fastloss as fl

at, path = int(sys.argv[1]), sys.argv[2]
count = 0

def guarded(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call

opt = fl.Adam(np.zeros(1000))
opt.load(path)
opt.step(np.ones(1000))
import io

class Raw(io.FileIO):
    def write(self, content):
        half = memoryview(content)[: max(len(content) // 2, 1)]
        return guarded(super().write)(half)     # in pieces, so that each may be the last

def fdopen(descriptor, mode):
    return io.BufferedWriter(Raw(descriptor, mode), 4096)

os.fdopen = fdopen
for name in ("open", "fsync", "replace", "close", "unlink"):
    setattr(os, name, guarded(getattr(os, name)))
opt.save(path)
print(count)
"""


def test_a_process_killed_at_every_write_leaves_the_old_file_or_the_new_one(tmp_path):
    package = str(Path(fl.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package}
    path = tmp_path / "state"
    opt = fl.Adam(np.zeros(1000))
    opt.step(np.ones(1000))

    def die(at):
        opt.save(path)
        command = [sys.executable, "-c", KILL, str(at), str(path)]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)

    run = die(0)
    assert run.returncode == 0, run.stderr
    calls = int(run.stdout)
    assert calls >= 8  # open, several writes, fsync, replace, open, fsync, close
    seen = set()
    for at in range(1, calls + 1):
        assert die(at).returncode == -9
        again = fl.Adam(np.zeros(1000))
        again.load(path)
        assert again.t in (1, 2)
        seen.add(again.t)
    assert seen == {1, 2}
