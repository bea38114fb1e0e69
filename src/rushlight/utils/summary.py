"""summary: the layers of a model, their output shapes, parameters and multiply-adds, as a table."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight import nn

__all__ = ["LayerInfo", "ModelSummary", "summary"]


@dataclasses.dataclass
class LayerInfo:
    """One line of the table.

    >>> found = torch.utils.summary.summary(torch.nn.Linear(3, 4), (2, 3), verbose=0)
    >>> found.layers[0].name, found.layers[0].output_size, found.layers[0].num_params
    ('Linear', (2, 4), 16)
    """

    name: str
    depth: int
    output_size: tuple
    num_params: int
    mult_adds: int


@dataclasses.dataclass
class ModelSummary:
    """What ``summary`` found; ``str()`` is the table.

    >>> torch.utils.summary.summary(torch.nn.Linear(3, 4), (2, 3), verbose=0)
    ================================================
    Layer (type)  Output Shape  Param #  Mult-Adds
    ================================================
    Linear        [2, 4]        16       24
    ================================================
    Total params: 16
    Trainable params: 16
    Non-trainable params: 0
    Total mult-adds: 24
    ================================================
    """

    layers: list[LayerInfo]
    total_params: int
    trainable_params: int
    total_mult_adds: int

    def __str__(self) -> str:
        titles = ("Layer (type)", "Output Shape", "Param #", "Mult-Adds")
        rows = [
            (
                "  " * x.depth + x.name,
                str(list(x.output_size)),
                f"{x.num_params:,}" if x.num_params else "--",
                f"{x.mult_adds:,}" if x.mult_adds else "--",
            )
            for x in self.layers
        ]
        widths = [max(len(r[i]) for r in (titles, *rows)) + 2 for i in range(4)]
        lines = ["".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        rule = "=" * sum(widths)
        head = "".join(c.ljust(w) for c, w in zip(titles, widths, strict=True))
        totals = [
            f"Total params: {self.total_params:,}",
            f"Trainable params: {self.trainable_params:,}",
            f"Non-trainable params: {self.total_params - self.trainable_params:,}",
            f"Total mult-adds: {self.total_mult_adds:,}",
        ]
        return "\n".join(x.rstrip() for x in [rule, head, rule, *lines, rule, *totals, rule])

    __repr__ = __str__


def _shape(output: Any) -> tuple:
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    return tuple(output.shape) if isinstance(output, torch.Tensor) else ()


def _own_params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))


def _mult_adds(module: nn.Module, output: tuple) -> int:
    """Multiplications with this module's own weights for one forward."""
    weights = [p for p in module.parameters(recurse=False) if p.ndim > 1]
    if not weights or isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return 0
    name = type(module).__name__
    if name.startswith("Conv"):
        w = weights[0]
        if "Transpose" in name:
            return 0 if not output else w.numel() * math.prod(output[2:]) * output[0]
        return w[0].numel() * math.prod(output)
    if isinstance(module, nn.Linear):
        return weights[0].shape[-1] * math.prod(output)
    return sum(w.numel() for w in weights) * math.prod(output[:-1])


def _inputs(input_size: Any, input_data: Any, dtypes: Sequence | None) -> tuple:
    if input_data is not None:
        return tuple(input_data) if isinstance(input_data, (tuple, list)) else (input_data,)
    if input_size is None:
        raise ValueError("summary needs input_size=(N, ...) or input_data=")
    sizes = [input_size] if isinstance(input_size[0], int) else list(input_size)
    kinds = dtypes or [torch.float32] * len(sizes)
    return tuple([torch.zeros(s, dtype=d) for s, d in zip(sizes, kinds, strict=True)])


def summary(
    model: nn.Module,
    input_size: Any = None,
    input_data: Any = None,
    dtypes: Sequence | None = None,
    depth: int = 3,
    verbose: int = 1,
) -> ModelSummary:
    """summary(model, input_size=None, input_data=None, dtypes=None, depth=3, verbose=1)

    Run the model once, in eval mode without gradients, on zeros of ``input_size`` (batch included;
    a list of sizes for several inputs) or on ``input_data``, and return (``verbose=0``) or also
    print a table of its layers down to ``depth``.

    >>> from rushlight import nn
    >>> from rushlight.utils.summary import summary
    >>> s = summary(nn.Linear(3, 2), input_size=(5, 3), verbose=0)
    >>> s.total_params, s.total_mult_adds
    (8, 30)
    """
    layers: list[LayerInfo] = []
    handles = []
    places = [(n, m, n.count(".") + 1 if n else 0) for n, m in model.named_modules()]

    def watch(name: str, module: nn.Module, at: int) -> None:
        def before(_: nn.Module, args: Any) -> None:
            label = f"{type(module).__name__}" + (f" ({name.split('.')[-1]})" if name else "")
            pending.append(LayerInfo(label, at, (), _own_params(module), 0))
            layers.append(pending[-1])

        def after(_: nn.Module, args: Any, output: Any) -> None:
            info = pending.pop()
            info.output_size = _shape(output)
            info.mult_adds = _mult_adds(module, info.output_size)

        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))

    pending: list[LayerInfo] = []
    for name, module, at in places:
        watch(name, module, at)
    training = [m.training for _, m, _ in places]
    try:
        model.eval()
        with torch.no_grad():
            model(*_inputs(input_size, input_data, dtypes))
    finally:
        for h in handles:
            h.remove()
        for (_, m, _), was in zip(places, training, strict=True):
            m.training = was
    parameters = list(model.parameters())
    found = ModelSummary(
        [x for x in layers if x.depth <= depth],
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(x.mult_adds for x in layers),
    )
    if verbose:
        print(found)
    return found
