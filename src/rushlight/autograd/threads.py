"""set_multithreading_enabled: accepted for programs that call it; backward runs in one thread."""

from rushlight._core.grad_mode import _Mode

_enabled = [True]


class set_multithreading_enabled(_Mode):
    """set_multithreading_enabled(mode)

    Whether backward may use one thread per device. There is one device, so backward runs in the
    thread that calls it either way; the setting is only remembered. A context manager and a
    decorator.

    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.ones(1, requires_grad=True).sum().backward()
    """

    def __init__(self, mode: bool) -> None:
        self.before, self.mode = _enabled[0], mode
        _enabled[0] = mode

    def __enter__(self) -> None:
        _enabled[0] = self.mode

    def __exit__(self, *exc: object) -> None:
        _enabled[0] = self.before

    def clone(self) -> "set_multithreading_enabled":
        """A fresh context with the same setting."""
        return set_multithreading_enabled(self.mode)
