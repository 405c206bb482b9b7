# SPDX-License-Identifier: BSD-3-Clause
"""fastloss against every library that is installed: `python benchmarks/run.py --help`.

Writes nothing that was not asked for; the table goes to the terminal.
"""

import argparse
import os
import sys
from pathlib import Path


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", nargs="+", default=["peers"], help="quick, peers, every, sizes, crossover")
    parser.add_argument("-k", default="", help="only cases whose name contains this")
    parser.add_argument("--threads", type=int, default=1, help="for everybody: more processors than this are not used")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    parser.add_argument("--json", type=Path, help="save the figures")
    parser.add_argument("--against", type=Path, help="compare with figures saved before")
    parser.add_argument("--markdown", type=Path, help="put the table into this file, between its marks")
    parser.add_argument("--pictures", type=Path, help="draw into this folder")
    return parser.parse_args()


def limit_threads(n):
    """Before anything is imported: every library has to do with `n` processors."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(n)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])


def main():
    given = options()
    limit_threads(given.threads)
    from dataclasses import replace

    import peers
    import report
    from contenders import CONTENDERS, copy
    from suites import SUITES
    from timing import assert_same_results, run_all, times_in_turn

    import fastloss

    fastloss.set_num_threads(given.threads)
    rivals = {**CONTENDERS, **peers.installed()}
    rivals = {name: make for name, make in rivals.items() if name not in given.without}
    cases = [replace(case, dtype=given.dtype) for suite in given.suite for case in SUITES[suite]]
    rows = []
    for case in (case for case in cases if given.k in case.name):
        runs = run_all(case, rivals)
        assert_same_results(case, runs)
        times = times_in_turn(runs | run_all(case, {report.LIMIT: copy}))
        rows.append(report.row(case, times))
        print(report.plain(rows[-1:]).splitlines()[2], file=sys.stderr, flush=True)
    if not rows:
        sys.exit(f"no case is called {given.k}")
    print(report.plain(rows))
    if given.json:
        report.save(rows, given.json)
    if given.against:
        print("\n".join(report.compare(rows, given.against)))
    if given.markdown:
        mark = f"make bench-peers, {given.threads} thread(s), {given.dtype}"
        report.insert(given.markdown, mark, f"{report.machine()}.\n\n{report.markdown(rows)}")
    if given.pictures:
        print(*report.pictures(rows, given.pictures), sep="\n")


if __name__ == "__main__":
    main()
