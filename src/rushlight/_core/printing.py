"""What a tensor looks like when printed, character for character PyTorch's.

The numbers that will be shown are cut out of the array first (`_shown`), turned into one list of
texts in one style (`_cells`), and laid out in nested brackets (`_layout`).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy

from rushlight._core import dtypes
from rushlight._core.gpu import to_host
from rushlight._core.tensor import Parameter, Tensor


@dataclass
class PrintOptions:
    """The settings of `set_printoptions`; `sci_mode=None` lets the numbers decide."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

options = PrintOptions()


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None,
    profile=None, sci_mode=None) -> None

    Set how tensors are printed; what is not given stays, except `sci_mode`, which is always set.

    `precision` is the number of digits after the point, `threshold` the number of elements
    above which a tensor is summarised to `edgeitems` at each end of a dimension, `linewidth` the
    characters per line, `profile` one of "default", "short", "full".

    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    """
    if profile in PROFILES:
        _assign(asdict(replace(PROFILES[profile], sci_mode=options.sci_mode)))
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _assign({name: value for name, value in given.items() if value is not None})
    options.sci_mode = sci_mode


def get_printoptions() -> dict:
    """get_printoptions() -> dict

    The current printing options, in a form that `set_printoptions(**...)` takes.

    >>> torch.get_printoptions()['precision']
    4
    """
    return asdict(options)


@contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """printoptions(**kwargs)

    Context manager: `set_printoptions` for the length of a `with` block.
    """
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        _assign(before)


def _assign(values):
    for name, value in values.items():
        setattr(options, name, value)


# The whole representation -----------------------------------------------------------------------


def tensor_str(tensor: Any) -> str:
    """tensor_str(tensor) -> str

    The representation of `tensor`, as `repr` and `print` show it.
    """
    seen = getattr(type(tensor._data), "text", None)  # seen through vmap or jvp
    if seen is not None:
        text = seen(tensor._data, tensor, tensor_str)
        if text is not None:
            return text
    layout = str(tensor.layout)
    plain = type(tensor) in (Tensor, Parameter) or layout != "torch.strided"
    prefix = "tensor(" if plain else f"{type(tensor).__name__}("
    indent = len(prefix)
    suffixes = []
    if tensor.device.type != "cpu":
        suffixes.append(f"device='{tensor.device}'")
    if layout != "torch.strided":
        body = _sparse_body(tensor, layout, indent, suffixes)
    else:
        body = _strided_body(tensor, indent, suffixes)
    suffixes += _history(tensor)
    if seen is not None:
        suffixes += tensor._data.suffixes()
    text = _join(prefix + body, suffixes, indent, newline=layout == "torch.sparse_coo")
    return f"Parameter({text})" if isinstance(tensor, Parameter) and not plain else text


def tensor_format(tensor: Any, spec: str) -> str:
    """tensor_format(tensor, spec) -> str

    `format(tensor, spec)`: a tensor with no dimensions formats as its number.
    """
    if tensor.ndim == 0 and tensor.device.type != "meta":
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def _strided_body(tensor, indent, suffixes):
    """The brackets of an ordinary tensor; what must be said after them goes to `suffixes`."""
    shape, dtype = tuple(tensor.shape), tensor.dtype
    default = dtypes.get_default_dtype()
    if tensor.device.type == "meta" or 0 in shape:
        if tensor.device.type == "meta" or len(shape) != 1:
            suffixes.append(f"size={shape}")
        if dtype != default:  # nothing shown from which int64 or bool could be read
            suffixes.append(f"dtype={dtype}")
        return "..." if tensor.device.type == "meta" else "[]"
    if not options.edgeitems:
        suffixes.append(f"size={shape}")
    if not _evident(dtype):
        suffixes.append(f"dtype={dtype}")
    return array_str(_host_array(tensor), indent)


_SPARSE_INDICES = {  # layout -> its two index tensors: (label, method)
    "torch.sparse_csr": (("crow_indices", "crow_indices"), ("col_indices", "col_indices")),
    "torch.sparse_csc": (("ccol_indices", "ccol_indices"), ("row_indices", "row_indices")),
    "torch.sparse_bsr": (("crow_indices", "crow_indices"), ("col_indices", "col_indices")),
    "torch.sparse_bsc": (("ccol_indices", "ccol_indices"), ("row_indices", "row_indices")),
    "torch.sparse_coo": (("indices", "_indices"),),
}


def _sparse_body(tensor, layout, indent, suffixes):
    """Index tensors and values, one under the other."""
    suffixes += [f"size={tuple(tensor.shape)}", f"nnz={tensor._nnz()}"]
    if not _evident(tensor.dtype):
        suffixes.append(f"dtype={tensor.dtype}")
    suffixes.append(f"layout={layout}")
    values = "_values" if layout == "torch.sparse_coo" else "values"
    parts = []
    for label, method in (*_SPARSE_INDICES[layout], ("values", values)):
        part = getattr(tensor, method)().detach()
        prefix = f"{label}=tensor("
        text = array_str(_host_array(part), indent + len(prefix))
        if part.numel() == 0:
            text += f", size={tuple(part.shape)}"
        parts.append(f"{prefix}{text})")
    return (",\n" + " " * indent).join(parts)


def _host_array(tensor):
    """The tensor's numbers as a NumPy array, from whatever device."""
    return to_host(tensor._data)


def _evident(dtype):
    """Can a reader tell `dtype` from the numbers alone?"""
    default = dtypes.get_default_dtype()
    complex_default = dtypes.complex128 if default is dtypes.float64 else dtypes.complex64
    return dtype in (default, complex_default, dtypes.int64, dtypes.bool_)


def _history(tensor):
    try:
        node = tensor.grad_fn
    except RuntimeError:  # a view made under no_grad and then written to has none to give
        return ["grad_fn=<Invalid>"]
    if node is not None:
        return [f"grad_fn=<{node.name() if callable(node.name) else node.name}>"]
    return ["requires_grad=True"] if tensor.requires_grad else []


def _join(text, suffixes, indent, newline):
    """Append `suffixes`, starting a new line where one would pass the line width."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if newline or used + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
            newline = False
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


# The numbers ------------------------------------------------------------------------------------


def array_str(array: numpy.ndarray, indent: int = 0) -> str:
    """array_str(array, indent=0) -> str

    The nested brackets of a NumPy array, continued lines indented by `indent`.
    """
    if array.size == 0:
        return "[]"
    shape = array.shape
    summarised = array.size > options.threshold
    if summarised and not options.edgeitems and shape:
        return "[...]"
    cut = [summarised and n > 2 * options.edgeitems for n in shape]
    cells, width = _cells(_shown(array, cut))
    if not shape:
        return cells[0]
    per_line = max(1, math.floor((options.linewidth - indent - len(shape) + 1) / (width + 2)))
    counts = [2 * options.edgeitems if c else n for c, n in zip(cut, shape, strict=True)]
    return _layout(cells, counts, cut, indent, per_line)


def _shown(array, cut):
    """`array` without what the summary leaves out of each dimension."""
    edge = options.edgeitems
    for axis, is_cut in enumerate(cut):
        if is_cut:
            ends = numpy.r_[:edge, array.shape[axis] - edge : array.shape[axis]]
            array = array.take(ends, axis)
    return array


def _cells(array):
    """Every number as text in one common style, and the width of the widest finite one."""
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        real, real_width = _float_cells(flat.real.astype(numpy.float64))
        imag, imag_width = _float_cells(flat.imag.astype(numpy.float64))
        return [
            _complex(r, i) for r, i in zip(real, imag, strict=True)
        ], real_width + imag_width + 1
    if flat.dtype.kind in "iub":
        cells = [str(value) for value in flat.tolist()]
        width = max(map(len, cells))
        return [cell.rjust(width) for cell in cells], width
    return _float_cells(flat.astype(numpy.float64))


def _complex(real, imag):
    imag = imag.lstrip() + "j"
    return real + imag if imag[0] in "+-" else f"{real}+{imag}"


def _float_cells(values):
    finite = values[numpy.isfinite(values) & (values != 0)]
    write = _float_style(finite)
    width = max((len(write(value)) for value in finite.tolist()), default=1)
    # zeros and non-finite numbers have no say in the width, though they may be wider
    return [write(value).rjust(width) for value in values.tolist()], width


def _float_style(finite):
    """The function that writes one float, chosen by the finite nonzero ones among them."""
    digits = options.precision
    if finite.size and _scientific(finite):
        return lambda value: f"{value:.{digits}e}"
    if (finite == numpy.ceil(finite)).all():
        return lambda value: f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
    return lambda value: f"{value:.{digits}f}"


def _scientific(finite):
    if options.sci_mode is not None:
        return options.sci_mode
    sizes = numpy.abs(finite)
    low, high = float(sizes.min()), float(sizes.max())
    return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4


def _layout(cells, counts, cut, indent, per_line):
    """Brackets around `cells`, which fill dimensions of `counts`; "..." where one was cut."""
    edge, is_cut = options.edgeitems, cut[0]
    if len(counts) == 1:
        if is_cut:
            cells = [*cells[:edge], " ...", *cells[edge:]]
        lines = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    step = len(cells) // counts[0]
    rows = [
        _layout(cells[i : i + step], counts[1:], cut[1:], indent + 1, per_line)
        for i in range(0, len(cells), step)
    ]
    if is_cut:
        rows[edge:edge] = ["..."]
    return "[" + ("," + "\n" * (len(counts) - 1) + " " * (indent + 1)).join(rows) + "]"
