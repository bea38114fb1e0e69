"""Datasets, samplers, collation."""

import collections

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils import data

Point = collections.namedtuple("Point", "x y")


class Squares(data.Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i * i


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        return iter(range(self.n))


# ---- datasets --------------------------------------------------------------------------------------  # noqa: E501


def test_concatenation():
    both = Squares(3) + Squares(4)
    assert isinstance(both, data.ConcatDataset)
    assert [both[i] for i in range(-7, 7)] == [0, 1, 4, 0, 1, 4, 9] * 2
    with pytest.raises(
        ValueError, match="absolute value of index should not exceed dataset length"
    ):
        both[-8]
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert both.cummulative_sizes == [3, 7]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        data.ConcatDataset([Stream(1)])


def test_chains_of_streams():
    both = Stream(2) + Stream(3)
    assert list(both) == [0, 1, 0, 1, 2]
    assert len(both) == 5
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(data.ChainDataset([Squares()]))


def test_tensors():
    pairs = data.TensorDataset(torch.arange(3), torch.eye(3))
    assert pairs[1][0].item() == 1
    assert pairs[1][1].tolist() == [0.0, 1.0, 0.0]
    assert len(pairs) == 3
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(torch.ones(2), torch.ones(3))


def test_stacks():
    named = data.StackDataset(a=Squares(3), b="xyz")
    assert named[1] == {"a": 1, "b": "y"}
    assert named.__getitems__([2, 0]) == [{"a": 4, "b": "z"}, {"a": 0, "b": "x"}]
    assert data.StackDataset(Squares(3), data.Subset("abc", [2, 1, 0])).__getitems__([1]) == [
        (1, "b")
    ]
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        data.StackDataset("a", "bc")
    with pytest.raises(ValueError, match="At least one dataset should be passed"):
        data.StackDataset()
    with pytest.raises(ValueError, match="both types are given"):
        data.StackDataset("a", b="b")


def test_subsets():
    part = data.Subset(Squares(), [5, 2])
    assert (part[0], len(part), part.__getitems__([1, 0])) == (25, 2, [4, 25])

    class Half(data.Subset):
        def __getitem__(self, i):
            return 1

    with pytest.raises(
        NotImplementedError, match="Half overrides __getitem__ but not __getitems__"
    ):
        Half(Squares(), [0])


def test_splits():
    parts = data.random_split(range(17), [0.6, 0.4], generator=torch.Generator().manual_seed(1))
    assert [len(p) for p in parts] == [11, 6]
    assert sorted(i for p in parts for i in p) == list(range(17))
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(5), [3, 3])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        data.random_split(range(5), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(range(1), [0.9, 0.1])


def test_a_dataset_without_getitem():
    with pytest.raises(
        NotImplementedError, match="Subclasses of Dataset should implement __getitem__"
    ):
        data.Dataset()[0]


# ---- samplers --------------------------------------------------------------------------------------  # noqa: E501


def test_orders_are_those_of_pytorch():
    """Recorded with torch 2.13; the seeds are drawn as it draws them."""
    torch.manual_seed(0)
    assert list(data.RandomSampler(range(6))) == [0, 1, 2, 3, 5, 4]
    assert list(data.RandomSampler(range(4), num_samples=6)) == RECORDED["num_samples"]
    assert list(data.RandomSampler(range(9), True, 5)) == RECORDED["replacement"]
    assert list(data.SubsetRandomSampler([3, 1, 4, 1, 5])) == RECORDED["subset"]
    assert list(data.WeightedRandomSampler([0.1, 0.9, 0.4], 6)) == RECORDED["weighted"]
    assert [list(p) for p in data.random_split(range(5), [3, 2])] == RECORDED["split"]


RECORDED = {
    "num_samples": [2, 1, 3, 0, 2, 1],
    "replacement": [5, 4, 2, 6, 4],
    "subset": [4, 5, 1, 1, 3],
    "weighted": [2, 1, 1, 1, 1, 1],
    "split": [[1, 3, 4], [2, 0]],
}


def test_batches_of_indices():
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    for drop in (True, False):
        for n in range(7):
            sampler = data.BatchSampler(range(n), 3, drop)
            assert len(sampler) == len(list(sampler))


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(("count", "world"), [(10, 3), (2, 5), (6, 2)])
def test_shares_of_processes(count, world, drop_last):
    samplers = [
        data.DistributedSampler(range(count), world, r, drop_last=drop_last) for r in range(world)
    ]
    for sampler in samplers:
        sampler.set_epoch(3)
    shares = [list(s) for s in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])}
    seen = [i for share in shares for i in share]
    assert len(set(seen)) == (min(len(seen), count))
    with pytest.raises(
        ValueError, match=r"Invalid rank 3, rank should be in the interval \[0, 2\]"
    ):
        data.DistributedSampler(range(5), 3, 3)
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        data.DistributedSampler(range(5))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: data.RandomSampler([]), ValueError, "num_samples should be a positive integer value, but got num_samples=0"),  # noqa: E501
        (lambda: data.RandomSampler([1], 1), TypeError, "replacement should be a boolean value, but got replacement=1"),  # noqa: E501
        (lambda: data.BatchSampler([], 0, False), ValueError, "batch_size should be a positive integer value, but got batch_size=0"),  # noqa: E501
        (lambda: data.BatchSampler([], True, False), ValueError, "but got batch_size=True"),
        (lambda: data.BatchSampler([], 1, 0), ValueError, "drop_last should be a boolean value, but got drop_last=0"),  # noqa: E501
        (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError, "weights should be a 1d sequence but given weights have shape"),  # noqa: E501
        (lambda: data.WeightedRandomSampler([1.0], 0), ValueError, "num_samples should be a positive integer value"),  # noqa: E501
        (lambda: data.WeightedRandomSampler([1.0], 1, 0), ValueError, "replacement should be a boolean value"),  # noqa: E501
    ],
)  # fmt: skip
def test_bad_samplers(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)


# ---- collation -------------------------------------------------------------------------------------  # noqa: E501


def plain(x):
    if isinstance(x, torch.Tensor):
        return (str(x.dtype).split(".")[1], x.tolist())
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([1, 2], ("int64", [1, 2])),
        ([1.5, 2.0], ("float64", [1.5, 2.0])),
        ([True, False], ("bool", [True, False])),
        (["a", "b"], ["a", "b"]),
        ([b"a"], [b"a"]),
        ([np.float32(1), np.float32(2)], ("float32", [1.0, 2.0])),
        ([np.arange(2), np.arange(2)], ("int64", [[0, 1], [0, 1]])),
        ([torch.ones(1), torch.zeros(1)], ("float32", [[1.0], [0.0]])),
        ([(1, "a"), (2, "b")], [("int64", [1, 2]), ["a", "b"]]),
        ([[1, "a"], [2, "b"]], [("int64", [1, 2]), ["a", "b"]]),
        ([{"x": 1, "y": [2.0]}] * 2, {"x": ("int64", [1, 1]), "y": [("float64", [2.0, 2.0])]}),
        ([collections.OrderedDict(x=1)], {"x": ("int64", [1])}),
    ],
)
def test_collation(batch, expected):
    assert plain(data.default_collate(batch)) == expected


def test_collation_keeps_types():
    assert isinstance(data.default_collate([Point(1, 2), Point(3, 4)]), Point)
    assert isinstance(data.default_collate([collections.OrderedDict(x=1)]), collections.OrderedDict)
    assert isinstance(data.default_collate([(1,), (2,)]), list)
    assert isinstance(data.default_convert(Point(np.ones(1), 2)).x, torch.Tensor)


@pytest.mark.parametrize(
    ("batch", "kind", "text"),
    [
        ([None], TypeError, "found <class 'NoneType'>"),
        ([[1, 2], [1]], RuntimeError, "each element in list of batch should be of equal size"),
        ([np.array(["a"])], TypeError, "found <U1"),
    ],
)
def test_what_cannot_be_collated(batch, kind, text):
    with pytest.raises(kind, match=text):
        data.default_collate(batch)


def test_ones_own_types_can_be_collated():
    from rushlight.utils.data._utils.collate import collate, default_collate_fn_map

    functions = {complex: lambda batch, *, collate_fn_map: sum(batch), **default_collate_fn_map}
    assert plain(collate([(1j, 1), (2j, 2)], collate_fn_map=functions)) == [3j, ("int64", [1, 2])]


def test_conversion():
    converted = data.default_convert(
        {"a": np.arange(2), "b": [np.float64(2), "c", (1, np.ones(1))]}
    )
    assert plain(converted) == {
        "a": ("int64", [0, 1]),
        "b": [("float64", 2.0), "c", [1, ("float64", [1.0])]],
    }
