"""Orders, batches, errors and warnings are those of PyTorch."""

import collections
import warnings

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
Point = collections.namedtuple("Point", "x y")
MODULES = [torch, rushlight]


def plain(x):
    """Any sample or batch as something that `==` compares."""
    if hasattr(x, "tolist") and hasattr(x, "dtype"):
        kind = "tensor" if type(x).__name__ == "Tensor" else "array"
        return (kind, str(x.dtype).split(".")[-1], x.tolist())
    if isinstance(x, dict):
        return (type(x).__name__, {k: plain(v) for k, v in x.items()})
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, [plain(v) for v in x])
    return x


def outcome(f, T):
    """What a program does with this module: its result or error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(f(T))
        except Exception as error:
            result = (type(error).__name__, str(error).split("\nOriginal Traceback")[0])
    texts = [str(w.message) for w in caught if "create" not in str(w.message)]
    return result, [(w.category.__name__) for w in caught if "create" not in str(w.message)], texts


def both(f):
    ours, theirs = outcome(f, rushlight), outcome(f, torch)
    assert ours == theirs
    return ours[0]


def rows(T, n, item=lambda T, i: i):
    class Rows(T.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            return item(T, i)

    return Rows()


def stream(T, n, length=None):
    class Stream(T.utils.data.IterableDataset):
        def __iter__(self):
            me = T.utils.data.get_worker_info()
            return iter(range(n) if me is None else range(me.id, n, me.num_workers))

    if length is not None:
        Stream.__len__ = lambda self: length
    return Stream()


SAMPLERS = {
    "sequential": lambda T, n: {},
    "shuffle": lambda T, n: {"shuffle": True},
    "generator": lambda T, n: {"shuffle": True, "generator": T.Generator().manual_seed(5)},
    "replacement": lambda T, n: {
        "sampler": T.utils.data.RandomSampler(range(n), replacement=True, num_samples=40)
    },
    "more": lambda T, n: {"sampler": T.utils.data.RandomSampler(range(n), num_samples=2 * n + 3)},
    "subset": lambda T, n: {"sampler": T.utils.data.SubsetRandomSampler(range(0, n, 2))},
    "weighted": lambda T, n: {
        "sampler": T.utils.data.WeightedRandomSampler([1.0 + i % 3 for i in range(n)], 2 * n)
    },
    "weighted once": lambda T, n: {
        "sampler": T.utils.data.WeightedRandomSampler(
            T.arange(n) + 1.0, n // 2, False, T.Generator().manual_seed(1)
        )
    },
}


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_orders(name, workers):
    def program(T):
        T.manual_seed(3)
        loader = T.utils.data.DataLoader(
            rows(T, 23),
            4,
            num_workers=workers,
            drop_last=name == "subset",
            persistent_workers=workers == 3,
            **SAMPLERS[name](T, 23),
        )
        return [len(loader), list(loader), list(loader), T.rand(2).tolist()]

    both(program)


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_streams(workers):
    def program(T):
        found = []
        for options in ({}, {"drop_last": True}, {"batch_size": None}):
            found.append(
                list(
                    T.utils.data.DataLoader(
                        stream(T, 13), num_workers=workers, **{"batch_size": 2, **options}
                    )
                )
            )
        loader = T.utils.data.DataLoader(
            stream(T, 7) + stream(T, 4), 3, num_workers=workers, persistent_workers=workers > 0
        )
        return [found, list(loader), list(loader)]

    both(program)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_that_misstates_its_length(workers):
    def program(T):
        data = stream(T, 5, length=3)
        type(data).__repr__ = lambda self: "stream"
        loader = T.utils.data.DataLoader(data, 1, num_workers=workers)
        return [len(loader), list(loader), len(loader)]

    both(program)


def test_one_worker_out_of_order_and_in_order_of_what_is_done():
    def program(T):
        loader = T.utils.data.DataLoader(rows(T, 9), 2, num_workers=1, in_order=False)
        return list(loader)

    both(program)

    def found(T):
        loader = T.utils.data.DataLoader(rows(T, 40), 2, num_workers=3, in_order=False)
        return sorted(plain(list(loader))[1])

    both(found)


SAMPLES = [
    lambda T, i: i,
    lambda T, i: float(i),
    lambda T, i: i % 2 == 0,
    lambda T, i: f"s{i}",
    lambda T, i: b"b",
    lambda T, i: (i, {"a": float(i), "b": [str(i), T.ones(2) * i]}),
    lambda T, i: Point(i, T.tensor([i])),
    lambda T, i: np.float32(i),
    lambda T, i: np.arange(3) * i,
    lambda T, i: np.bool_(i),
    lambda T, i: collections.OrderedDict(z=i, a=(i,)),
    lambda T, i: collections.defaultdict(list, x=i),
    lambda T, i: T.full((3,), i, dtype=T.bfloat16),
    lambda T, i: T.tensor(i, dtype=T.int8),
    lambda T, i: [i, [i, (i, i)]],
    lambda T, i: range(i, i + 2),
    lambda T, i: None,
    lambda T, i: {1, 2},
    lambda T, i: np.array(["a"]),
    lambda T, i: list(range(i)),
    lambda T, i: T.ones(i),
    lambda T, i: np.ones(i),
    lambda T, i: {"a": 1} if i else {"b": 1},
    lambda T, i: object,
    lambda T, i: 1 / (i - 2),
    lambda T, i: {}["k"] if i == 2 else i,
    lambda T, i: (_ for _ in ()).throw(StopIteration("over")) if i == 2 else i,
]


FIRST_BAD = 16  # PyTorch waits for five seconds for a worker that failed, so few of these


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        *((number, 0) for number in range(len(SAMPLES))),
        *((number, 1) for number in (*range(FIRST_BAD), 25)),
    ],
)
def test_batches(number, workers):
    def program(T):
        found = []
        data = rows(T, 4, SAMPLES[number])
        found.append(list(T.utils.data.DataLoader(data, 2, num_workers=workers)))
        if number != len(SAMPLES) - 1:
            found.append(list(T.utils.data.DataLoader(data, None, num_workers=workers)))
        return found

    both(program)


def test_collate_for_types_of_ones_own():
    def program(T):
        module = T.utils.data._utils.collate
        functions = {complex: lambda batch, *, collate_fn_map=None: sum(batch)}
        module.default_collate_fn_map.update(functions)
        try:
            return list(T.utils.data.DataLoader(rows(T, 4, lambda T, i: (i, 1j * i)), 2))
        finally:
            del module.default_collate_fn_map[complex]

    both(program)

    def apart(T):
        return T.utils.data._utils.collate.collate(
            [T.ones(2), T.zeros(2)],
            collate_fn_map={T.Tensor: lambda batch, *, collate_fn_map=None: len(batch)},
        )

    both(apart)


class Together:
    def __len__(self):
        return 6

    def __getitems__(self, indices):
        return [10 * i for i in indices]


def test_datasets():
    def program(T):
        D = T.utils.data
        a, b = rows(T, 6), rows(T, 6, lambda T, i: T.tensor(i * i))
        T.manual_seed(0)
        parts = D.random_split(a, [0.5, 0.3, 0.2])
        named = D.StackDataset(a=a, b=D.Subset(b, [5, 4, 3, 2, 1, 0]))
        return [
            [p.indices for p in parts],
            list(D.DataLoader(named, 4)),
            list(D.DataLoader(D.StackDataset(a, b), 4)),
            list(D.DataLoader(D.ConcatDataset([a, b]), 5)),
            list(D.DataLoader(Together(), 4)),
            list(D.DataLoader(D.Subset(Together(), [3, 1]), 2)),
            list(D.DataLoader(D.ChainDataset([stream(T, 3), stream(T, 2)]), 2)),
            list(D.DataLoader(D.TensorDataset(T.arange(5), T.eye(5)), 3)),
            D.default_convert((np.ones(2), [np.int8(3), "a"], {"k": 1.5}, Point(np.ones(1), 2))),
        ]

    both(program)


def at(name):
    return lambda T: getattr(T.utils.data, name)


BAD = [
    lambda T: T.utils.data.DataLoader([1], num_workers=-1),
    lambda T: T.utils.data.DataLoader([1], timeout=-1),
    lambda T: T.utils.data.DataLoader([1], prefetch_factor=2),
    lambda T: T.utils.data.DataLoader([1], num_workers=1, prefetch_factor=-2),
    lambda T: T.utils.data.DataLoader([1], persistent_workers=True),
    lambda T: T.utils.data.DataLoader([1], batch_size=0),
    lambda T: T.utils.data.DataLoader([1], batch_size=1.5),
    lambda T: T.utils.data.DataLoader([1], batch_size=None, drop_last=True),
    lambda T: T.utils.data.DataLoader([1], batch_size=None, shuffle=True, sampler=[0]),
    lambda T: T.utils.data.DataLoader([1], batch_sampler=[[0]], batch_size=3),
    lambda T: T.utils.data.DataLoader([1], multiprocessing_context="fork"),
    lambda T: T.utils.data.DataLoader([1], num_workers=1, multiprocessing_context="bad"),
    lambda T: T.utils.data.DataLoader([1], num_workers=1, multiprocessing_context=3),
    lambda T: T.utils.data.DataLoader([], shuffle=True),
    lambda T: iter(T.utils.data.DataLoader([1], timeout=1)),
    lambda T: len(T.utils.data.DataLoader(stream(T, 3))),
    lambda T: list(T.utils.data.DataLoader([1, 2], pin_memory=True)),
    lambda T: setattr(T.utils.data.DataLoader([1]), "batch_size", 3),
    lambda T: setattr(T.utils.data.DataLoader([1]), "sampler", 3),
    lambda T: T.utils.data.RandomSampler([1], replacement=1),
    lambda T: T.utils.data.RandomSampler([1], num_samples=0),
    lambda T: T.utils.data.RandomSampler([1], num_samples=1.5),
    lambda T: T.utils.data.WeightedRandomSampler([1.0], -1),
    lambda T: T.utils.data.WeightedRandomSampler([1.0], True),
    lambda T: T.utils.data.WeightedRandomSampler([[1.0]], 1),
    lambda T: T.utils.data.WeightedRandomSampler([1.0], 1, replacement=3),
    lambda T: list(T.utils.data.WeightedRandomSampler([1.0], 2, replacement=False)),
    lambda T: T.utils.data.BatchSampler([1], -1, False),
    lambda T: T.utils.data.BatchSampler([1], 1, None),
    lambda T: T.utils.data.TensorDataset(T.ones(2), T.ones(3)),
    lambda T: T.utils.data.TensorDataset(T.ones(2))[5],
    lambda T: T.utils.data.StackDataset(),
    lambda T: T.utils.data.StackDataset([1], a=[1]),
    lambda T: T.utils.data.StackDataset([1], [1, 2]),
    lambda T: T.utils.data.StackDataset(a=[1], b=[1, 2]),
    lambda T: T.utils.data.ConcatDataset([]),
    lambda T: T.utils.data.ConcatDataset([[1, 2]])[-5],
    lambda T: T.utils.data.ConcatDataset([stream(T, 2)]),
    lambda T: T.utils.data.random_split([1, 2], [1, 3]),
    lambda T: T.utils.data.random_split([1, 2], [-0.5, 1.5]),
    lambda T: [len(p) for p in T.utils.data.random_split([1], [0.9, 0.1])],
    lambda T: T.utils.data.Dataset()[0],
    lambda T: list(T.utils.data.Sampler()),
    lambda T: T.utils.data.DistributedSampler([1], 2, 2),
    lambda T: list(T.utils.data.DistributedSampler(range(7), 3, 1, seed=4)),
    lambda T: list(T.utils.data.DataLoader(stream(T, 2), shuffle=True)),
    lambda T: list(T.utils.data.DataLoader(stream(T, 2), sampler=[1])),
    lambda T: list(T.utils.data.DataLoader(stream(T, 2), batch_sampler=[[1]])),
    lambda T: T.utils.data.default_collate([]),
    lambda T: T.utils.data.default_collate([T.eye(2).to_sparse()]),
    lambda T: next(iter(T.utils.data.DataLoader([1]))).__class__.__name__,
]


def test_a_prefetch_factor_of_nothing():
    loader = rushlight.utils.data.DataLoader([1], num_workers=1, prefetch_factor=0)
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0 for MultiPr"):
        iter(loader)


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_is_refused(number):
    both(BAD[number])


def test_names():
    ours = set(dir(rushlight.utils.data))
    datapipes = {  # docs/not-supported.md
        *("DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe", "argument_validation"),
        *("functional_datapipe", "guaranteed_datapipes_determinism", "non_deterministic"),
        *("runtime_validation", "runtime_validation_disabled"),
    }
    missing = set(torch.utils.data.__all__) - ours - datapipes
    assert not missing
