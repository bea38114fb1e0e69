"""Whether functions given to ``torch.compile`` may run eagerly."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight._core.compilation import EAGER_STANCES, Backend, Stance, known, settings

_COMPILING = {"fail_on_recompile", "eager_then_compile", "aot_eager_then_compile"}


class set_stance:
    """set_stance(stance="default", *, skip_guard_eval_unsafe=False, force_backend=None)

    A function, a context and a decorator. With "force_eager" every function that was given to
    ``torch.compile`` is called as it stands; with "eager_on_recompile" too, since nothing has been
    compiled. ``force_backend="eager"`` has them all take this backend. The stances that compile
    raise NotImplementedError.

    >>> double = torch.compile(lambda x: 2 * x)
    >>> with torch.compiler.set_stance('force_eager'):
    ...     double(torch.tensor(2))
    tensor(4)
    """

    def __init__(
        self,
        stance: str = "default",
        *,
        skip_guard_eval_unsafe: bool = False,
        force_backend: Backend | None = None,
    ) -> None:
        if force_backend is not None and stance != "default":
            raise RuntimeError("non-default stance cannot have force_backend set")
        if stance in _COMPILING:
            raise NotImplementedError(
                f"set_stance({stance!r}) is not available: rushlight has no compiler. "
                'set_stance("force_eager") runs everything eagerly'
            )
        if stance != "default" and stance not in EAGER_STANCES:
            raise RuntimeError(f"invalid torch.compile stance 'Stance(stance={stance!r})'")
        self._stance = Stance(stance, force_backend)
        self._before = settings.stance
        settings.stance = self._stance

    def __enter__(self) -> None:
        settings.stance = self._stance

    def __exit__(self, *exc: object) -> None:
        settings.stance = self._before

    def __call__(self, fn: Callable) -> Callable:
        settings.stance = self._before

        @functools.wraps(fn)
        def within(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self._stance.stance, force_backend=self._stance.backend):
                return fn(*args, **kwargs)

        return within


def set_default_backend(backend: Backend | None) -> None:
    """set_default_backend(backend): what ``torch.compile`` takes without ``backend=``; None for
    "inductor".

    >>> torch.compiler.set_default_backend('eager')
    >>> torch.compile(torch.neg)(torch.tensor(1))
    tensor(-1)
    >>> torch.compiler.set_default_backend(None)
    """
    settings.default_backend = "inductor" if backend is None else known(backend)


def get_default_backend() -> Backend:
    """get_default_backend() -> what ``torch.compile`` takes without ``backend=``.

    >>> torch.compiler.get_default_backend()
    'inductor'
    """
    return settings.default_backend
