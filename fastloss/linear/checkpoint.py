# SPDX-License-Identifier: BSD-3-Clause
"""The file from which a training run goes on: what is in it, and whether it belongs to the run at hand.

How a file is written so that it is always whole, and read without trust, is in ``_files.py``.
"""

from __future__ import annotations

import functools
import json
import os
import zlib

import numpy as np

from .._files import DAMAGED, read_about, read_file, write_file
from ..optimizers import nested_state, plain_state, state_shapes


class Checkpoint:
    """A file with the whole state of a run after an epoch; ``run`` says which run, as a dict of what may not differ."""

    def __init__(self, path, run):
        self.path = os.fspath(path)
        folder = os.path.dirname(os.path.abspath(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"train: checkpoint is {self.path!r}, but there is no folder {folder!r}")
        self.run = json.loads(json.dumps(run))

    def write(self, result, random, best_w):
        """Replace the file by the state after the epoch that has just ended."""
        state, about = plain_state(result.optimizer.state_dict())
        arrays = {f"optimizer.{name}": array for name, array in state.items()}
        arrays["w"] = result.w
        if best_w is not None:
            arrays["best_w"] = best_w
        content = {"run": self.run, "history": result.history, "optimizer": about}
        content["random"] = json.loads(json.dumps(random.bit_generator.state, default=_plain))
        write_file(self.path, content, arrays)

    def restore(self, result, random):
        """Bring result, optimizer and generator to where the file is, if there is one; the best parameters or None."""
        try:
            opened = open(self.path, "rb")
        except FileNotFoundError:
            return None
        with opened:
            size = os.fstat(opened.fileno()).st_size  # the history may be as long as the file
            try:
                run = read_about(opened, size)["run"]
                differing = [key for key, here in self.run.items() if run[key] != here]
            except DAMAGED as error:
                raise self._damaged(error) from error
            for key in differing:
                raise ValueError(
                    f"train: checkpoint {self.path!r} is of another run: "
                    f"its {key} is {run[key]}, but here it is {self.run[key]}"
                )
            shapes = {f"optimizer.{name}": shape for name, shape in state_shapes(result.optimizer).items()}
            try:
                content, arrays = read_file(opened, shapes | {"w": result.w.shape, "best_w": result.w.shape}, size)
                return self._take(content, arrays, result, random)
            except DAMAGED as error:
                raise self._damaged(error) from error

    def _take(self, content, arrays, result, random):
        w, best_w = arrays["w"], arrays.get("best_w")
        for array in (w, best_w) if best_w is not None else (w,):
            if (array.shape, array.dtype) != (result.w.shape, result.w.dtype):
                raise ValueError(f"parameters are of {array.dtype} and shape {array.shape}")
        history = {name: [float(x) for x in content["history"][name]] for name in result.history}
        if len({len(values) for values in history.values()}) != 1:
            raise ValueError("the history has entries of different lengths")
        state = {name.removeprefix("optimizer."): a for name, a in arrays.items() if name.startswith("optimizer.")}
        result.optimizer.load_state_dict(nested_state(state, content["optimizer"]))
        random.bit_generator.state = content["random"]
        result.w[...] = w
        result.history.update(history)
        return best_w

    def _damaged(self, error):
        return ValueError(f"train: checkpoint {self.path!r} is damaged, or no checkpoint ({error})")


def describe_run(objective, optimizer, lr, w, batch_size, shuffle, seed, random, validation):
    """What a run is made of, in words and checksums that are the same in another process."""
    group = dict(optimizer.state_dict()["param_groups"][0])
    options = {name: value for name, value in group.items() if name not in ("lr", "params")}
    return {
        "size": objective.size,
        "loss": repr(objective.loss),
        "penalty": _name(objective.penalty),
        "fit_intercept": objective.fit_intercept,
        "data": _data_sum(objective),
        "optimizer": f"{type(optimizer).__name__} with {options}",
        "learning rate": _name(lr),
        "start": zlib.crc32(w.tobytes()),
        "batch_size": batch_size,
        "shuffle": bool(shuffle),
        "seed": seed if seed is None or isinstance(seed, int) else _random_sum(random),
        "validation data": None if validation is None else _data_sum(validation),
    }


def _data_sum(objective):
    """Shape, dtype and checksum of X, y and the weights."""
    total = 0
    for array in (*objective._data.arrays(), objective.y, objective.sample_weight):
        for start in range(0, 0 if array is None else len(array), 4096):
            total = zlib.crc32(np.ascontiguousarray(array[start : start + 4096]), total)
    return f"{objective.X.dtype} {objective.X.shape} {total:08x}"


def _random_sum(random):
    return f"generator {zlib.crc32(json.dumps(random.bit_generator.state, default=_plain).encode()):08x}"


def _plain(x):
    """NumPy's numbers and arrays for JSON."""
    return x.tolist()


def _name(x):
    """What an object says of itself, or its type's name where it says where in memory it is."""
    if isinstance(x, functools.partial):
        return f"partial of {_name(x.func)} with {x.args} {x.keywords}"
    if hasattr(x, "__qualname__"):
        return f"{x.__module__}.{x.__qualname__}"
    return type(x).__qualname__ if type(x).__repr__ is object.__repr__ else repr(x)
