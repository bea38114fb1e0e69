"""The functions that files call to make tensors again (`torch._utils._rebuild_*`)."""

from typing import Any

from rushlight._core.sparse import SparseTensor
from rushlight._core.storage import UntypedStorage, rebuild_tensor
from rushlight._core.tensor import Parameter, Tensor


def _rebuild_tensor(storage, offset, size, stride):
    return rebuild_tensor(storage, offset, size, stride)


def _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None):
    tensor = _with_bits(rebuild_tensor(storage, offset, size, stride), metadata)
    return tensor.requires_grad_(requires_grad)


def _rebuild_tensor_v3(
    storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    tensor = rebuild_tensor(storage.untyped(), offset, size, stride, dtype=dtype)
    return _with_bits(tensor, metadata).requires_grad_(requires_grad)


def _with_bits(tensor, metadata):
    """Carry out what PyTorch had put off: a pending conjugation or negation."""
    for name, pending in (metadata or {}).items():
        if name not in ("conj", "neg"):
            raise NotImplementedError(f"the tensor metadata {name!r} in this file is unknown")
        if pending:
            tensor = tensor.conj() if name == "conj" else -tensor
    return tensor


def _parameter(data, requires_grad):
    if isinstance(data, SparseTensor):
        raise NotImplementedError(
            "this file has a Parameter that is a sparse tensor, which rushlight does not have: "
            "save parameter.data"
        )
    return Parameter(data, requires_grad)


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return _parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    parameter = _parameter(data, requires_grad)
    set_state(parameter, state)
    return parameter


def _rebuild_from_type_v2(func, new_type, args, state):
    tensor = func(*args)
    if type(tensor) is not new_type and not (new_type is Tensor and type(tensor) is SparseTensor):
        tensor = tensor.as_subclass(new_type)
    own = getattr(type(tensor), "__setstate__", None)
    if own is not None and own is not getattr(Tensor, "__setstate__", None):
        tensor.__setstate__(state)
    else:
        set_state(tensor, state)
    return tensor


def set_state(obj: Any, state: Any) -> None:
    """Give `obj` its Python attributes: a dict, or a pair of a dict and the slots' dict."""
    slots = None
    if isinstance(state, tuple):
        if len(state) != 2:
            raise RuntimeError(f"Invalid serialized state: {state}")
        state, slots = state
    if state:
        obj.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    memory = UntypedStorage(_extent(size, stride) * dtype.itemsize, device="meta")
    return rebuild_tensor(memory, 0, size, stride, requires_grad, dtype)


def _extent(size, stride):
    if 0 in size:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def _rebuild_device_tensor_from_cpu_tensor(data, dtype, device, requires_grad):
    return data.to(dtype=dtype).requires_grad_(requires_grad)


class Unsupported:
    """A name that files may use and rushlight has nothing for: using it says so."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Refuse: NotImplementedError names what the file needs."""
        raise NotImplementedError(f"this file needs {self.name}: rushlight cannot load {self.what}")


def refuse_unsupported(dtype: object) -> None:
    """NotImplementedError if `dtype` stands for one that rushlight does not have."""
    if isinstance(dtype, Unsupported):
        dtype()
