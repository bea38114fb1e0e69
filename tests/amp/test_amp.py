"""What autocast and GradScaler do, without PyTorch."""

import pickle
import threading

import pytest

import rushlight as torch
from rushlight._core.state import S


def product(dtype=torch.float32):
    return torch.ones(2, 2, dtype=dtype) @ torch.ones(2, 2, dtype=dtype)


def test_nothing_is_left_behind():
    special = S.special
    with torch.autocast("cpu"):
        assert S.special == special + 1
        with torch.autocast("cpu", enabled=False):
            assert S.special == special
        assert product().dtype == torch.bfloat16
    assert S.special == special
    assert product().dtype == torch.float32
    with pytest.raises(ZeroDivisionError), torch.autocast("cpu"):
        raise ZeroDivisionError
    assert S.special == special and not torch.is_autocast_enabled("cpu")


def test_regions_nest_with_other_dtypes():
    with torch.autocast("cpu"):
        with torch.autocast("cpu", dtype=torch.float16):
            assert product().dtype == torch.float16
            assert torch.get_autocast_dtype("cpu") == torch.float16
            with torch.autocast("cpu", enabled=False):
                assert product().dtype == torch.float32
        assert product().dtype == torch.bfloat16
    assert torch.get_autocast_dtype("cpu") == torch.bfloat16


def test_a_region_is_a_decorator():
    @torch.autocast("cpu")
    def f(x):
        "doc"
        return x @ x

    assert f(torch.ones(2, 2)).dtype == torch.bfloat16
    assert f.__name__ == "f" and f.__doc__ == "doc"


def test_other_threads_are_not_concerned():
    seen = []
    with torch.autocast("cpu"):
        t = threading.Thread(target=lambda: seen.append(product().dtype))
        t.start()
        t.join()
    assert seen == [torch.float32]


def test_weights_are_cast_once():
    w, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    with torch.autocast("cpu"):
        a, b = x @ w, x @ w
        assert a.grad_fn.next_functions[1][0] is b.grad_fn.next_functions[1][0]
        assert a.grad_fn.next_functions[1][0].name() == "ToCopyBackward0"
        with torch.no_grad():
            w.add_(1)
        assert torch.equal(x @ w, a)
        torch.clear_autocast_cache()
        assert not torch.equal(x @ w, a)
        with torch.autocast("cpu", dtype=torch.float16):
            assert (x @ w).dtype == torch.float16
    with torch.autocast("cpu", cache_enabled=False):
        a, b = x @ w, x @ w
        assert a.grad_fn.next_functions[1][0] is not b.grad_fn.next_functions[1][0]
    with torch.autocast("cpu"):
        with torch.no_grad():
            x @ w
        (x @ w).sum().backward()
    assert w.grad.dtype == torch.float32


def test_out_and_in_place_are_not_cast():
    with torch.autocast("cpu"):
        x = torch.ones(2, 2)
        assert torch.mm(x, x, out=torch.empty(2, 2)).dtype == torch.float32
        assert x.addmm_(x.clone(), x.clone()).dtype == torch.float32


def test_tensors_of_other_devices_and_kinds_are_left_alone():
    with torch.autocast("cpu"):
        m = torch.ones(2, 2, device="meta")
        assert (m @ m).dtype == torch.float32
        assert product(torch.complex64).dtype == torch.complex64
        assert product(torch.float64).dtype == torch.float64
        half = torch.ones(2, dtype=torch.float16)
        with pytest.raises(RuntimeError, match="Unexpected floating ScalarType in at::autocast"):
            torch.cat([half, half])


def test_modes_see_the_call_before_the_casts():
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append((func.__name__, args[0].dtype))
            return func(*args, **(kwargs or {}))

    x = torch.ones(2, 2)
    for outer, inner in ((Mode(), torch.autocast("cpu")), (torch.autocast("cpu"), Mode())):
        with outer, inner:
            assert torch.mm(x, x).dtype == torch.bfloat16
    assert seen == [("mm", torch.float32)] * 2


def test_what_cannot_be_is_refused_or_warned_of():
    with pytest.warns(UserWarning, match="In CPU autocast, but the target dtype is not supported"):
        mode = torch.autocast("cpu", dtype=torch.float32)
    with mode:
        assert product().dtype == torch.float32
    with pytest.warns(UserWarning, match="CUDA is not available"), torch.autocast("cuda"):
        assert product().dtype == torch.float32
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="unsupported scalarType"):
        torch.autocast("meta")
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.autocast("xyz")
    with pytest.raises(TypeError, match="must be bool, not int"):
        torch.set_autocast_enabled("cpu", 1)
    with pytest.raises(TypeError, match=r"enabled must be a bool \(got int\)"):
        torch.set_autocast_cache_enabled(1)


def test_the_older_switches():
    torch.set_autocast_enabled(True)
    assert torch.is_autocast_enabled() and not torch.is_autocast_enabled("cpu")
    torch.set_autocast_enabled(False)
    with pytest.warns(DeprecationWarning, match="set_autocast_enabled\\('cpu', enabled\\)"):
        torch.set_autocast_cpu_enabled(True)
    assert product().dtype == torch.bfloat16
    torch.set_autocast_enabled("cpu", False)
    with pytest.warns(DeprecationWarning):
        assert torch.get_autocast_cpu_dtype() == torch.bfloat16
    assert torch.autocast_increment_nesting() == 1
    assert torch.autocast_decrement_nesting() == 0


def test_functions_that_know_of_autocast():
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))
            x, w = ctx.saved_tensors
            return g @ w.t(), x.t() @ g

    x, w = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.float16):
        y = Product.apply(x, w)
    y.float().sum().backward()
    assert y.dtype == torch.float16 and x.grad.dtype == torch.float32
    Product.apply(x, w).sum().backward()
    assert seen == [(True, torch.float16), (False, torch.bfloat16)]


def test_the_older_names():
    with pytest.warns(FutureWarning, match=r"torch.amp.GradScaler\('cuda', args...\)"):
        assert not torch.cuda.amp.GradScaler(enabled=False).is_enabled()
    with pytest.warns(FutureWarning, match=r"torch.amp.autocast\('cuda', args...\)"):
        torch.cuda.amp.autocast(enabled=False)


def make(**options):
    p = torch.nn.Parameter(torch.ones(3))
    return torch.amp.GradScaler("cpu", **options), p, torch.optim.SGD([p], lr=0.1)


def test_steps_out_of_order_are_refused():
    scaler, p, optimizer = make(init_scale=4.0)
    with pytest.raises(AssertionError, match="Attempted unscale_ but _scale is None"):
        scaler.unscale_(optimizer)
    scaler.scale(p.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match="unscale_\\(\\) has already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="unscale_\\(\\) is being called after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(optimizer, closure=lambda: 1)
    with pytest.raises(AssertionError, match="may only be pickled at the beginning"):
        pickle.dumps(scaler)
    scaler.update()
    assert pickle.loads(pickle.dumps(scaler)).state_dict() == scaler.state_dict()


def test_half_gradients_are_not_unscaled():
    scaler, *_ = make()
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.step(torch.optim.SGD([p], lr=0.1))


def test_sparse_gradients():
    table = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(table(torch.tensor([1, 1])).sum()).backward()
    scaler.unscale_(optimizer)
    assert table.weight.grad.to_dense().tolist()[1] == [2.0, 2.0]


def test_optimizers_that_scale_by_themselves():
    seen = []

    class Own(torch.optim.SGD):
        def step(self, closure=None):
            seen.append((self.grad_scale.item(), self.found_inf.item()))
            return 7

    scaler, p, _ = make(init_scale=2.0)
    optimizer = Own([p], lr=0.1)
    optimizer._step_supports_amp_scaling = True
    scaler.scale(p.sum()).backward()
    assert scaler.step(optimizer) == 7 and "grad_scale" not in vars(optimizer)
    assert seen == [(2.0, 0.0)]


def test_disabled_it_lets_all_through():
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    assert scaler.scale(3) == 3 and scaler.state_dict() == {} and scaler.get_scale() == 1.0
    scaler.update()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not torch.amp.GradScaler().is_enabled()
    with pytest.raises(AssertionError, match=r"growth factor must be > 1\.0"):
        torch.amp.GradScaler("cpu", growth_factor=1.0)
