"""The allocator of arrays: csrc/blocks.cpp and csrc/allocator.cpp."""

import gc
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name

import rushlight as torch
from rushlight._core import memory

if memory.C is None:
    pytest.skip("the native extension was not built", allow_module_level=True)

cpu = torch.backends.cpu


@pytest.fixture(autouse=True)
def limit():
    """Each test finds the usual limit and an empty cache."""
    usual = cpu.memory_stats()["cache_limit_bytes"]
    gc.collect()
    cpu.empty_cache()
    yield
    cpu.set_cache_limit(usual)


def allocated() -> int:
    return cpu.memory_stats()["allocated_bytes"]


def test_arrays_of_results_are_ours_and_those_of_users_are_numpys():
    x = torch.zeros(100, 100)
    assert get_handler_name(x.numpy()) == "rushlight"
    assert get_handler_name((x + x).numpy()) == "rushlight"
    assert get_handler_name(np.empty(10_000)) == "default_allocator"
    assert get_handler_name(torch.zeros(10).numpy()) == "default_allocator"  # NumPy is faster
    assert x.numpy().flags.owndata and x.numpy().base is None


@pytest.mark.parametrize("make", [memory.empty, memory.zeros, memory.ones])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (5,), (17, 3), (300, 5), (1024, 700)])
@pytest.mark.parametrize("dtype", ["?", "i1", "i8", "f2", "f4", "f8", "c16"])
def test_arrays_are_like_numpys(make, shape, dtype):
    d = np.dtype(dtype)
    for _ in range(2):
        made, expected = make(shape, d), np.ones(shape, d)
        assert (made.shape, made.dtype, made.strides) == (shape, d, expected.strides)
        assert str(made.flags) == str(expected.flags)
        if made.nbytes > 2048:
            assert made.ctypes.data % 64 == 0 and get_handler_name(made) == "rushlight"
        if make is not memory.empty:
            assert (made == (make is memory.ones)).all()
        made.fill(1)  # what comes next finds memory that is not zero
        del made


def test_empty_like_keeps_the_order_of_memory_as_numpys_does():
    rng = np.random.default_rng(0)
    for turn in range(2000):
        ndim = int(rng.integers(0, 6))
        shape = rng.choice([0, 1, 2, 3, 7, 40] if turn % 3 else [1, 2, 8, 9], ndim)
        x = np.empty(tuple(shape), np.float32).transpose(rng.permutation(ndim))
        for axis in range(ndim):
            x = x[(slice(None),) * axis + (slice(None, None, int(rng.choice([1, 1, 2, -1]))),)]
        if ndim and turn % 4 == 0:
            x = np.broadcast_to(x, (3, *x.shape))
        made, expected = memory.empty_like(x, np.float64), np.empty_like(x, np.float64, subok=False)
        assert (made.shape, made.dtype) == (expected.shape, expected.dtype)
        assert made.strides == expected.strides, (x.shape, x.strides)
        assert str(made.flags) == str(expected.flags)


def test_objects_and_impossible_shapes_are_left_to_numpy():
    assert get_handler_name(memory.empty((3,), np.dtype(object))) == "default_allocator"
    with pytest.raises(ValueError, match="negative dimensions"):
        memory.empty((-1,), np.float32)
    with pytest.raises(ValueError, match=r"too big|too large|Maximum"):
        memory.empty((2**40, 2**40), np.float32)
    with pytest.raises(MemoryError):
        memory.empty((2**50,), np.float32)
    with pytest.raises(TypeError):
        memory.empty((1.5,), np.float32)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        torch.empty(2**50)


@pytest.mark.parametrize("bytes", [2049, 2560, 2561, 5000, 2**20, 2**21, 2**21 + 1, 2**24 + 7])
def test_a_freed_block_serves_the_next_array(bytes):
    before = cpu.memory_stats()
    first = memory.empty((bytes,), np.uint8)
    first.fill(7)
    place = first.ctypes.data
    held = allocated() - before["allocated_bytes"]
    assert bytes <= held <= 1.25 * bytes
    del first
    second = memory.empty((bytes,), np.uint8)
    after = cpu.memory_stats()
    assert second.ctypes.data == place
    assert after["cache_hits"] == before["cache_hits"] + 1
    assert after["allocations"] == before["allocations"] + 2
    assert after["live_blocks"] == before["live_blocks"] + 1


def test_the_cache_keeps_to_its_limit_and_can_be_emptied():
    def cached():
        stats = cpu.memory_stats()
        return stats["reserved_bytes"] - stats["allocated_bytes"]

    cpu.set_cache_limit(4 << 20)
    many = [memory.empty((1 << 20,), np.uint8) for _ in range(10)]
    del many
    assert 0 < cached() <= 4 << 20
    cpu.empty_cache()
    assert cached() == 0
    huge = memory.empty((64 << 20,), np.uint8)
    del huge
    assert cached() == 0
    cpu.set_cache_limit(0)
    small = memory.empty((3000,), np.uint8)
    del small
    assert cached() == 0
    with pytest.raises(ValueError, match="set_cache_limit expects"):
        cpu.set_cache_limit(-1)


def test_what_was_used_longest_ago_is_given_back_first():
    cpu.set_cache_limit(8 << 20)
    old = memory.empty((4 << 20,), np.uint8)
    del old
    new = memory.empty((5 << 20,), np.uint8)  # takes nothing of it: too large
    place = new.ctypes.data
    del new
    before = cpu.memory_stats()["cache_hits"]
    again = memory.empty((5 << 20,), np.uint8)
    assert again.ctypes.data == place
    other = memory.empty((4 << 20,), np.uint8)
    assert cpu.memory_stats()["cache_hits"] == before + 1
    del again, other


def test_peaks():
    cpu.reset_peak_memory_stats()
    before = allocated()
    x = memory.empty((1 << 20,), np.uint8)
    del x
    stats = cpu.memory_stats()
    assert stats["peak_allocated_bytes"] == before + (1 << 20)
    assert stats["peak_reserved_bytes"] >= stats["peak_allocated_bytes"]
    cpu.reset_peak_memory_stats()
    assert cpu.memory_stats()["peak_allocated_bytes"] == before


def test_arrays_live_on_without_their_tensors():
    x = torch.arange(1000, dtype=torch.float32) + 1
    array, view = x.numpy(), x[10:20].numpy()
    del x
    cpu.empty_cache()
    filler = [torch.zeros(1000) for _ in range(10)]
    assert array[999] == 1000 and view[0] == 11 and len(filler) == 10


@pytest.mark.parametrize("start", [600, 1000, 600_000])
@pytest.mark.parametrize("end", [1, 17, 41, 900, 5000, 700_000, 2_000_000])
def test_resize(start, end):
    before = allocated()
    array = memory.ones((start,), np.dtype(np.float32))
    array.resize((end,), refcheck=False)
    array.resize((end + 1,), refcheck=False)
    assert (array[: min(start, end)] == 1).all() and (array[start:] == 0).all()
    assert get_handler_name(array) == "rushlight"
    del array
    assert allocated() == before


def test_the_shape_of_an_array_may_change_in_place():
    before = allocated()
    array = memory.ones((64, 16), np.dtype(np.float32))
    array.shape = (1024,)
    array.dtype = np.int8
    array.shape = (2, 2048)
    del array
    assert allocated() == before


def test_tracemalloc_sees_the_arrays():
    tracemalloc.start()
    try:
        x = memory.empty((123_456,), np.uint8)
        domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        traces = tracemalloc.take_snapshot().filter_traces([domain]).traces
        assert 123_456 in [t.size for t in traces]
        del x
        traces = tracemalloc.take_snapshot().filter_traces([domain]).traces
        assert 123_456 not in [t.size for t in traces]
    finally:
        tracemalloc.stop()


def churn(seed: int, wrong: list) -> None:
    """Allocate, mark, check and free arrays of all sizes; others may free what this one made."""
    rng = np.random.default_rng(seed)
    held: list = []
    for turn in range(1500):
        size = int(2 ** rng.uniform(0, 22 if turn % 50 == 0 else 15))
        x = memory.empty((size,), np.uint8)
        x[:64] = x[-64:] = seed
        held.append(x)
        if len(held) > 20:
            y = held.pop(int(rng.integers(20)))
            if not ((y[:64] == seed).all() and (y[-64:] == seed).all()):
                wrong.append(seed)
        if turn % 300 == 0:
            cpu.empty_cache()
        del x


def test_threads():
    before, wrong = allocated(), []
    threads = [threading.Thread(target=churn, args=(i, wrong)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    gc.collect()
    assert not wrong and allocated() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_allocate_and_free():
    program = """
import os, threading, numpy as np
from rushlight._core import memory
inherited = memory.ones((1 << 20,), np.dtype(np.uint8))
stop = False
def busy():
    while not stop:
        memory.empty((100_000,), np.uint8)
threads = [threading.Thread(target=busy) for _ in range(2)]
for t in threads: t.start()
for _ in range(20):
    child = os.fork()
    if not child:
        own = memory.ones((3 << 20,), np.dtype(np.uint8))
        fine = own.all() and inherited.all()
        del own
        memory.C.empty_cache()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
stop = True
for t in threads: t.join()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)


def test_nothing_fails_at_exit():
    program = """
import rushlight as torch, sys
class Late:
    def __del__(self): self.x = None
late = Late(); late.x = torch.zeros(1 << 20)
sys.kept = [torch.zeros(n) for n in (1, 1000, 1 << 20)]
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert not done.stderr


def test_without_the_extension_there_are_no_figures():
    program = """
import rushlight as torch
assert torch.backends.cpu.memory_stats() == {}
torch.backends.cpu.empty_cache(); torch.backends.cpu.set_cache_limit(0)
torch.backends.cpu.reset_peak_memory_stats()
assert torch.ones(3).sum() == 3
"""
    environment = {**os.environ, "RUSHLIGHT_NATIVE": "0"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
