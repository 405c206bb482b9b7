# SPDX-License-Identifier: BSD-3-Clause
"""Linear models: any loss on ``X @ coef.T + intercept`` as a function to minimize, and a trainer for it."""

from .objective import Objective
from .training import Result, train

__all__ = ["Objective", "Result", "train"]
