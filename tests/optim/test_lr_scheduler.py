"""Schedulers: PyTorch's numbers, states and warnings."""

import math
import warnings

import pytest

import rushlight
from rushlight import nn, optim
from rushlight.optim import lr_scheduler as schedulers

CODE = {
    "lambda": "S.LambdaLR(opt, lambda e: 0.95 ** e)",
    "lambdas": "S.LambdaLR(opt, [lambda e: 0.95 ** e, lambda e: 1 / (e + 1)])",
    "multiplicative": "S.MultiplicativeLR(opt, lambda e: 0.9)",
    "step": "S.StepLR(opt, 3, gamma=0.5)",
    "multistep": "S.MultiStepLR(opt, [2, 5, 5, 8], gamma=0.3)",
    "constant": "S.ConstantLR(opt, factor=0.25, total_iters=4)",
    "linear": "S.LinearLR(opt, 0.2, 0.9, total_iters=6)",
    "exponential": "S.ExponentialLR(opt, 0.9)",
    "polynomial": "S.PolynomialLR(opt, total_iters=7, power=2.0)",
    "cosine": "S.CosineAnnealingLR(opt, T_max=5, eta_min=0.001)",
    "restarts": "S.CosineAnnealingWarmRestarts(opt, T_0=3, T_mult=2, eta_min=0.001)",
    "cyclic": "S.CyclicLR(opt, 0.01, 0.1, step_size_up=3, step_size_down=2)",
    "cyclic 2": "S.CyclicLR(opt, 0.01, 0.1, step_size_up=2, mode='triangular2')",
    "cyclic exp": "S.CyclicLR(opt, 0.01, 0.1, step_size_up=2, mode='exp_range', gamma=0.9)",
    "cyclic own": "S.CyclicLR(opt, 0.01, 0.1, 2, scale_fn=lambda x: 1 / x, cycle_momentum=False)",
    "one cycle": "S.OneCycleLR(opt, max_lr=0.5, total_steps=20)",
    "one cycle 3": "S.OneCycleLR(opt, [0.5, 0.2], epochs=2, steps_per_epoch=10, three_phase=True, "
    "anneal_strategy='linear')",
    "plateau": "S.ReduceLROnPlateau(opt, factor=0.5, patience=1)",
    "plateau max": "S.ReduceLROnPlateau(opt, 'max', 0.5, 0, threshold_mode='abs', cooldown=1, min_lr=[0, 0.01])",  # noqa: E501
    "sequential": "S.SequentialLR(opt, [S.LinearLR(opt, 0.1, total_iters=3), S.ExponentialLR(opt, 0.9)], [3])",  # noqa: E501
    "chained": "S.ChainedScheduler([S.ConstantLR(opt, 0.1, total_iters=4), S.ExponentialLR(opt, 0.9)])",  # noqa: E501
    "swa": "W.SWALR(opt, 0.05, anneal_epochs=4)",
    "swa linear": "W.SWALR(opt, [0.05, 0.1], anneal_epochs=0, anneal_strategy='linear')",
}  # fmt: skip
EPOCH = {"lambda", "step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine"}


def optimizer_of(api, library, name="SGD", **kwargs):
    p = [api.zeros(1, requires_grad=True) for _ in range(2)]
    kwargs = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}
    return getattr(library, name)([{"params": p[:1]}, {"params": p[1:], "lr": 0.02}], **kwargs)


def made(api, library, code, name="SGD"):
    opt = optimizer_of(api, library, name)
    return opt, eval(code, {"S": library.lr_scheduler, "W": library.swa_utils, "opt": opt})


def rates(opt, scheduler, steps, plateau):
    found = []
    for i in range(steps):
        opt.step()
        scheduler.step(*([abs(math.sin(i))] if plateau else []))
        groups = opt.param_groups
        found.append([(float(g["lr"]), g.get("momentum", g.get("betas"))) for g in groups])
        assert scheduler.get_last_lr() == [g["lr"] for g in groups]
    return found


def plain(state):
    """A scheduler's state without what is no number: functions, and the memory of them."""
    return {k: v for k, v in state.items() if not callable(v) and k not in ("_schedulers",)}


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_rates_and_state(name, optimizer):
    torch = pytest.importorskip("torch")
    theirs = made(torch, torch.optim, CODE[name], optimizer)
    ours = made(rushlight, optim, CODE[name], optimizer)
    plateau = "plateau" in name
    assert rates(*ours, 12, plateau) == rates(*theirs, 12, plateau)
    assert plain(ours[1].state_dict()) == plain(theirs[1].state_dict())


@pytest.mark.parametrize("name", CODE)
def test_a_state_dict_carries_on(name):
    opt, scheduler = made(rushlight, optim, CODE[name])
    plateau = "plateau" in name
    rates(opt, scheduler, 5, plateau)
    again, resumed = made(rushlight, optim, CODE[name])
    resumed.load_state_dict(scheduler.state_dict())
    again.load_state_dict(opt.state_dict())
    again.step()
    assert rates(again, resumed, 4, plateau) == rates(opt, scheduler, 4, plateau)


@pytest.mark.parametrize("name", sorted(EPOCH))
def test_closed_forms(name):
    torch = pytest.importorskip("torch")
    found = []
    for api, library in ((rushlight, optim), (torch, torch.optim)):
        opt, scheduler = made(api, library, CODE[name])
        opt.step()
        with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
            scheduler.step(4)
        found.append(scheduler.get_last_lr())
    assert found[0] == found[1]


def test_fractions_of_an_epoch():
    torch = pytest.importorskip("torch")
    found = []
    for api, library in ((rushlight, optim), (torch, torch.optim)):
        _, scheduler = made(api, library, CODE["restarts"])
        found.append([])
        for epoch in (0.5, 2.5, 3.25, 10.75, 1):
            scheduler.step(epoch)
            found[-1].append(scheduler.get_last_lr())
    assert found[0] == found[1]
    with pytest.raises(ValueError, match="Expected non-negative epoch, but got -1"):
        scheduler.step(-1)


def sgd(**kwargs):
    return optim.SGD([nn.Parameter(rushlight.zeros(1))], lr=0.1, **kwargs)


def test_a_rate_in_a_tensor_is_changed_in_place():
    rate = rushlight.tensor(1.0)
    opt = optim.SGD([nn.Parameter(rushlight.zeros(1))], lr=rate)
    scheduler = schedulers.StepLR(opt, 1, gamma=0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is rate
    assert rate.item() == 0.5
    assert scheduler.base_lrs[0].item() == 1.0


def test_the_order_of_steps_is_warned_of():
    scheduler = schedulers.StepLR(sgd(), 1)
    with pytest.warns(UserWarning, match="`lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`"):
        scheduler.step()
    opt = sgd()
    scheduler = schedulers.StepLR(opt, 1)
    opt.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden after learning rate scheduler"):
        scheduler.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr\\(\\)`"):
        scheduler.get_lr()


def test_resuming_needs_the_initial_rate():
    with pytest.raises(
        KeyError, match="param 'initial_lr' is not specified in param_groups\\[0\\]"
    ):
        schedulers.StepLR(sgd(), 1, last_epoch=3)
    opt = sgd()
    schedulers.ExponentialLR(opt, 0.5)
    resumed = schedulers.ExponentialLR(opt, 0.5, last_epoch=3)
    assert resumed.last_epoch == 4


BAD = {
    "S.StepLR(3, 1)": "int is not an Optimizer",
    "S.LambdaLR(opt, [len, len])": "Expected 1 lr_lambdas, but got 2",
    "S.MultiplicativeLR(opt, 3)": "lr_lambda should be a function, but got int",
    "S.ConstantLR(opt, 2)": "Constant multiplicative factor expected to be between 0 and 1.",
    "S.LinearLR(opt, 0)": "Starting multiplicative factor expected to be greater than 0",
    "S.LinearLR(opt, 1, 2)": "Ending multiplicative factor expected to be between 0 and 1.",
    "S.CosineAnnealingWarmRestarts(opt, 0)": "Expected positive integer T_0, but got 0",
    "S.CosineAnnealingWarmRestarts(opt, 1, 0)": "Expected integer T_mult >= 1, but got 0",
    "S.CyclicLR(opt, 0, 1, mode='x')": "mode is invalid and scale_fn is None",
    "S.CyclicLR(opt, [0, 1], 1)": "base_lr must have the same length as optimizer.param_groups.",
    "S.CyclicLR(bare, 0, 1)": "optimizer must support momentum or beta1",
    "S.OneCycleLR(opt, 1)": "You must define either total_steps OR",
    "S.OneCycleLR(opt, 1, 0)": "Expected positive integer total_steps, but got 0",
    "S.OneCycleLR(opt, 1, 5, pct_start=2)": "Expected float between 0 and 1 pct_start, but got 2",
    "S.OneCycleLR(opt, 1, 5, anneal_strategy='x')": "anneal_strategy must be one of 'cos' or 'linear'",  # noqa: E501
    "S.ReduceLROnPlateau(opt, factor=1.0)": "Factor should be < 1.0.",
    "S.ReduceLROnPlateau(opt, 'x')": "mode x is unknown!",
    "S.ReduceLROnPlateau(opt, min_lr=[1, 2])": "expected 1 min_lrs, got 2",
    "S.SequentialLR(opt, [], [])": "SequentialLR expects at least one scheduler, but got no scheduler.",  # noqa: E501
    "S.SequentialLR(opt, [S.StepLR(opt, 1)], [1])": "one more than the number of milestone points",
    "S.SequentialLR(opt, [S.StepLR(bare, 1)], [])": "to belong to the same optimizer",
    "S.ChainedScheduler([])": "ChainedScheduler expects at least one scheduler to be chained",
    "S.ChainedScheduler([S.ReduceLROnPlateau(opt)])": "does not support `ReduceLROnPlateau` scheduler",  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("code", BAD)
def test_what_is_refused(code):
    bare = optim.Rprop([nn.Parameter(rushlight.zeros(1))])
    with pytest.raises((ValueError, TypeError)) as caught:
        eval(code, {"S": schedulers, "opt": sgd(), "bare": bare})
    assert BAD[code] in str(caught.value)


def test_one_cycle_ends():
    opt = sgd(momentum=0.9)
    scheduler = schedulers.OneCycleLR(opt, 1.0, total_steps=2)
    opt.step()
    with warnings.catch_warnings():
        scheduler.step()
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def test_the_optimizer_is_not_kept_alive_by_the_scheduler():
    import gc
    import weakref

    opt = sgd()
    schedulers.StepLR(opt, 1)
    gone = weakref.ref(opt)
    gc.disable()
    try:
        del opt
        assert gone() is None  # no cycle, so no collector is needed
    finally:
        gc.enable()
