"""What torch.compile means here, where nothing is compiled: run eagerly, if the program says so."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

Backend = str | Callable[..., Any]

# The names that PyTorch knows; of these, "eager" calls the function as it stands.
BACKENDS = frozenset(
    """
    aot_eager aot_eager_decomp_partition aot_eager_decomp_partition_crossref
    aot_eager_decomp_partition_with_mode aot_eager_default_partitioner aot_ts cudagraphs eager
    eager_debug eager_noexcept inductor invoke_subgraph openxla openxla_eval pre_dispatch_eager
    tensorrt ts tvm
    """.split()  # noqa: SIM905 # a page of words
)
# With nothing compiled there is nothing to compile again: these call the function as it stands.
EAGER_STANCES = frozenset({"force_eager", "eager_on_recompile"})


class Stance(NamedTuple):
    """What ``torch.compiler.set_stance`` sets."""

    stance: str = "default"
    backend: Backend | None = None


class _Settings:
    """What the process has set about compilation."""

    def __init__(self) -> None:
        self.stance = Stance()
        self.default_backend: Backend = "inductor"
        self.disable = os.environ.get("TORCH_COMPILE_DISABLE", "0") == "1"


settings = _Settings()


class TorchDynamoError(RuntimeError):
    """The base of the errors of torch._dynamo."""


class InvalidBackend(TorchDynamoError):  # noqa: N818 # PyTorch's name
    """There is no backend with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Invalid backend: {name!r}, see `torch._dynamo.list_backends()` for available "
            "backends."
        )


def known(backend: Backend) -> Backend:
    """``backend``, or InvalidBackend if it is a name that PyTorch does not know."""
    if isinstance(backend, str) and backend not in BACKENDS:
        raise InvalidBackend(backend)
    return backend


def require_eager(backend: Backend) -> None:
    """Refuse a call that was to be compiled, unless the program says that it may run eagerly."""
    now = settings.stance
    if now.backend is not None:
        backend = now.backend
    if backend == "eager" or settings.disable or now.stance in EAGER_STANCES:
        return
    raise NotImplementedError(
        f"torch.compile with backend {backend!r} is not available: rushlight has no compiler. The "
        'model computes the same eagerly: leave torch.compile out, write backend="eager", set '
        "TORCH_COMPILE_DISABLE=1 in the environment, or call "
        'torch.compiler.set_stance("force_eager")'
    )
