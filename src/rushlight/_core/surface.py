"""What is derived from the records: methods, in-place forms, operators, namespaces."""

from collections.abc import Callable

from rushlight._core import entries, inplace
from rushlight._core.op import INPLACE, OPS, PUBLIC
from rushlight._core.record import Record
from rushlight._core.tensor import Tensor

# The operators whose in-place form PyTorch offers as a function of torch too.
FUNCTIONS_IN_PLACE = frozenset(
    """
    abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh as_strided asin
    asinh atan atanh ceil clamp clamp_max clamp_min clip conj_physical cos cosh deg2rad
    detach erf erfc exp exp2 expm1 fill fix floor frac gcd i0 index_put lcm ldexp log
    log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal relu resize_as
    resize_as_sparse round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy
    zero
    """.split()  # noqa: SIM905 # a page of words
)
COMMUTATIVE = {"add", "mul", "and", "or", "xor"}


def attach() -> None:
    """Give Tensor its methods and operators. Called once, when every record is made."""
    for name, function in PUBLIC.get("Tensor", {}).items():
        if name not in Tensor.__dict__:
            setattr(Tensor, name, function)
    for name, op in OPS.items():
        if op.inplace and "Tensor" in op.public:
            derived = inplace.derive(op)
            for public_name in (name, *op.aliases):
                attach_in_place(public_name, derived)
        if op.operator:
            attach_operators(op)
    for name, function in INPLACE.items():
        if f"{name}_" not in Tensor.__dict__:
            attach_in_place(name, inplace.derive_composite(name, function))
    for space in sorted(PUBLIC, key=lambda s: s != "torch"):
        if space != "Tensor":
            name_home(space)


def name_home(space: str) -> None:
    """Where a derived function can be imported from: what pickle writes down of it."""
    home = "rushlight" if space == "torch" else f"rushlight.{space}"
    for name, function in PUBLIC[space].items():
        if function.__module__ == "torch":
            function.__module__, function.__qualname__ = home, name


def attach_in_place(name: str, function: Callable) -> None:
    """``Tensor.X_``, and ``torch.X_`` where PyTorch has it too."""
    if f"{name}_" not in Tensor.__dict__:
        setattr(Tensor, f"{name}_", function)
    if name in FUNCTIONS_IN_PLACE and name in PUBLIC["torch"]:
        PUBLIC["torch"].setdefault(f"{name}_", getattr(Tensor, f"{name}_"))


def attach_operators(op: Record) -> None:
    """``a * b``, ``2 * a`` and ``a *= b`` of a Binary; ``-a`` of a Unary."""
    name = op.operator
    if len(op.tensors) == 1:
        setattr(Tensor, f"__{name}__", op.call)
        return
    forward = entries.binary_entry(op, entries.operator_method)
    forward.__name__ = forward.__qualname__ = f"__{name}__"
    setattr(Tensor, f"__{name}__", forward)
    if name in {"eq", "ne", "lt", "le", "gt", "ge", "rsub"}:  # they have no reflected form
        return
    if f"__r{name}__" not in Tensor.__dict__:
        setattr(
            Tensor, f"__r{name}__", forward if name in COMMUTATIVE else entries.reflected_entry(op)
        )
    if op.inplace and f"__i{name}__" not in Tensor.__dict__:
        setattr(Tensor, f"__i{name}__", getattr(Tensor, f"{op.name}_"))


def namespace(name: str) -> dict[str, Callable]:
    """The public functions of a namespace: 'torch', 'linalg', 'nn.functional', ..."""
    return dict(PUBLIC.get(name, {}))
