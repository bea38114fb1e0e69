"""Adadelta."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    option,
    rate,
    require,
    require_decay,
    require_eps,
    require_lr,
    scalar,
    stepper,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class Adadelta(GroupOptimizer):
    """Adadelta(params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *,
        capturable=False, maximize=False, differentiable=False)

    Gradients scaled by the ratio of two running root mean squares: of past steps over that of past
    gradients.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.Adadelta([p])
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.9968, 1.9968], requires_grad=True)
    """

    _xla: ClassVar[tuple[bool, bool]] = False, False
    _added_options: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        require_lr(lr)
        require(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        require_eps(eps)
        require_decay(weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": scalar(0.0, group, p), "square_avg": zeros_of(p), "acc_delta": zeros_of(p)}

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        squares, deltas, steps = columns(states, "square_avg", "acc_delta", "step")
        stepper(kernels.adadelta_step, group)(
            params,
            grads,
            squares,
            deltas,
            steps,
            lr=rate(group, steps),
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=option(group, "weight_decay"),
            maximize=group["maximize"],
        )
