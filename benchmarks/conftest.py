# SPDX-License-Identifier: BSD-3-Clause
"""The table at the end of a benchmark run; `--readme` also writes it into README.md, between its two marks."""

import os
import platform
import statistics
from pathlib import Path

import numpy as np
import pytest

import fastloss

TABLE = pytest.StashKey()
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- table of make bench -->\n", "<!-- end of the table -->\n"


def pytest_addoption(parser):
    parser.addoption("--readme", action="store_true", help="write the table into README.md")
    parser.addoption("--threads", type=int, default=1, help="for fastloss; NumPy has one outside of BLAS")


def pytest_configure(config):
    config.stash[TABLE] = {}
    fastloss.set_num_threads(config.getoption("--threads"))


@pytest.fixture
def bench_table(request):
    """Case name -> contender -> seconds per call, in rounds."""
    return request.config.stash[TABLE]


def spread(times):
    """Half the distance between the quartiles, relative to the median."""
    low, middle, high = statistics.quantiles(times, n=4)
    return (high - low) / 2 / middle


def rows(table):
    """Name, microseconds per contender, ratio of the best other contender to fastloss, largest spread."""
    for name, times in table.items():
        medians = {contender: statistics.median(t) for contender, t in times.items()}
        others = [t for contender, t in medians.items() if contender != "fastloss"]
        ratio = min(others) / medians["fastloss"]
        yield name, {k: t * 1e6 for k, t in medians.items()}, ratio, max(map(spread, times.values()))


def machine():
    """What the figures were measured on."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    kernels, threads = (fastloss.show_config(mode="dicts")[section] for section in ("Kernels", "Threads"))
    return (
        f"{model}, {os.cpu_count()} processors; kernels {kernels['target']}, {threads['used']} thread(s); "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def markdown(table):
    """The table as it stands in the README."""
    names = list(dict.fromkeys(name for times in table.values() for name in times))
    found = list(rows(table))
    lines = [
        f"Measured by `make bench` on: {machine()}.",
        "",
        f"| work | {', µs | '.join(names)}, µs | times faster |",
        f"|---|{'---:|' * (len(names) + 1)}",
        *(
            f"| {name} | {' | '.join(f'{m[k]:,.1f}' if k in m else '' for k in names)} | {ratio:.1f} |"
            for name, m, ratio, _ in found
        ),
        "",
        f"Geometric mean: {statistics.geometric_mean(ratio for *_, ratio, _ in found):.1f} times faster.",
    ]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash[TABLE]
    if not table:
        return
    names = list(dict.fromkeys(name for times in table.values() for name in times))
    out = terminalreporter
    out.section("microseconds per call: medians of rounds taken in turn")
    out.write_line(machine())
    width = max(map(len, table))
    out.write_line(f"{'':{width}}" + "".join(f"{name:>14}" for name in names) + f"{'times faster':>14}{'spread':>8}")
    found = list(rows(table))
    for name, medians, ratio, noise in found:
        cells = "".join(f"{medians[k]:>14,.1f}" if k in medians else " " * 14 for k in names)
        out.write_line(f"{name:{width}}{cells}{ratio:>14.2f}{noise:>8.0%}")
    mean = statistics.geometric_mean(ratio for *_, ratio, _ in found)
    out.write_line(f"geometric mean of {len(found)}: {mean:.2f} times faster than NumPy")
    if config.getoption("--readme"):
        text = README.read_text()
        before, rest = text.split(BEGIN)
        README.write_text(before + BEGIN + markdown(table) + END + rest.split(END)[1])
