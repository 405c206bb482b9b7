# SPDX-License-Identifier: BSD-3-Clause
"""Lines of src_c that the C programs reached, from gcov's data; needs nothing but gcov. Branches: branches.py.

python coverage.py FOLDER [--least PERCENT]

FOLDER holds the objects of one build with --coverage. Several objects come from one file (kernel sets, float types): a
line counts as reached if any of them reached it. Lists what was not reached.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read(folder):
    """Per file and line: how often it ran."""
    counts = defaultdict(lambda: defaultdict(int))
    for notes in sorted(Path(folder).rglob("*.gcno")):
        command = ["gcov", "--json-format", "--stdout", str(notes.resolve())]
        text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "tests/c").stdout
        for report in filter(None, text.splitlines()):
            for file in json.loads(report)["files"]:
                path = (ROOT / "tests/c" / file["file"]).resolve()
                if ROOT / "src_c" not in path.parents:
                    continue
                for line in file["lines"]:
                    counts[path][line["line_number"]] += line["count"]
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--least", type=float, default=0, help="fail if fewer of the lines were reached, in percent")
    options = parser.parse_args()
    counts = read(options.folder)
    total = reached = 0
    for path in sorted(counts):
        lines = counts[path]
        missed = sorted(line for line, count in lines.items() if count == 0)
        text = path.read_text().splitlines()
        print(f"{path.relative_to(ROOT)}: {len(lines) - len(missed)} of {len(lines)} lines")
        for line in missed:
            print(f"    {line}: {text[line - 1].strip()}")
        total, reached = total + len(lines), reached + len(lines) - len(missed)
    print(f"src_c: {100 * reached / total:.2f} % of {total} lines")
    sys.exit(100 * reached / total < options.least)


if __name__ == "__main__":
    main()
