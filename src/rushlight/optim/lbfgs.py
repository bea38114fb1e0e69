"""L-BFGS, with or without a line search."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.optim._group import require_lr
from rushlight.optim._line_search import strong_wolfe
from rushlight.optim.optimizer import Optimizer, Params


def _value(loss: Any) -> float:
    """The number a closure returned, be it a tensor or a number."""
    return loss.item() if isinstance(loss, torch.Tensor) else float(loss)


class LBFGS(Optimizer):
    """LBFGS(params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
        history_size=100, line_search_fn=None)

    Quasi-Newton steps from the last ``history_size`` changes of the gradient. For small, smooth,
    whole-batch problems.

    One call of :meth:`step` makes up to ``max_iter`` iterations and needs a closure that computes
    the loss anew. ``line_search_fn="strong_wolfe"`` finds the length of each; otherwise it is
    ``lr``. One parameter group only.

    >>> p = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> optimizer = torch.optim.LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((p - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(13., grad_fn=<SumBackward0>)
    >>> torch.allclose(p, torch.ones(2))
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float | torch.Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        require_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # ---- parameters as one vector ----

    def _flat_grad(self) -> torch.Tensor:
        pieces = []
        for p in self._params:
            grad = torch.zeros_like(p) if p.grad is None else p.grad
            pieces.append(_as_real(grad.to_dense() if grad.is_sparse else grad).reshape(-1))
        return torch.cat(pieces)

    def _move(self, length: float | torch.Tensor, direction: torch.Tensor) -> None:
        start = 0
        for p in self._params:
            target = _as_real(p)
            piece = direction[start : start + target.numel()]
            target.add_(piece.view_as(target), alpha=length)
            start += target.numel()

    def _value_at(
        self, closure: Callable, origin: list, length: float, direction: torch.Tensor
    ) -> tuple[float, torch.Tensor]:
        """Loss and gradient some way along `direction`; the parameters return to `origin`."""
        self._move(length, direction)
        loss = _value(closure())
        grad = self._flat_grad()
        for p, x in zip(self._params, origin, strict=True):
            p.copy_(x)
        return loss, grad

    # ---- the step ----

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """step(closure)

        Up to ``max_iter`` iterations. ``closure`` clears the gradients, computes the loss and its
        gradients, and returns the loss; the first one is returned.

        >>> w = torch.nn.Parameter(torch.tensor([3.0]))
        >>> optimizer = torch.optim.LBFGS([w])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w * w).sum()
        ...     loss.backward()
        ...     return loss
        >>> first = optimizer.step(closure)
        >>> first.item(), abs(w.item()) < 1e-3
        (9.0, True)
        """
        if len(self.param_groups) != 1:
            raise AssertionError(
                f"Expected exactly one param_group, but got {len(self.param_groups)}"
            )
        closure = torch.enable_grad()(closure)
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, grad, evaluations = _value(first), self._flat_grad(), 1
        state["func_evals"] += 1
        if grad.abs().max() <= group["tolerance_grad"]:
            return first
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = _direction(state, grad, group["history_size"])
            length = _first_length(state, grad, group["lr"])
            before = state["prev_loss"] = loss
            state["d"], state["t"] = direction, length
            slope = grad.dot(direction)
            if slope > -group["tolerance_change"]:
                break
            last = i == group["max_iter"]
            loss, grad, length, more = self._go(
                closure, group, loss, grad, slope, state, evaluations, last
            )
            state["t"] = length
            evaluations += more
            state["func_evals"] += more
            if (
                last
                or evaluations >= group["max_eval"]
                or grad.abs().max() <= group["tolerance_grad"]
            ):
                break
            if _still(direction * length, loss - before, group["tolerance_change"]):
                break
        return first

    def _go(
        self,
        closure: Callable,
        group: dict,
        loss: Any,
        grad: Any,
        slope: Any,
        state: dict,
        evaluations: int,
        last: bool,
    ) -> tuple:
        """Move along the direction; loss and gradient there, the length gone, and the evaluations
        it took.
        """
        direction, length = state["d"], state["t"]
        if group["line_search_fn"] is None:
            self._move(length, direction)
            if last:  # nobody will look at the gradient
                return loss, grad, length, 0
            return _value(closure()), self._flat_grad(), length, 1
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        origin = [p.clone(memory_format=torch.contiguous_format) for p in self._params]

        def value_at(t: Any) -> Any:
            return self._value_at(closure, origin, t, direction)

        loss, grad, length, more = strong_wolfe(
            value_at, length, direction, loss, grad, slope, group["max_eval"] - evaluations
        )
        self._move(length, direction)
        return loss, grad, length, more


def _as_real(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def _still(step: torch.Tensor, change: float, tolerance: float) -> bool:
    return bool(step.abs().max() <= tolerance) or abs(change) < tolerance


def _first_length(state: dict[str, Any], grad: torch.Tensor, lr: Any) -> Any:
    lr = lr.squeeze() if isinstance(lr, torch.Tensor) else lr
    return min(1.0, 1.0 / grad.abs().sum()) * lr if state["n_iter"] == 1 else lr


def _direction(state: dict[str, Any], grad: torch.Tensor, history_size: int) -> torch.Tensor:
    """The quasi-Newton direction: the gradient through the two-loop recursion over the remembered
    changes.
    """
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        state["prev_flat_grad"] = grad.clone(memory_format=torch.contiguous_format)
        return grad.neg()
    _remember(state, grad, history_size)
    state["prev_flat_grad"] = grad.clone(memory_format=torch.contiguous_format)
    changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
    al = state.setdefault("al", [None] * history_size)
    q = grad.neg()
    for i in range(len(changes) - 1, -1, -1):
        al[i] = steps[i].dot(q) * ro[i]
        q.add_(changes[i], alpha=-al[i])
    r = q * state["H_diag"]
    for i in range(len(changes)):
        be = changes[i].dot(r) * ro[i]
        r.add_(steps[i], alpha=al[i] - be)
    return r


def _remember(state: dict[str, Any], grad: torch.Tensor, history_size: int) -> None:
    """Add the last step and the change of the gradient over it, if the curvature along it is
    positive.
    """
    y = grad.sub(state["prev_flat_grad"])
    s = state["d"].mul(state["t"])
    ys = y.dot(s)
    if ys <= 1e-10:
        return
    for memory, new in ((state["old_dirs"], y), (state["old_stps"], s), (state["ro"], 1.0 / ys)):
        if len(memory) == history_size:
            memory.pop(0)
        memory.append(new)
    state["H_diag"] = ys / y.dot(y)
