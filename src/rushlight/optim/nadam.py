"""NAdam."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    option,
    rate,
    require,
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


class NAdam(GroupOptimizer):
    """NAdam(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
        decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
        differentiable=False)

    Adam with Nesterov's momentum, whose coefficient grows towards ``betas[0]`` as
    ``momentum_decay`` says.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.NAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.8944, 1.8944], requires_grad=True)
    """

    _capturable: ClassVar[str] = "params, mu_products and state_steps"
    _counts: ClassVar[tuple[str, ...]] = ("mu_product", "step")
    _added_options: ClassVar[dict[str, Any]] = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        require(momentum_decay >= 0.0, f"Invalid momentum_decay value: {momentum_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": scalar(0.0, group, p),
            "mu_product": scalar(1.0, group, p),
            "exp_avg": zeros_of(p),
            "exp_avg_sq": zeros_of(p),
        }

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        means, squares, products, steps = columns(
            states, "exp_avg", "exp_avg_sq", "mu_product", "step"
        )
        stepper(kernels.nadam_step, group)(
            params,
            grads,
            means,
            squares,
            products,
            steps,
            lr=rate(group, steps),
            betas=group["betas"],
            eps=group["eps"],
            momentum_decay=group["momentum_decay"],
            weight_decay=option(group, "weight_decay"),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )
