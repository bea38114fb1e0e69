"""The DataLoader, in this process and with workers."""

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils import data

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Rows(data.Dataset):
    """Sample i is f(i); f must be a module's function where workers are spawned."""

    def __init__(self, n=10, f=lambda i: i * i):
        self.n = n
        self.f = f

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.f(i)


class Stream(data.IterableDataset):
    """0 ... n-1, shared among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        me = data.get_worker_info()
        start, step = (0, 1) if me is None else (me.id, me.num_workers)
        return iter(range(start, self.n, step))


def lists(loader):
    return [batch.tolist() for batch in loader]


def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No process and no open file outlives a test."""
    before = open_files()
    yield
    gc.collect()
    assert not multiprocessing.active_children()
    assert open_files() <= before + 2


# ---- both ways ---------------------------------------------------------------------------------------  # noqa: E501


@pytest.mark.parametrize("workers", [0, 2])
def test_batches(workers):
    def load(**kwargs):
        return lists(data.DataLoader(Rows(5), num_workers=workers, **kwargs))

    assert load() == [[0], [1], [4], [9], [16]]
    assert load(batch_size=2) == [[0, 1], [4, 9], [16]]
    assert load(batch_size=2, drop_last=True) == [[0, 1], [4, 9]]
    assert load(sampler=[3, 1], batch_size=2) == [[9, 1]]
    assert load(batch_sampler=[[3], [1, 2]]) == [[9], [1, 4]]
    assert list(data.DataLoader(Rows(3), batch_size=None, num_workers=workers)) == [0, 1, 4]
    assert list(data.DataLoader(Rows(3), 2, collate_fn=sum, num_workers=workers)) == [1, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_streams(workers):
    def load(**kwargs):
        return lists(data.DataLoader(Stream(7), num_workers=workers, **kwargs))

    assert sorted(i for batch in load(batch_size=2) for i in batch) == list(range(7))
    assert (
        load(batch_size=2, drop_last=True)
        == {
            0: [[0, 1], [2, 3], [4, 5]],
            2: [[0, 2], [1, 3], [4, 6]],
        }[workers]
    )
    assert list(data.DataLoader(Stream(3), batch_size=None, num_workers=workers)) == [0, 1, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_shuffles_are_those_of_pytorch(workers):
    """Recorded with torch 2.13."""
    torch.manual_seed(0)
    loader = data.DataLoader(list(range(6)), 4, shuffle=True, num_workers=workers)
    assert [lists(loader), lists(loader), torch.rand(1).item()] == SHUFFLES
    g = torch.Generator().manual_seed(0)
    loader = data.DataLoader(list(range(6)), 4, shuffle=True, generator=g, num_workers=workers)
    assert [lists(loader), torch.rand(1, generator=g).item()] == BY_GENERATOR


SHUFFLES = [[[0, 4, 3, 5], [2, 1]], [[2, 3, 1, 5], [4, 0]], 0.455627977848053]
BY_GENERATOR = [[[5, 1, 0, 3], [2, 4]], 0.022325754165649414]


def draws(i):
    return [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002


def test_random_numbers_of_workers_are_those_of_pytorch():
    """Recorded with torch 2.13."""
    torch.manual_seed(0)
    loader = data.DataLoader(Rows(2, draws), batch_size=None, num_workers=2)
    assert [x for sample in loader for x in sample] == pytest.approx(WORKERS, rel=1e-12)


WORKERS = [
    0.21315340548154382, 0.8371640508861415, 0.7821398973464966,
    0.7733861492043289, 0.6702704958690073, 0.6938178539276123,
]  # fmt: skip


def test_lengths():
    for n in range(5):
        for size in (1, 2, 3):
            for drop in (True, False):
                loader = data.DataLoader(Rows(n), size, drop_last=drop)
                assert len(loader) == len(list(loader))


def test_a_stream_longer_than_it_says():
    class Liar(Stream):
        def __len__(self):
            return 2

    loader = data.DataLoader(Liar(3))
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2"):
        assert len(list(loader)) == 3


def test_batches_of_a_tensor_dataset_are_gathered_at_once():
    x, y = torch.arange(10), torch.randn(10, 3)
    part = data.Subset(data.TensorDataset(x, y), [9, 8, 7, 6, 5])
    (a, b), (c, d) = data.DataLoader(part, batch_size=3)
    assert a.tolist() == [9, 8, 7]
    assert c.tolist() == [6, 5]
    assert torch.equal(torch.cat([b, d]), y[5:].flip(0))
    by_tensors = data.DataLoader(part, sampler=[torch.tensor(1), torch.tensor(0)], batch_size=2)
    assert next(iter(by_tensors))[0].tolist() == [8, 9]


def test_getitems_is_used():
    class Together(Rows):
        def __getitems__(self, indices):
            return [-i for i in indices]

    assert lists(data.DataLoader(Together(3), batch_size=2)) == [[0, -1], [-2]]


# ---- what is refused -----------------------------------------------------------------------------------  # noqa: E501

BAD = [
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
    ({"prefetch_factor": -2, "num_workers": 1}, "prefetch_factor option should be non-negative"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
    ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
    ({"multiprocessing_context": "x", "num_workers": 1}, "should specify a valid start method in"),
]


@pytest.mark.parametrize(("kwargs", "text"), BAD, ids=str)
def test_bad_arguments(kwargs, text):
    with pytest.raises(ValueError, match=text):
        data.DataLoader(Rows(), **kwargs)


@pytest.mark.parametrize("kwargs", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_streams_have_no_order(kwargs):
    name = next(iter(kwargs))
    with pytest.raises(
        ValueError, match=f"with IterableDataset: expected unspecified {name} option"
    ):
        data.DataLoader(Stream(3), **kwargs)


def test_what_is_fixed_once_made():
    loader = data.DataLoader(Rows())
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader"):
        loader.batch_size = 3
    with pytest.raises(TypeError, match="should be a valid context object"):
        data.DataLoader(Rows(), num_workers=1, multiprocessing_context=3)
    with pytest.raises(NotImplementedError):
        iter(loader).__getstate__()


def test_pinning_needs_an_accelerator():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        next(iter(data.DataLoader(Rows(), pin_memory=True)))


@pytest.mark.filterwarnings("default:This DataLoader will create")
def test_too_many_workers_are_warned_of():
    with pytest.warns(
        UserWarning, match="will create 1000 worker processes in total. Our suggested"
    ):
        data.DataLoader(Rows(), num_workers=1000)


# ---- workers ---------------------------------------------------------------------------------------------  # noqa: E501


def who(i):
    me = data.get_worker_info()
    return (me.id, me.num_workers, me.seed - me.id, len(me.dataset), os.getpid())


def test_workers_know_who_they_are():
    rows = list(data.DataLoader(Rows(4, who), batch_size=None, num_workers=2))
    assert [(r[0], r[1], r[3]) for r in rows] == [(0, 2, 4), (1, 2, 4)] * 2
    assert len({r[2] for r in rows}) == 1  # the base seed
    assert len({r[4] for r in rows} | {os.getpid()}) == 3
    assert data.get_worker_info() is None


def spawned(i):
    return torch.full((100, 100), i)


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_start_methods(method):
    loader = data.DataLoader(
        data.TensorDataset(torch.arange(4.0)), 2, num_workers=1, multiprocessing_context=method
    )
    assert [b[0].tolist() for b in loader] == [[0.0, 1.0], [2.0, 3.0]]


def kinds(i):
    return {
        "large": torch.full((300, 200), float(i)),
        "half": torch.full((300, 200), i, dtype=torch.bfloat16),
        "strided": torch.arange(40000).view(200, 200).t(),
        "array": np.full(50000, i),
        "small": torch.tensor(i),
        "empty": torch.empty(0, 3),
        "complex": torch.full((100, 100), 1j),
        "bool": torch.ones(40000, dtype=torch.bool),
        "text": ["a"] * 3,
        "long": "x" * 100000,
    }


def test_everything_arrives():
    loader = data.DataLoader(Rows(3, kinds), None, num_workers=2, collate_fn=lambda sample: sample)
    for i, sample in enumerate(loader):
        expected = kinds(i)
        assert list(sample) == list(expected)
        for key, value in expected.items():
            got = sample[key]
            assert type(got) is type(value)
            if isinstance(value, torch.Tensor):
                assert got.dtype is value.dtype
                assert torch.equal(got, value)
                got.zero_() if got.numel() else None  # its memory is writable
            else:
                assert np.array_equal(got, value)


def with_gradient(i):
    return (torch.ones(1, requires_grad=True) * 2) if i else torch.ones(20000, requires_grad=True)


def test_tensors_with_gradients():
    loader = iter(data.DataLoader(Rows(2, with_gradient), batch_size=None, num_workers=1))
    assert next(loader).requires_grad
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        next(loader)


def fails(i):
    if i == 1:
        raise ValueError("one")
    if i == 2:
        return {}["two"]
    if i == 3:
        raise StrangeError(1, 2)
    return i


class StrangeError(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def test_an_exception_comes_with_its_traceback():
    loader = iter(data.DataLoader(Rows(5, fails), num_workers=2))
    assert next(loader).item() == 0
    with pytest.raises(ValueError) as caught:
        next(loader)
    text = str(caught.value)
    assert text.startswith("Caught ValueError in DataLoader worker process 1.\nOriginal Traceback")
    assert text.rstrip().endswith("ValueError: one")
    with pytest.raises(KeyError) as caught:
        next(loader)
    assert str(caught.value).startswith("Caught KeyError in DataLoader worker process 0.\nOriginal")
    with pytest.raises(RuntimeError, match="Caught StrangeError in DataLoader worker process 1"):
        next(loader)
    assert next(loader).item() == 4  # and it goes on
    with pytest.raises(StopIteration):
        next(loader)


def unpicklable(i):
    return lambda: i


def test_what_cannot_be_sent_says_so():
    with pytest.raises(Exception, match=r"Caught .* in DataLoader worker process 0"):
        list(data.DataLoader(Rows(1, unpicklable), batch_size=None, num_workers=1))


def test_an_init_function_that_fails():
    def init(i):
        raise ZeroDivisionError(f"worker {i}")

    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker"):
        list(data.DataLoader(Rows(), num_workers=2, worker_init_fn=init))


class Closed(Stream):
    def __iter__(self):
        raise PermissionError("closed")


def test_a_stream_that_cannot_be_opened():
    loader = data.DataLoader(Closed(3), num_workers=1, persistent_workers=True)
    for _ in range(2):
        with pytest.raises(PermissionError, match="Caught PermissionError in DataLoader worker"):
            next(iter(loader))


def dies(i):
    if i == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def leaves(i):
    os._exit(7)


NEVER, SOON = 600, 120  # seconds: what is waited for does not come; what should come, has come


def slow(i):
    time.sleep(NEVER)


@pytest.mark.parametrize(
    ("f", "cause"), [(dies, "is killed by signal: Killed"), (leaves, "with exit code 7")]
)
def test_a_dead_worker_is_reported(f, cause):
    start = time.monotonic()
    with pytest.raises(
        RuntimeError, match=r"DataLoader worker \(pid\(s\) [\d, ]+\) exited unexpec"
    ) as caught:
        list(data.DataLoader(Rows(9, f), num_workers=2))
    assert cause in str(caught.value.__cause__)
    assert time.monotonic() - start < SOON


def test_a_dead_worker_is_reported_while_another_is_waited_for():
    iterator = iter(data.DataLoader(Rows(9, slow), num_workers=2))
    os.kill(iterator._workers[1].process.pid, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(iterator)
    assert time.monotonic() - start < SOON


def test_timeout():
    with pytest.raises(RuntimeError, match=r"timed out after 0.2 seconds"):
        next(iter(data.DataLoader(Rows(9, slow), num_workers=1, timeout=0.2)))
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(data.DataLoader(Rows(), timeout=1))


def slow_from_8_on(i):
    return i if i < 8 else time.sleep(NEVER)


def test_leaving_early():
    start = time.monotonic()
    for i, _ in enumerate(data.DataLoader(Rows(1000, slow_from_8_on), num_workers=2)):
        if i == 3:
            break
    del _
    gc.collect()
    assert time.monotonic() - start < SOON  # nobody waits for what was asked for ahead


def pid(i):
    return os.getpid()


def test_persistent_workers():
    loader = data.DataLoader(Rows(4, pid), num_workers=2, persistent_workers=True, batch_size=None)
    first = list(loader)
    partly = iter(loader)
    next(partly)
    assert list(loader) == first == list(loader)
    os.kill(first[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    assert list(loader) != first  # new workers
    stream = data.DataLoader(Stream(5), num_workers=2, persistent_workers=True)
    assert lists(stream) == lists(stream) == [[0], [1], [2], [3], [4]]


def test_streams_that_end_with_much_outstanding():
    loader = data.DataLoader(
        Stream(9), num_workers=2, persistent_workers=True, prefetch_factor=300, batch_size=None
    )
    for _ in range(3):
        assert list(loader) == list(range(9))


class FirstWaits(Rows):
    """Sample 0 is there some time after sample 1, which the other worker has."""

    def __init__(self, n):
        super().__init__(n)
        self.one_is_there = multiprocessing.get_context("fork").Event()

    def __getitem__(self, i):
        if i == 0:
            assert self.one_is_there.wait(NEVER)
            time.sleep(0.2)
        if i == 1:
            self.one_is_there.set()
        return i


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_out_of_order():
    options = {"num_workers": 2, "batch_size": None, "multiprocessing_context": "fork"}
    first = []
    for _ in range(5):  # a pause of the machine may let the answers meet
        found = list(data.DataLoader(FirstWaits(6), in_order=False, **options))
        assert sorted(found) == list(range(6))
        first.append(found[0])
        if first[-1] != 0:
            break
    assert first[-1] != 0
    assert list(data.DataLoader(FirstWaits(6), **options)) == list(range(6))


def test_large_lists_of_indices_do_not_block():
    loader = data.DataLoader(Rows(60000, float), batch_size=20000, num_workers=1, prefetch_factor=8)
    assert [len(b) for b in loader] == [20000] * 3


def test_many_small_messages_do_not_block():
    loader = data.DataLoader(Rows(3000), num_workers=1, prefetch_factor=2000)
    assert len(list(loader)) == 3000


def test_loaders_inside_loaders():
    for outer in data.DataLoader(Rows(2), num_workers=1):
        assert len(lists(data.DataLoader(Rows(3), num_workers=1))) == 3
        assert outer is not None


PROGRAM = """
import os, sys, time
from rushlight.utils import data
class Slow(data.Dataset):
    def __len__(self): return 9
    def __getitem__(self, i):
        if i: time.sleep(600)
        return i
iterator = iter(data.DataLoader(Slow(), num_workers=2, multiprocessing_context="fork"))
print(*[w.process.pid for w in iterator._workers], flush=True)
{}
"""


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ["sys.exit(3)", "os.kill(os.getpid(), 9)"])
def test_workers_do_not_outlive_the_program(end):
    program = PROGRAM.format("time.sleep(0.2); " + end)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    pids = run.stdout.split()
    assert len(pids) == 2, run.stderr
    deadline = time.monotonic() + SOON
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(p) for p in pids)
