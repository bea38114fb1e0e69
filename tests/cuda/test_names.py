"""torch.cuda's own names, on the stand-in."""

import os
import pickle
import sys
from types import SimpleNamespace

import pytest

import rushlight as torch


def test_devices():
    assert torch.cuda.is_available()
    assert torch.cuda.device_count() == 2
    assert torch.cuda.current_device() == 0
    torch.cuda.set_device(1)
    assert torch.ones(1, device="cuda").get_device() == 1
    torch.cuda.set_device("cuda:0")
    with torch.cuda.device(1):
        assert torch.cuda.current_device() == 1
        assert torch.ones(1).cuda().get_device() == 1
    with torch.cuda.device_of(torch.ones(1, device="cuda:1")):
        assert torch.cuda.current_device() == 1
    assert torch.cuda.current_device() == 0


def test_properties():
    assert torch.cuda.get_device_name() == "stand-in"
    assert torch.cuda.get_device_capability(1) == (9, 0)
    assert torch.cuda.get_device_properties("cuda").total_memory == 2 * 10**9
    assert torch.cuda.is_bf16_supported()
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        torch.cuda.get_device_name("cpu")


def test_events(cupy):
    first, second = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with pytest.raises(ValueError, match="must be recorded"):
        first.elapsed_time(second)
    first.record()
    second.record()
    torch.cuda.synchronize()
    assert cupy.copies["synchronize"] == 1
    assert first.elapsed_time(second) > 0
    with pytest.raises(ValueError, match="enable_timing=True"):
        first.elapsed_time(torch.cuda.Event())


def test_streams():
    side = torch.cuda.Stream()
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    with torch.cuda.stream(side):
        assert torch.cuda.current_stream() == side
        side.wait_stream(torch.cuda.default_stream())
    assert torch.cuda.current_stream() != side
    assert side.query()


def test_memory(cupy):
    assert torch.cuda.memory_allocated() == torch.cuda.memory_reserved() == 0
    torch.cuda.empty_cache()
    assert cupy.copies["freed"]
    assert torch.cuda.mem_get_info() == (10**9, 2 * 10**9)
    lines = torch.cuda.memory_summary().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [c.strip() for c in lines[5].split("|")[1:4]] == ["Allocated memory", "0 B", "0 B"]
    assert torch.cuda.memory_stats_as_nested_dict()["reserved_bytes"]["all"]["current"] == 0
    with pytest.raises(NotImplementedError, match="memory_stats"):
        torch.cuda.memory_snapshot()


def test_ranges(cupy):
    cupy.nvtx_calls.clear()
    with torch.cuda.nvtx.range("step {}", 3):
        assert torch.cuda.nvtx.range_push("inner") == 1
        torch.cuda.nvtx.mark("here")
        assert torch.cuda.nvtx.range_pop() == 1
    torch.cuda.nvtx.range_end(torch.cuda.nvtx.range_start("far"))
    assert cupy.nvtx_calls == [
        *[("push", "step 3"), ("push", "inner"), ("mark", "here"), ("pop",), ("pop",)],
        *[("start", "far"), ("end", 7)],
    ]


class Nvml:
    """pynvml, as far as it is asked."""

    class NVMLError_DriverNotLoaded(Exception):  # noqa: N818
        pass

    def __init__(self, loaded=True):
        self.loaded = loaded

    def nvmlInit(self):
        if not self.loaded:
            raise self.NVMLError_DriverNotLoaded

    def nvmlDeviceGetHandleByPciBusId(self, place):
        return place

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=93, memory=41)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=123)

    def nvmlDeviceGetTemperature(self, handle, sensor):
        return 40 + int(handle[6])

    def nvmlDeviceGetPowerUsage(self, handle):
        return 345678

    def nvmlDeviceGetClockInfo(self, handle, kind):
        return {1: 1980}[kind]

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=77, usedGpuMemory=3 << 20)] if handle == "0000:00:00.0" else []


def test_management_queries(cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for name in ("utilization", "temperature", "power_draw"):
        with pytest.raises(ModuleNotFoundError, match="nvidia-ml-py does not seem to be"):
            getattr(torch.cuda, name)()
    assert torch.cuda.list_gpu_processes() == (
        "pynvml module not found, please install nvidia-ml-py"
    )
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert torch.cuda.utilization() == 93
    assert torch.cuda.memory_usage("cuda:1") == 41
    assert torch.cuda.device_memory_used() == 123
    assert [torch.cuda.temperature(i) for i in range(2)] == [40, 41]
    assert torch.cuda.power_draw() == 345678
    assert torch.cuda.clock_rate() == 1980
    assert torch.cuda.list_gpu_processes(0) == (
        "GPU:0\nprocess         77 uses        3.000 MB GPU memory"
    )
    assert torch.cuda.list_gpu_processes(1) == "GPU:1\nno processes are running"
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(loaded=False))
    with pytest.raises(RuntimeError, match="cuda driver can't be loaded"):
        torch.cuda.utilization()


def test_events_of_other_processes(cupy):
    event = torch.cuda.Event(interprocess=True)
    with pytest.raises(RuntimeError, match="interprocess=True"):
        torch.cuda.Event().ipc_handle()
    with pytest.raises(ValueError, match="cannot have timing"):
        torch.cuda.Event(enable_timing=True, interprocess=True)
    there = pickle.loads(pickle.dumps(event))
    assert there.cuda_event == event.cuda_event
    there.wait()
    there.record()
    there.synchronize()
    assert there.query()


def test_events_are_of_the_device_they_are_recorded_on(cupy):
    event = torch.cuda.Event()
    assert event.device is None
    assert repr(event) == "<torch.cuda.Event uninitialized>"
    event.record(torch.cuda.Stream("cuda:1"))
    assert event.device == torch.device("cuda:1")
    with pytest.raises(RuntimeError, match="does not match recording stream's device 0"):
        event.record()


def test_streams_are_of_a_pool(cupy):
    made = {torch.cuda.Stream().cuda_stream for _ in range(100)}
    assert len(made) == 32
    assert torch.cuda.Stream().cuda_stream in made
    assert torch.cuda.Stream("cuda:1").cuda_stream not in made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_has_no_devices(cupy):
    there = torch.ones(2, device="cuda")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            torch.manual_seed(3)  # as a DataLoader's worker does
            there + torch.ones(2, device="cuda")
        except RuntimeError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, closefd=True) as said:  # noqa: PTH123
        assert said.read().startswith("Cannot re-initialize CUDA in forked subprocess.")


def test_seeds():
    def drawn():
        return torch.rand(3, device="cuda").tolist()

    torch.cuda.manual_seed(3)
    first = drawn()
    torch.cuda.manual_seed_all(3)
    assert drawn() == first
    torch.manual_seed(3)
    state = torch.cuda.get_rng_state()
    assert drawn() == first
    torch.cuda.set_rng_state(state)
    before = torch.get_rng_state()
    assert drawn() == first
    assert torch.equal(before, torch.get_rng_state())  # the CPU's generator is another
    with torch.random.fork_rng():
        after = drawn()
    assert drawn() == after
    g = torch.Generator("cuda").manual_seed(3)
    assert torch.rand(3, device="cuda", generator=g).tolist() == first
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        torch.rand(3, device="cuda", generator=torch.Generator())


def test_amp():
    with torch.autocast("cuda", dtype=torch.float16):
        x = torch.ones(2, 2, device="cuda")
        assert (x @ x).dtype == torch.float16
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.float32  # on the CPU
    w = torch.ones(2, device="cuda", requires_grad=True)
    optimizer, scaler = torch.optim.SGD([w], lr=0.5), torch.amp.GradScaler("cuda")
    scaler.scale((w * 2).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.0, 0.0]
