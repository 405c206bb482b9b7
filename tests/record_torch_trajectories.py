# SPDX-License-Identifier: BSD-3-Clause
"""Writes data/torch_trajectories.npz: the paths of PyTorch's optimizers, for the tests to follow without PyTorch.

    python tests/record_torch_trajectories.py

1,000 steps in float64 of the single-tensor implementation (foreach=False), default dtype float64, on the parameters and
gradients of optimizer_cases.py; all parameters, one after the other, at the steps in RECORDED, and the state after
STATE_AT steps. The file says which version of PyTorch wrote it.
"""

import json
from pathlib import Path

import numpy as np
import optimizer_cases as cases
import torch

RECORDED = [1, 2, 10, 100, 1000]
STATE_AT = 100
FILE = Path(__file__).parent / "data" / "torch_trajectories.npz"
# Every case alone, and with the options that all share at once.
CASES = [
    (name, {**shared, **options})
    for name, options in cases.OWN
    for shared in (cases.SHARED[0], cases.SHARED[-1])
    if cases.in_torch(name, options)
]


def clip(params, options):
    if "clip_value" in options:
        torch.nn.utils.clip_grad_value_(params, options["clip_value"], foreach=False)
    if "clip_norm" in options:
        torch.nn.utils.clip_grad_norm_(params, options["clip_norm"], foreach=False)


def make(name, options):
    """PyTorch's optimizer and its parameters."""
    params = [torch.tensor(p, requires_grad=True) for p in cases.start()]
    return getattr(torch.optim, name)(params, foreach=False, **cases.torch_options(options)), params


def advance(optimizer, params, options, t):
    """One step at the gradients of step t."""
    for p, g in zip(params, cases.gradients([p.detach().numpy() for p in params], t), strict=True):
        p.grad = torch.tensor(g)
    clip(params, options)
    optimizer.step()


def flat(params):
    return np.concatenate([p.detach().numpy().ravel() for p in params])


def as_arrays(state):
    """A state dict as one flat array for each key, the parameters' entries one after the other."""
    keys = {key: None for entry in state["state"].values() for key in entry}
    return {key: np.concatenate([e[key].numpy().ravel() for e in state["state"].values()]) for key in keys}


def main():
    torch.set_default_dtype(torch.float64)
    arrays, listed = {}, []
    for number, (name, options) in enumerate(CASES):
        optimizer, params = make(name, options)
        path = []
        for t in range(1, RECORDED[-1] + 1):
            advance(optimizer, params, options, t)
            if t in RECORDED:
                path.append(flat(params))
            if t == STATE_AT:
                state = optimizer.state_dict()
                arrays.update({f"{number}.{key}": value for key, value in as_arrays(state).items()})
        arrays[f"{number}.path"] = np.array(path)
        listed.append({"name": name, "options": options, "param_groups": state["param_groups"]})
    about = {
        "made by": "tests/record_torch_trajectories.py",
        "torch": torch.__version__,
        "implementation": "single tensor, CPU, float64, default dtype float64",
        "steps": RECORDED,
        "state_at": STATE_AT,
        "cases": listed,
    }
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, about=np.array(json.dumps(about)), **arrays)
    print(f"{len(CASES)} cases, {FILE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
