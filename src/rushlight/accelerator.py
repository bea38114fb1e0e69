"""torch.accelerator: which accelerator there is. Here: none."""

from rushlight import _api as torch


def is_available() -> bool:
    """is_available() -> bool: False, this build computes on the CPU."""
    return False


def device_count() -> int:
    """device_count() -> int: 0."""
    return 0


def current_accelerator(check_available: bool = False) -> "torch.device | None":
    """current_accelerator(check_available=False) -> torch.device or None: None, there is none."""
    return None


def _none(name: str) -> RuntimeError:
    return RuntimeError(
        f"torch.accelerator.{name}: Cannot access accelerator device when none is available."
    )


def current_device_index() -> int:
    """current_device_index() -> int: needs an accelerator; RuntimeError without."""
    raise _none("current_device_index")


def set_device_index(device: object) -> None:
    """set_device_index(device) -> None: needs an accelerator; RuntimeError without."""
    raise _none("set_device_index")


def synchronize(device: object = None) -> None:
    """synchronize(device=None) -> None: needs an accelerator; RuntimeError without."""
    raise _none("synchronize")


def current_stream(device: object = None) -> None:
    """current_stream(device=None): needs an accelerator; RuntimeError without."""
    raise RuntimeError("Cannot access accelerator device when none is available.")
