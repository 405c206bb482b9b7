# SPDX-License-Identifier: BSD-3-Clause
"""The same paths as PyTorch's optimizers, and state dicts that go there and back.

Run by `make test-peers`, for PyTorch is large; the recorded paths in tests/data are followed without it.
"""

import copy

import numpy as np
import optimizer_cases as cases
import pytest
import record_torch_trajectories as record
import torch

import fastloss as fl

STEPS = 1000
# Both sides round each of a few operations per step to 2^-53, and the course pulls differences together again.
RELATIVE = 1e-12
CASES = [
    (name, {**shared, **options})
    for name, options in cases.OWN
    for shared in cases.SHARED
    if cases.in_torch(name, options)
]
each_case = pytest.mark.parametrize("case", CASES, ids=cases.label)
each_own_case = pytest.mark.parametrize("case", [c for c in cases.OWN if cases.in_torch(*c)], ids=cases.label)


@pytest.fixture(autouse=True)
def doubles():
    """PyTorch keeps NAdam's product of momenta in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_same_path(ours, theirs, relative=RELATIVE):
    for w, p in zip(ours, theirs, strict=True):
        p = p.detach().numpy()
        if p.size:
            assert np.abs(w - p).max() <= relative * np.abs(p).max()


@each_case
def test_a_thousand_steps_lead_to_where_they_lead_in_torch(case):
    name, options = case
    theirs, params = record.make(name, options)
    ours = cases.start()
    optimizer = getattr(fl, name)(ours, **options)
    for t in range(1, STEPS + 1):
        optimizer.step(cases.gradients(ours, t))
        record.advance(theirs, params, options, t)
        if t in record.RECORDED:
            assert_same_path(ours, params)


@each_own_case
def test_a_torch_state_loads_here_and_goes_on_identically(case):
    name, options = case
    theirs, params = record.make(name, options)
    for t in range(1, 51):
        record.advance(theirs, params, options, t)
    ours = [p.detach().numpy().copy() for p in params]
    optimizer = getattr(fl, name)(ours)  # the options are in the state
    optimizer.load_state_dict(theirs.state_dict())
    for t in range(51, 201):
        optimizer.step(cases.gradients(ours, t))
        record.advance(theirs, params, options, t)
    assert_same_path(ours, params)


def as_tensors(state):
    state = copy.deepcopy(state)
    for entry in state["state"].values():
        entry.update({key: torch.from_numpy(value) for key, value in entry.items()})
    return state


@each_own_case
def test_a_state_from_here_loads_in_torch_and_goes_on_identically(case):
    name, options = case
    ours = cases.start()
    optimizer = getattr(fl, name)(ours, **options)
    for t in range(1, 51):
        optimizer.step(cases.gradients(ours, t))
    params = [torch.tensor(w, requires_grad=True) for w in ours]
    theirs = getattr(torch.optim, name)(params, foreach=False)
    theirs.load_state_dict(as_tensors(optimizer.state_dict()))
    for t in range(51, 201):
        optimizer.step(cases.gradients(ours, t))
        record.advance(theirs, params, options, t)
    assert_same_path(ours, params)


@each_own_case
def test_a_state_dict_has_the_keys_of_torch(case):
    name, options = case
    theirs, params = record.make(name, options)
    record.advance(theirs, params, options, 1)
    ours = cases.start()
    optimizer = getattr(fl, name)(ours, **options)
    optimizer.step(cases.gradients(ours, 1))
    state, expected = optimizer.state_dict(), theirs.state_dict()
    assert set(state["param_groups"][0]) >= set(expected["param_groups"][0])
    for key, value in expected["param_groups"][0].items():
        if key != "foreach":
            assert state["param_groups"][0][key] == value, key
    assert {k: set(e) for k, e in state["state"].items()} == {k: set(e) for k, e in expected["state"].items()}


def test_a_cpu_tensor_is_updated_in_place_and_its_gradient_read():
    w, g = torch.zeros(4), torch.ones(4)
    fl.SGD(w, lr=0.5).step(g)
    assert torch.equal(w, torch.full((4,), -0.5))


def test_a_tensor_that_requires_grad_is_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"SGD: params is a Tensor .*detach"):
        fl.SGD(torch.zeros(4, requires_grad=True))


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "RAdam", "NAdam", "Adamax", "Adagrad", "Adadelta"])
def test_float32_paths_stay_near_those_of_torch(name):
    torch.set_default_dtype(torch.float32)
    params = [torch.tensor(p, requires_grad=True) for p in cases.start(np.float32)]
    theirs = getattr(torch.optim, name)(params, foreach=False)
    ours = cases.start(np.float32)
    optimizer = getattr(fl, name)(ours)
    for t in range(1, 101):
        optimizer.step(cases.gradients(ours, t))
        record.advance(theirs, params, {}, t)
    # a few roundings of 2^-24 per step, a hundred steps, partly cancelled
    assert_same_path(ours, params, relative=1e-5)
