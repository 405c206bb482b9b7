# SPDX-License-Identifier: BSD-3-Clause
"""What is made of times: rows of medians and ratios, tables in text and Markdown, a JSON file, pictures."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastloss

LIMIT = "copy"  # the contender that is no rival but the machine's limit
LOOPS = "numba"  # nor is this one: loops written for the case, where the others are libraries that people call


@dataclass(frozen=True)
class Row:
    """Medians of one case: microseconds a call and relative spread (half the distance of the quartiles)."""

    name: str
    work: str
    shape: tuple
    medians: dict
    spreads: dict
    reach: float | None = None

    @property
    def ratio(self):
        """How many times faster than the best library; None without one."""
        others = [t for name, t in self.medians.items() if name not in ("fastloss", LIMIT, LOOPS)]
        return min(others) / self.medians["fastloss"] if others else None

    @property
    def of_loops(self):
        """How many times faster than the loops; None without them."""
        return self.medians[LOOPS] / self.medians["fastloss"] if LOOPS in self.medians else None

    @property
    def of_limit(self):
        """The limit as a share of the time; None if it was not measured."""
        return self.medians[LIMIT] / self.medians["fastloss"] if LIMIT in self.medians else None


def row(case, times):
    """From {contender: seconds per call in each round}."""
    medians = {name: statistics.median(t) * 1e6 for name, t in times.items()}
    spreads = {name: spread(t) for name, t in times.items()}
    return Row(case.name, case.work, case.shape, medians, spreads, case.reach)


def spread(times):
    """Half the distance between the quartiles, relative to the median."""
    low, middle, high = statistics.quantiles(times, n=4)
    return (high - low) / 2 / middle


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


# ---- tables ----


def table(rows):
    """Heading and cells: the columns that any row has something for."""
    names = list(dict.fromkeys(name for row in rows for name in row.medians if name != LIMIT))
    heading = ["work", *(f"{name}, µs" for name in names), "times faster"]
    optional = {"to reach": "reach", f"than {LOOPS}": "of_loops", "limit / time": "of_limit"}
    optional = {title: key for title, key in optional.items() if any(getattr(row, key) for row in rows)}
    cells = []
    for row in rows:
        line = [row.name, *(f"{row.medians[k]:,.1f}" if k in row.medians else "" for k in names)]
        figures = [row.ratio, *(getattr(row, key) for key in optional.values())]
        line += ["" if x is None else f"{x:.2f}".rstrip("0").rstrip(".") if x >= 10 else f"{x:.2g}" for x in figures]
        cells.append(line)
    return [*heading, *optional], cells


def mean_line(rows):
    ratios = [row.ratio for row in rows if row.ratio]
    if not ratios:
        return "Nobody to compare with."
    reached = [row for row in rows if row.reach and row.ratio]
    text = f"Geometric mean of {len(ratios)} rows: {statistics.geometric_mean(ratios):.1f} times faster."
    if reached:
        text += f" {sum(r.ratio >= r.reach for r in reached)} of {len(reached)} reach their figure."
    return text


def markdown(rows):
    heading, cells = table(rows)
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{mean_line(rows)}\n"


def plain(rows):
    heading, cells = table(rows)
    widths = [max(len(line[i]) for line in [heading, *cells]) for i in range(len(heading))]
    text = f"{machine()}\n"
    for line in [heading, *cells]:
        text += line[0].ljust(widths[0]) + "".join(f"  {cell.rjust(w)}" for cell, w in zip(line[1:], widths[1:])) + "\n"
    worst = max(rows, key=lambda row: row.spreads["fastloss"])
    return text + f"{mean_line(rows)} Largest spread: {worst.spreads['fastloss']:.0%} ({worst.name}).\n"


def insert(path, mark, text):
    """Replace what stands in a Markdown file between the marks `<!-- table of MARK -->` and `<!-- end of MARK -->`."""
    begin, end = f"<!-- table of {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + text + end + rest.split(end)[1])


# ---- files ----


def save(rows, path):
    found = [vars(row) | {"shape": list(row.shape), "ratio": row.ratio} for row in rows]
    path.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")


def compare(rows, path, against=("numpy", LIMIT)):
    """Lines that say how each row has changed since an older file.

    A machine is never twice the same, so each time is taken relative to the yardsticks of its own run (NumPy and the
    copy); `!` marks what is more than a fifth slower by every yardstick.
    """
    older = {row["name"]: row["medians"] for row in json.loads(Path(path).read_text())["rows"]}
    lines = []
    for row in rows:
        before = older.get(row.name)
        yardsticks = [k for k in against if before and k in before and k in row.medians]
        if not yardsticks or "fastloss" not in before:
            continue
        changes = [row.medians["fastloss"] / row.medians[k] / (before["fastloss"] / before[k]) for k in yardsticks]
        mark = "!" if min(changes) > 1.2 else " "
        lines.append(f"{mark} {row.name}: " + ", ".join(f"{c:.2f} by {k}" for c, k in zip(changes, yardsticks)))
    return lines or ["no row is in both"]


def pictures(rows, folder):
    """Time an entry against size, one picture for each work with at least three sizes; returns their paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    groups = {}
    for row in rows:
        groups.setdefault((row.work, row.shape[1:]), []).append(row)
    paths = []
    for (work, rest), group in groups.items():
        if len(group) < 3:
            continue
        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for name in dict.fromkeys(name for row in group for name in row.medians):
            points = [
                (math.prod(r.shape), r.medians[name] * 1e3 / math.prod(r.shape)) for r in group if name in r.medians
            ]
            style = {"fastloss": dict(linewidth=2.5, color="black"), LIMIT: dict(linestyle=":", color="gray")}
            axes.loglog(*zip(*sorted(points)), marker=".", label=name, **style.get(name, {}))
        axes.set(
            title=" x ".join([f"{work}, n", *(f"{c:,}" for c in rest)]), xlabel="entries", ylabel="nanoseconds an entry"
        )
        axes.grid(alpha=0.3)
        axes.legend()
        paths.append(Path(folder) / f"time_{work}{'_'.join(map(str, ['', *rest]))}.png")
        figure.savefig(paths[-1], dpi=80)
        plt.close(figure)
    return paths
