# SPDX-License-Identifier: BSD-3-Clause
"""Peak memory of linear models beyond their data: value and gradient, Hessian product, training, on a million rows.

Run it as a script on Linux; it prints Markdown. Each figure is the growth of the largest resident set of a process of
its own, so that it holds what NumPy, BLAS and C allocate too.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastloss as fl

FEATURES, CLASSES = 20, 10


def make_objective(kind, n):
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    if kind == "dense":
        X = rng.standard_normal(size=(n, FEATURES), dtype=np.float32)
    else:
        from scipy.sparse import csr_array

        entries = rng.standard_normal(size=n * FEATURES, dtype=np.float32)
        columns = rng.integers(0, 1000, n * FEATURES, dtype=np.int32)
        X = csr_array((entries, columns, np.arange(0, n * FEATURES + 1, FEATURES, dtype=np.int32)), shape=(n, 1000))
    return fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(1e-4))


WORK = {
    "objective(w)": lambda o: o(np.zeros(o.size)),
    "objective.hessp(w, v)": lambda o: o.hessp(np.zeros(o.size), np.ones(o.size)),
    "train, all rows": lambda o: fl.linear.train(o, epochs=1, batch_size=None),
    "train, batches of 128": lambda o: fl.linear.train(o, epochs=1),
    "train, single samples": lambda o: fl.linear.train(o, epochs=1, batch_size=1, optimizer="sgd"),
}


def peak():
    """The largest resident set of this process so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))


def measure(kind, work, n):
    """Bytes that the work needs beyond the data; imports and BLAS's own buffers are warmed up on a few rows first."""
    WORK[work](make_objective(kind, 50))
    objective = make_objective(kind, n)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    WORK[work](objective)
    print(peak() - before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "WORK"), help="in this process, for the table")
    args = parser.parse_args()
    if args.measure:
        measure(*args.measure, args.rows)
        return
    print(f"{args.rows} rows of {FEATURES} float32 entries, {CLASSES} classes: MB beyond the data\n")
    print("| | dense | CSR |\n|---|---|---|")
    for work in WORK:
        found = []
        for kind in ("dense", "sparse"):
            command = [sys.executable, __file__, "--rows", str(args.rows), "--measure", kind, work]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(f"{int(output) / 1e6:.1f}")
        print(f"| {work} | {' | '.join(found)} |")


if __name__ == "__main__":
    main()
