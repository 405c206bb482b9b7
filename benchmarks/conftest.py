# SPDX-License-Identifier: BSD-3-Clause
"""The table at the end of `make bench`; `--readme` also writes it into README.md, between its two marks."""

from pathlib import Path

import pytest
import report

import fastloss

ROWS = pytest.StashKey()
README = Path(__file__).resolve().parent.parent / "README.md"


def pytest_addoption(parser):
    parser.addoption("--readme", action="store_true", help="write the table into README.md")
    parser.addoption("--threads", type=int, default=1, help="for fastloss; NumPy has one outside of BLAS")


def pytest_configure(config):
    config.stash[ROWS] = []
    fastloss.set_num_threads(config.getoption("--threads"))


@pytest.fixture
def bench_rows(request):
    """What report.row makes of each case."""
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("microseconds per call: medians of rounds taken in turn")
    terminalreporter.write(report.plain(rows))
    if config.getoption("--readme"):
        text = f"Measured by `make bench` on: {report.machine()}.\n\n{report.markdown(rows)}"
        report.insert(README, "make bench", text)
