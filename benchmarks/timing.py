# SPDX-License-Identifier: BSD-3-Clause
"""How a case is timed: results compared first, then all contenders in turn, round by round."""

import time

import numpy as np
from contenders import results

ROUNDS = 15
ROUND_SECONDS = 0.01  # of calls that are timed as one, for calls shorter than this
RELATIVE = {"float32": 3e-5, "float64": 1e-9}  # of the largest entry; rounding of sums over a row and of three steps
LONG = 2000  # from so many classes on in proportion: PyTorch adds a row's slopes one after the other


def run_all(case, contenders):
    """Name -> callable of every contender that has something for this case."""
    runs = {name: make(case) for name, make in contenders.items()}
    return {name: run for name, run in runs.items() if run is not None}


def assert_same_results(case, runs):
    """Do the work three times with every contender; the results must agree to rounding in the case's type."""
    found = {}
    for name, run in runs.items():
        for _ in range(3):
            last = run()
        found[name] = getattr(run, "results", results)(last)
    first, *others = found
    classes = case.shape[1] if len(case.shape) == 2 else 1
    relative = RELATIVE[case.dtype] * max(1, classes / LONG)
    for other in others:
        for a, b in zip(found[first], found[other], strict=True):
            scale = np.abs(a).max(initial=0)
            message = f"{case.name}: {first} against {other}"
            np.testing.assert_allclose(a, b, rtol=relative, atol=relative * scale, err_msg=message)


def calls_per_round(run):
    """How many calls take about a round; the first calls warm up."""
    run()
    calls = 1
    while True:
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        spent = time.perf_counter() - begin
        if spent > ROUND_SECONDS / 4:
            return max(1, round(calls * ROUND_SECONDS / spent))
        calls *= 4


def times_in_turn(runs, rounds=ROUNDS):
    """Name -> seconds a call took in each round; in every round each contender has its turn."""
    return in_turn(runs, {name: calls_per_round(run) for name, run in runs.items()}, rounds)


def in_turn(runs, calls, rounds):
    """The same for so many calls that are timed as one."""
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            repeats = range(calls[name])
            begin = time.perf_counter()
            for _ in repeats:
                run()
            times[name].append((time.perf_counter() - begin) / calls[name])
    return times
