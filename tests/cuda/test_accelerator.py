"""torch.accelerator, torch.Stream and torch.Event where there is a GPU."""

import pytest

import rushlight as torch
from rushlight._core import gpu


def test_the_accelerator_is_cuda():
    assert torch.accelerator.is_available()
    assert torch.accelerator.device_count() == torch.cuda.device_count()
    assert torch.accelerator.current_accelerator() == torch.device("cuda")
    assert torch.accelerator.current_accelerator().index is None
    assert torch.get_device_module() is torch.cuda
    assert torch.float16 in torch.accelerator.get_device_capability()["supported_dtypes"]


def test_the_current_device():
    assert torch.accelerator.current_device_index() == 0
    torch.accelerator.set_device_index("cuda:1")
    assert torch.cuda.current_device() == torch.accelerator.current_device_index() == 1
    with torch.accelerator.device_index(0):
        assert torch.cuda.current_device() == 0
        with torch.accelerator.device_index(None):
            assert torch.cuda.current_device() == 0
    assert torch.cuda.current_device() == 1
    torch.accelerator.set_device_index(-1)
    assert torch.cuda.current_device() == 1
    with pytest.warns(FutureWarning, match="current_device_index"):
        assert torch.accelerator.current_device_idx() == 1


def test_another_kind_of_device_is_refused():
    with pytest.raises(ValueError, match="cpu doesn't match the current accelerator cuda"):
        torch.accelerator.synchronize("cpu")


def test_memory_is_that_of_the_device():
    x = torch.ones(1000, device="cuda")
    for name in ("memory_allocated", "max_memory_allocated", "memory_reserved"):
        assert getattr(torch.accelerator, name)(x.device) == getattr(torch.cuda, name)(x.device)
    assert dict(torch.accelerator.memory_stats()) == dict(torch.cuda.memory_stats())
    free, total = torch.accelerator.get_memory_info()
    assert 0 <= free <= total
    torch.accelerator.reset_peak_memory_stats()
    torch.accelerator.empty_cache()
    torch.accelerator.empty_host_cache()


def test_streams_and_events_without_a_kind():
    s, e = torch.Stream(), torch.Event(enable_timing=True)
    assert type(s) is torch.cuda.Stream
    assert isinstance(e, torch.cuda.Event)
    assert isinstance(torch.cuda.Event(), torch.Event)
    with s:
        assert torch.accelerator.current_stream() == s
        e.record()
    end = s.record_event(torch.Event("cuda", enable_timing=True))
    end.synchronize()
    assert e.elapsed_time(end) >= 0
    torch.accelerator.set_stream(torch.cuda.default_stream())
    assert type(torch.Stream("cpu")) is torch.Stream
    assert type(torch.Event("cpu")) is torch.Event


def test_a_graph_records_inside_with():
    x = torch.zeros(3, device="cuda")
    recording = torch.accelerator.Graph()
    with torch.Stream(), recording:
        x += 1
    recording.replay()
    recording.replay()
    torch.accelerator.synchronize()
    assert x.tolist() == [2.0, 2.0, 2.0]


def test_without_a_gpu():
    gpu.install(None)
    assert not torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator() is None
    assert type(torch.Stream()) is torch.Stream
    for call in (torch.accelerator.memory_allocated, torch.accelerator.empty_cache):
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none"):
            call()
