"""The shared memory of batches: used again, and never while somebody looks at it."""

import gc
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight import multiprocessing as _reductions  # noqa: F401
from rushlight.utils import data
from rushlight.utils.data._utils import channel, segments

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]
METHODS = ["fork", "spawn", "forkserver"]


class Full(data.Dataset):
    """Sample i is a tensor full of i, of a size of its own if `sizes` says so."""

    def __init__(self, count, elements=10000, sizes=1):
        self.count, self.elements, self.sizes = count, elements, sizes

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return torch.full((self.elements + 1000 * (i % self.sizes),), i)


def value(batch):
    found = batch.unique().tolist()
    assert len(found) == 1
    return found[0]


def mapped():
    return Path("/proc/self/maps").read_text().count("memfd:torch")


def named():
    return {p.name for p in Path("/dev/shm").iterdir() if p.name.startswith("torch_")}


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_is_left():
    gc.collect()
    before, shm = open_files(), named()
    yield
    gc.collect()
    assert not multiprocessing.active_children()
    assert open_files() <= before + 1
    assert mapped() == 0
    deadline = time.monotonic() + 30
    while named() - shm and time.monotonic() < deadline:
        time.sleep(0.05)  # other programs of this machine have theirs for a moment
    assert named() <= shm


@pytest.mark.parametrize("method", METHODS)
def test_batches_come_in_shared_memory(method):
    loader = data.DataLoader(Full(4), 2, num_workers=1, multiprocessing_context=method)
    for i, batch in enumerate(loader):
        assert batch.is_shared()
        assert batch.untyped_storage().nbytes() == batch.numel() * 8
        assert batch[:, 0].tolist() == [2 * i, 2 * i + 1]
        batch.zero_()  # it is writable


def test_memory_is_used_again():
    loader = data.DataLoader(Full(200), batch_size=None, num_workers=2)
    most = 0
    for i, batch in enumerate(loader):
        assert value(batch) == i
        most = max(most, mapped())
    assert most <= 10


def test_what_is_kept_stays():
    kept = {}
    for i, batch in enumerate(data.DataLoader(Full(300, sizes=3), batch_size=None, num_workers=2)):
        kept[i] = batch.numpy()[7:] if i % 3 else batch
        if len(kept) > 20:
            del kept[random.choice(list(kept))]
        if i % 10 == 0:
            assert all((np.asarray(x) == j).all() for j, x in kept.items())
    assert all((np.asarray(x) == j).all() for j, x in kept.items())


def test_all_batches_at_once():
    batches = list(data.DataLoader(Full(200), batch_size=None, num_workers=1))
    assert [value(b) for b in batches] == list(range(200))


def test_too_many_mappings_are_copies(monkeypatch):
    monkeypatch.setattr(segments, "MAX_LEASES", 5)
    batches = list(data.DataLoader(Full(20), batch_size=None, num_workers=2))
    assert sum(b.is_shared() for b in batches) == 5
    assert [value(b) for b in batches] == list(range(20))


def test_a_fork_keeps_what_it_sees():
    iterator = iter(data.DataLoader(Full(60), batch_size=None, num_workers=1))
    batch = next(iterator)
    wait, go = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(wait, 1)
        os._exit(0 if batch.unique().tolist() == [0] else 1)
    del batch
    assert [value(b) for b in iterator] == list(range(1, 60))
    os.write(go, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(wait), os.close(go)


class Remembering(data.Dataset):
    """Its batches are kept by the worker as well, which says whether they are as they were."""

    def __init__(self):
        self.kept = []

    def __len__(self):
        return 30

    def __getitem__(self, i):
        return torch.full((5000,), i)

    def collate(self, samples):
        unchanged = all(bool((batch == i).all()) for i, batch in self.kept)
        batch = data.default_collate(samples)
        self.kept.append((samples[0][0].item(), batch))
        again = self.kept[0][1]
        return batch, unchanged, again, again


def test_a_worker_keeps_what_it_sees():
    rows = Remembering()
    for i, batch in enumerate(data.DataLoader(rows, 1, num_workers=1, collate_fn=rows.collate)):
        now, unchanged, first, again = batch
        assert unchanged
        assert value(now) == i and value(first) == 0
        assert first is again


class Layouts(data.Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        x = torch.arange(6000).view(20, 300) + i
        return {
            "turned": x.t(),
            "part": x[:, 5:],
            "twice": (x, x[:10]),
            "weight": torch.nn.Parameter(torch.ones(2000)),
            "read only": np.broadcast_to(np.arange(3000), (3000,)),
            "sparse": torch.eye(100).to_sparse(),
            "expanded": torch.ones(1, 1).expand(100, 100),
            "empty": torch.empty(0, 5),
            "half": torch.full((5000,), i, dtype=torch.bfloat16),
            "zero": torch.zeros(()),
        }


def test_layouts():
    loader = data.DataLoader(Layouts(), None, num_workers=1, collate_fn=lambda sample: sample)
    for i, sample in enumerate(loader):
        expected = Layouts()[i]
        assert sample["turned"].stride() == (1, 300)
        for key in ("turned", "part", "weight", "expanded", "empty", "half", "zero"):
            assert torch.equal(sample[key], expected[key]), key
            assert sample[key].dtype is expected[key].dtype
        assert type(sample["weight"]) is torch.nn.Parameter
        assert torch.equal(sample["twice"][1], expected["twice"][1])
        assert np.array_equal(sample["read only"], expected["read only"])
        assert torch.equal(sample["sparse"].to_dense(), torch.eye(100))


def test_batches_can_be_sent_on():
    iterator = iter(data.DataLoader(Full(20), batch_size=None, num_workers=1))
    batch = next(iterator)
    copy = pickle.loads(ForkingPickler.dumps(batch))
    assert copy.untyped_storage() is batch.untyped_storage()
    assert [value(b) for b in iterator] == list(range(1, 20))
    assert value(copy) == value(batch) == 0


def test_rows_of_tensors_are_gathered_there():
    rows = data.TensorDataset(torch.arange(8000).view(80, 100), torch.ones(80, 100).bfloat16())
    loader = data.DataLoader(rows, 40, shuffle=True, num_workers=2)
    for x, y in loader:
        assert x.is_shared()
        assert torch.equal(x - x[:, :1], torch.arange(100).expand(40, 100))
        assert y.dtype is torch.bfloat16 and bool((y == 1).all())
    bad = data.DataLoader(rows, sampler=[80, *range(39)], batch_size=40, num_workers=1)
    with pytest.raises(IndexError, match="Caught IndexError in DataLoader worker process 0"):
        next(iter(bad))


def test_an_outbox_forgets_sizes_that_do_not_come_back(monkeypatch):
    monkeypatch.setattr(segments, "MAX_FREE", 100 << 10)
    box = segments.Outbox()
    for n in range(1, 40):
        segment = box.holding(np.zeros(n * 5000, np.uint8))
        entry, fd = box.lend(segment, n * 5000)
        if fd >= 0:  # else the size came back
            os.close(fd)
        box.give_back([(entry.number, True)])
    assert sum(s.capacity for s in box._free.values()) < 500 << 10
    assert box.dropped
    assert channel.outbox == [None]


class Hanging(Full):
    def __getitem__(self, i):
        if i == 3:
            time.sleep(600)
        return super().__getitem__(i)


@pytest.mark.parametrize(
    ("how", "method"),
    [("killed", "fork"), ("hangs", "fork"), ("killed", "spawn"), ("hangs", "forkserver")],
)
def test_workers_that_fail_leave_nothing(method, how):
    timeout = 0.3 if how == "hangs" else 0
    loader = data.DataLoader(
        Hanging(9), None, num_workers=2, multiprocessing_context=method, prefetch_factor=1
    )
    iterator = iter(loader)
    iterator._timeout = 300
    assert [value(next(iterator)) for _ in range(3)] == [0, 1, 2]
    iterator._timeout = timeout
    start = time.monotonic()
    if how == "killed":
        os.kill(iterator._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"exited unexpectedly|timed out after 0\.3 seconds"):
        next(iterator)
    assert time.monotonic() - start < 120  # it sleeps for 600


def test_many_batches_leak_nothing():
    """10,000 of them in tools of the session's report; here what fits into a second."""
    loader = data.DataLoader(
        Full(250, 600, sizes=3), 1, num_workers=2, persistent_workers=True, prefetch_factor=4
    )
    sizes = []
    for _ in range(4):
        for batch in loader:
            last = batch
        sizes.append((open_files(), mapped()))
        assert last.is_shared()
    # How far the workers are ahead is chance, so how many segments there are; 750 batches came.
    assert sizes[-1][0] <= sizes[0][0] + 30
    assert sizes[-1][1] <= sizes[0][1] + 30
    del loader, last, batch


class Pages(data.TensorDataset):
    """Says where its tensor is, and whether that is shared."""

    def __getitem__(self, i):
        return self.tensors[0].is_shared(), int(self.tensors[0][i])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_dataset_is_shared_with_workers_that_are_not_forks(method):
    rows = Pages(torch.arange(100000))
    loader = data.DataLoader(
        rows, None, num_workers=1, multiprocessing_context=method, sampler=[3, 99999]
    )
    assert list(loader) == [[True, 3], [True, 99999]]
    assert rows.tensors[0].is_shared()
