"""A group of one process needs no MPI; PyTorch's errors."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight.distributed import nn as dist_nn
from rushlight.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)

dist = torch.distributed


@pytest.fixture(autouse=True)
def group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_it_is_there(group):
    assert dist.is_available()
    assert dist.is_initialized()
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    assert dist.get_backend_config() == "cpu:gloo,cuda:gloo"
    assert dist.get_process_group_ranks(None) == [0]
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


def test_no_mpi_is_loaded(job):
    result = job(1, "alone.py")
    assert result.codes == [0], result.text


def test_collectives_are_copies():
    x = torch.arange(4.0)
    assert dist.all_reduce(x) is None
    assert x.tolist() == [0, 1, 2, 3]
    outs = [torch.zeros(4)]
    dist.all_gather(outs, x)
    assert outs[0].tolist() == x.tolist()
    out = torch.zeros(4)
    dist.all_to_all_single(out, x)
    dist.reduce_scatter_tensor(out, x)
    assert out.tolist() == x.tolist()
    work = dist.broadcast(x, 0, async_op=True)
    assert work.wait()
    assert work.is_completed()
    assert work.get_future().value()[0] is x
    found = [None]
    dist.all_gather_object(found, {"a": 1})
    assert found == [{"a": 1}]
    dist.barrier()
    dist.monitored_barrier()


def test_reductions():
    op = dist.ReduceOp
    assert repr(op.SUM) == "<RedOpType.SUM: 0>"
    assert isinstance(op.SUM, op)
    with pytest.raises(RuntimeError, match=r"Cannot use ReduceOp.BAND with non-integral dtype"):
        dist.all_reduce(torch.ones(2), op=op.BAND)
    with pytest.raises(RuntimeError, match="result type Float can't be cast"):
        dist.all_reduce(torch.ones(2, dtype=torch.int64), op=op.AVG)
    with pytest.raises(ValueError, match="complex"):
        dist.all_reduce(torch.ones(2, dtype=torch.complex64), op=op.MAX)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: dist.all_reduce([torch.ones(2)]), TypeError, "Expected parameter `tensor`"),
        (
            lambda: dist.all_gather([torch.ones(3)], torch.ones(2)),
            RuntimeError,
            r"invalid tensor size at index 0 \(expected \(2\), got \(3\)\)",
        ),
        (
            lambda: dist.all_gather([torch.ones(2)] * 2, torch.ones(2)),
            RuntimeError,
            r"invalid output tensor list at index 0 \(expected length 1, got 2\)",
        ),
        (
            lambda: dist.all_gather([torch.ones(2).long()], torch.ones(2)),
            ValueError,
            "different dtypes",
        ),
        (lambda: dist.broadcast(torch.ones(2), 5), RuntimeError, "invalid root rank: 5"),
        (lambda: dist.send(torch.ones(2), 0), ValueError, "should not be the same"),
        (lambda: dist.isend(torch.ones(2), None), ValueError, "Must specify global_rank"),
        (lambda: dist.gather(torch.ones(2)), ValueError, "must be specified on destination"),
        (lambda: dist.scatter(torch.ones(2)), ValueError, "must be specified on source"),
        (
            lambda: dist.all_to_all_single(torch.ones(2), torch.ones(2), [1, 1], [2]),
            RuntimeError,
            "Number of tensor splits not equal to group size",
        ),
        (lambda: dist.P2POp(dist.all_reduce, torch.ones(2), 0), ValueError, "Invalid ``op``"),
        (lambda: dist.batch_isend_irecv([3]), ValueError, "Invalid ``p2p_op_list``"),
        (lambda: dist.new_group([0, 0]), ValueError, "duplicate"),
        (lambda: dist.new_group([0, 1]), ValueError, "less or equal to the world size"),
        (lambda: dist.get_rank("x"), ValueError, "Group x is not registered"),
        (lambda: dist.new_subgroups(3), ValueError, "must not exceed the world size"),
        (lambda: dist.init_device_mesh("cpu", (2, 1)), RuntimeError, "should not be bigger"),
        (lambda: dist.Backend(3), ValueError, "string-ish"),
        (lambda: dist.shrink_group([0]), ValueError, "size 1"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_gradients_pass_through():
    x = torch.ones(2, requires_grad=True)
    (
        dist_nn.all_reduce(x * 2).sum()
        + dist_nn.all_gather(x)[0].sum()
        + dist_nn.broadcast(x, 0).sum()
        + dist_nn.reduce(x, 0).sum()
        + dist_nn.gather(x)[0].sum()
        + dist_nn.scatter([x]).sum()
        + dist_nn.reduce_scatter(torch.zeros(2), [x]).sum()
        + dist_nn.all_to_all([torch.zeros(2)], [x])[0].sum()
        + dist_nn.all_to_all_single(torch.zeros(2), x).sum()
    ).backward()
    assert x.grad.tolist() == [10, 10]


def test_mesh():
    mesh = dist.init_device_mesh("cpu", (1, 1), mesh_dim_names=("a", "b"))
    assert repr(mesh) == "DeviceMesh((a=1, b=1), 'cpu', stride=((), ()))"
    assert mesh["a"].get_group().size() == 1
    assert mesh.get_coordinate() == (0, 0)
    assert mesh.get_local_rank("b") == 0
    with pytest.raises(KeyError, match="Invalid mesh_dim_names"):
        mesh["c"]


def test_ddp_by_itself():
    model = torch.nn.Linear(2, 1)
    ddp = torch.nn.parallel.DistributedDataParallel(model)
    assert list(ddp.state_dict()) == ["module.weight", "module.bias"]
    again = pickle.loads(pickle.dumps(ddp))
    assert again.module.weight.tolist() == model.weight.tolist()
    copy.deepcopy(model)
    with pytest.raises(RuntimeError, match="doesn't have any parameter"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.ReLU())
    with pytest.raises(ValueError, match="device_ids can only be None"):
        torch.nn.parallel.DistributedDataParallel(model, device_ids=[0, 1])
    with pytest.raises(TypeError, match="must be callable"):
        ddp.register_comm_hook(None, 1)


def test_an_unused_parameter_is_noticed():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    ddp = torch.nn.parallel.DistributedDataParallel(model)
    ddp(torch.ones(1, 2))
    model[0](torch.ones(1, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="find_unused_parameters=True"):
        ddp(torch.ones(1, 2))


def test_ddp_says_what_has_new_names():
    make = torch.nn.parallel.DistributedDataParallel
    layer = torch.nn.BatchNorm1d(2)
    with pytest.warns(FutureWarning, match="`broadcast_buffers` is deprecated. Use `forward_sync"):
        assert make(layer, broadcast_buffers=False).forward_sync_buffers is False
    with pytest.warns(FutureWarning, match="Both `broadcast_buffers` and `forward_sync_buffers`"):
        assert make(layer, broadcast_buffers=False, forward_sync_buffers=True).broadcast_buffers
    with pytest.warns(FutureWarning, match="The `check_reduction` argument"):
        make(layer, check_reduction=True)
    with pytest.raises(ValueError, match="need to be set at the same time"):
        make(layer, delay_all_reduce_named_params=[])
    with pytest.raises(NotImplementedError, match="leave it out"):
        make(layer, delay_all_reduce_named_params=[], param_to_hook_all_reduce=layer.weight)


def test_ddp_hooks_by_name():
    def wrong(state, bucket) -> int: ...

    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    with pytest.raises(ValueError, match="return annotation should be"):
        model.register_comm_hook(None, wrong)
    model._register_builtin_comm_hook(dist.BuiltinCommHookType.FP16_COMPRESS)
    model(torch.ones(3, 2)).sum().backward()
    assert model.module.bias.grad.tolist() == [3.0]


def test_ddp_leaves_alone_what_it_is_told():
    layer = torch.nn.Linear(2, 1)
    make = torch.nn.parallel.DistributedDataParallel
    make._set_params_and_buffers_to_ignore_for_model(layer, ["weight"])
    assert make(layer).reducer.names == ["bias"]


def test_state_of_an_optimizer_in_one_dict():
    options = StateDictOptions(flatten_optimizer_state_dict=True)
    layer = torch.nn.Linear(2, 1)
    opt = torch.optim.Adam(layer.parameters(), lr=0.5)
    layer(torch.ones(2)).backward()
    opt.step()
    saved = get_optimizer_state_dict(layer, opt, options=options)
    assert saved["param_groups.weight.lr"] == 0.5
    other = torch.optim.Adam(layer.parameters(), lr=0.1)
    set_optimizer_state_dict(layer, other, saved, options=options)
    assert other.param_groups[0]["lr"] == 0.5
    assert other.state[layer.bias]["exp_avg"].equal(opt.state[layer.bias]["exp_avg"])


def mixed(dtypes, **options):
    layers = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    precision = torch.nn.parallel.distributed._MixedPrecision(*dtypes)
    return torch.nn.parallel.DistributedDataParallel(layers, mixed_precision=precision, **options)


@pytest.mark.parametrize("dtypes", [[torch.bfloat16], [torch.float16, torch.float32], []])
@pytest.mark.parametrize("views", [False, True])
def test_ddp_in_mixed_precision(dtypes, views):
    model = mixed(dtypes, gradient_as_bucket_view=views)
    with model.no_sync():
        result = model(torch.ones(4, 2))
        result.sum().backward()
    inner = dtypes[0] if dtypes else torch.float32
    assert {result.dtype, *(p.dtype for p in model.parameters())} == {inner}
    assert {p.grad.dtype for p in model.parameters()} == {inner}
    model(torch.ones(4, 2)).sum().backward()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    assert model.module[1].bias.grad.tolist() == [8.0]
    with torch.no_grad():
        assert model(torch.ones(4, 2)).dtype is inner
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_mixed_precision_is_a_hook_and_casts_inputs():
    class Inner(torch.nn.Linear):
        def forward(self, x, more, *, key):
            assert (more[0]["x"].dtype, key.dtype) == (torch.bfloat16, torch.int64)
            return super().forward(x) if more[1] == "used" else x

    model = torch.nn.parallel.DistributedDataParallel(
        Inner(2, 1),
        mixed_precision=torch.nn.parallel.distributed._MixedPrecision(torch.bfloat16),
        find_unused_parameters=True,
    )
    with pytest.raises(RuntimeError, match="can only be called once"):
        model.register_comm_hook(None, lambda state, bucket: None)
    x, key = torch.ones(1, 2, requires_grad=True), torch.ones(1, dtype=torch.int64)
    model(x, ({"x": x}, "unused"), key=key).sum().backward()
    assert model.module.weight.grad is None
    assert model.module.weight.dtype is torch.float32
    model(x, ({"x": x}, "used"), key=key).sum().backward()
    assert model.module.weight.grad.tolist() == [[1.0, 1.0]]


def test_states_of_submodules_and_of_no_optimizer():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.Linear(3, 1)))
    with pytest.warns(FutureWarning, match="Getting submodules only"):
        found = get_model_state_dict(model, submodules={model[1]})
    assert list(found) == ["1.0.weight", "1.0.bias"]
    options = StateDictOptions(keep_submodule_prefixes=False, strict=False)
    with pytest.warns(FutureWarning, match="Getting submodules only"):
        found = get_model_state_dict(model, submodules={model[1]}, options=options)
    assert list(found) == ["0.weight", "0.bias"]
    zeros = {model[1]: {"0.weight": torch.zeros(1, 3)}}
    with pytest.warns(FutureWarning, match="Passing model_state_dict as"):
        missing = set_model_state_dict(model, zeros, options=options).missing_keys
    assert missing == ["0.weight", "0.bias", "1.0.bias"]
    assert model[1][0].weight.tolist() == [[0, 0, 0]]
    states, none = get_state_dict(model, ())
    assert none == {}
    set_state_dict(model, [], model_state_dict=states, optim_state_dict={})
    sgd = torch.optim.SGD(model.parameters(), momentum=0.9)
    assert len(get_optimizer_state_dict(model, sgd)["state"]) == 4
    model(torch.ones(2)).backward()  # with gradients it may have stepped already
    sgd = torch.optim.SGD(model.parameters(), momentum=0.9)
    assert get_optimizer_state_dict(model, sgd)["state"] == {}
    with pytest.raises(RuntimeError, match="Optimizers are not passed in"):
        get_optimizer_state_dict(model, [])
    with pytest.raises(RuntimeError, match="optim state_dict is empty"):
        set_state_dict(model, sgd, model_state_dict=states, optim_state_dict={})
