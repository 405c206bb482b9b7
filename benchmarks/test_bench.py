# SPDX-License-Identifier: BSD-3-Clause
"""fastloss against the NumPy baseline on the quick suite. Reports only: nothing fails for being slow."""

import statistics

import pytest
from contenders import CONTENDERS
from report import row
from suites import QUICK
from timing import assert_same_results, calls_per_round, run_all, times_in_turn


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_case(case, benchmark, bench_rows):
    runs = run_all(case, CONTENDERS)
    assert_same_results(case, runs)
    times = times_in_turn(runs)
    bench_rows.append(row(case, times))
    benchmark.group = case.work
    benchmark.extra_info.update({name: statistics.median(t) for name, t in times.items()})
    benchmark.pedantic(runs["fastloss"], rounds=5, iterations=calls_per_round(runs["fastloss"]))
