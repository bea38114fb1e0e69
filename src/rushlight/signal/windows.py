"""torch.signal.windows: weights that taper a stretch of signal towards its ends.

Every window takes its length ``M`` and, by keyword, ``sym`` (False: a period of an endless window,
for spectra, not a symmetric one), ``dtype`` (float32 or float64), ``layout``, ``device`` and
``requires_grad``. The largest weight is 1.
"""

import math
from collections.abc import Iterable
from typing import Any

from rushlight import _api as torch

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _factory(
    name: str, M: int, dtype: object, layout: object, device: object, requires_grad: bool
) -> dict[str, Any]:
    """The arguments a creation function takes, after the checks that all windows share."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not torch.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}


def _last(M: int, sym: bool) -> int:
    """The steps from the first point to the one that mirrors it: past the end if not ``sym``."""
    return M - 1 if sym else M


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """bartlett(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    A triangle: 0 at both ends of a symmetric window, 1 in the middle.

    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    made = _factory("bartlett", M, dtype, layout, device, requires_grad)
    if M == 0:
        return torch.empty((0,), **made)
    if M == 1:
        return torch.ones((1,), **made)
    step = 2 / _last(M, sym)
    return 1 - torch.abs(torch.linspace(-1, -1 + (M - 1) * step, M, **made))


def blackman(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """blackman(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    Three cosines: a :func:`general_cosine` with a = (0.42, 0.5, 0.08).

    >>> torch.signal.windows.blackman(4, sym=False)
    tensor([-1.4901e-08,  3.4000e-01,  1.0000e+00,  3.4000e-01])
    """
    _factory("blackman", M, dtype, layout, device, requires_grad)
    return general_cosine(
        M,
        a=[0.42, 0.5, 0.08],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """cosine(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    Half a wave: sin(pi (n + 1/2) / M).

    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    made = _factory("cosine", M, dtype, layout, device, requires_grad)
    if M == 0:
        return torch.empty((0,), **made)
    start = 0.5
    step = math.pi / (M + 1 if not sym and M > 1 else M)
    return torch.sin(torch.linspace(start * step, (start + (M - 1)) * step, M, **made))


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """exponential(M, *, center=None, tau=1.0, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    exp(-|n - center| / tau). ``center`` may be given only if ``sym`` is False; it is the middle
    otherwise. Raises ValueError for a ``tau`` that is not positive.

    >>> torch.signal.windows.exponential(3, tau=0.5)
    tensor([0.1353, 1.0000, 0.1353])
    """
    made = _factory("exponential", M, dtype, layout, device, requires_grad)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if M == 0:
        return torch.empty((0,), **made)
    if center is None:
        center = (M if not sym and M > 1 else M - 1) / 2.0
    scale = 1 / tau
    k = torch.linspace(-center * scale, (-center + (M - 1)) * scale, M, **made)
    return torch.exp(-torch.abs(k))


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """gaussian(M, *, std=1.0, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    The bell curve exp(-(x / std)² / 2) around the middle. Raises ValueError for a ``std`` that is
    not positive.

    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    made = _factory("gaussian", M, dtype, layout, device, requires_grad)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    if M == 0:
        return torch.empty((0,), **made)
    start = -(M if not sym and M > 1 else M - 1) / 2.0
    scale = 1 / (std * math.sqrt(2))
    k = torch.linspace(start * scale, (start + (M - 1)) * scale, M, **made)
    return torch.exp(-(k**2))


def general_cosine(
    M: int,
    *,
    a: Iterable,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """general_cosine(M, *, a, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    A sum of cosines with alternating signs, Σ (-1)^i a_i cos(2π i n / (M - 1)). ValueError for
    an empty ``a``, TypeError for one that is no list or tuple.

    >>> torch.signal.windows.general_cosine(4, a=[0.46, 0.23, 0.31], sym=False)
    tensor([0.5400, 0.1500, 1.0000, 0.1500])
    """
    made = _factory("general_cosine", M, dtype, layout, device, requires_grad)
    if M == 0:
        return torch.empty((0,), **made)
    if M == 1:
        return torch.ones((1,), **made)
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    step = 2 * math.pi / _last(M, sym)
    k = torch.linspace(0, (M - 1) * step, M, **made)
    signed = torch.tensor([(-1) ** i * w for i, w in enumerate(a)], dtype=k.dtype, device=device)
    i = torch.arange(signed.shape[0], dtype=k.dtype, device=device)
    return (signed.unsqueeze(-1) * torch.cos(i.unsqueeze(-1) * k)).sum(0)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """general_hamming(M, *, alpha=0.54, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    alpha - (1 - alpha) cos(2π n / (M - 1)).

    >>> torch.signal.windows.general_hamming(3, alpha=0.6)
    tensor([0.2000, 1.0000, 0.2000])
    """
    return general_cosine(
        M,
        a=[alpha, 1.0 - alpha],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def hamming(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """hamming(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    0.54 - 0.46 cos(2π n / (M - 1)).

    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_cosine(
        M,
        a=[0.54, 1.0 - 0.54],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def hann(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """hann(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    A raised cosine: (1 - cos(2π n / (M - 1))) / 2.

    >>> torch.signal.windows.hann(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return general_cosine(
        M,
        a=[0.5, 0.5],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """kaiser(M, *, beta=12.0, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    I0(beta sqrt(1 - x²)) / I0(beta) for x from -1 to 1. Raises ValueError for a negative ``beta``.

    >>> torch.signal.windows.kaiser(3, beta=1.0)
    tensor([0.7898, 1.0000, 0.7898])
    """
    made = _factory("kaiser", M, dtype, layout, device, requires_grad)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M == 0:
        return torch.empty((0,), **made)
    if M == 1:
        return torch.ones((1,), **made)
    top = torch.tensor(beta, dtype=made["dtype"], device="cpu")
    step = 2.0 * beta / _last(M, sym)
    end = torch.minimum(top, -top + (M - 1) * step)
    k = torch.linspace(-top, end, M, **made)
    return torch.i0(torch.sqrt(top * top - torch.pow(k, 2))) / torch.i0(top)


def nuttall(
    M: int,
    *,
    sym: bool = True,
    dtype: torch.dtype | None = None,
    layout: torch.layout = torch.strided,
    device: torch.device | None = None,
    requires_grad: bool = False,
) -> torch.Tensor:
    """nuttall(M, *, sym=True, dtype=None, layout=torch.strided,
    device=None, requires_grad=False) -> Tensor

    Four cosines: a :func:`general_cosine` with Nuttall's coefficients.

    >>> torch.signal.windows.nuttall(3)
    tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])
    """
    return general_cosine(
        M,
        a=[0.3635819, 0.4891775, 0.1365995, 0.0106411],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )
