"""RMSprop."""

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


class RMSprop(GroupOptimizer):
    """RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
        capturable=False, foreach=None, maximize=False, differentiable=False)

    Gradients divided by the root of their running mean square: ``p -= lr * g / (sqrt(v) + eps)``.

    ``centered`` uses the variance in place of the mean square, ``momentum`` accumulates the
    quotients.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.RMSprop([p], lr=0.01)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _xla: ClassVar[tuple[bool, bool]] = True, True
    _added_options: ClassVar[dict[str, Any]] = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        require_lr(lr)
        require_eps(eps)
        require(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        require_decay(weight_decay)
        require(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": scalar(0.0, group, p), "square_avg": zeros_of(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_of(p)
        if group["centered"]:
            state["grad_avg"] = zeros_of(p)
        return state

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        squares, steps = columns(states, "square_avg", "step")
        stepper(kernels.rmsprop_step, group)(
            params,
            grads,
            squares,
            columns(states, "grad_avg")[0] if group["centered"] else None,
            columns(states, "momentum_buffer")[0] if group["momentum"] > 0 else None,
            steps,
            lr=rate(group, steps),
            alpha=group["alpha"],
            eps=group["eps"],
            momentum=group["momentum"],
            weight_decay=option(group, "weight_decay"),
            maximize=group["maximize"],
        )
