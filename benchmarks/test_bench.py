# SPDX-License-Identifier: BSD-3-Clause
"""Times of every case in cases.py: results compared first, then all contenders in turn, round by round.

Reports only: nothing fails for being slow. conftest.py prints the table.
"""

import statistics
import time

import pytest
from cases import CASES, assert_same_results

ROUNDS = 15
ROUND_SECONDS = 0.01  # of calls that are timed as one, for calls shorter than this


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


def times_in_turn(contenders):
    """Name -> seconds a call took in each round; in every round each contender has its turn."""
    calls = {name: calls_per_round(run) for name, run in contenders.items()}
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            repeats = range(calls[name])
            begin = time.perf_counter()
            for _ in repeats:
                run()
            times[name].append((time.perf_counter() - begin) / calls[name])
    return calls, times


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case, benchmark, bench_table):
    assert_same_results(case)
    contenders = case.contenders()
    calls, times = times_in_turn(contenders)
    bench_table[case.name] = times
    benchmark.group = case.work
    benchmark.extra_info.update({name: statistics.median(t) for name, t in times.items()})
    benchmark.pedantic(contenders["fastloss"], rounds=5, iterations=calls["fastloss"])
