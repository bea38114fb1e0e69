"""MaskedTensor: a tensor, and a mask that says which of its elements there are."""

from typing import Any

from rushlight import _api as torch
from rushlight.masked import normalizations, reductions

REDUCTIONS = {
    name: getattr(reductions, name)
    for name in ("amax", "amin", "argmax", "argmin", "mean", "prod", "std", "sum", "var")
}
ROWS = {"softmax": normalizations.softmax, "log_softmax": normalizations.log_softmax}
# Operators that treat each element by itself.
UNARY = frozenset(
    (
        *("abs", "acos", "acosh", "angle", "asin", "asinh", "atan", "atanh", "bitwise_not", "ceil"),
        *("clamp", "clamp_numbers"),
        *("conj", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc", "erfinv", "exp"),
        *("exp2", "expm1", "floor", "frac", "i0", "isnan", "lgamma", "log", "log10", "log1p"),
        *("log2", "logit", "nan_to_num", "neg", "positive", "pow", "rad2deg", "reciprocal"),
        *("relu", "round", "rsqrt", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh"),
        *("sqrt", "square", "tan", "tanh", "trunc", "clone", "to_copy"),
    )
)
BINARY = frozenset(
    (
        *("add", "add_scaled", "arctan2", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor"),
        *("copysign", "div", "div_rounded", "eq", "floor_divide", "fmax", "fmin", "fmod", "ge"),
        *("gt", "le", "logaddexp", "logaddexp2", "lt", "maximum", "minimum", "mul", "ne"),
        *("nextafter", "pow", "remainder", "rsub", "sub", "sub_scaled"),
    )
)
# Operators that move elements: the mask moves with them.
MOVES = frozenset(
    (
        *("cat", "expand", "flatten", "index", "narrow", "numpy_T", "permute", "reshape"),
        *("select", "slice", "squeeze", "stack", "t", "transpose", "unsqueeze", "view"),
    )
)


class MaskedTensor(torch.Tensor):
    """MaskedTensor(data, mask, requires_grad=False)

    A tensor whose elements count only where ``mask`` (a bool tensor of its shape) is True.
    Elementwise operators want equal masks; reductions leave the masked elements out. TypeError for
    what is no tensor, ValueError for shapes that differ.

    >>> torch.masked.masked_tensor(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    MaskedTensor(
      [  1.0000,       --]
    )
    """

    _held: torch.Tensor
    _mask: torch.Tensor

    def __new__(cls, data: Any, mask: Any, requires_grad: bool = False) -> "MaskedTensor":
        """Check both and hold a copy of the data."""
        _check(data, mask)
        held = data.detach().clone()
        return _made(held.requires_grad_(requires_grad), mask.clone())

    def __init__(self, data: Any, mask: Any, requires_grad: bool = False) -> None:
        """All is done in ``__new__``."""

    def get_data(self) -> torch.Tensor:
        """get_data() -> Tensor: the elements, those that do not count included."""
        return self._held

    def get_mask(self) -> torch.Tensor:
        """get_mask() -> Tensor: where elements count."""
        return self._mask

    def to_tensor(self, value: float) -> torch.Tensor:
        """to_tensor(value) -> Tensor: the elements, ``value`` where none counts."""
        return self._held.masked_fill(~self._mask, value)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to the elements."""
        return self._held.requires_grad

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        self._held.requires_grad = on

    def requires_grad_(self, requires_grad: bool = True) -> "MaskedTensor":
        """Set ``requires_grad`` and return the tensor itself."""
        self._held.requires_grad_(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """True if no operation with a gradient made it."""
        return self._held.is_leaf

    @property
    def grad_fn(self) -> Any:
        """The node that computed the elements."""
        return self._held.grad_fn

    @property
    def grad(self) -> torch.Tensor | None:
        """The gradient of the elements that count."""
        g = self._held.grad
        return None if g is None else _made(g, self._mask)

    @grad.setter
    def grad(self, g: torch.Tensor | None) -> None:
        self._held.grad = _data_of(g)

    def backward(
        self,
        gradient: torch.Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """backward(gradient=None, ...) -> None: send gradients back from the elements."""
        if isinstance(gradient, MaskedTensor):
            gradient = gradient.to_tensor(0)
        self._held.backward(gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> "MaskedTensor":
        """detach() -> MaskedTensor: the same without history."""
        return _made(self._held.detach(), self._mask)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        body = _text(self._held.detach(), self._mask)
        if not self.dim():
            return f"MaskedTensor({body}, {bool(self._mask)})"
        inner = "\n".join("  " + line for line in body.split("\n"))
        return f"MaskedTensor(\n{inner}\n)"

    __str__ = __repr__

    def numpy(self, *, force: bool = False) -> Any:
        """numpy() -> RuntimeError: an array has no mask."""
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def tolist(self) -> Any:
        """tolist() -> RuntimeError: a list has no mask."""
        raise RuntimeError(".tolist() is not supported for tensor subclasses, got MaskedTensor")

    def __getitem__(self, index: Any) -> "MaskedTensor":
        return _made(self._held[index], self._mask[index])

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, func.__name__
        if name in REDUCTIONS:
            return _reduce(name, *args, **kwargs)
        if name in ROWS:
            data, mask = args[0]._held, args[0]._mask
            return _made(ROWS[name](data, *args[1:], mask=mask, **kwargs), mask)
        if name in BINARY or name in UNARY:
            mask = _common_mask(args)
            return _made(func(*[_data_of(a) for a in args], **kwargs), mask)
        if name in MOVES:
            return _made(
                func(*[_each(_data_of, a) for a in args], **kwargs),
                func(*[_each(_mask_of, a) for a in args], **kwargs),
            )
        if name in ("all", "where"):
            return _all(*args) if name == "all" else _where(func, *args)
        return NotImplemented

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> "MaskedTensor":
        """sum(dim=None, keepdim=False, *, dtype=None): of the elements that count."""
        return _reduce("sum", self, dim, keepdim, dtype=dtype)

    def mean(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> "MaskedTensor":
        """mean(dim=None, keepdim=False, *, dtype=None): of the elements that count."""
        return _reduce("mean", self, dim, keepdim, dtype=dtype)

    def prod(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> "MaskedTensor":
        """prod(dim=None, keepdim=False, *, dtype=None): of the elements that count."""
        return _reduce("prod", self, dim, keepdim, dtype=dtype)

    def amax(self, dim: Any = None, keepdim: bool = False) -> "MaskedTensor":
        """amax(dim=None, keepdim=False): of the elements that count."""
        return _reduce("amax", self, dim, keepdim)

    def amin(self, dim: Any = None, keepdim: bool = False) -> "MaskedTensor":
        """amin(dim=None, keepdim=False): of the elements that count."""
        return _reduce("amin", self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "MaskedTensor":
        """argmax(dim=None, keepdim=False): of the elements that count."""
        return _reduce("argmax", self, dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> "MaskedTensor":
        """argmin(dim=None, keepdim=False): of the elements that count."""
        return _reduce("argmin", self, dim, keepdim)

    def std(self, dim: Any = None, keepdim: bool = False, **kw: Any) -> "MaskedTensor":
        """std(dim=None, keepdim=False, *, correction=1): of the elements that count."""
        return _reduce("std", self, dim, keepdim, **kw)

    def var(self, dim: Any = None, keepdim: bool = False, **kw: Any) -> "MaskedTensor":
        """var(dim=None, keepdim=False, *, correction=1): of the elements that count."""
        return _reduce("var", self, dim, keepdim, **kw)


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """masked_tensor(data, mask, requires_grad=False) -> MaskedTensor

    A copy of ``data`` with a mask: a leaf of its own.

    >>> mask = torch.tensor([True, False])
    >>> torch.masked.masked_tensor(torch.tensor([1.0, 2.0]), mask).get_data()
    tensor([1., 2.])
    """
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """as_masked_tensor(data, mask) -> MaskedTensor

    ``data``, its history included, with a mask.

    >>> mask = torch.tensor([True, False])
    >>> torch.masked.as_masked_tensor(torch.tensor([1.0, 2.0]), mask).get_mask()
    tensor([ True, False])
    """
    _check(data, mask)
    return _made(data, mask)


def is_masked_tensor(obj: Any, /) -> bool:
    """is_masked_tensor(obj) -> bool

    Is it a MaskedTensor?

    >>> torch.masked.is_masked_tensor(torch.ones(2))
    False
    """
    return isinstance(obj, MaskedTensor)


def _check(data: Any, mask: Any) -> None:
    for name, value in (("data", data), ("mask", mask)):
        if not isinstance(value, torch.Tensor) or isinstance(value, MaskedTensor):
            raise TypeError(f"{name} must be a Tensor")
    if data.layout is not torch.strided or mask.layout is not torch.strided:
        raise NotImplementedError("MaskedTensor holds strided tensors here: call to_dense() first")
    if mask.dtype is not torch.bool:
        raise TypeError("mask must have dtype bool.")
    if data.is_complex():
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.dim() != mask.dim():
        raise ValueError("data.dim() must equal mask.dim()")
    if data.size() != mask.size():
        raise ValueError("data.size() must equal mask.size()")


def _made(data: torch.Tensor, mask: torch.Tensor) -> MaskedTensor:
    """A MaskedTensor of these two, unchecked."""
    made = data.detach().as_subclass(MaskedTensor)
    made._held, made._mask = data, mask
    return made


def _data_of(value: Any) -> Any:
    return value._held if isinstance(value, MaskedTensor) else value


def _mask_of(value: Any) -> Any:
    return value._mask if isinstance(value, MaskedTensor) else value


def _each(function: Any, value: Any) -> Any:
    """A function of a value, or of each one in a list."""
    return [function(v) for v in value] if isinstance(value, list | tuple) else function(value)


def _common_mask(args: tuple) -> torch.Tensor:
    """The one mask of the arguments that have one."""
    masks = [a._mask for a in args if isinstance(a, MaskedTensor)]
    if any(m is not masks[0] and not torch.equal(m, masks[0]) for m in masks[1:]):
        raise ValueError(
            "Input masks must match. If you need support for this, please open an issue on Github."
        )
    return masks[0]


def _reduce(
    name: str, input: MaskedTensor, dim: Any = None, keepdim: bool = False, *args: Any, **kw: Any
) -> MaskedTensor:
    """A reduction over the elements that count; the result counts where there was one."""
    data, mask = input._held, input._mask
    kw = {key: value for key, value in kw.items() if value is not None}
    if args and args[0] is not None:
        kw["correction" if name in ("std", "var") else "dtype"] = args[0]
    result = REDUCTIONS[name](data, dim, keepdim=keepdim, mask=mask, **kw)
    return _made(result, mask.any() if dim is None else _any(mask, dim, keepdim))


def _any(mask: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return mask.any(dim=dim, keepdim=keepdim)


def _all(input: MaskedTensor, dim: int | None = None, keepdim: bool = False) -> MaskedTensor:
    """Are all elements that count true?"""
    whole = input.to_tensor(1)
    if dim is None:
        return _made(whole.all(), input._mask.any())
    return _made(whole.all(dim, keepdim), _any(input._mask, dim, keepdim))


def _where(func: Any, condition: Any, input: Any, other: Any) -> MaskedTensor:
    """Elements and masks of one or the other."""
    chosen = _data_of(condition)
    return _made(
        func(chosen, _data_of(input), _data_of(other)),
        func(chosen, _mask_of(input), _mask_of(other)),
    )


def _number(value: Any, present: bool) -> str:
    if not present:
        return "--"
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _text(data: torch.Tensor, mask: torch.Tensor) -> str:
    """The nested brackets, ``--`` for what does not count."""
    if not data.dim():
        return _number(data.item(), bool(mask))
    if data.dim() == 1:
        cells = [_number(d, m) for d, m in zip(data.tolist(), mask.tolist(), strict=True)]
        width = max([8, *map(len, cells)])
        return "[" + ", ".join(["--".rjust(width) if c == "--" else c for c in cells]) + "]"
    rows = [_text(d, m) for d, m in zip(data.unbind(0), mask.unbind(0), strict=True)]
    inner = ",\n".join(rows)
    return "[\n" + "\n".join("  " + line for line in inner.split("\n")) + "\n]"
