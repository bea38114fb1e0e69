"""Resilient backpropagation."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    number,
    require,
    require_lr,
    scalar,
    stepper,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class Rprop(GroupOptimizer):
    """Rprop(params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False,
        foreach=None, maximize=False, differentiable=False)

    Steps along the sign of the gradient, each element with a size of its own: ``etas`` shrink and
    grow it when the sign turns or stays, within ``step_sizes``. For whole batches.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Rprop([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    _xla: ClassVar[tuple[bool, bool]] = True, True
    _added_options: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        require_lr(lr)
        require(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        size = number(group["lr"])
        size = complex(size, size) if p.is_complex() else size
        return {
            "step": scalar(0.0, group, p),
            "prev": zeros_of(p),
            "step_size": torch.full_like(p, size, memory_format=torch.preserve_format),
        }

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        prevs, sizes, steps = columns(states, "prev", "step_size", "step")
        stepper(kernels.rprop_step, group)(
            params,
            grads,
            prevs,
            sizes,
            steps,
            etas=group["etas"],
            limits=group["step_sizes"],
            maximize=group["maximize"],
        )
