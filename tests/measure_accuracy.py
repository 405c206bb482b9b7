# SPDX-License-Identifier: BSD-3-Clause
"""Prints the errors of the elementary functions as a Markdown table, by tests/c/accuracy.c on every kernel set.

    python measure_accuracy.py [--step 1] [--count 1000000] [--targets avx2 scalar]

`make accuracy` renews docs/accuracy.md: float32 over every step-th of all 2^32 inputs, float64 over so many random
inputs per range. What the limits are, test_elementary.py says.
"""

import argparse
import re
import subprocess
import tempfile
from collections import defaultdict

from building import build_accuracy

from fastloss import _core

# The names of the words of vec_math.h that have no function of their own, and what they are.
VARIANTS = {"exp_neg": "exp, x <= 0", "log1p_unit": "log1p, 0 <= x <= 1", "log1p_pos": "log1p, x >= 0"}


def errors(target, bits, size, folder):
    """function -> (largest error in ULP, where), over all ranges of inputs."""
    program = build_accuracy(target, bits, folder)
    done = subprocess.run([program, "ulp", str(size)], capture_output=True, text=True, check=True)
    found = {}
    for name, error, place in re.findall(r"^(\w+) .*?([\d.]+) ULP at \S+ \((\S+)\)", done.stdout, re.M):
        found[name] = max(found.get(name, (-1.0, "")), (float(error), place))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=1, help="float32: every step-th input")
    parser.add_argument("--count", type=int, default=1_000_000, help="float64: random inputs per range")
    parser.add_argument("--targets", nargs="+", default=_core.targets())
    options = parser.parse_args()
    table = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for target in options.targets:
            for bits, size in ((32, options.step), (64, options.count)):
                for name, (error, place) in errors(target, bits, size, folder).items():
                    table[VARIANTS.get(name, name)].append(f"{error:.3f} at {place}")
    columns = [f"{target} float{bits}" for target in options.targets for bits in (32, 64)]
    print("| function | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in sorted(table, key=lambda name: name in VARIANTS.values()):
        print(f"| {name} | " + " | ".join(table[name]) + " |")


if __name__ == "__main__":
    main()
