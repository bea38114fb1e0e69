"""Anomaly detection: find the forward call whose backward fails or makes a NaN."""

import warnings

from rushlight._core.state import S, thread

ENABLED = (
    "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
    "enabled for debugging."
)


class detect_anomaly:
    """detect_anomaly(check_nan=True)

    Inside, every node remembers where its forward call was; a backward that fails (or gives NaN)
    tells it.
    Slow: every call takes the general path.

    >>> x = torch.zeros(1, requires_grad=True)
    >>> with torch.autograd.detect_anomaly():
    ...     (torch.sqrt(x) * 0).backward()
    Traceback (most recent call last):
        ...
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(ENABLED, stacklevel=2)
        self.mode = check_nan

    def __enter__(self) -> None:
        self.before = thread.anomaly
        set_mode(self.mode)

    def __exit__(self, *exc: object) -> None:
        set_mode(self.before)


class set_detect_anomaly(detect_anomaly):
    """set_detect_anomaly(mode, check_nan=True)

    Turn anomaly detection on or off, for good or inside a ``with``.

    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    >>> torch.is_anomaly_enabled()
    False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = thread.anomaly
        set_mode(check_nan if mode else None)

    def __enter__(self) -> None:
        return None


def set_mode(mode: bool | None) -> None:
    """None: off. While on, ``S.special`` keeps calls off the thin entries, so that nodes are made
    with a trace.
    """
    if (mode is None) != (thread.anomaly is None):
        S.special += -1 if mode is None else 1
    thread.anomaly = mode


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """set_anomaly_enabled(enabled, check_nan=True) -> None: turn anomaly detection on or off.

    >>> torch.set_anomaly_enabled(True)
    >>> torch.is_anomaly_enabled()
    True
    >>> torch.set_anomaly_enabled(False)
    """
    for at, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            raise TypeError(
                f"set_anomaly_enabled(): argument '{name}' (position {at}) must be bool, not "
                f"{type(value).__name__}"
            )
    set_mode(check_nan if enabled else None)


def is_anomaly_enabled() -> bool:
    """is_anomaly_enabled() -> bool

    Whether anomaly detection is on in this thread.

    >>> torch.is_anomaly_enabled()
    False
    """
    return thread.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """is_anomaly_check_nan_enabled() -> bool

    Whether anomaly detection looks for NaN too, when it is on.

    >>> torch.is_anomaly_check_nan_enabled()
    True
    """
    return thread.anomaly is not False
