"""What autocast does to the inputs of an operator: the policies, and the cache of cast weights."""

import weakref
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._core.state import S, thread

# PyTorch's kinds of devices that have autocast: the dtype each starts with.
DTYPES = {
    "cpu": torch.bfloat16,
    "cuda": torch.float16,
    "ipu": torch.float16,
    "xpu": torch.float16,
    "maia": torch.bfloat16,
    "xla": torch.bfloat16,
    "mps": torch.float16,
    "hpu": torch.bfloat16,
    "mtia": torch.float16,
}
LOW = (torch.bfloat16, torch.float16)
# The dtypes that are cast; float64 is not.
CAST = frozenset(
    {
        torch.float32,
        *LOW,
        torch.float8_e4m3fn,
        torch.float8_e5m2,
        torch.float8_e4m3fnuz,
        torch.float8_e5m2fnuz,
    }
)

BANNED = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional."
    "binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


class Caster:
    """A thread's autocast: which kinds of devices it is on for, their dtypes, the cast weights.

    It stands in ``thread.autocast``, where the general path finds it, while it is on for one kind
    at least.
    """

    def __init__(self) -> None:
        self.enabled: dict[str, bool] = {}
        self.dtypes: dict[str, torch.dtype] = dict(DTYPES)
        self.cache_enabled = True
        self.nesting = 0
        self.cache: dict[tuple[int, torch.dtype], tuple[weakref.ref, torch.Tensor]] = {}

    def enable(self, device: str, on: bool) -> None:
        """Turn it on or off for a kind of device."""
        self.enabled[device] = on
        if not any(self.enabled.values()):
            stand(None)
        elif thread.autocast is None:
            stand(self)

    def cast(self, policies: dict[str, Any], tensors: tuple, params: tuple) -> tuple:
        """The inputs of a listed operator in the dtypes of its policy."""
        for device, on in self.enabled.items():
            policy = policies.get(device) if on else None
            if callable(policy):
                policy = policy(tensors, params)
            if policy is not None and policy != "off":
                tensors = self.by(policy, device, tensors)
        return tensors

    def by(self, policy: str, device: str, value: Any) -> Any:
        """Arguments cast as a policy says; what is no tensor of that device stays as it is."""
        if policy == "banned":
            if any(eligible(t, device) for t in value):
                raise RuntimeError(BANNED)
            return value
        low = self.dtypes[device]
        if policy == "widest":
            return self.each(value, device, widest(value, device, low))
        return self.each(value, device, low if policy == "lower" else torch.float32)

    def each(self, value: Any, device: str, dtype: torch.dtype) -> Any:
        """Tensors, and those in lists and tuples, in a dtype."""
        if isinstance(value, torch.Tensor):
            if value.dtype is dtype or not eligible(value, device):
                return value
            return self.one(value, device, dtype)
        if type(value) in (list, tuple):
            return type(value)([self.each(v, device, dtype) for v in value])
        return value

    def one(self, t: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
        """A tensor in a dtype; float32 weights are cast once, until autocast is left."""
        found = self.cache.get((id(t), dtype)) if self.cache_enabled else None
        if found is not None and found[0]() is t:
            return found[1]
        weight = t.dtype == torch.float32 and dtype == self.dtypes[device]
        if not (weight and self.cache_enabled and t.requires_grad and t.is_leaf):
            return t.to(dtype)
        if t._base is not None:
            return t.to(dtype)
        with torch.enable_grad():  # what no_grad makes here, a call outside it may find
            self.cache[id(t), dtype] = weakref.ref(t), t.to(dtype)
        return self.cache[id(t), dtype][1]

    def run(self, function: Callable, policies: dict[str, Any], args: tuple, kw: dict) -> Any:
        """A listed function: its arguments cast, autocast off inside it."""
        args = self.cast(policies, args, ())
        kw = dict(zip(kw, self.cast(policies, tuple(kw.values()), ()), strict=True))
        stand(None)
        try:
            return function(*args, **kw)
        finally:
            stand(self)


def stand(caster: Caster | None) -> None:
    """Make a caster this thread's, or none; while there is one, calls take the general path."""
    if (thread.autocast is None) != (caster is None):
        S.special += -1 if caster is None else 1
    thread.autocast = caster


def eligible(t: object, device: str) -> bool:
    """Does autocast for a kind of device cast this: a floating tensor there, but no float64?"""
    return isinstance(t, torch.Tensor) and t.dtype in CAST and t.device.type == device


def widest(value: Any, device: str, low: torch.dtype) -> torch.dtype:
    """float32 if one of the tensors that autocast casts has it, else the lower dtype."""
    found = low
    for t in flat(value):
        if not eligible(t, device) or t.dtype == low:
            continue
        if t.dtype == torch.float32:
            found = torch.float32
        elif found == low:
            raise RuntimeError("Unexpected floating ScalarType in at::autocast::prioritize")
    return found


def flat(value: Any) -> list:
    """The items of nested lists and tuples."""
    if type(value) in (list, tuple):
        return [t for v in value for t in flat(v)]
    return [value]
