# SPDX-License-Identifier: BSD-3-Clause
"""Branches of src_c that the C programs did not take both ways, from llvm-cov's data of one build by clang.

python branches.py FOLDER

FOLDER holds core.exe and core.profdata. A condition that is compiled several times (kernel sets, float types, inlined
copies) counts once. What is not taken must stand in branches.txt with its reason; anything else fails.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src_c"


def read(folder):
    """(file, condition) -> how often it was true, and false."""
    command = ["llvm-cov", "export", "--format=text", "-instr-profile", folder / "core.profdata", folder / "core.exe"]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    places = defaultdict(lambda: [0, 0])
    for function in json.loads(text)["data"][0]["functions"]:
        for line, column, end_line, end_column, true, false, file, *_ in function["branches"]:
            path = (HERE / function["filenames"][file]).resolve()
            if SOURCES in path.parents:
                place = places[path, line, column, end_line, end_column]
                place[0] += true
                place[1] += false
    found = defaultdict(list)
    for (path, line, column, end_line, end_column), counts in places.items():
        lines = path.read_text().splitlines()[line - 1 : end_line]
        lines[-1] = lines[-1][: end_column - 1]
        condition = " ".join("\n".join(lines)[column - 1 :].split())
        found[f"{path.relative_to(SOURCES)} | {condition}"].append((line, counts))
    return found


def reasons():
    """{"file | condition | true or false": why it is never that}."""
    lines = (HERE / "branches.txt").read_text().splitlines()
    parts = [line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#")]
    return dict(parts)


def main():
    found, known, failures, missing = read(Path(sys.argv[1])), reasons(), 0, 0
    for name, places in sorted(found.items()):
        for line, counts in places:
            for side, count in zip(("true", "false"), counts, strict=True):
                if count:
                    continue
                missing += 1
                reason = known.get(f"{name} | {side}")
                failures += reason is None
                print(f"{name.replace(' | ', f':{line}: ')} is never {side}: {reason or 'WITHOUT A REASON'}")
    total = 2 * sum(map(len, found.values()))
    print(f"src_c: {total - missing} of {total} branches, {failures} of the others without a reason")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
