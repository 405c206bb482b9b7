# SPDX-License-Identifier: BSD-3-Clause
"""What the examples share: where their pictures go, and how they are saved.

Data, models and drawing are in each script.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure


def output_folder(description):
    """The folder that ``--output`` names, else ``output`` beside the scripts; made if it is missing."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder for the pictures")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def panels(rows, columns, size, **options):
    """A figure of that many panels, and their axes (one, or an array as ``Figure.subplots`` gives it)."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def save(figure, file):
    figure.savefig(file, dpi=110)
    print(f"saved {file}")
