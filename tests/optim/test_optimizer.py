"""The base class: groups, state dicts, hooks, what is refused."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn, optim


def stepped(optimizer):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    optimizer.step()
    return optimizer


@pytest.fixture
def p():
    return nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    ("params", "kind", "text"),
    [
        (
            lambda p: p,
            TypeError,
            "should be an iterable of Tensors or dicts, but got torch.FloatTensor",
        ),
        (
            lambda p: [2],
            TypeError,
            "optimizer can only optimize Tensors, but one of the params is int",
        ),
        (lambda p: [], ValueError, "optimizer got an empty parameter list"),
        (lambda p: [p * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (
            lambda p: [{"params": [p]}, {"params": [p]}],
            ValueError,
            "in more than one parameter group",
        ),
        (lambda p: [{"params": {p}}], TypeError, "the ordering of tensors in sets will change"),
        (lambda p: [("a", p), p], ValueError, "Some param names are missing"),
    ],
)
def test_bad_parameters(p, params, kind, text):
    with pytest.raises(kind, match=text):
        optim.SGD(params(p))


def test_duplicates_are_warned_of(p):
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])


def test_a_required_option_must_be_given(p):
    from rushlight.optim.optimizer import required

    with pytest.raises(
        ValueError, match="didn't specify a value of required optimization parameter lr"
    ):
        optim.Optimizer([p], {"lr": required})
    assert repr(required) == "<required parameter>"


def test_groups_have_options_of_their_own(p):
    q = nn.Parameter(torch.ones(1))
    optimizer = stepped(optim.SGD([{"params": p}, {"params": [q], "lr": 0.5}], lr=0.25))
    assert p.tolist() == [0.75, 0.75]
    assert q.tolist() == [0.5]
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        optimizer.add_param_group([p])


def test_names_go_into_the_state_dict(p):
    optimizer = optim.SGD([("weight", p)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight"]
    with pytest.raises(ValueError, match="cannot add param group without names to the optimizer"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})


def test_parameters_without_gradient_are_left_alone(p):
    optimizer = optim.Adam([p, q := nn.Parameter(torch.ones(1))])
    p.grad = torch.ones(2)
    optimizer.step()
    assert q.tolist() == [1.0]
    assert list(optimizer.state_dict()["state"]) == [0]


def test_plain_sgd_has_no_state(p):
    assert stepped(optim.SGD([p])).state_dict()["state"] == {}


def test_momentum_of_a_parameter_that_comes_later(p):
    q = nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    p.grad = torch.ones(2)
    optimizer.step()
    stepped(optimizer)
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.5, 1.5]
    assert optimizer.state[q]["momentum_buffer"].tolist() == [1.0]


def test_step_returns_what_the_closure_returns(p):
    optimizer = optim.Adam([p])
    with torch.no_grad():
        loss = optimizer.step(lambda: (p * p).sum())
    assert loss.requires_grad  # the closure runs with gradients on


def test_a_step_counts_as_a_write(p):
    loss = (p * p).sum()
    p.grad = torch.ones(2)
    before = p._version
    optim.SGD([p]).step()
    assert p._version == before + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_zero_grad(p):
    optimizer = optim.SGD([p])
    p.grad = torch.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_state_dict_round_trip(p):
    first = stepped(optim.Adam([p], lr=0.1))
    second = optim.Adam([nn.Parameter(p.detach().clone())])
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # loading copies no tensors
    assert second.param_groups[0]["lr"] == 0.1
    q = second.param_groups[0]["params"][0]
    assert second.state[q]["step"].item() == 1.0
    stepped(first)
    stepped(second)
    assert torch.equal(p, q)


def test_loading_casts_the_state_but_not_the_count(p):
    saved = stepped(optim.Adam([p])).state_dict()
    q = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = optim.Adam([q])
    optimizer.load_state_dict(saved)
    assert optimizer.state[q]["exp_avg"].dtype is torch.float64
    assert optimizer.state[q]["step"].dtype is torch.float32


def test_loading_what_does_not_fit(p):
    saved = optim.SGD([p]).state_dict()
    q = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.SGD([{"params": [p]}, {"params": [q]}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([p, q]).load_state_dict(saved)


def test_hooks_are_called_in_order(p):
    optimizer, calls = optim.SGD([p]), []

    def note(name):
        return lambda *args: calls.append(name)

    handles = [
        optimizer.register_step_pre_hook(note("pre")),
        optimizer.register_step_post_hook(note("post")),
        optim.optimizer.register_optimizer_step_pre_hook(note("global pre")),
        optim.optimizer.register_optimizer_step_post_hook(note("global post")),
    ]
    stepped(optimizer)
    for handle in handles:
        handle.remove()
    stepped(optimizer)
    assert calls == ["global pre", "pre", "post", "global post"]


def test_a_pre_hook_may_change_the_arguments(p):
    optimizer = optim.SGD([p])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 3), {}))
    assert optimizer.step() == 3
    optimizer.register_step_pre_hook(lambda *_: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_hooks_around_state_dicts(p):
    optimizer, calls = optim.SGD([p]), []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, state: state | {"more": 1})
    saved = optimizer.state_dict()
    assert saved.pop("more") == 1
    optimizer.register_load_state_dict_pre_hook(lambda o, state: calls.append("load"))
    optimizer.register_load_state_dict_pre_hook(
        lambda o, state: calls.append("first"), prepend=True
    )
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    optimizer.load_state_dict(saved)
    assert calls == ["pre", "first", "load", "loaded"]


def test_copies_and_pickles(p):
    optimizer = stepped(optim.Adam([p], lr=0.5))
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(other) == repr(optimizer)
        q = other.param_groups[0]["params"][0]
        assert q is not p
        assert other.state[q]["step"].item() == 1.0
        stepped(other)


def test_a_users_own_optimizer(p):
    class Descent(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for q in group["params"]:
                    q.sub_(q.grad)

    optimizer, calls = Descent([p]), []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    stepped(optimizer)
    assert p.tolist() == [0.0, 0.0]
    assert calls == [1]
    with pytest.raises(NotImplementedError):
        optim.Optimizer([p], {}).step()


def test_what_is_not_offered_says_so(p):
    with pytest.raises(AssertionError, match="capturable=True, params and state_steps must be on"):
        stepped(optim.Adam([p], capturable=True))
    with pytest.raises(
        RuntimeError, match="does not support dense gradients, please consider Adam"
    ):
        stepped(optim.SparseAdam([p]))
    with pytest.raises(RuntimeError, match="requires all the params to be floating point Tensors"):
        stepped(optim.Adam([nn.Parameter(torch.ones(1, dtype=torch.complex64))], fused=True))


def test_steps_warn_of_nothing(p):
    p.grad = torch.full((2,), float("inf"))  # inf / inf; warnings are errors in tests
    optim.Adam([p]).step()
    assert p.isnan().all()


def test_other_parameters_for_a_while(p):
    optimizer = stepped(optim.SGD([p], lr=1.0, momentum=0.5))
    saved = copy.deepcopy(optimizer.state_dict())
    q = nn.Parameter(torch.zeros(2))
    q.grad = torch.ones(2)
    with optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, saved):
        optimizer.step()
    assert q.tolist() == [-1.5, -1.5]
    assert optimizer.param_groups[0]["params"][0] is p
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_minimum(search):
    x = nn.Parameter(torch.tensor([-1.5, 2.0], dtype=torch.float64))
    optimizer = optim.LBFGS([x], lr=1 if search else 0.1, max_iter=200, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(10):
        optimizer.step(closure)
    assert torch.allclose(x, torch.ones(2, dtype=torch.float64), atol=1e-4)


def test_lbfgs_takes_one_group(p):
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": [p]}, {"params": [nn.Parameter(torch.ones(1))]}])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_steps_take_a_scale_and_leave_out_infinities(name):
    p, q = (nn.Parameter(torch.ones(3)) for _ in range(2))
    scaled, plain = (getattr(optim, name)([x], fused=True) for x in (p, q))
    p.grad, q.grad = torch.full((3,), 8.0), torch.full((3,), 2.0)
    assert scaled._step_supports_amp_scaling
    scaled.grad_scale, scaled.found_inf = torch.tensor(4.0), torch.tensor(1.0)
    scaled.step()
    assert p.tolist() == [1.0] * 3
    assert p.grad.tolist() == [8.0] * 3
    scaled.found_inf = torch.tensor(0.0)
    scaled.step()
    plain.step()
    assert p.tolist() == q.tolist()
    assert p.grad.tolist() == [2.0] * 3
    assert str(scaled.state[p]) == str(plain.state[q])
