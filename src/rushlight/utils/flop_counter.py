"""torch.utils.flop_counter: how many floating-point operations the products in a program take."""

from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any

from rushlight._core.dispatch import flat, general
from rushlight._core.inplace import InPlace
from rushlight._core.state import S
from rushlight._core.tensor import Tensor
from rushlight.nn.modules.module import (
    Module,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

__all__ = ["FlopCounterMode"]

Counts = dict[str, dict[str, int]]


def _product(x: Any, y: Any) -> int:
    """A matrix product (..., m, k) by (..., k, n)."""
    return 2 * prod(x.shape) * y.shape[-1] if x.ndim > 1 and y.ndim > 1 else 0


def _batched(x: Any, y: Any, result: Any) -> int:
    return 2 * prod(result.shape) * x.shape[-1] if x.ndim > 1 and y.ndim > 1 else 0


def _attention(q: Any, k: Any, v: Any, products: tuple[int, int]) -> int:
    """``products`` with the keys and with the values, each of all queries."""
    rows = 2 * prod(q.shape[:-1]) * k.shape[-2]
    return rows * (products[0] * q.shape[-1] + products[1] * v.shape[-1])


def _convolution(small: Any, weight: Any) -> int:
    """Each element of the smaller picture meets the part of the weight that makes or reads it."""
    return 2 * prod(small.shape) * prod(weight.shape[1:])


# The name in PyTorch of what an operator computes, and its operations, given (tensors, result).
_FORMULAS: dict[str, tuple[str, Callable[[tuple, Any], int]]] = {
    "mm": ("aten.mm", lambda t, r: _product(t[0], t[1])),
    "addmm": ("aten.addmm", lambda t, r: _product(t[1], t[2])),
    "bmm": ("aten.bmm", lambda t, r: _product(t[0], t[1])),
    "batched_matmul": ("aten.bmm", lambda t, r: _batched(t[0], t[1], r)),
    "baddbmm": ("aten.baddbmm", lambda t, r: _product(t[1], t[2])),
    "addbmm": ("aten.baddbmm", lambda t, r: _product(t[1], t[2])),
    "linear": ("aten.addmm", lambda t, r: 2 * prod(r.shape) * t[0].shape[-1]),
    "linear_input": ("aten.mm", lambda t, r: 2 * prod(r.shape) * t[0].shape[-1]),
    "linear_weight": ("aten.mm", lambda t, r: 2 * prod(t[0].shape) * t[1].shape[-1]),
    "convolution": ("aten.convolution", lambda t, r: _convolution(r, t[1])),
    "conv_transpose": ("aten.convolution", lambda t, r: _convolution(t[0], t[1])),
    "conv_weight": ("aten.convolution_backward", lambda t, r: _convolution(t[0], r)),
    "attention": (
        "aten._scaled_dot_product_flash_attention",
        lambda t, r: _attention(t[0], t[1], t[2], (1, 1)),
    ),
    "attention_backward": (
        "aten._scaled_dot_product_flash_attention_backward",
        lambda t, r: _attention(t[1], t[2], t[3], (3, 2)),
    ),
}


class FlopCounterMode:
    """FlopCounterMode(mods=None, depth=2, display=True)

    A context that counts the operations of matrix products, convolutions and attention: in all
    ("Global") and for each module. What backward computes counts for "Global" alone. With
    ``display`` a table is printed at the end, of modules nested at most ``depth`` deep.

    >>> model = torch.nn.Linear(4, 8)
    >>> with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
    ...     _ = model(torch.ones(2, 4))
    >>> counter.get_total_flops(), counter.get_flop_counts()['Linear']
    (128, {'aten.addmm': 128})
    """

    def __init__(
        self,
        mods: Module | list[Module] | None = None,
        depth: int = 2,
        display: bool = True,
        custom_mapping: dict | None = None,
    ) -> None:
        if custom_mapping:
            raise NotImplementedError(
                "FlopCounterMode(custom_mapping=): operators have formulas of rushlight's; count "
                "what they do not know beside them"
            )
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._names: dict[Module, str] = {}
        self._inside = ["Global"]
        self._handles: list[Any] = []

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """Compute one operator and count it."""
        if isinstance(op, InPlace):
            result = op.call(*tensors, *params)
        else:
            result = general(op, tensors, params, out)
        formula = _FORMULAS.get(op.name)
        if formula is not None:
            name, count = formula
            first = result if isinstance(result, Tensor) else result[0]
            if op.name == "linear" and (len(tensors) < 3 or tensors[2] is None):
                name = "aten.mm"
            flops = count(tuple(flat(tensors)) if op.name == "linear" else tensors, first)
            for module in dict.fromkeys(self._inside):
                self.flop_counts[module][name] += flops
        return result

    def _enter_module(self, module: Module, args: tuple) -> None:
        if module not in self._names:  # the outermost: its parts get names from it
            for name, part in module.named_modules(prefix=type(module).__name__):
                self._names.setdefault(part, name)
        self._inside.append(self._names[module])

    def _leave_module(self, module: Module, args: tuple, result: Any) -> None:
        self._inside.pop()

    def __enter__(self) -> "FlopCounterMode":
        self.flop_counts.clear()
        self._handles = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        S.modes.append(self)
        S.special += 1
        return self

    def __exit__(self, *exc: object) -> None:
        S.modes.remove(self)
        S.special -= 1
        for handle in self._handles:
            handle.remove()
        if self.display:
            print(self.get_table(self.depth))

    def get_total_flops(self) -> int:
        """The operations of the whole program."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> Counts:
        """For each module, and "Global", the operations by the name of the operator."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts as a table: modules, their operations, and their part of all."""
        deepest = self.depth if depth is None else depth
        total = self.get_total_flops()
        rows = [("Module", "FLOP", "% Total")]
        for module, counts in self.flop_counts.items():
            level = 0 if module == "Global" else module.count(".") + 1
            if level > deepest:
                continue
            rows.append((" " * level + module, *_shown(sum(counts.values()), total)))
            for name, flops in counts.items():
                rows.append((" " * level + " - " + name, *_shown(flops, total)))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _shown(flops: int, total: int) -> tuple[str, str]:
    """A number with its thousands, millions, ... and its percentage."""
    value, unit = float(flops), ""
    for larger in ("K", "M", "B", "T"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    text = f"{value:.3f}{unit}" if unit else str(flops)
    return text, f"{100 * flops / total:.2f}%" if total else "0.00%"
