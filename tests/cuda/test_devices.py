"""Tensors on CUDA devices, on the stand-in: where things are, what is refused, in which words."""

import copy
import io
import pickle
import subprocess
import sys

import pytest

import rushlight as torch
from rushlight._core import gpu

TWO = "Expected all tensors to be on the same device, but found at least two devices, "


def test_importing_does_not_look_for_cupy():
    program = "import sys, rushlight as torch; torch.ones(2) + 1; print('cupy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_no_device_no_cuda():
    gpu.install(None)
    assert not torch.cuda.is_available()
    assert torch.cuda.device_count() == 0
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.ones(2).cuda()


def test_cupy_without_a_driver(cupy, monkeypatch):
    def fails():
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", fails)
    for version, said in (
        (0, "Found no NVIDIA driver on your system"),
        (12080, r"too old \(found version 12080\).* rushlight\[cuda12\]"),
    ):
        monkeypatch.setattr(cupy.cuda.runtime, "driverGetVersion", lambda v=version: v)
        gpu.install(cupy)
        assert not torch.cuda.is_available()
        with pytest.raises(RuntimeError, match=said):
            torch.ones(2, device="cuda")


def test_where_tensors_are():
    x = torch.arange(6.0).reshape(2, 3).cuda()
    assert x.device == torch.device("cuda", 0)
    assert x.is_cuda
    assert not x.is_cpu
    assert x.get_device() == 0
    assert (x @ x.t()).sum(0).device == x.device
    assert x[0].is_cuda
    assert torch.zeros(1, device="cuda:1").get_device() == 1
    assert x.to("cuda:1").to("cpu").device.type == "cpu"
    assert x.cuda() is x
    assert x.to("cuda") is x
    assert x.new_zeros(2).is_cuda
    assert torch.ones_like(x).is_cuda
    assert x.type() == "torch.cuda.FloatTensor"
    assert torch.randn(2, device="cuda").is_cuda


def test_what_is_printed():
    assert repr(torch.tensor([1, 2], device="cuda")) == "tensor([1, 2], device='cuda:0')"
    w = torch.ones(1, device="cuda:1", requires_grad=True)
    assert repr(w) == "tensor([1.], device='cuda:1', requires_grad=True)"


def test_strides_survive_the_way():
    x = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    assert x.cuda().stride() == x.stride()
    assert x.cuda().cpu().stride() == x.stride()


def test_different_devices_are_refused():
    x, y, z = torch.ones(2), torch.ones(2, device="cuda"), torch.ones(2, device="cuda:1")
    for call in (lambda: x + y, lambda: y + x, lambda: torch.cat([y, x]), lambda: x @ y):
        with pytest.raises(RuntimeError, match=TWO + "cuda:0 and cpu!"):
            call()
    with pytest.raises(RuntimeError, match=TWO + "cuda:1 and cuda:0!"):
        z * y
    assert (y * torch.tensor(2.0)).tolist() == [2.0, 2.0]  # a 0-d tensor of the CPU goes with any


def test_out_on_another_device():
    with pytest.raises(RuntimeError, match="cross-device copies are not allowed"):
        torch.add(torch.ones(2), 1, out=torch.ones(2, device="cuda"))


def test_to_the_host():
    x = torch.tensor([[1.5, 2.0]], device="cuda")
    with pytest.raises(
        TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"
    ):
        x.numpy()
    assert x.cpu().numpy().tolist() == x.tolist() == [[1.5, 2.0]]
    assert x[0, 0].item() == 1.5
    assert float(x[0, 1]) == 2.0
    assert bool(x[0, 0] > 1)
    assert x.numpy(force=True).tolist() == [[1.5, 2.0]]


def test_computing_copies_nothing(cupy):
    x = torch.ones(3, 3, device="cuda", requires_grad=True)
    cupy.copies.clear()
    ((x * 2 + x.exp()).softmax(-1) @ x).mean().backward()
    x.grad[0] += 1
    assert not cupy.copies["to host"]


def test_gradients_come_back_over_devices():
    w = torch.ones(2, requires_grad=True)
    (w.cuda() * 3).to("cuda:1").sum().backward()
    assert w.grad.device.type == "cpu"
    assert w.grad.tolist() == [3.0, 3.0]


def test_writing():
    x = torch.zeros(2, 2, device="cuda")
    x[0] = torch.tensor([1.0, 2.0])  # from the CPU
    x[1, 1] = 5
    x[torch.tensor([True, False])] = 7.0
    x[:, 0].add_(1)
    assert x.tolist() == [[8.0, 7.0], [1.0, 5.0]]
    assert torch.ones(2).copy_(x[1]).tolist() == [1.0, 5.0]


def test_indexing():
    x = torch.arange(6.0, device="cuda").reshape(3, 2)
    for index in (torch.tensor([2, 0]), torch.tensor([2, 0], device="cuda"), [2, 0]):
        assert x[index].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert x[x > 3].tolist() == [4.0, 5.0]
    with pytest.raises(IndexError, match="index 7 is out of bounds for dimension 0 with size 3"):
        x[:, None][torch.tensor([7]), 0]


def test_invalid_devices():
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(1, device="cuda:7")
    with pytest.raises(RuntimeError, match="Invalid device, must be cuda device, but got cpu"):
        torch.ones(1).cuda("cpu")


def test_default_device():
    torch.set_default_device("cuda")
    try:
        assert torch.ones(2).is_cuda
        assert torch.tensor([1.0]).is_cuda
        assert torch.randn(2).is_cuda
        assert torch.nn.Linear(2, 2).weight.is_cuda
    finally:
        torch.set_default_device(None)
    with torch.device("cuda:1"):
        assert torch.arange(3).get_device() == 1
    assert not torch.ones(1).is_cuda


def test_files():
    state = {"w": torch.tensor([1.0, 2.0], device="cuda"), "n": torch.ones(2)[1:]}

    def loaded(**how):
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, **how)

    assert loaded()["w"].device == torch.device("cuda", 0)
    assert loaded(map_location="cpu")["w"].device.type == "cpu"
    assert loaded(map_location="cuda:1")["n"].get_device() == 1
    assert loaded(map_location={"cuda:0": "cuda:1"})["w"].get_device() == 1
    assert loaded()["w"].tolist() == [1.0, 2.0]


def test_copies():
    x = torch.tensor([1.0, 2.0], device="cuda:1", requires_grad=True)
    for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert made.get_device() == 1
        assert made.tolist() == [1.0, 2.0]
        assert made.requires_grad


def test_storages():
    x = torch.arange(4.0, device="cuda")
    assert x[2:].storage_offset() == 2
    assert x[2:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x.untyped_storage().device == x.device
    assert x.as_strided((2, 2), (1, 2)).tolist() == [[0.0, 2.0], [1.0, 3.0]]


def test_views_share_memory_and_history():
    x = torch.zeros(4, device="cuda")
    x.view(2, 2)[1].fill_(3)
    assert x.tolist() == [0.0, 0.0, 3.0, 3.0]
    w = torch.ones(4, device="cuda", requires_grad=True)
    y = w * 1
    y[1:3] *= 5
    y.sum().backward()
    assert w.grad.tolist() == [1.0, 5.0, 5.0, 1.0]


def test_pinned_memory(cupy):
    x = torch.arange(6.0).reshape(2, 3).t()
    assert not x.is_pinned()
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert pinned.pin_memory() is pinned
    assert pinned.view(-1)[1:].is_pinned() if pinned.is_contiguous() else pinned[1:].is_pinned()
    assert torch.equal(pinned, x)
    assert torch.ones(2, pin_memory=True).is_pinned()
    assert torch.tensor([1, 2], pin_memory=True).tolist() == [1, 2]
    there = pinned.to("cuda", non_blocking=True)
    before = dict(cupy.copies)
    back = there.to("cpu", non_blocking=True)
    assert back.is_pinned()
    assert cupy.copies["to host"] == before.get("to host", 0)
    assert cupy.copies["to host later"] == 1
    assert torch.equal(back, x)
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        there.pin_memory()
    with pytest.raises(RuntimeError, match="Only dense CPU tensors can be pinned"):
        torch.ones(2, device="cuda", pin_memory=True)


def test_exchange(cupy):
    x = torch.arange(4.0, device="cuda:1")
    assert x.__dlpack_device__() == (2, 1)
    facts = x.__cuda_array_interface__
    assert facts["shape"] == (4,)
    assert facts["typestr"] == "<f4"
    assert facts["data"] == (x.data_ptr(), False)
    assert facts["strides"] is None
    assert x.expand(2, 4).__cuda_array_interface__["strides"] == (0, 4)
    again = torch.from_dlpack(x)
    assert again.is_cuda
    again[0] = 7
    assert x[0].item() == 7
    assert not torch.from_dlpack(x, device="cpu").is_cuda
    theirs = cupy.asarray(cupy.arange(3))
    assert torch.as_tensor(theirs).is_cuda
    assert torch.from_dlpack(theirs).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="on Variable that requires grad"):
        x.requires_grad_().__cuda_array_interface__  # noqa: B018
    with pytest.raises(AttributeError, match="non-CUDA tensor type: torch"):
        torch.ones(1).__cuda_array_interface__  # noqa: B018


def test_loaders_pin(cupy):
    data = torch.utils.data.TensorDataset(torch.arange(4.0), torch.arange(4))
    for x, y in torch.utils.data.DataLoader(data, batch_size=2, pin_memory=True):
        assert x.is_pinned()
        assert y.is_pinned()


def test_a_profile_measures_the_device():
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    assert torch.profiler.supported_activities() == set(activities)
    x = torch.ones(50, 50, device="cuda")
    outer = torch.profiler.record_function("outer")
    with torch.profiler.profile(activities=activities) as prof, outer:
        (x @ x).relu()
    found = {e.key: e for e in prof.key_averages()}
    outer, inner = found["outer"], found["aten::relu"]
    assert outer.device_time_total >= inner.device_time_total > 0
    assert outer.self_device_time_total < outer.device_time_total
    table = prof.key_averages().table(sort_by="cuda_time_total")
    assert "Self CUDA %" in table
    assert "Self CUDA time total" in table
    with torch.autograd.profiler.profile(use_device="cuda") as older:
        x.exp()
    assert older.key_averages()[0].cuda_time_total > 0
    with torch.profiler.profile(activities=activities[:1]) as prof:
        x.exp()
    assert prof.key_averages()[0].device_time_total == 0


def test_the_old_types_of_tensors():
    x = torch.cuda.FloatTensor([1, 2])
    assert x.device == torch.device("cuda", 0)
    assert x.type() == "torch.cuda.FloatTensor"
    assert torch.cuda.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(x, torch.cuda.FloatTensor)
    assert not isinstance(x, torch.FloatTensor)
    assert not isinstance(x.cpu(), torch.cuda.FloatTensor)
    assert x.type(torch.cuda.HalfTensor).dtype == torch.float16
    assert x.type("torch.cuda.DoubleTensor").is_cuda
    assert not x.type("torch.DoubleTensor").is_cuda
    assert x.to("cuda:1").type(torch.cuda.IntTensor).get_device() == 1
    with pytest.raises(RuntimeError, match="legacy constructor expects device type: cuda"):
        torch.cuda.FloatTensor(2, device="cpu")


def test_the_old_default_type():
    torch.set_default_tensor_type("torch.cuda.DoubleTensor")
    try:
        assert torch.ones(1).type() == torch.Tensor(2).type() == "torch.cuda.DoubleTensor"
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)
    assert torch.ones(1).type() == torch.Tensor(2).type() == "torch.FloatTensor"


def test_resizing_stays_on_the_device():
    x = torch.ones(2, device="cuda")
    assert x.resize_(2, 3).is_cuda
    assert x.flatten()[:2].tolist() == [1.0, 1.0]


def test_numbers_given_as_tensors_of_the_device():
    x = torch.ones(2, 2, device="cuda")
    two = torch.tensor(2, device="cuda")
    assert x.add(x, alpha=two).tolist() == x.clone().add_(x, alpha=two).tolist() == [[3, 3]] * 2
    assert torch.addmm(x, x, x, beta=two, alpha=two)[0, 0] == 6
    assert torch.nn.functional.elu(-x, two)[0, 0].item() == pytest.approx(2 * (0.36787944 - 1))
    assert x.reshape(two * 2).shape == x.view(two * 2).shape == (4,)
    assert torch.roll(x, two).shape == x.repeat(two, 1)[:2].shape == (2, 2)
    assert len(torch.split(x, two)) == 1
    assert len(torch.chunk(x, two)) == 2
    assert x.bernoulli_(torch.tensor(1.0, device="cuda")).tolist() == [[1, 1]] * 2


def test_lbfgs():
    p = torch.zeros(3, device="cuda", requires_grad=True)
    optimizer = torch.optim.LBFGS([p], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((p - torch.arange(3.0, device="cuda")) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert p.tolist() == pytest.approx([0, 1, 2], abs=1e-4)


def test_hooks_of_saved_tensors():
    x = torch.ones(3, device="cuda", requires_grad=True)
    packed = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t * 2, lambda t: t):
        y = x * x
    y.sum().backward()
    assert len(packed) == 2
    assert x.grad.tolist() == [4.0] * 3


def test_memory_of_the_device_is_shared_as_it_is():
    x = torch.ones(2, device="cuda")
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.set_().is_cuda
