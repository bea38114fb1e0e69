"""Cases from PyTorch's own table of operators, ``op_db``, a few for each entry."""

import functools
import gzip
import itertools
import json
import re
import warnings

import numpy as np
import torch
from cases import RECORD, Array, Name, elements, numpy_dtype, pack
from torch.testing._internal.common_methods_invocations import op_db

DTYPES = {
    torch.float64: 3,  # dtype -> how many samples
    torch.int64: 1,
    torch.bool: 1,
    torch.complex128: 1,
    torch.float32: 1,
    torch.bfloat16: 1,
}
LARGEST = 1500  # elements of a sample
# Entries whose answer is not determined, or that are no public function.
OTHER = re.compile(
    r"jiterator|_[a-z]|torch\.|slice$|native_dropout_backward|max_pool2d_with_indices_backward"
)


class UnlikeError(Exception):
    """A sample has something in it that a case cannot hold."""


def full_name(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def look_up(dotted):
    value = torch
    for part in dotted.split("."):
        value = getattr(value, part, None)
    return value


def public_name(op):
    """The public name of the function an entry tests, or of what has its name."""
    found = [d for d in (op.name, f"Tensor.{op.name}") if callable(look_up(d))]
    return next((d for d in found if look_up(d) is op.op), found[0] if found else None)


@functools.cache
def table():
    ops = {full_name(op): op for op in op_db if not OTHER.match(op.name)}
    ops = {name: op for name, op in ops.items() if public_name(op)}
    return dict(sorted(ops.items()))


def entries():
    """The names of the entries that cases are made of."""
    return list(table())


def array_of(t):
    """A strided tensor as an `Array`."""
    if t.layout != torch.strided or t.device.type != "cpu":
        raise UnlikeError(t.layout)
    name = str(t.dtype).removeprefix("torch.")
    base = t.detach().resolve_conj().resolve_neg()
    wide = base.float() if name == "bfloat16" else base
    return Array(name, np.array(wide.numpy(force=True)).astype(numpy_dtype(name)), t.requires_grad)


def neutral(value):
    """A tree without anything of torch in it."""
    if isinstance(value, torch.Tensor):
        return array_of(value)
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(neutral(v) for v in value)
    if isinstance(value, dict):
        return {k: neutral(v) for k, v in value.items()}
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return Name(str(value).removeprefix("torch."))
    if isinstance(value, slice):
        return slice(*neutral((value.start, value.stop, value.step)))
    if value is None or value is ... or isinstance(value, (bool, int, float, complex, str)):
        return value
    raise UnlikeError(type(value))


def samples(op, dtype, count):
    """``count`` small samples from among the first ones of an entry, from far apart."""
    torch.manual_seed(0)
    grad = dtype in (torch.float64, torch.complex128) and op.supports_autograd
    made = op.sample_inputs_func(op, "cpu", dtype, grad)
    few = [s for s in itertools.islice(made, 40) if size((s.input, s.args, s.kwargs)) <= LARGEST]
    return few[:: max(1, len(few) // count)][:count]


def size(tree):
    """The number of elements of the tensors in a tree."""
    if isinstance(tree, torch.Tensor):
        return tree.numel()
    if isinstance(tree, dict):
        tree = list(tree.values())
    return sum(map(size, tree)) if isinstance(tree, (list, tuple)) else 0


def first_tensors(value):
    """The tensors of a result, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value for t in first_tensors(v)] if isinstance(value, (list, tuple)) else []


def weights_of(shape, dtype):
    """What the results are weighted with before they are differentiated: the same everywhere."""
    count = int(np.prod(shape, dtype=int))
    return (np.cos(np.arange(count)) + 1.5).reshape(shape).astype(numpy_dtype(dtype))


def gradients(op, results, inputs):
    """The gradients of a weighted sum of the results, or None where there are none."""
    results = [r for r in results if r.requires_grad and r.layout == torch.strided]
    wanted = [t for t in inputs if t.requires_grad]
    if not results or not wanted:
        return None
    names = [str(r.dtype).removeprefix("torch.") for r in results]
    given = [torch.from_numpy(weights_of(r.shape, n)) for r, n in zip(results, names, strict=True)]
    found = torch.autograd.grad(results, wanted, given, allow_unused=True)
    return [None if g is None else array_of(g + 0) for g in found]


def case_of(op, sample, dtype):
    """The case of one sample."""
    dotted = public_name(op)
    call = {
        "function": dotted,
        "dtype": str(dtype).removeprefix("torch."),
        "args": neutral([sample.input, *sample.args]),
        "kwargs": neutral(dict(sample.kwargs)),
    }
    inputs = first_tensors([sample.input, *sample.args, *sample.kwargs.values()])
    torch.manual_seed(42)
    result = look_up(dotted)(sample.input, *sample.args, **sample.kwargs)
    results = first_tensors(result)
    call["result"] = neutral(result)
    here = {t.untyped_storage().data_ptr() for t in inputs if t.numel()}
    plain = all(t.is_contiguous() for t in inputs)  # a case does not keep strides
    shares = any(r.untyped_storage().data_ptr() in here for r in results if r.numel())
    call["alias"] = shares if plain else None
    call["out"] = bool(op.supports_out) and "out" not in sample.kwargs
    call["inplace"] = op.inplace_variant is not None and isinstance(sample.input, torch.Tensor)
    call["grads"] = gradients(op, results, inputs)
    return call


@functools.cache
def live_cases(name):
    """The cases of an entry."""
    op, found = table()[name], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        supported = op.supported_dtypes("cpu")
        for dtype, count in DTYPES.items():
            if dtype not in supported:
                continue
            for sample in samples(op, dtype, count):
                try:
                    found.append(case_of(op, sample, dtype))
                except (UnlikeError, RuntimeError, NotImplementedError, TypeError, ValueError):
                    continue
    return found


def record():
    """Write the recorded cases anew: of each entry the first small ones."""
    table = {}
    for name in entries():
        made = live_cases(name)
        small = [c for c in made if elements(c) <= 120]
        if made:
            table[name] = [pack(c) for c in small[:2] or [min(made, key=elements)]]
    RECORD.write_bytes(gzip.compress(json.dumps(table).encode(), 9, mtime=0))
    print(len(table), sum(map(len, table.values())), RECORD.stat().st_size)


if __name__ == "__main__":
    record()
