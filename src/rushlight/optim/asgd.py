"""Averaged stochastic gradient descent."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    number,
    option,
    rate,
    require_decay,
    require_lr,
    scalar,
    stepper,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class ASGD(GroupOptimizer):
    """ASGD(params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None,
        maximize=False, differentiable=False, capturable=False)

    Gradient descent that also keeps the average of the parameters since step ``t0``, in
    ``state[p]["ax"]``.

    The learning rate falls as ``lr / (1 + lambd * lr * step) ** alpha``.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.ASGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _capturable: ClassVar[str] = "params, mus, etas, and state_steps"
    _counts: ClassVar[tuple[str, ...]] = ("mu", "eta", "step")
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
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        require_lr(lr)
        require_decay(weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": scalar(0.0, group, p),
            "eta": scalar(number(group["lr"]), group, p),
            "mu": scalar(1.0, group, p),
            "ax": zeros_of(p),
        }

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        averages, mus, etas, steps = columns(states, "ax", "mu", "eta", "step")
        stepper(kernels.asgd_step, group)(
            params,
            grads,
            averages,
            mus,
            etas,
            steps,
            lr=rate(group, steps),
            lambd=group["lambd"],
            alpha=group["alpha"],
            t0=group["t0"],
            weight_decay=option(group, "weight_decay"),
            maximize=group["maximize"],
            foreach=bool(group["foreach"]),
        )
