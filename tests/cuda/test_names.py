"""torch.cuda's own names, on the stand-in."""

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
    assert "0 bytes in use" in torch.cuda.memory_summary()


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
