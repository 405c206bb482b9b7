# SPDX-License-Identifier: BSD-3-Clause
"""linear.train with a checkpoint: a run that was ended anywhere goes on as if it had not been, bit for bit.

The files of optimizers alone are tested in test_optimizers_state.py.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse as sp
from linear_cases import digits

import fastloss as fl

EPOCHS = 4
RUNS = {
    "adam": dict(),
    "adamw with amsgrad": dict(optimizer=functools.partial(fl.AdamW, amsgrad=True, weight_decay=0.1)),
    "momentum with schedule": dict(
        optimizer=functools.partial(fl.SGD, momentum=0.9), lr=fl.schedules.cosine(0.1, steps=40)
    ),
    "nadam by single samples": dict(optimizer="nadam", batch_size=1),
    "rmsprop on all rows": dict(optimizer="rmsprop", batch_size=None),
    "adagrad in order": dict(optimizer="adagrad", shuffle=False),
    "lion with a generator": dict(optimizer="lion", seed=lambda: np.random.Generator(np.random.MT19937(5))),
    "philox": dict(seed=lambda: np.random.Generator(np.random.Philox(5))),
    "radam with validation": dict(optimizer="radam", lr=0.3, validation=True, patience=100),
    "sgd with validation": dict(optimizer="sgd", batch_size=1, lr=0.5, validation=True, patience=100),
}


def small():
    whole = digits()
    return fl.linear.Objective(whole.loss, whole.X[:300], whole.y[:300], penalty=whole.penalty), whole


def run(options, **more):
    objective, whole = small()
    options = {**options, **more}
    if callable(options.get("seed")):
        options["seed"] = options["seed"]()
    if options.get("validation") is True:
        options["validation"] = (whole.X[300:500], whole.y[300:500])
    return fl.linear.train(objective, **options)


def assert_same_bits(a, b):
    np.testing.assert_array_equal(a.w, b.w)
    assert a.best_epoch == b.best_epoch
    assert {k: v for k, v in a.history.items() if k != "seconds"} == {
        k: v for k, v in b.history.items() if k != "seconds"
    }
    first, second = a.optimizer.state_dict(), b.optimizer.state_dict()
    assert first["t"] == second["t"]
    for name, array in first["state"].get(0, {}).items():
        np.testing.assert_array_equal(array, second["state"][0][name])


class StopError(Exception):
    pass


def stop_after(epoch):
    def callback(result):
        if result.n_epochs == epoch:
            raise StopError

    return callback


@pytest.mark.parametrize("name", RUNS)
def test_run_ended_at_every_epoch_goes_on_bit_for_bit(name, tmp_path):
    path = tmp_path / "run.npz"
    expected = run(RUNS[name], epochs=EPOCHS)
    for epoch in range(1, EPOCHS + 1):
        with pytest.raises(StopError):
            run(RUNS[name], epochs=EPOCHS, checkpoint=path, callback=stop_after(epoch))
    assert_same_bits(run(RUNS[name], epochs=EPOCHS, checkpoint=path), expected)
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize("name", ["adam", "radam with validation"])
def test_more_epochs_continue_a_finished_run(name, tmp_path):
    for epochs in (1, 2, EPOCHS):
        result = run(RUNS[name], epochs=epochs, checkpoint=tmp_path / "run")
        assert_same_bits(result, run(RUNS[name], epochs=epochs))


def test_run_that_had_stopped_by_itself_stays_stopped(tmp_path):
    for options in (dict(tol=1e9), dict(validation=True, patience=2, tol=10.0)):
        path = tmp_path / str(options["tol"])
        first = run(options, epochs=50, checkpoint=path)
        assert first.n_epochs < 5
        assert_same_bits(run(options, epochs=50, checkpoint=path), first)


def test_interrupt_within_an_epoch_goes_on_from_the_last_whole_one(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    path, rate = tmp_path / "run", fl.schedules.constant(1e-3)

    def pressing(t):
        if t == 7:  # three steps an epoch
            signal.raise_signal(signal.SIGINT)
        return 1e-3

    pressing.__qualname__ = rate.__class__.__qualname__
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run(dict(lr=pressing), epochs=EPOCHS, checkpoint=path)
        assert caught.value.result.n_epochs == 2
        monkeypatch.setattr(signal, "raise_signal", lambda number: None)
        result = run(dict(lr=pressing), epochs=EPOCHS, checkpoint=path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_same_bits(result, run(dict(lr=1e-3), epochs=EPOCHS))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (dict(lr=2e-3), "learning rate"),
        (dict(lr=fl.schedules.constant(1e-3)), "learning rate"),
        (dict(optimizer="sgd"), "optimizer"),
        (dict(optimizer=functools.partial(fl.Adam, betas=(0.8, 0.9))), "optimizer"),
        (dict(batch_size=64), "batch_size"),
        (dict(seed=1), "seed"),
        (dict(seed=None), "seed"),
        (dict(shuffle=False), "shuffle"),
        (dict(initial=np.ones(650)), "start"),
        (dict(validation=True), "validation data"),
    ],
)
def test_checkpoint_of_another_run_is_refused(change, word, tmp_path):
    path = tmp_path / "run"
    run({}, epochs=1, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"is of another run: its {word} is .*, but here it is"):
        run(change, epochs=2, checkpoint=path)
    assert path.read_bytes() == before


def test_checkpoint_of_another_problem_is_refused(tmp_path):
    path = tmp_path / "run"
    objective, _ = small()
    fl.linear.train(objective, epochs=1, checkpoint=path)
    X, y, loss, penalty = objective.X, objective.y, objective.loss, objective.penalty
    for other, word in (
        (fl.linear.Objective(loss, X, y, penalty=fl.L2(1.0)), "penalty"),
        (fl.linear.Objective(fl.MulticlassHinge(), X, y, penalty=penalty), "loss"),
        (fl.linear.Objective(loss, X, y, penalty=penalty, fit_intercept=False), "size"),
        (fl.linear.Objective(loss, X[:299], y[:299], penalty=penalty), "data"),
        (fl.linear.Objective(loss, X + 1e-9, y, penalty=penalty), "data"),
        (fl.linear.Objective(loss, X, y, penalty=penalty, sample_weight=np.ones(300)), "data"),
    ):
        with pytest.raises(ValueError, match=f"its {word} is"):
            fl.linear.train(other, epochs=2, checkpoint=path)


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "run"
    run(dict(validation=True), epochs=1, checkpoint=path)
    whole = path.read_bytes()
    optimizer = tmp_path / "optimizer"
    fl.Adam(np.ones(3)).save(optimizer)
    rng = np.random.default_rng(0)
    damaged = [b"", whole[:100], whole[: len(whole) // 2], whole[:-1], b"x" * 1000, optimizer.read_bytes()]
    for place in rng.integers(0, len(whole), 40):
        damaged.append(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            run(dict(validation=True), epochs=1, checkpoint=path)
        except ValueError as error:
            assert "checkpoint" in str(error)
            refused += 1
    assert refused >= len(damaged) - 10  # a byte that zip does not read changes nothing


@pytest.mark.parametrize(
    ("arrays", "about", "message"),
    [
        ({"w": np.zeros(3)}, {}, r"the parameter has shape \(650,\)"),
        ({"w": np.zeros(650, np.float32)}, {}, r"parameters are of float32 and shape \(650,\)"),
        ({"best_w": np.zeros(650, np.float32)}, {}, r"parameters are of float32 and shape \(650,\)"),
        ({}, {"history": {"seconds": [1.0, 1.0]}}, "the history has entries of different lengths"),
    ],
    ids=["shape", "dtype", "dtype of the best", "history"],
)
def test_checkpoint_whose_content_does_not_fit_together_is_damaged(arrays, about, message, tmp_path):
    from fastloss._files import write_file

    path = tmp_path / "run"
    options = dict(validation=True)
    run(options, epochs=1, checkpoint=path)
    with np.load(path) as file:
        members = {name: file[name] for name in file.files}
    content = json.loads(str(members.pop("about")))  # nothing in it needs more than JSON and arrays
    del content["entries"]
    for name, change in about.items():
        content[name].update(change)
    write_file(path, content, {**members, **arrays})
    with pytest.raises(ValueError, match=rf"is damaged, or no checkpoint \(.*{message}"):
        run(options, epochs=2, checkpoint=path)


def sparse(X, y, penalty):
    return fl.linear.Objective(fl.SoftmaxCrossEntropy(), sp.csr_array(X), y, penalty=penalty)


def test_run_on_sparse_data_goes_on_bit_for_bit_and_knows_its_data(tmp_path):
    path, (objective, _) = tmp_path / "run", small()
    X, y, penalty = objective.X, objective.y, objective.penalty
    fl.linear.train(sparse(X, y, penalty), epochs=2, checkpoint=path)
    again = fl.linear.train(sparse(X, y, penalty), epochs=EPOCHS, checkpoint=path)
    assert_same_bits(again, fl.linear.train(sparse(X, y, penalty), epochs=EPOCHS))
    one_entry, one_place = X.copy(), X.copy()
    one_entry[7, np.flatnonzero(X[7])[0]] += 1e-9
    one_place[7] = np.roll(X[7], 1)  # the same entries
    for other in (sparse(one_entry, y, penalty), sparse(one_place, y, penalty), objective):
        with pytest.raises(ValueError, match="its data is"):
            fl.linear.train(other, epochs=EPOCHS, checkpoint=path)


def falling(t, begin, by=1.0):
    return begin / (1 + by * t)


def test_schedule_that_is_a_partial_function_is_known_by_what_it_holds(tmp_path):
    path, rate = tmp_path / "run", functools.partial(falling, begin=1e-2)
    run(dict(lr=rate), epochs=2, checkpoint=path)
    again = run(dict(lr=functools.partial(falling, begin=1e-2)), epochs=EPOCHS, checkpoint=path)
    assert_same_bits(again, run(dict(lr=rate), epochs=EPOCHS))
    with pytest.raises(ValueError, match=r"its learning rate is partial of .*falling with \(\) \{'begin': 0\.01\}"):
        run(dict(lr=functools.partial(falling, begin=2e-2)), epochs=EPOCHS, checkpoint=path)


def test_bad_places_and_optimizers_without_state_are_refused_before_training(tmp_path):
    seen = []
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        run({}, epochs=1, checkpoint=tmp_path / "none" / "run", callback=seen.append)

    class Plain:
        def __init__(self, w, lr):
            self.w, self.lr, self.t = w, lr, 0

        def step(self, g):
            self.w -= self.lr * g

    with pytest.raises(TypeError, match="optimizer is a Plain, but must be one of fastloss's"):
        run(dict(optimizer=Plain), epochs=1, checkpoint=tmp_path / "run", callback=seen.append)
    assert not seen


PROGRAM = """
import sys
import numpy as np, fastloss as fl
rng = np.random.default_rng(0)
X, y = rng.normal(size=(400, 20)), rng.integers(0, 3, 400)
objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(1e-3))
options = dict(epochs=60, lr=fl.schedules.exponential(1e-2, 0.999), validation=(X[:50] + 0.1, y[:50]), patience=100)
print("ready", flush=True)
result = fl.linear.train(objective, checkpoint=sys.argv[1] if len(sys.argv) > 1 else None, **options)
print(result.w.tobytes().hex(), result.best_epoch, result.history["loss"], result.history["validation"])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
def test_process_killed_at_random_moments_goes_on_bit_for_bit(tmp_path, rng):
    path = tmp_path / "run"
    expected = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    killed = 0
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        killed += process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
    assert killed
    final = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)
    assert final.stdout == expected
