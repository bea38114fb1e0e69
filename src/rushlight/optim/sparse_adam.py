"""Adam on the rows that have a gradient."""

from typing import Any

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    columns,
    require,
    require_betas,
    zeros_of,
)
from rushlight.optim.optimizer import Params

kernels = torch.optimizer_kernels


def _rate(lr: float | torch.Tensor) -> Any:
    """A learning rate to compute with: that of a tensor rounds in the tensor's dtype."""
    return lr.detach().cpu().numpy()[()] if isinstance(lr, torch.Tensor) else lr


class SparseAdam(GroupOptimizer):
    """SparseAdam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False)

    Adam for sparse gradients (``nn.Embedding(sparse=True)``): only the rows that have a gradient
    move.

    >>> table = torch.nn.Embedding.from_pretrained(torch.ones(3, 2), freeze=False, sparse=True)
    >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.5)
    >>> table(torch.tensor([1])).sum().backward()
    >>> optimizer.step()
    >>> table.weight
    Parameter containing:
    tensor([[1.0000, 1.0000],
            [0.5000, 0.5000],
            [1.0000, 1.0000]], requires_grad=True)
    """

    _takes_products = False

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        require(lr > 0.0, f"Invalid learning rate: {lr}")
        require(eps > 0.0, f"Invalid epsilon value: {eps}")
        require_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        sparse = self._places(lambda p: p.is_sparse)
        require(
            not sparse,
            f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors",
        )
        odd = self._places(lambda p: p.is_complex())
        require(
            not odd,
            f"Complex params at indices {odd}: SparseAdam does not support complex parameters",
        )

    def _places(self, test: Any) -> list[list[int]]:
        return [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if test(p)
        ]

    def _refuse_sparse(self) -> None:
        """Sparse is what this one takes."""

    def _upgrade_state(self, group: dict[str, Any], state: dict[str, Any]) -> None:
        """The count of steps is a number here."""

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_of(p), "exp_avg_sq": zeros_of(p)}

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        if not all(grad.is_sparse for grad in grads):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        for state in states:
            state["step"] += 1
        grads = [grad.coalesce() for grad in grads]
        means, squares, steps = columns(states, "exp_avg", "exp_avg_sq", "step")
        kernels.sparse_adam_step(
            params,
            [grad.values() for grad in grads],
            means,
            squares,
            [grad.indices() for grad in grads],
            steps=steps,
            lr=_rate(group["lr"]),
            betas=group["betas"],
            eps=group["eps"],
            maximize=group.get("maximize", False),
        )
