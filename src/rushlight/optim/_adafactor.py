"""Adafactor."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    number,
    require,
    scalar,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class Adafactor(GroupOptimizer):
    """Adafactor(params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *,
        foreach=None, maximize=False)

    Adam without a mean, whose second moments of a matrix are kept as those of its rows and columns.

    ``lr`` is the largest rate, relative to the size of the parameters (at least ``eps[1]``);
    updates larger than ``d`` are clipped.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.Adafactor([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.8419, 1.8419], requires_grad=True)
    """

    _added_options: ClassVar[dict[str, Any]] = {"foreach": None}

    _takes_products = False

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        require(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        require(beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        require(eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}")
        require(eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}")
        require(d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}")
        require(weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = {"step": scalar(0.0, group)}
        if p.dim() > 1:
            *rest, rows, cols = p.shape
            state["row_var"] = p.new_zeros([*rest, rows, 1])
            state["col_var"] = p.new_zeros([*rest, 1, cols])
        else:
            state["variance"] = torch.zeros_like(p.grad, memory_format=torch.preserve_format)
        return state

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        names = ("row_var", "col_var", "variance", "step")
        rows, cols, variances, steps = ([state.get(name) for state in states] for name in names)
        kernels.adafactor_step(
            params,
            grads,
            rows,
            cols,
            variances,
            steps,
            lr=number(group["lr"]),
            beta2_decay=group["beta2_decay"],
            eps=group["eps"],
            d=group["d"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
