"""How many public operators run on a device: their recorded samples, computed on the stand-in.

python tests/cuda/census.py            # the counts, and what fails
"""

import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
import standin as stand_in
from cases import Array, contiguous, function_of, leaves, recorded, tensors_of

import rushlight as torch
from rushlight._core import gpu
from rushlight._core.gpu_module import detours

TOLERANCE = {
    "float64": 1e-7,
    "complex128": 1e-7,
    "float32": 1e-4,
    "complex64": 1e-4,
    "bfloat16": 4e-2,
    "float16": 4e-3,
}


MEMORY = "the result is what happened to be in memory"
MANY = "one of many right answers"
PRECISION = "PyTorch's own answer is far from the exact one"
DRAWN = "the recorded numbers are the CPU's, a device draws its own"
# Entries of which the stand-in can say nothing, and why.
APART = {
    **dict.fromkeys(["empty_like", "empty_permuted", "empty_strided", "new_empty"], MEMORY),
    **dict.fromkeys(["new_empty_strided", "empty", "resize_", "resize_as_"], MEMORY),
    **dict.fromkeys([f"special.bessel_{n}" for n in ("j0", "j1", "y1")], PRECISION),
    **dict.fromkeys(["linalg.eig", "linalg.ldl_factor_ex"], MANY),
    "as_strided.partial_views": "a case does not keep what the input of the sample is a view of",
    "nn.functional.embedding_bag": "a case gives the arguments exchanged, to be accepted by luck",
    "broadcast_shapes": "it has no tensors",
    **dict.fromkeys(["multinomial", "normal", "normal.number_mean", "rand_like", "randn"], DRAWN),
    **dict.fromkeys(["randint", "randint_like", "randn_like"], DRAWN),
    "nn.functional.fractional_max_pool3d": DRAWN,
    "to": "its samples name the device to go to",
    **dict.fromkeys(["linspace.tensor_overload", "logspace.tensor_overload"], "as without device="),
}


def on_device(value):
    """A tree with its tensors on the device."""
    if isinstance(value, torch.Tensor):
        return value.cuda()
    if isinstance(value, (list, tuple)):
        return type(value)(on_device(v) for v in value)
    return {k: on_device(v) for k, v in value.items()} if isinstance(value, dict) else value


def differs(result, expected):
    """What is wrong with a result; nothing if it is the expected one, on the device."""
    if isinstance(expected, Array):
        if not isinstance(result, torch.Tensor) or not result.is_cuda:
            return "it is not on the device"
        if str(result.dtype) != f"torch.{expected.dtype}" or result.shape != expected.data.shape:
            return f"it is {result.dtype} {tuple(result.shape)}"
        found = result.detach()._data.get()
        wide = np.complex128 if found.dtype.kind == "c" else np.float64
        tolerance = TOLERANCE.get(expected.dtype, 0)
        same = np.allclose(
            found.astype(wide), expected.data.astype(wide), tolerance, tolerance, equal_nan=True
        )
        return None if same else "other values"
    if isinstance(expected, (list, tuple)):
        if not isinstance(result, (list, tuple)) or len(result) != len(expected):
            return "another structure"
        wrong = [differs(r, e) for r, e in zip(result, expected, strict=True)]
        return next((w for w in wrong if w), None)
    return None if result == expected or result != result else f"it is {result}"


def failure(case):
    """Why a case fails on the device; None if it agrees with PyTorch there."""
    args, kwargs = tensors_of((case["args"], case["kwargs"]), contiguous)
    given = bool(leaves((args, kwargs)))
    args, kwargs = on_device(args), on_device(kwargs)
    if not given:
        kwargs = {**kwargs, "device": "cuda"}
    torch.manual_seed(42)
    torch.cuda.manual_seed_all(42)
    try:
        result = function_of(case["function"])(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return differs(result, case["result"])


def census():
    """name -> (why it fails or None, whether it took the way over the host)."""
    found = {}
    for name, cases in sorted(recorded().items()):
        detours.clear()
        wrong = next((f for f in map(failure, cases) if f), None)
        found[name] = (wrong, sorted(detours))
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    gpu.install(stand_in)
    found = census()
    apart = set(APART) & set(found)
    found = {n: f for n, f in found.items() if n not in apart}
    print(f"{len(apart)} entries are not spoken of")
    failing = {n: w for n, (w, _) in found.items() if w}
    over_host = {n: d for n, (w, d) in found.items() if d and not w}
    print(f"{len(found)} entries: {len(found) - len(failing) - len(over_host)} run on the device,")
    print(f"{len(over_host)} by way of the host, {len(failing)} fail")
    if "-v" in sys.argv:
        for n, d in over_host.items():
            print(f"  host  {n}: {', '.join(d)}"[:150])
        print(Counter(d for ds in over_host.values() for d in ds).most_common(100))
    for n, w in failing.items():
        print(f"  {n}: {w}"[:190].replace("\n", " "))
