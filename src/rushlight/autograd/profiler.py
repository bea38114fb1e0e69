"""torch.autograd.profiler: the older names of torch.profiler."""

from typing import Any

from rushlight.profiler import ProfilerActivity as ProfilerActivity
from rushlight.profiler import record_function as record_function
from rushlight.profiler.events import Event as FunctionEvent
from rushlight.profiler.events import EventList as EventList
from rushlight.profiler.profiler import profile as _profile

__all__ = [
    "EventList",
    "FunctionEvent",
    "ProfilerActivity",
    "emit_nvtx",
    "profile",
    "record_function",
]


class profile(_profile):
    """profile(enabled=True, *, record_shapes=False, use_cpu=True, ...)

    :class:`torch.profiler.profile` under its older name; its events are attributes of its own.

    >>> with torch.autograd.profiler.profile() as prof:
    ...     _ = torch.ones(2) * 2
    >>> prof.function_events[0].name
    'aten::mul'
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        acc_events: bool = False,
        **others: Any,
    ) -> None:
        if use_device not in (None, "cpu", "cuda"):
            raise NotImplementedError(f"use_device='{use_device}': 'cuda', or leave it out")
        if not use_cpu:
            raise NotImplementedError("use_cpu=False: leave it out, both times are recorded")
        on_device = [ProfilerActivity.CUDA] * (use_cuda or use_device == "cuda")
        if use_kineto or others:
            given = ", ".join(["use_kineto"] * use_kineto + list(others))
            raise NotImplementedError(f"{given}: leave it out")
        self.enabled = enabled
        super().__init__(
            activities=[ProfilerActivity.CPU, *on_device],
            record_shapes=record_shapes,
            with_flops=with_flops,
            profile_memory=profile_memory,
            with_stack=with_stack,
            with_modules=with_modules,
            acc_events=acc_events,
        )

    def __enter__(self) -> "profile":
        if self.enabled:
            self.start()
        return self

    @property
    def function_events(self) -> EventList:
        """The events, in the order in which they began."""
        return self.events()

    def table(self, *args: Any, **kw: Any) -> str:
        """table(...) -> str: a table of all events."""
        return self.events().table(*args, **kw)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in the operators themselves."""
        return float(self.events().self_cpu_time_total)


class emit_nvtx:
    """emit_nvtx(enabled=True, record_shapes=False): marks for NVIDIA's profiler, which needs CUDA.

    >>> with torch.autograd.profiler.emit_nvtx(enabled=False):
    ...     pass
    """

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes

    def __enter__(self) -> "emit_nvtx":
        if self.enabled:
            raise AssertionError("Torch not compiled with CUDA enabled")
        return self

    def __exit__(self, *exc: object) -> None:
        return
