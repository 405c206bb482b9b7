# SPDX-License-Identifier: BSD-3-Clause
"""Renews the guide's pictures, docs/images/guide_*.png, by running the examples that draw them.

The drawing itself is in the examples.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PICTURES = ("likelihoods", "outliers", "convexity", "learning_rates", "regularization_paths", "bias_variance")
WIDTH = 1200  # pixels, at most

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in PICTURES:
            subprocess.run([sys.executable, HERE.parent / "examples" / f"{name}.py", "--output", folder], check=True)
            picture = Image.open(Path(folder) / f"{name}.png").convert("RGB")
            picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
            file = HERE / "images" / f"guide_{name}.png"
            picture.quantize(24, Image.Quantize.MAXCOVERAGE).save(file, optimize=True)
            print(file.name, file.stat().st_size)
