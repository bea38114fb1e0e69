"""Optimizers whose step treats each parameter group alone: most of them."""

from collections.abc import Callable
from typing import Any, ClassVar

from rushlight import _api as torch
from rushlight.optim.optimizer import Optimizer

gradient_of = torch.optimizer_kernels.gradient_of

_FUSED_DEVICES = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]
_CAPTURABLE_DEVICES = ["cuda", "xpu", "hpu", "privateuseone"]


class GroupOptimizer(Optimizer):
    """An optimizer that is told apart by three things: the state of a new parameter, one step of a
    group, and the options that older state dicts do not have."""

    _added_options: ClassVar[dict[str, Any]] = {}  # option -> what a state dict without it meant
    # What a capturable step keeps on a device, and whether that may be XLA: one by one, or foreach.
    _capturable: ClassVar[str] = "params and state_steps"
    _xla: ClassVar[tuple[bool, bool]] = True, False
    _counts: ClassVar[tuple[str, ...]] = ("step",)  # and the entries of a state that these are

    # Does a step only hand gradients to an update, which may compute them as it goes?
    _takes_products = True

    # A fused step takes what a GradScaler says: divide by one, do nothing if the other is 1.
    _step_supports_amp_scaling = False
    grad_scale: torch.Tensor | None = None
    found_inf: torch.Tensor | None = None

    def _new_state(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _step_group(
        self,
        group: dict[str, Any],
        params: list[torch.Tensor],
        grads: list[torch.Tensor],
        states: list[dict[str, Any]],
    ) -> None:
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """step(closure=None)

        Update the parameters once. ``closure``, if given, computes the loss and its gradients; its
        result is returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params, grads, states = [], [], []
            whole = not self._takes_products or group.get("fused") or group.get("differentiable")
            for p in group["params"]:
                grad, product = (p.grad, False) if whole else gradient_of(p)
                if grad is None:
                    continue
                if not product and grad.is_sparse:
                    grad = self._take_sparse(grad, group)
                params.append(p)
                grads.append(grad)
                states.append(self._state_of(p, group))
            if params and self._unscale(group, grads):
                if group.get("capturable") and not group.get("fused"):
                    self._check_capturable(group, params, states)
                if group.get("differentiable"):
                    with torch.enable_grad():
                        self._step_group(group, params, grads, states)
                else:
                    self._step_group(group, params, grads, states)
        return loss

    def _unscale(self, group: dict[str, Any], grads: list[torch.Tensor]) -> bool:
        """Undo a GradScaler's scale; False if the step has to be left out."""
        if not group.get("fused"):
            return True
        if self.found_inf is not None and self.found_inf.item():
            return False
        if self.grad_scale is not None:
            for grad in grads:
                grad.div_(self.grad_scale)
        return True

    def _check_capturable(self, group: dict[str, Any], params: list, states: list) -> None:
        xla = self._xla[bool(group.get("foreach"))]
        devices = [*_CAPTURABLE_DEVICES, "xla"] if xla else _CAPTURABLE_DEVICES
        for p, state in zip(params, states, strict=True):
            kind = p.device.type
            counted = all(state[name].device.type == kind for name in self._counts)
            if kind not in devices or not counted:
                raise AssertionError(
                    f"If capturable=True, {self._capturable} must be on supported devices: "
                    f"{devices}."
                )

    def _state_of(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            check_fused(group, p)
            state.update(self._new_state(p, group))
        return state

    def _take_sparse(self, grad: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        """What to compute with in place of a sparse gradient."""
        self._refuse_sparse()
        return grad

    def _refuse_sparse(self) -> None:
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for option, value in self._added_options.items():
                group.setdefault(option, value)
            for p in group["params"]:
                self._upgrade_state(group, self.state.get(p, {}))

    def _upgrade_state(self, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Early state dicts held the count of steps as a number."""
        for name in ("step", "mu_product", "eta", "mu"):
            if name in state and not isinstance(state[name], torch.Tensor):
                state[name] = scalar(float(state[name]), group)


def number(x: Any) -> Any:
    """A hyperparameter as a Python number (it may be a one-element Tensor)."""
    if type(x) is float:  # isinstance costs 0.1 us
        return x
    return x.item() if isinstance(x, torch.Tensor) else x


def option(group: dict[str, Any], name: str) -> Any:
    """A hyperparameter to compute with: one that the step is differentiated by stays a tensor."""
    return group[name] if group["differentiable"] else number(group[name])


def rate(group: dict[str, Any], steps: list[torch.Tensor]) -> Any:
    """The learning rate to compute with: on a device with the counts of steps, it is not read on
    the host."""
    lr = group["lr"]
    there = isinstance(lr, torch.Tensor) and lr.is_cuda and steps[0].is_cuda
    return lr if there else option(group, "lr")


def stepper(step: Any, group: dict[str, Any]) -> Callable[..., None]:
    """A step of `torch.optimizer_kernels`, or the same recorded by autograd."""
    return step.__wrapped__ if group["differentiable"] else step


def scalar(value: float, group: dict[str, Any], p: torch.Tensor | None = None) -> torch.Tensor:
    """A 0-d tensor of the dtype that PyTorch counts steps in; beside ``p``, on its device, where
    a step that a CUDA graph may record counts there."""
    exact = group.get("fused") or torch.get_default_dtype() != torch.float64
    dtype = torch.float32 if exact else torch.float64
    there = p is not None and p.is_cuda and group.get("capturable")
    # else on the CPU, whatever the default device is
    return torch.tensor(value, dtype=dtype, device=p.device if p is not None and there else "cpu")


def zeros_of(p: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(p, memory_format=torch.preserve_format)


def columns(states: list[dict[str, Any]], *names: str) -> list[list[torch.Tensor]]:
    """The entries of all states, as one list per name."""
    return [[state[name] for state in states] for name in names]


# ---- what constructors check ---------------------------------------------------------------------


def require(condition: Any, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_lr(lr: float | torch.Tensor) -> None:
    if isinstance(lr, torch.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    require(lr >= 0.0, f"Invalid learning rate: {lr}")


def require_betas(betas: tuple) -> None:
    for i in range(2):
        require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")


def require_decay(weight_decay: float) -> None:
    require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")


def require_eps(eps: float) -> None:
    require(eps >= 0.0, f"Invalid epsilon value: {eps}")


def check_fusing(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """`fused` and `foreach` choose an implementation in PyTorch. Here there is one; what
    contradicts itself is refused.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_fused(group: dict[str, Any], p: torch.Tensor) -> None:
    if group.get("fused") and not p.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported "
            f"devices: {_FUSED_DEVICES} but {p.dtype} and {p.device.type}"
        )
