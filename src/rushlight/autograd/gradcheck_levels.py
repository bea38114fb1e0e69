"""What gradcheck asks of forward mode and of vmap."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._batching import rules
from rushlight._core.state import thread
from rushlight._core.vmap import vmap
from rushlight.autograd.dual import DualLevel, tangent_at
from rushlight.autograd.engine import grad
from rushlight.autograd.forward_ad import attach_tangent
from rushlight.autograd.gradcheck_error import GradcheckError

rules.load()


def outputs_of(value: Any) -> list:
    """The tensors among a function's results that have derivatives."""
    several = value if isinstance(value, (tuple, list)) else (value,)
    tensors = [o for o in several if isinstance(o, torch.Tensor)]
    return [o for o in tensors if o.is_floating_point() or o.is_complex()]


def pushed(func: Callable, inputs: tuple, target: Any, tangent: Any) -> list:
    """The outputs' tangents for one of the target's."""
    with DualLevel() as level:
        level.functional = any(x.functional for x in thread.levels[:-1])
        given = [
            attach_tangent(t.detach().requires_grad_(), tangent, level) if t is target else t
            for t in inputs
        ]
        found = outputs_of(func(*given))
        moved = [tangent_at(o, level) for o in found]
        zeros = [torch.zeros_like(o.detach()) for o in found]
    return [z if m is None else m.detach() for m, z in zip(moved, zeros, strict=True)]


def units(t: Any) -> list:
    """The directions of a tensor's elements; of a complex one, each in both."""
    made = []
    for i in range(t.numel()):
        for unit in (1, 1j) if t.is_complex() else (1,):
            flat = torch.zeros(t.numel(), dtype=t.dtype, device=t.device)
            flat[i] = unit
            made.append(flat.reshape(t.shape))
    return made


def check_forward(
    func: Callable,
    inputs: tuple,
    targets: list,
    eps: float,
    atol: float,
    rtol: float,
    numerical_jacobian: Callable,
) -> None:
    """The tangents of forward mode against differences, direction by direction."""
    for k, target in enumerate(targets):
        columns = [c for column in numerical_jacobian(func, inputs, target, eps) for c in column]
        for v, want in zip(units(target), columns, strict=True):
            step = 1j if target.is_complex() and bool((v.imag != 0).any()) else 1
            for i, (a, w) in enumerate(
                zip(pushed(func, inputs, target, v), outputs_of(want), strict=True)
            ):
                compare(a, w.to(a.dtype), i, k, atol, rtol, "forward mode", step)


def compare(
    a: Any, w: Any, i: int, k: int, atol: float, rtol: float, how: str, step: complex = 1
) -> None:
    """Refuse derivatives that differ."""
    if not torch.allclose(a, w, rtol, atol, equal_nan=True):
        raise GradcheckError(
            f"Jacobian computed with {how} mismatch for output {i} with respect to input {k},\n"
            f"numerical:{w}\nanalytical:{a}\n(direction {step})"
        )


def directions(t: Any) -> Any:
    """Two random directions of a tensor, one row for each."""
    rows = [torch.randn(t.shape, dtype=t.dtype, device="cpu") for _ in range(2)]
    return torch.stack(rows).to(t.device)


def check_batched(func: Callable, inputs: tuple, targets: list, atol: float, rtol: float) -> None:
    """Gradients under vmap against gradients one by one."""
    for i, o in enumerate([o for o in outputs_of(func(*inputs)) if o.requires_grad]):
        rows = directions(o)
        several = grad(
            o, targets, rows, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        for j in range(2):
            alone = grad(o, targets, rows[j], retain_graph=True, allow_unused=True)
            for k, (a, w) in enumerate(zip(several, alone, strict=True)):
                if a is not None:
                    compare(a[j], w, i, k, atol, rtol, "vmap")


def check_batched_forward(
    func: Callable, inputs: tuple, targets: list, atol: float, rtol: float
) -> None:
    """Tangents under vmap against tangents one by one."""
    for k, target in enumerate(targets):
        rows = directions(target)

        def moved(v: Any, target: Any = target) -> tuple:
            return tuple(pushed(func, inputs, target, v))

        several = vmap(moved)(rows)
        for j in range(2):
            for i, (a, w) in enumerate(zip(several, moved(rows[j]), strict=True)):
                compare(a[j], w, i, k, atol, rtol, "vmap over forward mode")


__all__ = ["check_batched", "check_batched_forward", "check_forward"]
