"""The names by which files know things, and what they are here.

A file says `torch._utils._rebuild_tensor_v2` or `torch.nn.modules.linear.Linear`; `find` gives ours
for either. `torch_name` is the way back. The table of the first kind is also what `weights_only`
allows.
"""

import importlib
import types
from collections import Counter, OrderedDict
from typing import Any

from rushlight._core import device as devices
from rushlight._core import dtypes, return_types
from rushlight._core.shape import Size
from rushlight._core.storage import UntypedStorage
from rushlight._core.tensor import Parameter, Tensor
from rushlight._core.typed_storage import CLASSES, TypedStorage
from rushlight.serialization import places, rebuild, rebuild_sparse
from rushlight.serialization.rebuild import Unsupported


def is_torch(module: str) -> bool:
    """Whether a module's name is PyTorch's."""
    return places.renamed(module, 1, 0) is not None


def _get_layout(name):
    """The layout printed as `name`."""
    return devices.LAYOUTS[name.removeprefix("torch.")]


def _encode(text, encoding="latin1"):
    """Bytes, which protocol 2 writes as text; no other codecs than those for that."""
    if encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        raise ValueError(f"a file may not ask for the codec {encoding!r}")
    return text.encode(encoding)


_REBUILD = (
    "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_tensor",
    "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_meta_tensor_no_storage",
    "_rebuild_device_tensor_from_cpu_tensor",
)  # fmt: skip

# What rushlight has no counterpart for: module, names, and what to call it in the error.
_MISSING = (
    ("torch._utils", "_rebuild_qtensor", "quantised tensors"),
    ("torch._utils", "_rebuild_nested_tensor", "nested tensors (save a list of tensors instead)"),
    ("torch._utils", "_rebuild_wrapper_subclass", "wrapper subclasses"),
    ("torch._utils", "_rebuild_device_tensor_from_numpy", "tensors of XLA and like devices"),
    (
        "torch",
        "per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
        "per_channel_affine_float_qparams qint8 qint32 quint8 quint4x2 quint2x4 QInt8Storage "
        "QInt32Storage "
        "QUInt8Storage QUInt4x2Storage QUInt2x4Storage",
        "quantised tensors",
    ),
    (
        "torch",
        "bits8 bits16 bits1x8 bits2x4 bits4x2 float4_e2m1fn_x2 int1 int2 int3 int4 int5 int6 int7 "
        "uint1 uint2 uint3 uint4 uint5 uint6 uint7",
        "tensors of elements below a byte",
    ),
)
_OLD_KINDS = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


def _table():
    table: dict[tuple[str, str], object] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "Counter"): Counter,
        ("builtins", "set"): set,
        ("builtins", "complex"): complex,
        ("builtins", "bytearray"): bytearray,
        ("_codecs", "encode"): _encode,
        ("torch", "Size"): Size,
        ("torch", "Tensor"): Tensor,
        ("torch", "device"): devices.device,
        ("torch.nn.parameter", "Parameter"): Parameter,
        ("torch.serialization", "_get_layout"): _get_layout,
        ("torch.storage", "TypedStorage"): TypedStorage,
        ("torch.storage", "UntypedStorage"): UntypedStorage,
        ("torch._tensor", "_rebuild_from_type_v2"): rebuild._rebuild_from_type_v2,
        ("torch._utils", "_rebuild_sparse_tensor"): rebuild_sparse._rebuild_sparse_tensor,
    }
    for name in _REBUILD:
        table["torch._utils", name] = getattr(rebuild, name)
    for dtype in dtypes.BY_NAME.values():
        table["torch", dtype.name] = dtype
    for name, storage in CLASSES.items():
        table["torch", name] = table["torch.cuda", name] = storage
    for module, names, what in _MISSING:
        for name in names.split():
            table[module, name] = Unsupported(f"{module}.{name}", what)
    for module in ("torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse"):
        for kind in _OLD_KINDS:
            name = f"{kind}Tensor"
            table[module, name] = Unsupported(f"{module}.{name}", "tensors of PyTorch before 0.4")
    return table


TABLE = _table()
_BY_OBJECT = {id(obj): key for key, obj in reversed(TABLE.items()) if is_torch(key[0])}


def torch_name(obj: object) -> tuple[str, str] | None:
    """PyTorch's module and name for an object of ours; None for anything else."""
    known = _BY_OBJECT.get(id(obj))
    if known is not None:
        return known
    if isinstance(obj, (type, types.FunctionType, types.BuiltinFunctionType)):
        if obj.__module__ == "torch.return_types":
            return "torch.return_types", obj.__qualname__
        return places.place_there(obj)
    return None


def find(module: str, name: str) -> object:
    """Ours for PyTorch's `module` and `name`; AttributeError or ImportError if there is none.

    A class that PyTorch keeps in another file than we do is found by its public name further up.
    """
    if (module, name) in TABLE:
        return TABLE[module, name]
    if "Storage" in name and name in CLASSES:
        return CLASSES[name]
    if module == "torch.return_types":
        return _return_type(name)
    if module.startswith("torch._C"):
        found = places.compiled(module, name)
        if found is None:
            raise _no_such(module, name)
        return found
    place = places.renamed(module, 1, 0)
    while place is not None and place != "rushlight":
        found = _attribute(place, name)
        if found is not None:
            return found
        place = place.rpartition(".")[0]
    found = _attribute("rushlight._api", name)
    if found is None:
        raise _no_such(module, name)
    return found


def _no_such(module, name):
    return AttributeError(
        f"Can't get attribute '{name}' on module '{module}': rushlight has no such name"
    )


def _attribute(place, name):
    try:
        found: Any = importlib.import_module(place)
    except ModuleNotFoundError:
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _return_type(name):
    cls: Any = getattr(return_types, name)

    def build(items, _attributes=None):
        return tuple.__new__(cls, items)

    return build
