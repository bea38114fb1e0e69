"""GradScaler: a scaled loss, so that small gradients survive half precision."""

import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

from rushlight import _api as torch
from rushlight._core import gpu

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """How far an optimizer is in this iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """GradScaler(device='cuda', init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5,
    growth_interval=2000, enabled=True)

    Multiplies the loss by a scale that adapts itself: gradients that are infinite or NaN make it
    smaller by ``backoff_factor`` and skip the step; ``growth_interval`` good steps in a row make
    it larger by ``growth_factor``. With ``enabled=False`` everything passes through unchanged.

    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale((w * 2).sum()).backward()
    >>> w.grad
    tensor([2048.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and not gpu.is_available():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: torch.Tensor | None = None  # made when something is scaled first
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._growth_tracker: torch.Tensor | None = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh)

    # ---- the scale ----

    def _begun(self, doing: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The scale and the count of good steps, both made by the first ``scale``."""
        fix = (
            "This may indicate your script did not use scaler.scale(loss or outputs) earlier in "
            "the iteration."
        )
        if self._scale is None:
            raise AssertionError(f"Attempted {doing} but _scale is None.  {fix}")
        if self._growth_tracker is None:
            raise AssertionError(f"Attempted {doing} but _growth_tracker is None.  {fix}")
        return self._scale, self._growth_tracker

    def _begin(self, device: Any) -> torch.Tensor:
        if self._scale is None:
            self._scale = torch.full((), self._init_scale, dtype=torch.float32, device=device)
            self._growth_tracker = torch.full(
                (), self._init_growth_tracker, dtype=torch.int32, device=device
            )
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """scale(outputs) -> Tensor or iterable

        The outputs times the scale: a tensor, or an iterable of them.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, torch.Tensor):
            return outputs * self._begin(outputs.device)
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled

    # ---- gradients ----

    def _unscale_grads_(
        self, optimizer: Any, inv_scale: torch.Tensor, found_inf: torch.Tensor, allow_fp16: bool
    ) -> dict[Any, torch.Tensor]:
        """Multiply every gradient by ``inv_scale``; per device, 1.0 if one is not finite."""
        found: dict[Any, torch.Tensor] = {}
        there: dict[Any, list] = {}
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if not allow_fp16 and p.grad.dtype == torch.float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    if p.grad.is_cuda and not p.grad.is_sparse:
                        there.setdefault((p.grad.device, p.grad.dtype), []).append(p)
                        continue
                    bad = found.setdefault(p.grad.device, found_inf.clone())
                    if not _unscale(p, inv_scale):
                        bad.fill_(1.0)
            for (device, _), params in there.items():
                bad = found.setdefault(device, found_inf.to(device, copy=True))
                _unscale_there(params, inv_scale.to(device), bad)
        return found

    def unscale_(self, optimizer: Any) -> None:
        """unscale_(optimizer) -> None

        Divide the gradients of its parameters by the scale now, for instance to clip them;
        otherwise :meth:`step` does it.
        """
        if not self._enabled:
            return
        scale, _ = self._begun("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inverse = scale.double().reciprocal().float()
        state["found_inf_per_device"] = self._unscale_grads_(
            optimizer, inverse, torch.zeros(()), False
        )
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """step(optimizer, *args, **kwargs)

        ``optimizer.step(*args, **kwargs)``, and what it returns, if every gradient is finite; else
        None.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._begun("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            return self._step_that_scales(optimizer, state, args, kwargs)
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not state["found_inf_per_device"]:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        finite = not sum(v.item() for v in state["found_inf_per_device"].values())
        result = optimizer.step(*args, **kwargs) if finite else None
        state["stage"] = OptState.STEPPED
        return result

    def _step_that_scales(self, optimizer: Any, state: dict, args: tuple, kwargs: dict) -> Any:
        """The step of an optimizer that unscales and skips by itself."""
        scaler = self._begun("step")[0]
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(
                "GradScaler is going to stop passing itself as a keyword argument to the passed "
                "optimizer. In the near future GradScaler registers `grad_scale: Tensor` and "
                "`found_inf: Tensor` to the passed optimizer and let the optimizer use them "
                "directly.",
                FutureWarning,
                stacklevel=3,
            )
            result = optimizer.step(*args, **kwargs, grad_scaler=self)
            state["stage"] = OptState.STEPPED
            return result
        if state["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
        found = torch.zeros(()) + sum(state["found_inf_per_device"].values())
        optimizer.grad_scale = None if state["stage"] is OptState.UNSCALED else scaler
        optimizer.found_inf = found
        result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        del optimizer.grad_scale, optimizer.found_inf
        return result

    def update(self, new_scale: float | torch.Tensor | None = None) -> None:
        """update(new_scale=None) -> None

        The end of an iteration: adapt the scale to whether gradients were finite, or set it.
        """
        if not self._enabled:
            return
        scale, tracker = self._begun("update")
        if new_scale is not None:
            if isinstance(new_scale, float):
                scale.fill_(new_scale)
            else:
                scale.copy_(_checked(new_scale))
        else:
            found = [
                v
                for state in self._per_optimizer_states.values()
                for v in state["found_inf_per_device"].values()
            ]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(scale, tracker, any(v.item() for v in found))
        self._per_optimizer_states = defaultdict(_fresh)

    def _adapt(self, scale: torch.Tensor, tracker: torch.Tensor, found_inf: bool) -> None:
        """Shrink after a bad step; grow after enough good ones, unless that overflows."""
        if found_inf:
            scale.mul_(self._backoff_factor)
            tracker.zero_()
        elif tracker.item() + 1 == self._growth_interval:
            grown = scale * self._growth_factor
            if grown.isfinite():
                scale.copy_(grown)
            tracker.zero_()
        else:
            tracker.add_(1)

    # ---- looking in ----

    def get_scale(self) -> float:
        """get_scale() -> float: the scale, 1.0 if disabled."""
        if not self._enabled:
            return 1.0
        return float(self._init_scale if self._scale is None else self._scale.item())

    def get_growth_factor(self) -> float:
        """get_growth_factor() -> float"""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """set_growth_factor(new_factor) -> None"""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """get_backoff_factor() -> float"""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """set_backoff_factor(new_factor) -> None"""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """get_growth_interval() -> int"""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """set_growth_interval(new_interval) -> None"""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker.item())

    def is_enabled(self) -> bool:
        """is_enabled() -> bool"""
        return self._enabled

    # ---- state ----

    def state_dict(self) -> dict[str, Any]:
        """state_dict() -> dict: the scale and how it adapts; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """load_state_dict(state_dict) -> None: what :meth:`state_dict` of one returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, "
                    "or at the end after scaler.update()."
                )
            # The scale travels as a number, so that it can begin anew on any device.
            state.update(_init_scale=self.get_scale(), _scale=None, _growth_tracker=None)
            state["_init_growth_tracker"] = self._get_growth_tracker()
        return state

    def _check_inf_per_device(self, optimizer: Any) -> dict[Any, torch.Tensor]:
        self._begun("_check_inf_per_device")
        state = self._per_optimizer_states[id(optimizer)]
        state["found_inf_per_device"] = self._unscale_grads_(
            optimizer, torch.ones(()), torch.zeros(()), True
        )
        return state["found_inf_per_device"]

    def _found_inf_per_device(self, optimizer: Any) -> Any:
        return self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]


def _unscale(p: Any, inverse: torch.Tensor) -> bool:
    """Multiply a parameter's gradient by ``inverse``; was every element of it finite?"""
    g = p.grad
    if g.is_sparse:
        if g.dtype == torch.float16:  # sums of what stands twice may overflow
            p.grad = g = g.coalesce()
        values = g._values()
    else:
        values = g
    finite = bool(values.isfinite().all())
    if inverse.item() != 1.0:
        values.mul_(inverse)
    return finite


def _unscale_there(params: list, inverse: torch.Tensor, bad: torch.Tensor) -> None:
    """The gradients of one device and dtype, in a launch or two; nothing is read on the host."""
    if torch.optimizer_kernels.unscale_all([p.grad for p in params], inverse, bad):
        return
    for p in params:
        if not _unscale(p, inverse):
            bad.fill_(1.0)


def _checked(new_scale: Any) -> torch.Tensor:
    """A scale given as a tensor: one element of the right kind."""
    one = new_scale.device.type == "cpu" and new_scale.numel() == 1
    if not one or new_scale.requires_grad:
        raise AssertionError(
            "new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
            "torch.FloatTensor with requires_grad=False."
        )
    return new_scale
