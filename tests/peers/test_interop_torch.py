# SPDX-License-Identifier: BSD-3-Clause
"""Losses as functions and modules of PyTorch, optimizers as torch.optim ones: everything users do with those.

That the numbers of losses and optimizers themselves are right is tested elsewhere; here, that they arrive.
"""

import copy
import inspect
import io
import pickle
import tracemalloc

import numpy as np
import optimizer_cases
import pytest
import torch
from cases import CASES, DEFAULTS, eps_of
from test_gradients import KINKED
from torch.nn import functional
from torch.optim import lr_scheduler

import fastloss as fl
import fastloss.interop.torch as flt

each_case = pytest.mark.parametrize("case", CASES, ids=str)
SMOOTH = [case for case in CASES if case.name not in KINKED]
POINTWISE = [case for case in SMOOTH if case.kind == "pointwise"]


def tensors(case, rng, dtype=np.float64, n=7):
    """pred as a leaf that requires grad, and target."""
    pred, target = case.draw(rng, case.shape(n), dtype)
    return torch.tensor(pred, requires_grad=True), torch.tensor(target)


# ---- losses: values and gradients


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_case
def test_value_and_gradient_are_those_of_the_arrays(case, dtype, rng):
    for reduction in case.reductions:
        pred, target = tensors(case, rng, dtype)
        loss = case.make(pred.shape, reduction=reduction)
        value, grad = loss.value_and_grad(pred.detach().numpy(), target.numpy())
        ours = flt.loss(loss, pred, target)
        ours.sum().backward()
        assert ours.dtype == pred.dtype == pred.grad.dtype
        np.testing.assert_array_equal(ours.detach().numpy(), np.asarray(value, dtype))
        np.testing.assert_array_equal(pred.grad.numpy(), grad)


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_gradcheck_passes(case, rng):
    for reduction in case.reductions:
        pred, target = tensors(case, rng)
        loss = case.make(pred.shape, reduction=reduction)
        weight = torch.tensor(rng.uniform(0.5, 2, len(pred)))
        for given in (None, weight):
            assert torch.autograd.gradcheck(
                lambda z, f=loss, y=target, w=given: flt.loss(f, z, y, sample_weight=w), pred
            )


@pytest.mark.parametrize("case", POINTWISE, ids=str)
def test_gradgradcheck_passes(case, rng):
    for reduction in case.reductions:
        pred, target = tensors(case, rng)
        loss = case.make(pred.shape, reduction=reduction)
        assert torch.autograd.gradgradcheck(lambda z, f=loss, y=target: flt.loss(f, z, y), pred)


def test_the_same_as_torch_inside_a_network(rng):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    x, y = torch.tensor(rng.normal(size=(20, 5))), torch.tensor(rng.integers(0, 3, 20))
    grads = []
    for criterion in (
        flt.Loss(fl.SoftmaxCrossEntropy(label_smoothing=0.1)),
        torch.nn.CrossEntropyLoss(label_smoothing=0.1),
    ):
        net.zero_grad()
        (3.0 * criterion(net(x), y)).backward()
        grads.append([p.grad.clone() for p in net.parameters()])
    for ours, theirs in zip(*grads, strict=True):
        # sums of 20 terms of order 1
        torch.testing.assert_close(ours, theirs, rtol=0, atol=100 * eps_of(float))


@pytest.mark.parametrize("weighted", [False, True])
def test_unreduced_rows_take_the_gradient_of_each_row(weighted, rng):
    pred = torch.tensor(rng.normal(size=(6, 4)), requires_grad=True)
    y, upstream = torch.tensor(rng.integers(0, 4, 6)), torch.tensor(rng.normal(size=6))
    weight = torch.tensor(rng.uniform(size=6)) if weighted else None
    ours = flt.loss(fl.SoftmaxCrossEntropy(reduction="none"), pred, y, sample_weight=weight)
    (got,) = torch.autograd.grad(ours, pred, upstream)
    theirs = functional.cross_entropy(pred, y, reduction="none") * (1.0 if weight is None else weight)
    (want,) = torch.autograd.grad(theirs, pred, upstream)
    torch.testing.assert_close(got, want, rtol=0, atol=20 * eps_of(float))


def test_second_derivatives_make_a_gradient_penalty(rng):
    z, y = torch.tensor(rng.normal(size=5), requires_grad=True), torch.tensor(rng.integers(0, 2, 5))
    (first,) = torch.autograd.grad(flt.loss(fl.BinaryCrossEntropy(reduction="sum"), z, y), z, create_graph=True)
    (first**2).sum().backward()
    p = 1 / (1 + np.exp(-z.detach().numpy()))
    np.testing.assert_allclose(z.grad.numpy(), 2 * (p - y.numpy()) * p * (1 - p), rtol=20 * eps_of(float))


@pytest.mark.parametrize("case", [c for c in DEFAULTS if c.kind != "pointwise"], ids=str)
def test_losses_that_are_not_elementwise_refuse_a_second_derivative(case, rng):
    pred, target = tensors(case, rng)
    loss = case.make(pred.shape)
    (first,) = torch.autograd.grad(flt.loss(loss, pred, target), pred, create_graph=True)
    with pytest.raises(NotImplementedError, match=rf"{case.name}: is differentiated twice"):
        first.sum().backward()


def test_a_third_derivative_is_refused(rng):
    z = torch.tensor(rng.normal(size=5), requires_grad=True)
    (first,) = torch.autograd.grad(flt.loss(fl.LogCosh(), z, torch.zeros(5).double()), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="LogCosh: is differentiated three times"):
        torch.autograd.grad(first.sum(), z, create_graph=True)


def test_functional_gradients_see_the_loss(rng):
    z, y = torch.tensor(rng.normal(size=5)), torch.tensor(rng.normal(size=5))
    got = torch.func.grad(lambda z: flt.loss(fl.SquaredError(), z, y))(z)
    np.testing.assert_allclose(got.numpy(), 2 * (z - y).numpy() / 5, rtol=4 * eps_of(float))


def test_backward_may_be_called_twice():
    z = torch.tensor([1.0, -2.0], requires_grad=True)
    value = flt.loss(fl.SquaredError(reduction="sum"), z, torch.zeros(2))
    for times in (1, 2, 3):
        value.backward(retain_graph=True)
        assert z.grad.tolist() == [2.0 * times, -4.0 * times]


def test_a_prediction_changed_before_backward_is_noticed():
    z = torch.tensor([1.0, -2.0], requires_grad=True)
    pred = z * 1.0
    value = flt.loss(fl.SquaredError(), pred, torch.zeros(2))
    pred.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


# ---- losses: what costs nothing


class Spy(fl.SquaredError):
    """Notes what is called, and where the arrays are."""

    calls: list

    def value(self, pred, target, **more):
        self.calls.append(("value", pred.ctypes.data, target.ctypes.data))
        return super().value(pred, target, **more)

    def value_and_grad(self, pred, target, **more):
        value, grad = super().value_and_grad(pred, target, **more)
        self.calls.append(("value_and_grad", pred.ctypes.data, target.ctypes.data, grad.ctypes.data))
        return value, grad


@pytest.fixture
def spy():
    loss = Spy()
    loss.calls = []
    return loss


def test_without_a_wanted_gradient_none_is_computed(spy):
    z, y = torch.ones(3), torch.zeros(3)
    assert not flt.loss(spy, z, y).requires_grad
    z.requires_grad_()
    with torch.no_grad():
        assert not flt.loss(spy, z, y).requires_grad
    with torch.inference_mode():
        assert not flt.loss(spy, z, y).requires_grad
    assert [name for name, *_ in spy.calls] == ["value"] * 3


def test_nothing_is_copied(spy):
    z, y = torch.ones(1000, requires_grad=True), torch.zeros(1000)
    _, grad = flt._Evaluation.apply(spy, z, y, None)
    assert spy.calls == [("value_and_grad", z.data_ptr(), y.data_ptr(), grad.data_ptr())]
    big = torch.ones(1_000_000)
    tracemalloc.start()
    flt.loss(fl.SquaredError(), big, big)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < big.nbytes / 100


def test_any_strides_give_the_same_numbers(rng):
    z, y = torch.tensor(rng.normal(size=(6, 8))), torch.tensor(rng.integers(0, 4, 6))
    loss = fl.SoftmaxCrossEntropy()
    for pred in (z[:, :4], z[:, ::2], z[:, :6].T.contiguous().T[:, 1:5], z[:1, :4].expand(6, 4)):
        leaf, plain = pred.detach().requires_grad_(), pred.clone(memory_format=torch.contiguous_format).requires_grad_()
        value, same = flt.loss(loss, leaf, y), flt.loss(loss, plain, y)
        value.backward()
        same.backward()
        assert value == same and torch.equal(leaf.grad, plain.grad)


# ---- losses: what is refused


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, device="meta"),
        torch.zeros(3, dtype=torch.bfloat16),
        torch.zeros(3, dtype=torch.float16),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3).to_sparse(),
    ],
    ids=["meta", "bfloat16", "half", "complex", "sparse"],
)
def test_tensors_that_are_not_plain_floats_on_the_cpu_are_refused(tensor):
    fine, loss = torch.zeros(3), fl.SquaredError()
    for name, arguments in [
        ("pred", (tensor, fine)),
        ("target", (fine, tensor)),
        ("sample_weight", (fine, fine, tensor)),
    ]:
        pred, target, *weight = arguments
        with pytest.raises(TypeError, match=rf"SquaredError: {name} is a tensor of .*, but must be float32 or float64"):
            flt.loss(loss, pred, target, sample_weight=weight[0] if weight else None)
    with pytest.raises(TypeError, match=r"Adam: params\[0\] is a"):
        flt.Adam([tensor])


def test_differentiable_targets_and_weights_are_refused():
    z, asking = torch.zeros(3), torch.zeros(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"Huber: target requires grad, .* use target.detach\(\)"):
        flt.loss(fl.Huber(), z, asking)
    with pytest.raises(ValueError, match=r"Huber: sample_weight requires grad"):
        flt.loss(fl.Huber(), z, z, sample_weight=asking)
    with torch.no_grad():
        assert flt.loss(fl.Huber(), z, asking) == 0


def test_what_is_no_loss_or_no_tensor_is_refused():
    with pytest.raises(TypeError, match="Loss: function is a str"):
        flt.Loss("huber")
    with pytest.raises(TypeError, match="loss: function is a str"):
        flt.loss("huber", torch.zeros(3), torch.zeros(3))
    with pytest.raises(TypeError, match="Huber: pred is a list, but must be a tensor"):
        flt.loss(fl.Huber(), [0.0], torch.zeros(1))


def test_errors_of_the_loss_come_through(rng):
    z = torch.zeros((2, 3), requires_grad=True)
    with pytest.raises(IndexError, match=r"target\[1\] is 3, but pred has 3 classes"):
        flt.loss(fl.SoftmaxCrossEntropy(), z, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match=r"target has shape \(3,\), but must have shape \(2, 3\)"):
        flt.loss(fl.SquaredError(), z, torch.zeros(3))  # PyTorch would broadcast


# ---- losses: where they are used


def test_a_module_shows_its_loss_and_can_be_pickled_and_copied():
    criterion = flt.Loss(fl.Huber(delta=2.0))
    assert repr(criterion) == "Loss(Huber(delta=2.0, reduction='mean'))"
    for other in (pickle.loads(pickle.dumps(criterion)), copy.deepcopy(criterion)):
        assert other.function == criterion.function
        assert other(torch.tensor([3.0]), torch.tensor([0.0])) == 4.0
    assert not list(criterion.parameters()) and not criterion.state_dict()


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, k):
        z = torch.full((100_000,), float(k), requires_grad=True)  # enough for two threads
        flt.loss(fl.SquaredError(reduction="sum"), z, torch.zeros(100_000)).backward()
        return z.grad[0]


# Python and JAX warn of forking with threads running; that this works is what is tested. PyTorch of a single processor.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning")
def test_losses_work_in_workers_of_a_data_loader():
    before = fl.get_num_threads()
    fl.set_num_threads(2)
    try:
        Rows()[1]  # threads are running when the workers are forked
        loader = torch.utils.data.DataLoader(Rows(), num_workers=2, multiprocessing_context="fork")
        assert [g.item() for g in loader] == [2.0 * k for k in range(8)]
    finally:
        fl.set_num_threads(before)


# PyTorch's own compiler warns of PyTorch's own functions.
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_training_step_gives_the_same_numbers():
    torch.manual_seed(0)
    x, y = torch.randn(16, 5), torch.randint(0, 3, (16,))
    nets, losses = [torch.nn.Linear(5, 3) for _ in range(2)], []
    nets[1].load_state_dict(nets[0].state_dict())
    for net, compiled in zip(nets, (False, True), strict=True):
        optimizer, criterion = flt.Adam(net.parameters(), lr=0.1), flt.Loss(fl.SoftmaxCrossEntropy())

        def step(net=net, optimizer=optimizer, criterion=criterion):
            optimizer.zero_grad()
            value = criterion(net(x), y) * 2.0
            value.backward()
            optimizer.step()
            return value.detach()

        run = torch.compile(step, backend="eager") if compiled else step
        losses.append([run().item() for _ in range(4)])
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0]
    assert torch.equal(nets[0].weight, nets[1].weight)


# ---- optimizers: the path of torch.optim

OPTIMIZERS = ["SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "RAdam", "NAdam", "Adamax"]
IN_TORCH = [
    (name, {**shared, **options})
    for name, options in optimizer_cases.OWN
    for shared in [s for s in optimizer_cases.SHARED if not any(k.startswith("clip") for k in s)]
    if optimizer_cases.in_torch(name, options)
]
each_path = pytest.mark.parametrize("case", IN_TORCH, ids=optimizer_cases.label)
RELATIVE = 1e-12  # see test_optimizers_torch.py


@pytest.fixture
def doubles():
    """PyTorch keeps NAdam's product of momenta in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def start(dtype=torch.float64):
    """The course's parameters: one of them lies transposed in memory, one in the order of channels_last."""
    params = [torch.tensor(w, dtype=dtype) for w in optimizer_cases.start()]
    params.append(torch.arange(12, dtype=dtype).reshape(3, 4).T / 8)
    params.append((torch.arange(48, dtype=dtype) / 32).reshape(2, 4, 3, 2).to(memory_format=torch.channels_last))
    return [p.requires_grad_() for p in params]


def run(optimizer, params, steps, begin=1):
    for t in range(begin, begin + steps):
        for p, g in zip(params, optimizer_cases.gradients([p.detach().numpy() for p in params], t), strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()


def assert_same(ours, theirs, relative=RELATIVE):
    for p, q in zip(ours, theirs, strict=True):
        if p.numel():
            assert (p - q).abs().max() <= relative * q.abs().max()


def pair(case):
    name, options = case
    options = optimizer_cases.torch_options(options)
    ours, theirs = start(), start()
    return (
        (getattr(flt, name)(ours, **options), ours),
        (getattr(torch.optim, name)(theirs, foreach=False, **options), theirs),
    )


@each_path
def test_fifty_steps_lead_to_where_they_lead_in_torch(case, doubles):
    (ours, p), (theirs, q) = pair(case)
    run(ours, p, 50)
    run(theirs, q, 50)
    assert_same(p, q)


@each_path
def test_states_go_to_torch_and_back_and_on_identically(case, doubles):
    (ours, p), (theirs, q) = pair(case)
    run(theirs, q, 20)
    run(ours, p, 3)  # so that there is a state to be replaced
    for a, b in zip(p, q, strict=True):
        a.data.copy_(b)
    ours.load_state_dict(theirs.state_dict())
    run(ours, p, 20, begin=21)
    run(theirs, q, 20, begin=21)  # nothing is shared: both may go on
    assert_same(p, q)
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    run(ours, p, 20, begin=41)
    run(theirs, q, 20, begin=41)
    assert_same(p, q)


@each_path
def test_the_state_has_the_keys_shapes_and_options_of_torch(case, doubles):
    (ours, p), (theirs, q) = pair(case)
    run(ours, p, 2)
    run(theirs, q, 2)
    mine, other = ours.state_dict(), theirs.state_dict()
    assert {k: {n: t.shape for n, t in e.items()} for k, e in mine["state"].items()} == {
        k: {n: t.shape for n, t in e.items()} for k, e in other["state"].items()
    }
    for k, entry in other["state"].items():
        assert mine["state"][k].get("step") == entry.get("step")
    for key, value in other["param_groups"][0].items():
        assert key == "foreach" or mine["param_groups"][0][key] == value


def test_lion_follows_its_formula():
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = flt.Lion([w], lr=0.1, betas=(0.9, 0.8), weight_decay=0.5)
    expected, m = w.detach().numpy().copy(), np.zeros(3)
    for t in range(10):
        g = np.sin(np.arange(3) + t)
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * np.sign(0.9 * m + (1 - 0.9) * g)
        m = 0.8 * m + (1 - 0.8) * g
        w.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_paths_stay_near_those_of_torch(name):
    ours, theirs = start(torch.float32), start(torch.float32)
    run(getattr(flt, name)(ours), ours, 100)
    run(getattr(torch.optim, name)(theirs, foreach=False), theirs, 100)
    # a few roundings of 2^-24 per step, a hundred steps, partly cancelled
    assert_same(ours, theirs, relative=1e-5)


def test_decoupled_decay_may_be_chosen_for_adam(doubles):
    (ours, p), (theirs, q) = pair(("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}))
    run(ours, p, 50)
    run(theirs, q, 50)
    assert_same(p, q)
    with pytest.raises(ValueError, match="RAdam: state has decoupled_weight_decay=True"):
        flt.RAdam(start(), weight_decay=0.1, decoupled_weight_decay=True)


# ---- optimizers: groups, schedules, closures


def grouped(module):
    params = start()
    optimizer = module.Adam([{"params": params[:2], "lr": 0.05}, {"params": params[2:4], "betas": (0.5, 0.9)}], lr=0.01)
    optimizer.add_param_group({"params": params[4:], "weight_decay": 0.1, "amsgrad": True})
    return optimizer, params


def test_groups_have_options_of_their_own(doubles):
    (ours, p), (theirs, q) = grouped(flt), grouped(torch.optim)
    run(ours, p, 50)
    run(theirs, q, 50)
    assert_same(p, q)


def test_a_step_is_one_compiled_call_per_group(monkeypatch):
    calls = []
    step = flt._CompiledStep.step
    monkeypatch.setattr(flt._CompiledStep, "step", lambda self, *given: (calls.append(self), step(self, *given)))
    optimizer, params = grouped(flt)
    run(optimizer, params, 5)
    assert len(calls) == 15 and len(set(map(id, calls))) == 3  # set up once


SCHEDULERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 20),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=40),  # turns the betas too
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=5), lr_scheduler.ExponentialLR(o, 0.9)], [5]
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")  # of SequentialLR itself
def test_schedulers_turn_the_options(schedule, doubles):
    (ours, p), (theirs, q) = pair(("AdamW", {}))
    for optimizer, params in ((ours, p), (theirs, q)):
        scheduler = SCHEDULERS[schedule](optimizer)
        for t in range(30):
            run(optimizer, params, 1, begin=t + 1)
            scheduler.step()
    assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"] != 1e-3
    assert_same(p, q)


def test_options_may_change_between_steps(doubles):
    (ours, p), (theirs, q) = pair(("SGD", {}))
    for optimizer, params in ((ours, p), (theirs, q)):
        run(optimizer, params, 3)
        optimizer.param_groups[0].update(momentum=0.9, lr=torch.tensor(0.05))  # from now on there is a buffer
        run(optimizer, params, 5, begin=4)
        optimizer.param_groups[0].update(nesterov=True, weight_decay=0.1)
        run(optimizer, params, 5, begin=9)
    assert_same(p, q)


def test_options_may_be_tensors_and_groups_hold_more_than_options():
    paths = []
    for rates in ((0.8, 0.9), (torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.9, dtype=torch.float64))):
        params = start()
        optimizer = flt.Adam([{"params": params, "mine": torch.ones(3)}], lr=torch.tensor(0.125), betas=rates)
        run(optimizer, params, 3)
        for rate in rates:
            if isinstance(rate, torch.Tensor):
                rate.fill_(0.5)
        if not isinstance(rates[0], torch.Tensor):
            optimizer.param_groups[0]["betas"] = (0.5, 0.5)
        run(optimizer, params, 3, begin=4)
        paths.append(params)
    for a, b in zip(*paths, strict=True):
        assert torch.equal(a, b)


def test_closures_run_with_gradients_and_their_value_comes_back():
    w = torch.tensor([3.0], requires_grad=True)
    optimizer = flt.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        value = (w**2).sum()
        value.backward()
        return value

    with torch.no_grad():
        assert optimizer.step(closure) == 9.0
    assert w.item() == 1.5
    optimizer.zero_grad()
    assert w.grad is None


def test_parameters_without_gradient_stay_and_their_steps_are_not_counted(doubles):
    (ours, p), (theirs, q) = pair(("Adam", {}))
    for optimizer, params in ((ours, p), (theirs, q)):
        for t in range(1, 13):
            run_some = params[:3] if t % 3 else params[2:]
            optimizer.zero_grad()
            for w, g in zip(
                run_some, optimizer_cases.gradients([w.detach().numpy() for w in run_some], t), strict=True
            ):
                w.grad = torch.tensor(g)
            optimizer.step()
    assert_same(p, q)
    assert [float(ours.state[w]["step"]) for w in p] == [float(theirs.state[w]["step"]) for w in q]
    optimizer = flt.Adam(start())
    optimizer.step()  # nothing has a gradient
    assert not optimizer.state


# ---- optimizers: the state is the one of torch


def test_states_share_memory_with_the_compiled_step():
    params = start()
    optimizer = flt.Adam(params)
    run(optimizer, params, 1)
    before = {id(p): {k: t.data_ptr() for k, t in optimizer.state[p].items()} for p in params}
    average = optimizer.state[params[6]]["exp_avg"].clone()
    run(optimizer, params, 1, begin=2)
    assert before == {id(p): {k: t.data_ptr() for k, t in optimizer.state[p].items()} for p in params}
    assert not torch.equal(average, optimizer.state[params[6]]["exp_avg"])


def test_a_state_that_users_replace_or_change_is_obeyed(doubles):
    (ours, p), (theirs, q) = pair(("Adam", {}))
    for optimizer, params in ((ours, p), (theirs, q)):
        run(optimizer, params, 3)
        optimizer.state[params[3]]["exp_avg"] = torch.ones_like(params[3])
        optimizer.state[params[4]]["step"].fill_(50.0)
        optimizer.state[params[5]]["exp_avg_sq"].zero_()
        run(optimizer, params, 3, begin=4)
        optimizer.state.clear()
        run(optimizer, params, 3, begin=7)
        params[6].data = torch.full_like(params[6], 0.5)
        run(optimizer, params, 3, begin=10)
    assert_same(p, q)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
@pytest.mark.parametrize("name", [*OPTIMIZERS, "Lion"])
def test_copies_go_on_to_the_same_bits(name, how):
    params = start(torch.float32)
    optimizer = getattr(flt, name)(params, weight_decay=0.01)
    run(optimizer, params, 5)
    if how == "deepcopy":
        other, others = copy.deepcopy((optimizer, params))
    elif how == "pickle":
        other, others = pickle.loads(pickle.dumps((optimizer, params)))
    else:
        file = io.BytesIO()
        torch.save((optimizer.state_dict(), params), file)
        file.seek(0)
        state, others = torch.load(file)
        other = getattr(flt, name)(others)
        other.load_state_dict(state)
    run(optimizer, params, 5, begin=6)
    run(other, others, 5, begin=6)
    for a, b in zip(params, others, strict=True):
        assert a is not b and torch.equal(a, b)


@pytest.mark.parametrize(
    "case, old",
    [
        (("SGD", {"momentum": 0.9, "dampening": 0.5}), {"momentum_buffer": lambda _: None}),  # before the first step
        (("Adam", {"amsgrad": True}), {"step": lambda step: int(step)}),
    ],
    ids=["None", "int"],
)
def test_states_of_older_torch_hold_numbers_and_none_and_go_on(case, old, doubles):
    (ours, p), (theirs, q) = pair(case)
    run(theirs, q, 3)
    for a, b in zip(p, q, strict=True):
        a.data.copy_(b)
    state = copy.deepcopy(theirs.state_dict())
    for entry in state["state"].values():
        entry.update((name, change(entry[name])) for name, change in old.items())
    for optimizer, params in ((ours, p), (theirs, q)):
        optimizer.load_state_dict(copy.deepcopy(state))
        run(optimizer, params, 5, begin=4)
    assert_same(p, q)


def test_loading_a_state_of_torch_keeps_the_clipping():
    optimizer = flt.SGD(start(), clip_norm=1.0)
    optimizer.load_state_dict(torch.optim.SGD(start(), lr=0.5).state_dict())
    assert optimizer.param_groups[0]["clip_norm"] == 1.0 and optimizer.param_groups[0]["lr"] == 0.5


def test_clipping_is_that_of_torch(doubles):
    (ours, p), (theirs, q) = pair(("SGD", {"clip_norm": 0.5, "clip_value": 0.2}))
    ours.param_groups[0].update(clip_norm=0.5, clip_value=0.2)
    for t in range(1, 20):
        run(ours, p, 1, begin=t)
        for w, g in zip(q, optimizer_cases.gradients([w.detach().numpy() for w in q], t), strict=True):
            w.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_value_(q, 0.2)
        torch.nn.utils.clip_grad_norm_(q, 0.5)
        theirs.step()
    assert_same(p, q)


def test_gradients_that_are_not_finite_are_skipped_or_refused():
    w = torch.ones(3, requires_grad=True)
    for how in ("skip", "raise"):
        optimizer = flt.SGD([w], momentum=0.9, dampening=0.5, nonfinite=how)
        w.grad = torch.tensor([1.0, np.nan, 1.0])
        if how == "raise":
            with pytest.raises(FloatingPointError, match=r"SGD: grads\[0\]\[1\] is nan"):
                optimizer.step()
        else:
            optimizer.step()
        assert torch.equal(w, torch.ones(3)) and not optimizer.state
        w.grad = torch.ones(3)
        optimizer.step()  # this is the first one, so that the buffer begins with the whole gradient
        assert torch.equal(optimizer.state[w]["momentum_buffer"], torch.ones(3))
        w.data.fill_(1.0)


def test_steps_are_seen_by_the_version_counter():
    w = torch.ones(3, requires_grad=True)
    optimizer, value = flt.SGD([w], lr=0.1), (w**2).sum()
    w.grad = torch.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


# ---- optimizers: what is refused


def test_gradients_that_are_sparse_are_refused_before_anything_changes():
    embedding = torch.nn.Embedding(4, 3, sparse=True)
    other = torch.ones(3, requires_grad=True)
    optimizer = flt.Adam([{"params": [other]}, {"params": embedding.parameters()}])
    other.grad = torch.ones(3)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match=r"Adam: grads\[0\] is a tensor of .*sparse.*, but must be .* dense"):
        optimizer.step()
    assert torch.equal(other, torch.ones(3)) and not optimizer.state


def test_options_are_checked_when_a_group_is_added():
    w = torch.ones(3, requires_grad=True)
    for options, error, message in [
        ({"lr": -1.0}, ValueError, "SGD: lr is -1.0"),
        ({"nesterov": True}, ValueError, "SGD: nesterov is True"),
        ({"momentum": -0.1}, ValueError, "SGD: momentum is -0.1"),
        ({"differentiable": True}, ValueError, "SGD: differentiable is True, but must be False"),
        ({"momentun": 0.9}, TypeError, "SGD: got 'momentun', but the options are lr, momentum"),
    ]:
        with pytest.raises(error, match=message):
            flt.SGD([w], **options)
    with pytest.raises(ValueError, match="Adam: capturable is True"):
        flt.Adam([w], capturable=True)
    optimizer = flt.SGD([w])
    with pytest.raises(TypeError, match=r"SGD: params\[0\] is an array of int64"):
        optimizer.add_param_group({"params": torch.zeros(2, dtype=torch.int64)})
    assert len(optimizer.param_groups) == 1
    flt.Adam([w], foreach=True, fused=False)  # of no consequence


def test_a_state_of_another_optimizer_is_refused():
    params = start()
    adam = torch.optim.Adam(params)
    run(adam, params, 1)
    optimizer = flt.Adamax(params)
    optimizer.load_state_dict(adam.state_dict())
    with pytest.raises(ValueError, match=r"Adamax: state\[0\] has no 'exp_inf'"):
        run(optimizer, params, 1)


def test_every_optimizer_shows_its_options():
    for name in [*OPTIMIZERS, "Lion"]:
        names = list(inspect.signature(getattr(flt, name)).parameters)
        assert names[:2] == ["params", "lr"] and {"weight_decay", "clip_norm"} <= set(names)
        if name != "Lion":
            assert set(inspect.signature(getattr(torch.optim, name)).parameters) - set(names) <= {
                "decoupled_weight_decay"
            }
