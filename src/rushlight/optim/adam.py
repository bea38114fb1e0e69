"""Adam and AdamW."""

from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim._group import (
    GroupOptimizer,
    check_fusing,
    columns,
    number,
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


class Adam(GroupOptimizer):
    """Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *,
        foreach=None, maximize=False, capturable=False, differentiable=False, fused=None,
        decoupled_weight_decay=False)

    Adaptive moments: ``p -= lr * m / (sqrt(v) + eps)``, with ``m`` and ``v`` the bias-corrected
    running means of the gradient and of its square.

    ``amsgrad`` uses the largest ``v`` so far. ``weight_decay`` is added to the gradient, or, with
    ``decoupled_weight_decay``, shrinks the parameters by itself (AdamW). ``foreach`` and ``fused``
    choose between implementations in PyTorch; here there is one, and they change nothing but the
    dtype of ``step`` (``fused``).

    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.Adam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Parameter containing:
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options: ClassVar[dict[str, Any]] = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1e-3,
        betas: tuple[float | torch.Tensor, float | torch.Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, torch.Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        require_lr(lr)
        require_eps(eps)
        require_betas(betas)
        require_decay(weight_decay)
        _require_alike(betas, foreach, capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(b.squeeze() if isinstance(b, torch.Tensor) else b for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fusing(fused, foreach, differentiable)
        self._step_supports_amp_scaling = bool(fused)

    def _refuse_sparse(self) -> None:
        raise RuntimeError(
            "Adam does not support sparse gradients, please consider SparseAdam instead"
        )

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": scalar(0.0, group, p), "exp_avg": zeros_of(p), "exp_avg_sq": zeros_of(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_of(p)
        return state

    def _step_group(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        if group["foreach"] and isinstance(group["lr"], torch.Tensor) and not group["capturable"]:
            raise RuntimeError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        means, squares, steps = columns(states, "exp_avg", "exp_avg_sq", "step")
        beta1, beta2 = group["betas"]
        stepper(kernels.adam_step, group)(
            params,
            grads,
            means,
            squares,
            columns(states, "max_exp_avg_sq")[0] if group["amsgrad"] else None,
            steps,
            lr=rate(group, steps),
            betas=group["betas"] if group["differentiable"] else (number(beta1), number(beta2)),
            eps=group["eps"],
            weight_decay=option(group, "weight_decay"),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )


def _require_alike(betas: tuple, foreach: bool | None, capturable: bool) -> None:
    tensors = [isinstance(b, torch.Tensor) for b in betas[:2]]
    floats = [isinstance(b, float) for b in betas[:2]]
    require(all(tensors) or all(floats), "betas must be either both floats or both Tensors")
    for i in range(2):
        if tensors[i] and foreach and not capturable:
            raise ValueError(
                f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        require(not tensors[i] or betas[i].numel() == 1, f"Tensor betas[{i}] must be 1-element")
