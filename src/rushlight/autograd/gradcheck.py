"""gradcheck and gradgradcheck: formulas against central differences."""

import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.autograd import gradcheck_error as errors
from rushlight.autograd.engine import grad as autograd_grad

GradcheckError = errors.GradcheckError

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


def as_tuple(value: object) -> tuple:
    """A value or a sequence as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def differentiable(values: object) -> list:
    """The tensors among the values that require grad."""
    return [v for v in as_tuple(values) if isinstance(v, torch.Tensor) and v.requires_grad]


def numerical_jacobian(f: Callable, inputs: tuple, target: torch.Tensor, eps: float) -> list:
    """d f / d target by central differences: one list of columns per output; for complex, both
    directions.
    """
    flat = target.data.reshape(-1) if target.is_contiguous() else None
    columns = []
    for i in range(target.numel()):
        steps = (eps, eps * 1j) if target.is_complex() else (eps,)
        columns.append([difference(f, inputs, target, flat, i, s) for s in steps])
    return columns


def difference(
    f: Callable, inputs: tuple, target: torch.Tensor, flat: Any, i: int, step: complex
) -> list:
    """(f(x + step) - f(x - step)) / (2 |step|) at one element, per output."""
    with torch.no_grad():
        place = target.data
        view: Any
        at: Any
        if flat is not None:
            view, at = flat, i
        else:
            view, at = place, tuple(int(k) for k in unravel(i, place.shape))
        old = view[at].clone()
        view[at] = old + step
        high = [o.detach().clone() for o in as_tuple(f(*inputs)) if isinstance(o, torch.Tensor)]
        view[at] = old - step
        low = [o.detach().clone() for o in as_tuple(f(*inputs)) if isinstance(o, torch.Tensor)]
        view[at] = old
        return [(h - low_) / (2 * abs(step)) for h, low_ in zip(high, low, strict=True)]


def warn_of_precision(inputs: Sequence) -> None:
    """Central differences need double precision."""
    for i, t in enumerate(inputs):
        double = not isinstance(t, torch.Tensor) or t.dtype in (torch.float64, torch.complex128)
        if not double and t.requires_grad:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=3,
            )


def unravel(i: int, shape: Sequence[int]) -> list[int]:
    """The index of the i-th element in row-major order."""
    at = []
    for s in reversed(shape):
        at.append(i % s)
        i //= s
    return list(reversed(at))


def gradcheck(
    func: Callable,
    inputs: object,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, ...) -> bool

    Compare the gradients of ``func`` with central differences, for every input that requires grad
    (use float64).
    Raises GradcheckError (or returns False with ``raise_exception=False``) where they disagree.

    >>> x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    """
    refuse(bool(masked), "masked=True needs sparse gradients")
    inputs = as_tuple(inputs)
    targets = differentiable(inputs)
    warn_of_precision(inputs)
    if not targets:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have "
            "requires_grad=True."
        )
    try:
        if check_backward_ad:
            check_all(func, inputs, targets, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if check_forward_ad or check_batched_grad or check_batched_forward_grad:
            more = importlib.import_module("rushlight.autograd.gradcheck_levels")  # vmap and jvp
            if check_forward_ad:
                more.check_forward(func, inputs, targets, eps, atol, rtol, numerical_jacobian)
            if check_batched_grad:
                more.check_batched(func, inputs, targets, atol, rtol)
            if check_batched_forward_grad:
                more.check_batched_forward(func, inputs, targets, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def refuse(asked: bool, why: str) -> None:
    """An option that is not there yet."""
    if asked:
        raise NotImplementedError(f"{why}, which rushlight does not have yet; leave the option out")


def check_all(
    func: Callable,
    inputs: tuple,
    targets: list,
    eps: float,
    atol: float,
    rtol: float,
    nondet: float,
    dtypes: bool,
) -> None:
    """Every output against every input."""
    outputs = as_tuple(func(*inputs))
    numeric = [numerical_jacobian(func, inputs, t, eps) for t in targets]
    place = -1
    for o in outputs:
        if not isinstance(o, torch.Tensor):
            continue
        place += 1
        if not o.requires_grad:
            continue
        found, again = analytical(o, targets), analytical(o, targets)
        for k, t in enumerate(targets):
            if not (o.numel() and t.numel()):
                continue
            if dtypes and found[k][0].dtype is not t.dtype:
                raise GradcheckError(
                    "Backward is not consistent: a gradient has another dtype than its input"
                )
            rows = torch.stack(found[k])
            check_reentrant(rows, torch.stack(again[k]), nondet)
            check_rows(rows, expected_rows(o, place, t, numeric[k]), place, k, atol, rtol)


def check_reentrant(rows: torch.Tensor, again: torch.Tensor, nondet: float) -> None:
    """Two walks of the same history give the same."""
    if bool(((rows - again).abs() > nondet).any()):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and "
            "grad_output multiple times "
            "gives different values, although analytical gradient matches numerical "
            "gradient. The tolerance "
            f"for nondeterminism was {nondet}."
        )


def check_rows(
    rows: torch.Tensor, want: torch.Tensor, place: int, k: int, atol: float, rtol: float
) -> None:
    """One output against one input: rows of the Jacobian by backward, and from the differences."""
    want = want.to(rows.dtype)
    if torch.allclose(rows, want, rtol, atol, equal_nan=True):
        return
    for i, (a, w) in enumerate(zip(rows, want, strict=True)):
        if not torch.allclose(a, w, rtol, atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch for output {place} with respect to input {k}, row {i},\n"
                f"numerical:{w}\nanalytical:{a}\n"
            )


def analytical(o: torch.Tensor, targets: list) -> list:
    """For each input a list: its gradient for each real direction of the output."""
    found: list[list] = [[] for _ in targets]
    for i in range(o.numel()):
        for unit in (1, 1j) if o.is_complex() else (1,):
            g = torch.zeros(o.shape, dtype=o.dtype, device=o.device)
            g[tuple(unravel(i, o.shape))] = unit
            grads = autograd_grad(o, targets, g, retain_graph=True, allow_unused=True)
            for rows, t, r in zip(found, targets, grads, strict=True):
                rows.append(torch.zeros_like(t).detach() if r is None else r.detach())
    return found


def expected_rows(o: torch.Tensor, place: int, t: torch.Tensor, numeric: list) -> torch.Tensor:
    """The same rows from the differences: grad = sum of Re(conj(g) df/dx) + i Re(conj(g) df/dy)."""
    parts = []
    for direction in range(2 if t.is_complex() else 1):
        moved = torch.stack([column[direction][place].reshape(-1) for column in numeric])
        if o.is_complex():  # g is 1, then i, for each element
            moved = torch.view_as_real(moved.resolve_conj()).reshape(len(numeric), -1)
        parts.append(moved.t())
    rows = torch.complex(*parts) if t.is_complex() else parts[0]
    return rows.to(t.dtype).reshape(-1, *t.shape)


def gradgradcheck(
    func: Callable,
    inputs: object,
    grad_outputs: object = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, ...) ->
    bool

    Check gradients of gradients: gradcheck of the gradient of ``func``, also with respect to
    ``grad_outputs``.

    >>> x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.sin, (x,))
    True
    """
    inputs = as_tuple(inputs)
    count = len(inputs)
    if grad_outputs is None:
        outputs = differentiable(func(*inputs))
        generator = torch.Generator("cpu").manual_seed(0)
        cotangents = tuple(
            torch.randn(o.shape, dtype=o.dtype, generator=generator, device="cpu")
            .to(o.device)
            .requires_grad_()
            for o in outputs
        )
    else:
        cotangents = as_tuple(grad_outputs)

    def gradient(*args: Any) -> tuple:
        ins, gs = args[:count], args[count:]
        with torch.enable_grad():
            live = [
                a.detach().requires_grad_() if needs(a) and not a.requires_grad else a for a in ins
            ]
            outs = differentiable(func(*live))
            targets = differentiable(live)
            return tuple(
                g
                for g in autograd_grad(outs, targets, gs, create_graph=True, allow_unused=True)
                if g is not None
            )

    return gradcheck(
        gradient,
        (*inputs, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
    )


def needs(a: object) -> bool:
    """A tensor that could require grad."""
    return isinstance(a, torch.Tensor) and (a.is_floating_point() or a.is_complex())
