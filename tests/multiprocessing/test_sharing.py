"""Tensors between processes: one memory, nothing left behind."""

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import multiprocessing as mp
from rushlight import nn
from rushlight.multiprocessing import _named

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")
METHODS = ["fork", "forkserver"]  # spawn: test_processes_train_one_tensor
FOLDER = Path("/dev/shm")


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def names():
    """Of the memory of this process and its forks, in the folder that all programs share."""
    return {p.name for p in FOLDER.iterdir() for own in _named._prefix if p.name.startswith(own)}


@pytest.fixture(params=["file_descriptor", "file_system"])
def strategy(request):
    mp.set_sharing_strategy(request.param)
    before = names()
    yield request.param
    mp.set_sharing_strategy("file_descriptor")
    gc.collect()
    assert not multiprocessing.active_children()
    assert names() <= before


def sent(x):
    return pickle.loads(ForkingPickler.dumps(x))


# ---- in one process ------------------------------------------------------------------------------


def test_all_who_look_at_the_memory_move_with_it():
    x = torch.arange(6.0)
    storage, part, same = x.untyped_storage(), x.view(2, 3).t()[1:], x.detach()
    weight = nn.Parameter(x)
    assert not x.is_shared()
    assert part.share_memory_() is part
    assert x.is_shared() and storage.is_shared() and weight.is_shared() and same.is_shared()
    assert x.untyped_storage() is storage and storage.data_ptr() == x.data_ptr()
    assert part.stride() == (1, 3)
    weight.data[5] = 7.0
    assert x.tolist() == [0, 1, 2, 3, 4, 7]
    assert part.tolist() == [[1, 4], [2, 7]]
    assert same.tolist() == x.tolist()
    assert not x.clone().is_shared()
    address = x.data_ptr()
    assert x.share_memory_().data_ptr() == address


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.complex64, torch.int8])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3, 4)])
def test_any_tensor_can_be_shared(dtype, shape):
    x = torch.ones(shape, dtype=dtype)
    y = sent(x.share_memory_())
    assert x.is_shared()
    assert y.dtype is dtype
    assert y.untyped_storage() is x.untyped_storage()
    assert torch.equal(x, y)


def test_history_is_kept():
    w = torch.ones(3, requires_grad=True)
    y = (w * w).sum()
    w.share_memory_()
    y.backward()
    assert w.grad.tolist() == [2, 2, 2]
    with torch.no_grad():
        w += 1
    assert w.is_shared()


def test_a_module_is_shared_as_a_whole():
    m = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert m.share_memory() is m
    assert all(t.is_shared() for t in m.state_dict().values())
    assert all(type(p) is nn.Parameter for p in m.parameters())


def test_what_cannot_be_shared_says_so():
    with pytest.raises(RuntimeError, match="_share_fd_: only available on CPU"):
        torch.empty(2, device="meta").share_memory_()
    with pytest.raises(NotImplementedError, match="Cannot access storage of SparseTensorImpl"):
        torch.eye(2).to_sparse().share_memory_()
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        sent(torch.ones(2, requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="Cannot pickle meta storage"):
        sent(torch.UntypedStorage(2, device="meta"))
    with pytest.raises(NotImplementedError, match="not possible over NumPy arrays"):
        torch.ones(2).share_memory_().untyped_storage().resize_(100)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages():
    assert torch.UntypedStorage._new_shared(3).is_shared()
    floats = torch.FloatStorage([1, 2]).share_memory_()
    assert floats.is_shared()
    assert sent(floats) == floats
    assert sent(floats.untyped()) is floats.untyped()
    assert torch.FloatStorage._new_shared(3).tolist() == [0, 0, 0]


def test_everything_else_that_is_sent(strategy):
    w = sent(nn.Parameter(torch.ones(2), requires_grad=False))
    assert type(w) is nn.Parameter and not w.requires_grad
    assert sent(torch.ones(2, requires_grad=True)).requires_grad
    a, b = sent((torch.ones(3), torch.eye(2)))
    assert a.untyped_storage() is not b.untyped_storage()
    x = torch.zeros(3)
    a, b = sent((x, x[1:]))
    assert a.untyped_storage() is b.untyped_storage() is x.untyped_storage()
    assert sent(torch.empty(3, 0, device="meta")).shape == (3, 0)
    for x in (torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr(), torch.eye(3).to_sparse_csc()):
        assert sent(x).layout is x.layout
        assert torch.equal(sent(x).to_dense(), torch.eye(3))


def test_strategies():
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    assert mp.get_sharing_strategy() == "file_descriptor"
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x', expected one of"):
        mp.set_sharing_strategy("x")


def test_nothing_accumulates(strategy):
    sent(torch.ones(3))
    gc.collect()
    files, mapped = open_files(), Path("/proc/self/maps").read_text().count("\n")
    for _ in range(300):
        sent(torch.ones(5000).share_memory_())
    assert open_files() <= files + 2
    assert Path("/proc/self/maps").read_text().count("\n") <= mapped + 20
    if strategy == "file_system":  # no descriptor, however many there are
        many = [torch.ones(3).share_memory_() for _ in range(100)]
        assert open_files() <= files + 2
        assert len(names()) >= len(many)


# ---- between processes ---------------------------------------------------------------------------


def add_one(source, target, given):
    given += 1
    while (x := source.get()) is not None:
        x += 1
        target.put(x)


@pytest.mark.parametrize("method", METHODS)
def test_writes_are_seen_by_both(method, strategy):
    context = mp.get_context(method)
    source, target = context.SimpleQueue(), context.SimpleQueue()
    given, x = torch.zeros(2).share_memory_(), torch.arange(6).view(2, 3)
    row = x[1]
    process = context.Process(target=add_one, args=(source, target, given))
    process.start()
    source.put(x)
    back = target.get()
    assert back.untyped_storage() is x.untyped_storage()
    assert row.tolist() == [4, 5, 6]
    source.put(row)
    target.get()
    assert x.tolist() == [[1, 2, 3], [5, 6, 7]]
    source.put(None)
    process.join()
    assert given.tolist() == [1, 1]


def test_queues_and_pipes(strategy):
    context = mp.get_context("fork")
    ours, theirs = context.Pipe()
    queue = context.Queue()
    x = torch.zeros(2)

    def work():
        t = theirs.recv()
        t[0] = 1
        u = queue.get()
        u[1] = 2
        theirs.send("done")

    process = context.Process(target=work)
    process.start()
    ours.send(x)
    queue.put(x)
    assert ours.recv() == "done"
    assert x.tolist() == [1, 2]
    process.join()
    queue.close()
    queue.join_thread()


def test_pools():
    with mp.get_context("fork").Pool(2) as pool:
        assert pool.map(len, [torch.ones(2), torch.ones(3)]) == [2, 3]


def hogwild(index, weight):
    for _ in range(100):
        weight[index] += 1


def test_processes_train_one_tensor():
    weight = torch.zeros(2).share_memory_()
    mp.spawn(hogwild, (weight,), nprocs=2)
    assert weight.tolist() == [100, 100]


KILLED = """
import os, signal, time
import rushlight as torch
from rushlight import multiprocessing as mp
from rushlight.multiprocessing import _named
mp.set_sharing_strategy("file_system")
keep = [torch.ones(1000).share_memory_() for _ in range(5)]
queue = mp.get_context("fork").SimpleQueue()
queue.put(keep[0])
ours, theirs = os.pipe()
pid = os.fork()
if not pid:
    more = torch.ones(10).share_memory_()
    os.write(theirs, b"x")
    time.sleep(600)
os.read(ours, 1)
own = _named._prefix[0]
print(own, len([n for n in os.listdir("/dev/shm") if n.startswith(own)]), flush=True)
os.kill(pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_names_do_not_outlive_processes_that_are_killed():
    run = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    own, count = run.stdout.split()
    assert int(count) >= 6  # one is of the child
    deadline = time.monotonic() + 120
    while any(FOLDER.glob(f"{own}*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(FOLDER.glob(f"{own}*"))


def test_a_fork_leaves_names_alone(strategy):
    x = torch.ones(3).share_memory_()
    pid = os.fork()
    if not pid:
        x.add_(1)
        del x
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    assert x.tolist() == [2, 2, 2]
    assert sent(x).tolist() == [2, 2, 2]
