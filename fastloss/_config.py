# SPDX-License-Identifier: BSD-3-Clause
"""What is installed and what it runs on: the configuration for reports, and the number of threads at start."""

from __future__ import annotations

import os
import platform
import sys
import warnings

import numpy as np

from . import _core


def get_include():
    """The folder that holds ``fastloss.h`` and ``fastloss_capi.h``, for compilers of C and Cython code."""
    return os.path.join(os.path.dirname(__file__), "include")


def show_config(mode="stdout"):
    """Print which kernel set, threads, versions and compiler are in use.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        "dicts" returns the same as a dictionary of dictionaries and prints nothing.

    Examples
    --------
    >>> import fastloss as fl
    >>> sorted(fl.show_config(mode="dicts"))
    ['Build', 'Kernels', 'Threads', 'Versions']
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"show_config: mode is {mode!r}, but must be one of 'stdout', 'dicts'")
    from . import __version__

    config = {
        "Kernels": {"target": _core.target(), "available": _core.targets()},
        "Threads": {"used": _core.get_num_threads(), "processors": processors(), "built in": _core.has_threads()},
        "Versions": {"fastloss": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "Build": {"compiler": _core.compiler(), "machine": platform.machine(), "system": platform.system()},
    }
    if mode == "dicts":
        return config
    for section, entries in config.items():
        print(f"{section}:")
        for name, value in entries.items():
            print(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")
    return None


def processors():
    """How many processors this process may use: affinity and cgroup limits included, at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cgroup_limit() if sys.platform.startswith("linux") else None
    return count if limit is None else max(1, min(count, limit))


def cgroup_limit(root="/sys/fs/cgroup"):
    """The processors that the container grants, rounded up, or None; cgroup version 2, then 1."""
    try:
        quota, period = _words(root, "cpu.max")
    except (OSError, ValueError):
        try:
            (quota,), (period,) = (_words(root, "cpu", f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        except (OSError, ValueError):
            return None
    try:
        quota, period = int(quota), int(period)
    except ValueError:  # "max": no limit
        return None
    return -(-quota // period) if quota > 0 and period > 0 else None


def _words(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().split()


def threads_at_start():
    """FASTLOSS_NUM_THREADS, else OMP_NUM_THREADS, else the processors; nonsense in the first is warned of."""
    wanted = os.environ.get("FASTLOSS_NUM_THREADS")
    if wanted is not None:
        if wanted.strip().isdecimal() and len(wanted) < 100 and int(wanted) > 0:
            return min(int(wanted), 2**31 - 1)
        warnings.warn(
            f"fastloss: FASTLOSS_NUM_THREADS is {wanted!r}, but must be an integer of at least 1; ignored",
            RuntimeWarning,
            stacklevel=2,
        )
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdecimal() and len(first) < 100 and int(first) > 0:
        return min(int(first), processors())
    return processors()


_core.set_num_threads(threads_at_start())
