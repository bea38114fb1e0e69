"""RAdam."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    option,
    rate,
    require_betas,
    require_decay,
    require_eps,
    require_lr,
    scalar,
    stepper,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class RAdam(GroupOptimizer):
    """RAdam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
        decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
        differentiable=False)

    Adam whose adaptive step is rectified by its variance; the first steps, where that is unbounded,
    are plain momentum.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.RAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _added_options: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        require_lr(lr)
        require_eps(eps)
        require_betas(betas)
        require_decay(weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": scalar(0.0, group, p), "exp_avg": zeros_of(p), "exp_avg_sq": zeros_of(p)}

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        means, squares, steps = columns(states, "exp_avg", "exp_avg_sq", "step")
        stepper(kernels.radam_step, group)(
            params,
            grads,
            means,
            squares,
            steps,
            lr=rate(group, steps),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=option(group, "weight_decay"),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )
