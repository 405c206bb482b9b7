# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks compare is the same work: every kind of case, on small shapes. Nothing is timed here."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
try:
    import contenders
    import report
    from suites import EVERY, PEERS, QUICK, SIZES
    from timing import assert_same_results, run_all
finally:
    sys.path.remove(BENCHMARKS)


def small(case):
    """The case on a shape that takes no time: as many classes as before up to 100, 37 rows."""
    if case.kind == "train":
        return replace(case, shape=(150, 5, 3), dtype="float64")
    shape = (min(37, case.shape[0]), *(min(100, c) for c in case.shape[1:]))
    return replace(case, shape=shape, tensors=tuple((3,) * len(s) for s in case.tensors))


SMALL = {small(case).name: small(case) for case in [*QUICK, *PEERS, *EVERY, *SIZES]}


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_contenders_compute_the_same(case):
    runs = run_all(case, contenders.CONTENDERS)
    assert "fastloss" in runs
    assert_same_results(case, runs)


def test_a_wrong_contender_is_caught():
    case = small(QUICK[0])
    run = contenders.fastloss(case)
    with pytest.raises(AssertionError):
        assert_same_results(case, {"right": run, "wrong": lambda: (run()[0] * 1.001, run()[1])})


def test_bytes_count_each_array_once_per_reading_and_writing():
    by_name = {case.name: case for case in PEERS}
    assert by_name["Adam 10,000,000"].bytes == 28 * 10_000_000
    assert by_name["SquaredError 10,000,000"].bytes == 12 * 10_000_000
    assert by_name["SoftmaxCrossEntropy 8,192 x 1,000"].bytes == 8 * 8_192_000 + 8 * 8192


def test_a_row_without_rivals_can_be_shown():
    row = report.Row("a", "a", (1,), {"fastloss": 1.0}, {"fastloss": 0.0})
    assert "Nobody" in report.plain([row]) and "Nobody" in report.markdown([row])


def test_a_regression_shows_by_both_yardsticks(tmp_path):
    row = report.Row("a", "a", (1,), {"numpy": 10.0, "fastloss": 1.0, "copy": 0.5}, {"fastloss": 0.0})
    report.save([row], tmp_path / "old.json")
    slower = {"numpy": 20.0, "fastloss": 4.0, "copy": 1.0}
    assert report.compare([row], tmp_path / "old.json") == ["  a: 1.00 by numpy, 1.00 by copy"]
    changed = report.Row("a", "a", (1,), slower, {"fastloss": 0.0})
    assert report.compare([changed], tmp_path / "old.json") == ["! a: 2.00 by numpy, 2.00 by copy"]
