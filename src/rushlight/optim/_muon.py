"""Muon."""

from typing import Any

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    number,
    require,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


class Muon(GroupOptimizer):
    """Muon(params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
        ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None)

    Momentum made orthogonal: each step is (roughly) the orthogonal factor of the momentum matrix,
    found by ``ns_steps`` Newton-Schulz iterations in bfloat16. For the matrices of hidden layers;
    leave biases and embeddings to AdamW.

    ``adjust_lr_fn``: ``"original"`` scales the rate by ``sqrt(max(1, rows / columns))``,
    ``"match_rms_adamw"`` by ``0.2 * sqrt(max(rows, columns))``.

    >>> p = torch.nn.Parameter(torch.eye(2))
    >>> torch.optim.Muon([p], lr=0.1).param_groups[0]["momentum"]
    0.95
    """

    _takes_products = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        require(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        require(momentum >= 0.0, f"momentum should be >= 0 but is: {momentum}")
        require(weight_decay >= 0.0, f"weight decay should be >= 0 but is: {weight_decay}")
        require(
            adjust_lr_fn in (None, "original", "match_rms_adamw"),
            f"Adjust learning rate function {adjust_lr_fn} is not supported",
        )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                require(
                    p.ndim == 2,
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{p.size()}",
                )

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": zeros_of(p.grad)}

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        require(
            group["ns_steps"] < 100,
            "Number of steps must be less than 100 for computational efficiency",
        )
        require(
            len(group["ns_coefficients"]) == 3, "Coefficients must be a tuple of exactly 3 values"
        )
        lr = number(group["lr"])
        kernels.muon_step(
            params,
            grads,
            [state["momentum_buffer"] for state in states],
            lr=lr,
            rates=[_adjusted(lr, group["adjust_lr_fn"], p.shape) for p in params],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            weight_decay=group["weight_decay"],
            coefficients=group["ns_coefficients"],
            ns_steps=group["ns_steps"],
            eps=group["eps"],
        )


def _adjusted(lr: float, how: str | None, shape: torch.Size) -> float:
    rows, cols = shape
    if how == "match_rms_adamw":
        return lr * 0.2 * max(rows, cols) ** 0.5
    return lr * max(1, rows / cols) ** 0.5
