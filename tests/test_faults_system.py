# SPDX-License-Identifier: BSD-3-Clause
"""Faults of the machine: no memory, arrays beyond 2**31 entries, forks, signals, many threads, other runtimes.

Faults in arguments and files are in test_faults_arguments.py and test_faults_state.py.
"""

import itertools
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from processes import IMPORTED_IN_ORDER, python

import fastloss as fl

# ---- memory ----

NO_MEMORY = """
import _testcapi
import numpy as np
import fastloss as fl

rng = np.random.default_rng(0)
pred, labels, weights = rng.normal(size=(50, 4)), rng.integers(0, 4, 50), rng.random(50)
softmax, huber = fl.SoftmaxCrossEntropy(class_weight=[1.0, 2, 3, 4]), fl.Huber(delta=0.5, reduction="none")
w, g = rng.normal(size=30), rng.normal(size=30)
opt = fl.Adam([w], lr=0.1)
opt.step([g])
state = opt.state_dict()
penalty = fl.ElasticNet(0.5, 0.25)
norm = fl.BatchNorm(4)
out, two = np.full((50, 4), 7.0), [np.ones(5), np.ones(3)]


def training():
    opt.load_state_dict(state)
    w[...] = 1
    opt.step([list(g)])
    return w.tobytes() + opt.state_dict()["state"][0]["exp_avg"].tobytes()


def pair(result):
    return b"".join(np.asarray(part).tobytes() for part in result)


actions = {
    "plain": lambda: pair(softmax.value_and_grad(pred, labels)),
    "converted": lambda: pair(softmax.value_and_grad(pred.tolist(), labels.astype("u1"), sample_weight=weights)),
    "unreduced": lambda: pair(huber.value_grad_hess(pred[:, ::2], pred[:, 1::2])),
    "out": lambda: pair(softmax.value_and_grad(pred, labels, out=out)),
    "bound": lambda: pair([softmax.bind(pred, labels)()]),
    "made": lambda: repr(fl.Pinball(quantile=0.25)).encode(),
    "penalty": lambda: pair(penalty.value_and_grad(pred)),
    "dropped": lambda: pair(fl.dropout(pred, 0.5, seed=3)),
    "normalized": lambda: fl.BatchNorm(4).forward(pred).tobytes(),
    "optimizer": lambda: repr(fl.RMSprop(two, momentum=0.5)).encode(),
    "training": training,
}
for name, action in actions.items():
    want, failures, whole, at = action(), 0, 0, 0
    while whole < 30:                      # beyond the last allocation nothing fails any more
        before = w.tobytes(), opt.t
        _testcapi.set_nomemory(at, at + 1)
        try:
            got = action()
        except (MemoryError, SystemError):  # the latter from NumPy, where it loses its own MemoryError
            got = None
        finally:
            _testcapi.remove_mem_hooks()
        at += 1
        whole = whole + 1 if got is not None else 0
        failures += got is None
        assert got is None or got == want, (name, at)
        assert action() == want, (name, at, "afterwards")
    assert failures, name
    print(name, failures)
"""


PYTHON_WITHOUT_MEMORY = """
import _testcapi

for at in range(200):
    _testcapi.set_nomemory(at, at + 1)
    try:
        (lambda: (lambda: [1.5 * i for i in range(3)])())()
    except MemoryError:
        pass
    finally:
        _testcapi.remove_mem_hooks()
"""


def test_any_allocation_that_fails_is_a_memory_error_and_nothing_is_half_done(tmp_path):
    pytest.importorskip("_testcapi", reason="this Python has no hooks for its allocations")
    if python(PYTHON_WITHOUT_MEMORY, folder=tmp_path).returncode:
        pytest.skip("this Python crashes by itself where a call finds no memory, as 3.12.1 and 3.13.0 do")
    run = python(NO_MEMORY, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(run.stdout.splitlines()) == 11


LITTLE_MEMORY = """
import resource
import numpy as np
import fastloss as fl

n = 8 * 2**20                              # 64 MB
pred, target, out = np.zeros(n), np.ones(n), np.full(n, 7.0)
fl.SquaredError().value_and_grad(pred, target, out=out.copy())      # threads have begun
opt = fl.SGD(pred)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 2**20, -1))

def fails(call):
    try:
        call()
    except MemoryError:
        assert (pred == 0).all() and (target == 1).all() and (out == 7).all()
        return
    raise AssertionError("there was memory")

fails(lambda: fl.SquaredError().value_and_grad(pred, target))
fails(lambda: fl.SquaredError(reduction="none")(pred, target))
fails(lambda: fl.SquaredError().value_and_grad(pred, target[::-1], out=out))
fails(lambda: fl.Adam(pred))
fails(lambda: opt.step(target[::-1]))
fails(lambda: fl.L2(1.0).value_and_grad(pred))
fails(lambda: fl.dropout(pred))
fails(lambda: fl.BatchNorm(8).forward(pred.reshape(-1, 8)))
assert fl.SquaredError().value_and_grad(pred, target, out=out)[0] == 1 and (out == -2 / n).all()
opt.step(target)                            # what needs no memory goes on
assert opt.t == 1
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
def test_an_array_that_memory_does_not_hold_is_a_memory_error_and_nothing_is_written(tmp_path):
    run = python(LITTLE_MEMORY, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


# ---- more than 2**31 entries, in memory for one row ----


def test_more_than_2_to_the_31_entries_are_counted_right():
    columns, n = 2**16, 2**15 + 1
    count = n * columns
    assert count > 2**31
    pred = np.broadcast_to(np.full(columns, 0.5, np.float32), (n, columns))
    target = np.broadcast_to(np.zeros(columns, np.float32), (n, columns))
    assert fl.SquaredError(reduction="sum")(pred, target) == 0.25 * count
    assert fl.SquaredError()(pred, target) == 0.25
    assert fl.L1(1.0).value(pred) == 0.5 * count


def test_labels_of_more_than_2_to_the_31_entries_are_read_right():
    classes, n = 2**12, 2**19 + 1
    pred = np.broadcast_to(np.arange(classes, dtype=np.float32), (n, classes))
    loss = fl.CrammerSingerHinge(reduction="sum")
    assert loss(pred, np.broadcast_to(np.int64(classes - 2), n)) == 2.0 * n  # margin 1, and 1 between the last two
    labels = np.full(n, classes - 2)
    labels[-1] = classes
    with pytest.raises(IndexError, match=rf"target\[{n - 1}\] is {classes}"):
        loss(pred, labels)


# ---- the floating-point mode ----

MODE = """
import numpy as np

def mode():
    tiny, half = np.array([np.finfo("f4").tiny, 1e-45, 1], "f4"), np.float32(0.5)
    wide = np.array([np.finfo("f8").tiny, 5e-324, 1])
    with np.errstate(all="ignore"):
        return [a.tobytes() for a in (tiny * half, tiny / np.float32(3), wide * 0.5, wide / 3, wide + 2.0**-53)]

before = mode()
assert np.frombuffer(before[2])[0] > 0       # subnormals are kept to begin with
import fastloss as fl
assert mode() == before
pred = np.full(300_000, 1e-310)
fl.Huber().value_and_grad(pred, -pred)
fl.Adam(pred).step(pred.copy())
assert mode() == before
"""


def test_importing_and_calling_leave_the_floating_point_mode_alone(tmp_path):
    run = python(MODE, folder=tmp_path)
    assert run.returncode == 0, run.stderr


# ---- forks ----

FORKS = """
import os, signal, sys, time
import numpy as np
import fastloss as fl

fl.set_num_threads(2)
pred, target = np.linspace(-1, 1, 200_000), np.zeros(200_000)
loss = fl.SquaredError()
want = loss.value_and_grad(pred, target)[0]
for k in range(1000):
    loss.value_and_grad(pred, target)        # a helper thread is awake, or just asleep
    child = os.fork()
    if child == 0:
        signal.alarm(60)                     # a child that hangs is killed by its own clock
        os._exit(loss.value_and_grad(pred, target)[0] != want)
    assert os.waitpid(child, 0)[1] == 0, k
print("ok")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_thousand_forks_after_threads_were_used_leave_no_child_hanging(tmp_path):
    run = python("import warnings\nwarnings.simplefilter('ignore')\n" + FORKS, folder=tmp_path)
    assert run.returncode == 0 and run.stdout == "ok\n", run.stderr


# ---- signals ----

INTERRUPTED = """
import signal
import numpy as np
import fastloss as fl

w = np.zeros(400_000)
opt = fl.Adam(w, lr=0.5)
g = np.ones(400_000)
signal.signal(signal.SIGALRM, signal.default_int_handler)  # as Ctrl-C, but by the clock
interrupts = 0
for _ in range(30):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        while True:
            opt.step(g)
    except KeyboardInterrupt:
        interrupts += 1
    steps = {int(e["step"]) for e in opt.state_dict()["state"].values()}
    assert steps == {opt.t}, "a step was counted and not taken, or taken and not counted"
    assert np.all(w == w[0]), "half a step"
assert interrupts == 30 and opt.t > 0
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a clock that sends signals")
def test_an_interrupt_while_training_falls_between_whole_steps(tmp_path):
    run = python(INTERRUPTED, folder=tmp_path)
    assert run.returncode == 0, run.stderr


# ---- other libraries with threads of their own ----


@pytest.mark.parametrize("order", [",".join(p) for p in itertools.permutations(["fastloss", "sklearn"])])
def test_scikit_learn_and_fastloss_work_in_one_process_in_either_order(order, tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    run = python(IMPORTED_IN_ORDER, order, folder=tmp_path, warnings="default")
    assert run.returncode == 0 and run.stdout == "ok\n", run.stderr


# ---- one optimizer, many threads ----


def test_many_threads_in_one_optimizer_take_whole_steps_or_are_told_that_it_is_busy():
    w, g, barrier = np.zeros(50_000), np.ones(50_000), threading.Barrier(8)
    opt = fl.SGD(w, lr=1.0)
    kept = opt.state_dict()

    def run(k):
        taken = 0
        barrier.wait(30)
        for _ in range(60):
            try:
                if k == 0:
                    opt.lr = 1.0
                elif k == 1:
                    opt.lr, opt.params, opt.t  # noqa: B018
                elif k == 2:
                    opt.step(list(g))  # the slow path
                    taken += 1
                else:
                    opt.step(g)
                    taken += 1
            except RuntimeError as error:
                assert str(error) == "SGD: another thread is in a step of this optimizer; use a lock"
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(run, range(8)))
    assert opt.t == taken > 0 and np.all(w == -taken)
    opt.load_state_dict(kept)
    assert opt.t == 0


def test_a_step_while_another_thread_is_in_a_long_one_is_refused():
    w, g, refused, end = np.zeros(4_000_000), np.ones(4_000_000), [], time.monotonic() + 60
    opt = fl.SGD(w, lr=1.0)

    def run():
        while not refused and time.monotonic() < end:
            try:
                opt.step(g)
            except RuntimeError as error:
                refused.append(str(error))

    with ThreadPoolExecutor(2) as pool:
        for running in [pool.submit(run) for _ in range(2)]:
            running.result()
    assert refused[0] == "SGD: another thread is in a step of this optimizer; use a lock"
    assert np.all(w == -opt.t)


def test_a_state_loaded_while_another_thread_steps_is_whole_or_refused():
    w, g, stop = np.zeros(200_000), np.ones(200_000), threading.Event()
    opt = fl.Adam(w, lr=0.0)
    opt.step(g)
    states = [opt.state_dict()]
    opt.step(g)
    states.append(opt.state_dict())

    def run():
        while not stop.is_set():
            try:
                opt.step(g)
            except RuntimeError as error:
                assert "use a lock" in str(error)
            time.sleep(1e-4)

    thread = threading.Thread(target=run)
    thread.start()
    loaded = 0
    try:
        for k in range(200):
            try:
                opt.load_state_dict(states[k % 2])
                loaded += 1
            except RuntimeError as error:
                assert "use a lock" in str(error)
    finally:
        stop.set()
        thread.join()
    (entry,) = opt.state_dict()["state"].values()
    assert entry["step"] == opt.t and np.all(entry["exp_avg"] == entry["exp_avg"][0])
    assert loaded > 0
