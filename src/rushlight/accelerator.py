"""torch.accelerator: which accelerator there is. Here: none."""

from rushlight import _api as torch


def is_available() -> bool:
    """is_available() -> bool: False, this build computes on the CPU.

    >>> torch.accelerator.is_available()
    False
    """
    return False


def device_count() -> int:
    """device_count() -> int: 0.

    >>> torch.accelerator.device_count()
    0
    """
    return 0


def current_accelerator(check_available: bool = False) -> "torch.device | None":
    """current_accelerator(check_available=False) -> torch.device or None: None, there is none.

    >>> print(torch.accelerator.current_accelerator())
    None
    """
    return None


def _none(name: str) -> RuntimeError:
    return RuntimeError(
        f"torch.accelerator.{name}: Cannot access accelerator device when none is available."
    )


def current_device_index() -> int:
    """current_device_index() -> int: needs an accelerator; RuntimeError without.

    >>> torch.accelerator.current_device_index()
    Traceback (most recent call last):
        ...
    RuntimeError: torch.accelerator.current_device_index: Cannot access accelerator ...
    """
    raise _none("current_device_index")


def set_device_index(device: object) -> None:
    """set_device_index(device) -> None: needs an accelerator; RuntimeError without.

    >>> torch.accelerator.set_device_index(0)
    Traceback (most recent call last):
        ...
    RuntimeError: torch.accelerator.set_device_index: Cannot access accelerator ...
    """
    raise _none("set_device_index")


def synchronize(device: object = None) -> None:
    """synchronize(device=None) -> None: needs an accelerator; RuntimeError without.

    >>> torch.accelerator.synchronize()
    Traceback (most recent call last):
        ...
    RuntimeError: torch.accelerator.synchronize: Cannot access accelerator device ...
    """
    raise _none("synchronize")


def current_stream(device: object = None) -> None:
    """current_stream(device=None): needs an accelerator; RuntimeError without.

    >>> torch.accelerator.current_stream()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    raise RuntimeError("Cannot access accelerator device when none is available.")
