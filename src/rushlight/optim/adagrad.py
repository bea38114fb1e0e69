"""Adagrad."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    check_fused,
    check_fusing,
    columns,
    option,
    require,
    require_decay,
    require_eps,
    require_lr,
    scalar,
    stepper,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class Adagrad(GroupOptimizer):
    """Adagrad(params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
        foreach=None, *, maximize=False, differentiable=False, fused=None)

    Gradients divided by the root of the sum of their squares so far: ``p -= lr * g / (sqrt(sum) +
    eps)``.

    ``lr_decay`` divides the learning rate by ``1 + (step - 1) * lr_decay``. ``foreach`` and
    ``fused`` choose between implementations in PyTorch; here there is one, and they change nothing
    but the dtype of ``step`` (``fused``).

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.Adagrad([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        require_lr(lr)
        require(lr_decay >= 0.0, f"Invalid lr_decay value: {lr_decay}")
        require_decay(weight_decay)
        require(
            initial_accumulator_value >= 0.0,
            f"Invalid initial_accumulator_value value: {initial_accumulator_value}",
        )
        require_eps(eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fusing(fused, foreach, differentiable)
        self._step_supports_amp_scaling = bool(fused)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self._new_state(p, group)

    def share_memory(self) -> None:
        """share_memory(): move the sums to shared memory, for several processes that train one
        model.
        """
        for state in self.state.values():
            state["sum"].share_memory_()

    def _take_sparse(self, grad: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        """Without weight decay the rows that have no gradient are as if it were zero."""
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        return grad.to_dense()

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        start = self.defaults["initial_accumulator_value"]
        start = complex(start, start) if p.is_complex() else start
        total = torch.full_like(p, start, memory_format=torch.preserve_format)
        return {"step": scalar(0.0, group), "sum": total}

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        for p in params if group["fused"] else ():
            check_fused(group, p)
        sums, steps = columns(states, "sum", "step")
        stepper(kernels.adagrad_step, group)(
            params,
            grads,
            sums,
            steps,
            lr=option(group, "lr"),
            lr_decay=group["lr_decay"],
            eps=group["eps"],
            weight_decay=option(group, "weight_decay"),
            maximize=group["maximize"],
        )
