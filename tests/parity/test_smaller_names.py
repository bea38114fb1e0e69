"""Functions of torch's top level and of Tensor that few programs call: the same answers, errors and
warnings as PyTorch's."""

import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def x(t):
    return t.arange(6.0).reshape(2, 3)


def leaf(t):
    return x(t).requires_grad_()


def data(t):
    return t.tensor([[1.0, 2], [3, 4], [5, 6]])


def eye(t):
    return t.eye(3).to_sparse()


def gradient(t, reduce, initial):
    d = t.tensor([[1.0, 2], [3, 3], [3, 6], [0, 0]], requires_grad=True)
    o = t.segment_reduce(d, reduce, lengths=t.tensor([3, 0, 1]), initial=initial)
    o[t.tensor([0, 2])].sum().backward()
    return d.grad


def grad_dtype(t, dtype, given=None):
    w = t.ones(2, requires_grad=True)
    w.grad_dtype = None if dtype is None else getattr(t, dtype)
    if given is None:
        (w * 2).sum().backward()
    else:
        w.grad = t.ones(2, dtype=getattr(t, given))
    return w.grad, w.grad_dtype


def restrided(t):
    y = x(t)
    z = y.as_strided_((2, 2), (1, 2), 1)
    return y is z, y


def file_of(t, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(np.arange(8, dtype=np.float32).tobytes())
        made = t.from_file(str(path), **options)
        found = made.clone()
        if options.get("shared"):
            made.fill_(1)
            return found, path.read_bytes()
        made.fill_(1)
        return found, path.read_bytes()


def debug_modes(t):
    seen = []
    for mode in ("warn", "error", 0, 1, 2, "default"):
        t.set_deterministic_debug_mode(mode)
        seen.append((t.get_deterministic_debug_mode(), t.are_deterministic_algorithms_enabled()))
    return seen


def bags(t, mode, **options):
    rows = t.arange(8.0).reshape(4, 2)
    return t.embedding_bag(
        rows, t.tensor([3, 0, 2, 3, 1]), t.tensor([0, 2, 2]), False, mode, **options
    )


CASES = {
    "dlpack": [
        lambda t: t.from_dlpack(x(t)).data_ptr() != 0,
        lambda t: t.from_dlpack(t.to_dlpack(x(t))),
        lambda t: t.from_dlpack(np.arange(3)),
        lambda t: t.from_dlpack(np.broadcast_to(np.arange(3), (2, 3))),
        lambda t: t.from_dlpack(3),
        lambda t: t.from_dlpack(t.tensor([True, False])),
        lambda t: t.from_dlpack(t.ones(2, dtype=t.bfloat16)),
        lambda t: np.from_dlpack(x(t)),
        lambda t: x(t).__dlpack__(stream=1),
        lambda t: leaf(t).__dlpack__(),
        lambda t: tuple(x(t).__dlpack_device__()),
    ],
    "conversions": [
        lambda t: x(t).__long__(),
        lambda t: t.tensor(2.5).__long__(),
        lambda t: t.tensor(2.5).__nonzero__(),
        lambda t: x(t).is_same_size(x(t).t()),
        lambda t: x(t).is_same_size(3),
        lambda t: t.is_signed(t.tensor(True)),
        lambda t: t.is_signed(3),
        lambda t: t.get_device(x(t)),
        lambda t: t.get_device(3),
        lambda t: t.compiled_with_cxx11_abi(),
        lambda t: t.legacy_contiguous_format,
        lambda t: x(t).storage_type().__name__,
    ],
    "grad_dtype": [
        lambda t: grad_dtype(t, "bfloat16"),
        lambda t: grad_dtype(t, None, "float64"),
        lambda t: grad_dtype(t, "float64", "float16"),
        lambda t: setattr(leaf(t), "grad_dtype", 3),
        lambda t: x(t).grad_dtype,
    ],
    "map2_": [
        lambda t: t.zeros(2, 3).map2_(x(t), x(t), lambda a, b, c: a + b * c),
        lambda t: t.zeros(2, 3).requires_grad_().map2_(x(t), x(t), lambda a, b, c: 1.0),
        lambda t: t.zeros(2, 3).map2_(x(t).double(), x(t), lambda a, b, c: 1.0),
        lambda t: t.zeros(2, 3).map2_(t.ones(3), x(t), lambda a, b, c: b),
        lambda t: t.zeros(2, 3).map2_(t.ones(4), x(t), lambda a, b, c: b),
    ],
    "copies": [
        lambda t: x(t).narrow_copy(1, 0, 2),
        lambda t: t.narrow_copy(x(t), 1, -2, 2),
        lambda t: x(t).narrow_copy(1, 2, 2),
        lambda t: t.select_copy(x(t), 0, 1),
        lambda t: t.detach_copy(leaf(t)).requires_grad,
        restrided,
        lambda t: t.as_strided_(x(t), (2, 2), (1, 2)),
    ],
    "resize": [
        lambda t: x(t).resize(3, 2),
        lambda t: x(t).resize(4),
        lambda t: x(t).resize(),
        lambda t: x(t).resize_as(t.ones(3, 2)),
    ],
    "set_": [
        lambda t: t.empty(0).set_(x(t)),
        lambda t: t.empty(0).set_(x(t).untyped_storage(), 1, (2, 2), (1, 1)),
        lambda t: t.empty(0).set_(x(t).storage()),
        lambda t: x(t).set_(),
        lambda t: t.empty(0).set_(x(t).long()),
        lambda t: t.empty(0).set_(x(t), 1, (2,), (2,)),
        lambda t: t.empty(0).set_(x(t).untyped_storage(), 2, (2,)),
        lambda t: t.ones(2, requires_grad=True).set_(x(t)),
    ],
    "files": [
        lambda t: file_of(t, size=4),
        lambda t: file_of(t, shared=True, size=3, dtype=t.float64),
        lambda t: file_of(t, shared=True, size=12),
        lambda t: file_of(t),
        lambda t: t.from_file("/nowhere/f", size=2),
    ],
    "sparse products": [
        lambda t: t.smm(eye(t), t.ones(3, 3)),
        lambda t: eye(t).smm(t.ones(3, 2)),
        lambda t: t.spmm(eye(t), t.ones(3, 2)),
        lambda t: t.spmm(t.ones(3, 3), t.ones(3, 2)),
        lambda t: t.sspaddmm(eye(t), eye(t), t.ones(3, 3)),
        lambda t: eye(t).sspaddmm(eye(t), t.ones(3, 3), beta=2, alpha=3),
        lambda t: t.smm(t.ones(3, 3), t.ones(3, 3)),
        lambda t: eye(t).sparse_resize_((4, 4), 2, 0),
        lambda t: eye(t).sparse_resize_and_clear_((4, 4), 2, 0),
        lambda t: t.resize_as_sparse_(t.zeros(2, 2).to_sparse(), eye(t)),
    ],
    "segments": [
        *[
            lambda t, r=r: t.segment_reduce(data(t), r, lengths=t.tensor([2, 0, 1]))
            for r in ("sum", "mean", "max", "min", "prod")
        ],
        *[
            lambda t, r=r: t.segment_reduce(data(t), r, offsets=t.tensor([0, 1, 3]))
            for r in ("sum", "mean", "max", "min", "prod")
        ],
        *[
            lambda t, r=r, i=i: gradient(t, r, i)
            for r, i in (
                ("sum", 3),
                ("mean", None),
                ("max", 3),
                ("min", 3),
                ("prod", 3),
                ("max", None),
            )
        ],
        lambda t: t.segment_reduce(data(t), "mean", lengths=t.tensor([2, 0, 1]), initial=10.0),
        lambda t: t.segment_reduce(data(t), "sum", lengths=t.tensor([2, 0, -1])),
        lambda t: t.segment_reduce(data(t), "sum", lengths=t.tensor([2, 0])),
        lambda t: t.segment_reduce(data(t), "sum", lengths=t.tensor([2, 0]), unsafe=True),
        lambda t: t.segment_reduce(
            data(t), "sum", lengths=t.tensor([[1, 1], [2, 0], [0, 2]]), axis=1
        ),
        lambda t: t.segment_reduce(data(t), "sum"),
        lambda t: t.segment_reduce(data(t), "sum", indices=t.tensor([0])),
        lambda t: t.segment_reduce(data(t), "foo", lengths=t.tensor([3])),
        lambda t: t.segment_reduce(data(t).int(), "sum", lengths=t.tensor([3])),
        lambda t: t.segment_reduce(data(t), "sum", lengths=t.tensor([3.0])),
    ],
    "bags": [
        *[lambda t, m=m: bags(t, m) for m in (0, 1, 2)],
        lambda t: t.embedding_bag(
            x(t), t.tensor([0, 1, 0]), t.tensor([0, 1, 3]), False, 1, False, None, True
        ),
        lambda t: t.embedding_bag(
            x(t), t.tensor([0, 1, 0]), t.tensor([0, 1]), False, 1, False, None, False, 0
        ),
        lambda t: t.nn.functional.embedding_bag(x(t), t.tensor([0, 1]), t.tensor([0])),
        lambda t: t.embedding_bag(t.tensor([0, 1]), x(t), t.tensor([0])),
    ],
    "switches": [
        debug_modes,
        lambda t: t.set_deterministic_debug_mode("x"),
        lambda t: t.set_deterministic_debug_mode(3),
        lambda t: t.set_deterministic_debug_mode(1.0),
        lambda t: t.set_warn_always(1),
        lambda t: t.set_num_interop_threads(0),
        lambda t: t.set_num_interop_threads("a"),
        lambda t: t.set_anomaly_enabled(1),
        lambda t: (
            t.set_anomaly_enabled(True),
            t.is_anomaly_enabled(),
            t.set_anomaly_enabled(False),
        ),
        lambda t: t.get_device_module("cpu").device_count(),
        lambda t: t.get_device_module(3),
        lambda t: t.get_device_module("meta"),
    ],
    "numbers": [
        lambda t: (
            t.sym_float(3),
            t.sym_int(-3.7),
            t.sym_not(3),
            t.sym_max(3, 2.0),
            t.sym_min(3, 2),
        ),
        lambda t: (t.sym_ite(False, 1, 2), t.sym_sqrt(4), t.sym_sum([1, 2.5]), t.sym_sum(1, 2)),
        lambda t: t.sym_ite(True, 1, 2.0),
        lambda t: t.sym_ite(1, 1, 2),
        lambda t: t.sym_max("a", "b"),
    ],
    "branches": [
        lambda t: t.cond(True, lambda x: x + 1, lambda x: x - 1, (x(t),)),
        lambda t: t.cond(t.ones(2), lambda x: x + 1, lambda x: x - 1, (x(t),)),
        lambda t: t.while_loop(lambda i: i < 3, lambda i: (i + 1,), (0,)),
    ],
    "streams": [
        lambda t: t.Event("cpu"),
        lambda t: t.Event("cpu", enable_timing=True),
        lambda t: t.Stream("cpu"),
        lambda t: t.Event("cpu").query(),
        lambda t: t.Event("cpu").record(),
        lambda t: t.Event("cpu").elapsed_time(t.Event("cpu")),
        lambda t: t.Stream("cpu") == t.Stream("cpu"),
        lambda t: t.Stream("cuda"),
        lambda t: [c.__mro__[1].__name__ for c in (t.AcceleratorError, t.OutOfMemoryError)],
        lambda t: t.Storage is t.FloatStorage,
    ],
}


def answer(t, case):
    """What a case gives: repr, or the error, and the warnings; without addresses and places."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = repr(case(t))
        except Exception as error:  # that is the answer
            result = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    said = [w.category.__name__ + str(w.message)[:80] for w in caught]
    said = [s for s in said if "TypedStorage" not in s and "beta state" not in s]
    return re.sub(r"0x[0-9a-f]+|/tmp/\w+", "", result), said


@pytest.mark.parametrize("group", CASES)
def test_answers_are_those_of_pytorch(group):
    for number, case in enumerate(CASES[group]):
        assert answer(rushlight, case) == answer(torch, case), (group, number)
