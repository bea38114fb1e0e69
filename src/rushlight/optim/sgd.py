"""Stochastic gradient descent."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    check_fused,
    check_fusing,
    option,
    stepper,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class SGD(GroupOptimizer):
    """SGD(params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *,
        maximize=False, foreach=None, differentiable=False, fused=None)

    Gradient descent: ``p -= lr * g``; with ``momentum``, ``p -= lr * b`` where ``b = momentum * b +
    (1 - dampening) * g``.

    ``weight_decay`` adds ``weight_decay * p`` to the gradient; ``nesterov`` looks one step of the
    momentum ahead. ``foreach`` and ``fused`` choose between implementations in PyTorch; here there
    is one, and they change nothing.

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _added_options: ClassVar[dict[str, Any]] = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | torch.Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fusing(fused, foreach, differentiable)
        self._step_supports_amp_scaling = bool(fused)

    def _take_sparse(self, grad: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        """Without weight decay the rows that have no gradient are as if it were zero."""
        if group["weight_decay"] != 0:
            raise RuntimeError(
                "add(sparse, dense) is not supported. Use add(dense, sparse) instead."
            )
        return grad.to_dense()

    def _state_of(self, p: torch.Tensor, group: dict[str, Any]) -> Any:
        if group["fused"]:
            check_fused(group, p)
        return self.state[p] if group["momentum"] != 0 else None

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        if group["momentum"] == 0:
            buffers = None
        else:
            buffers = [state.get("momentum_buffer") for state in states]
            if any(buffer is None for buffer in buffers):
                self._start_momentum(group, params, grads, states)
                return
        _descend(group, params, grads, buffers)

    def _start_momentum(
        self, group: dict[str, Any], params: list, grads: list, states: list
    ) -> None:
        """A step in which some buffers are new: those become the gradient."""
        rows = list(zip(params, grads, states, strict=True))
        new = [row for row in rows if row[2].get("momentum_buffer") is None]
        old = [row for row in rows if row[2].get("momentum_buffer") is not None]
        for p, _, state in new:
            state["momentum_buffer"] = zeros_of(p)
        for fresh, members in ((True, new), (False, old)):
            if members:
                params, grads, states = (list(column) for column in zip(*members, strict=True))
                buffers = [state["momentum_buffer"] for state in states]
                _descend(group, params, grads, buffers, fresh)


def _descend(
    group: dict[str, Any], params: list, grads: list, buffers: list | None, fresh: bool = False
) -> None:
    stepper(kernels.sgd_step, group)(
        params,
        grads,
        buffers,
        lr=option(group, "lr"),
        momentum=group["momentum"],
        dampening=group["dampening"],
        weight_decay=option(group, "weight_decay"),
        nesterov=group["nesterov"],
        maximize=group["maximize"],
        fresh=fresh,
    )
