"""Selective checkpoints, debugging ones, and groups of walks backwards."""

import functools

import pytest

import rushlight as torch
from rushlight.utils import checkpoint as c

runs = []


def part(x):
    runs.append(1)
    return torch.sigmoid(torch.mm(x, x)).exp()


def gradient(context_fn=c.noop_context_fn, **options):
    torch.manual_seed(0)
    x = torch.rand(3, 3, requires_grad=True)
    c.checkpoint(part, x, use_reentrant=False, context_fn=context_fn, **options).sum().backward()
    return x.grad


def test_a_policy_is_asked_and_results_are_kept():
    asked, computed = [], []

    def policy(ctx, op, *args):
        asked.append((op.__name__, ctx.is_recompute))
        return (
            c.CheckpointPolicy.MUST_SAVE if op is torch.mm else c.CheckpointPolicy.PREFER_RECOMPUTE
        )

    wanted = gradient()
    forward = torch.mm.record.run

    def counting(*args):
        computed.append(1)
        return forward(*args)

    context = functools.partial(c.create_selective_checkpoint_contexts, policy)
    try:
        torch.mm.record.run = staticmethod(counting)
        found = gradient(context)
    finally:
        torch.mm.record.run = staticmethod(forward)
    assert torch.equal(found, wanted)
    assert asked[:3] == [("mm", False), ("sigmoid", False), ("exp", False)]


@pytest.mark.parametrize("policy", [[torch.mm], [torch.sigmoid, torch.exp], [], lambda *a: True])
def test_gradients_do_not_depend_on_the_policy(policy):
    context = functools.partial(c.create_selective_checkpoint_contexts, policy)
    assert torch.equal(gradient(context), gradient())


def test_several_results_are_kept_together():
    def f(x):
        return torch.topk(x, 2)[0].sin()

    x = torch.rand(4, requires_grad=True)
    f(x).sum().backward()
    wanted, x.grad = x.grad, None
    context = functools.partial(c.create_selective_checkpoint_contexts, lambda *a: True)
    c.checkpoint(f, x, use_reentrant=False, context_fn=context).sum().backward()
    assert torch.equal(x.grad, wanted)


def test_what_is_no_policy_is_refused():
    with pytest.raises(TypeError, match="policy_fn_or_list must be either a function or a list"):
        c.create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="Expected op in `op_list`"):
        c.create_selective_checkpoint_contexts(["mm"])


def test_a_group_of_walks_computes_again_once():
    x = torch.rand(3, 3, requires_grad=True)
    y = c.checkpoint(part, x, use_reentrant=False)
    runs.clear()
    with c.GraphExecGroup():
        torch.autograd.grad(y.sum(), x, retain_graph=True)
        torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert len(runs) == 1
    torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert len(runs) == 2
    with c.GraphExecGroup(), pytest.raises(RuntimeError, match="cannot be nested"):
        c.GraphExecGroup().__enter__()


def test_debug_names_the_operators_of_both_runs():
    state = [0]

    def other(x):
        state[0] += 1
        return x.sin() if state[0] == 1 else x.sin().exp().cos()

    x = torch.ones(2, requires_grad=True)
    for options in ({"debug": True}, {}):
        state[0] = 0
        with c.set_checkpoint_debug_enabled(True if not options else None):
            y = c.checkpoint(other, x, use_reentrant=False, early_stop=False, **options)
        with pytest.raises(c.CheckpointError, match=r"(?s)Operators during forward:\nsin\(float32"):
            y.sum().backward()


def test_autocast_is_as_it_was_in_the_second_run():
    seen = []

    def f(x):
        seen.append((x @ x).dtype)
        return (x @ x).float().sin()

    for reentrant in (False, True):
        seen.clear()
        x = torch.rand(2, 2, requires_grad=True)
        with torch.autocast("cpu"):
            y = c.checkpoint(f, x, use_reentrant=reentrant)
        y.sum().backward()
        assert seen == [torch.bfloat16, torch.bfloat16]


def test_the_older_profiler():
    with torch.autograd.profiler.profile(record_shapes=True) as prof:
        torch.ones(2, 3).exp()
    assert [e.name for e in prof.function_events] == ["aten::exp"]
    assert "aten::exp" in prof.table(sort_by=None)
    with torch.autograd.profiler.profile(enabled=False) as prof:
        torch.ones(2, 3).exp()
    assert not prof.function_events


def test_gradcheck_of_sparse_tensors():
    check = torch.sparse.as_sparse_gradcheck(torch.autograd.gradcheck)
    x = torch.tensor([[1.0, 0.0], [2.0, 3.0]], dtype=torch.float64).to_sparse().requires_grad_()
    d = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    assert check(lambda s: s.to_dense(), x)
    assert check(lambda s: s.to_dense(), x, masked=True)
    assert check(torch.sparse.mm, (x, d), masked=True)
