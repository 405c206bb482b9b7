# SPDX-License-Identifier: BSD-3-Clause
"""One thread against all of them, from a thousand entries to eight million: `python benchmarks/threads.py`.

Prints, as Markdown, how many times as fast a call is with the threads: 1 where it is done by the calling thread alone
either way. The results must be the same bits.
"""

from statistics import median

import numpy as np
from contenders import fastloss, results
from suites import Case
from timing import calls_per_round, in_turn

import fastloss as fl

ROUNDS = 21
ENTRIES = [1 << k for k in range(10, 24)]
WORK = [
    *((work, lambda n: (n // 10, 10)) for work in ("SoftmaxCrossEntropy", "MulticlassHinge")),
    *((work, lambda n: (n // 1000 or 1, 1000)) for work in ("SoftmaxCrossEntropy", "MulticlassHinge")),
    *(
        (work, lambda n: (n,))
        for work in ("BinaryCrossEntropy", "PoissonNLL", "SquaredError", "Adam", "RMSprop", "SGD")
    ),
]


def gain(case, threads):
    """The median of the rounds' quotients, each of two times measured one after the other."""
    counts = (1, threads)
    found = []
    for count in counts:
        fl.set_num_threads(count)
        found.append(results(fastloss(case)()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=case.name)
    run = fastloss(case)
    calls = calls_per_round(run)
    quotients = []
    for _ in range(ROUNDS):
        spent = []
        for count in counts:
            fl.set_num_threads(count)
            spent += in_turn({count: run}, {count: calls}, rounds=1)[count]
        quotients.append(spent[0] / spent[1])
    return median(quotients)


def main():
    threads = fl.get_num_threads()
    print(f"{threads} threads against 1, float32.\n")
    print("| entries |", " | ".join(f"{n:,}" for n in ENTRIES), "|")
    print("| --- |", " | ".join("---:" for _ in ENTRIES), "|")
    for work, shape in WORK:
        cells = [f"{gain(Case(work, shape(n)), threads):.2f}" for n in ENTRIES]
        classes = f", {shape(ENTRIES[-1])[1]:,} classes" if len(shape(ENTRIES[-1])) > 1 else ""
        print(f"| {work}{classes} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
