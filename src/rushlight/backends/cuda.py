"""torch.backends.cuda: whether there is CUDA, and how exact its matrix products are."""

import contextlib
import warnings
from collections.abc import Iterator

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches


class _Matmul:
    """Precision switches of matrix products on a GPU."""

    @property
    def allow_tf32(self) -> bool:
        """May float32 products be computed in TF32?"""
        return switches.allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        switches.allow_tf32 = bool(on)

    @property
    def fp32_precision(self) -> str:
        """ "tf32" or "ieee": the newer name of ``allow_tf32``."""
        return "tf32" if switches.allow_tf32 else "none"

    @fp32_precision.setter
    def fp32_precision(self, precision: str) -> None:
        if precision not in ("ieee", "tf32", "none"):
            raise RuntimeError(f"Invalid precision: {precision}")
        switches.allow_tf32 = precision == "tf32"

    @property
    def allow_fp16_reduced_precision_reduction(self) -> bool:
        """May sums of half products be kept in half precision?"""
        return switches.reduced_precision_reduction

    @allow_fp16_reduced_precision_reduction.setter
    def allow_fp16_reduced_precision_reduction(self, on: bool) -> None:
        switches.reduced_precision_reduction = bool(on)

    @property
    def allow_bf16_reduced_precision_reduction(self) -> bool:
        """The same of bfloat16; cuBLAS has one switch for both."""
        return switches.reduced_precision_reduction

    @allow_bf16_reduced_precision_reduction.setter
    def allow_bf16_reduced_precision_reduction(self, on: bool) -> None:
        switches.reduced_precision_reduction = bool(on)


matmul = _Matmul()


def is_built() -> bool:
    """is_built() -> bool: was CuPy found? It is looked for when a device is asked for.

    >>> torch.backends.cuda.is_built()
    False
    """
    return gpu.cuda.kind is not None


# Which implementations of attention PyTorch may choose. Kept; there is one implementation here.
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduced": False}


def flash_sdp_enabled() -> bool:
    """flash_sdp_enabled() -> bool: what ``enable_flash_sdp`` set.

    >>> torch.backends.cuda.flash_sdp_enabled()
    True
    """
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """enable_flash_sdp(enabled): a switch of PyTorch's attention, kept and without effect.

    >>> torch.backends.cuda.enable_flash_sdp(True)
    """
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """mem_efficient_sdp_enabled() -> bool: what ``enable_mem_efficient_sdp`` set.

    >>> torch.backends.cuda.mem_efficient_sdp_enabled()
    True
    """
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """enable_mem_efficient_sdp(enabled): a switch of PyTorch's attention, without effect.

    >>> torch.backends.cuda.enable_mem_efficient_sdp(True)
    """
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """math_sdp_enabled() -> bool: what ``enable_math_sdp`` set.

    >>> torch.backends.cuda.math_sdp_enabled()
    True
    """
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    """enable_math_sdp(enabled): a switch of PyTorch's attention, kept and without effect.

    >>> torch.backends.cuda.enable_math_sdp(True)
    """
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """cudnn_sdp_enabled() -> bool: what ``enable_cudnn_sdp`` set.

    >>> torch.backends.cuda.cudnn_sdp_enabled()
    True
    """
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """enable_cudnn_sdp(enabled): a switch of PyTorch's attention, kept and without effect.

    >>> torch.backends.cuda.enable_cudnn_sdp(True)
    """
    _sdp["cudnn"] = bool(enabled)


def is_flash_attention_available() -> bool:
    """is_flash_attention_available() -> bool: False, PyTorch's kernel for GPUs is not here.

    >>> torch.backends.cuda.is_flash_attention_available()
    False
    """
    return False


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """fp16_bf16_reduction_math_sdp_allowed() -> bool: what the function below set.

    >>> torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    False
    """
    return _sdp["reduced"]


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """allow_fp16_bf16_reduction_math_sdp(enabled): allow sums of half precision in attention. They
    are float32 here all the same.

    >>> torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(False)
    """
    _sdp["reduced"] = bool(enabled)


def _preferred(name: str, given: str | None, own: str, known: tuple[str, ...]) -> str:
    """Answer with the only library there is; others cannot be chosen."""
    if given is None or given in ("default", own):
        return own
    if given not in known:
        raise RuntimeError(f"Unknown input value. Choose from: {', '.join(known)}.")
    raise RuntimeError(f"Cannot set preferred backend to {given}: rushlight's {name} is {own}.")


def preferred_linalg_library(backend: str | None = None) -> str:
    """preferred_linalg_library(backend=None) -> str: 'cusolver', by way of CuPy.

    RuntimeError for another one ('magma').

    >>> torch.backends.cuda.preferred_linalg_library()
    'cusolver'
    """
    known = ("default", "cusolver", "magma")
    return _preferred("linear algebra on GPUs", backend, "cusolver", known)


def preferred_blas_library(backend: str | None = None) -> str:
    """preferred_blas_library(backend=None) -> str: 'cublas'; products of half precision with a
    bias go through cuBLASLt all the same.

    RuntimeError for another one.

    >>> torch.backends.cuda.preferred_blas_library()
    'cublas'
    """
    known = ("default", "cublas", "cublaslt", "hipblaslt", "ck")
    return _preferred("library of products on GPUs", backend, "cublas", known)


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """sdp_kernel(enable_flash=True, ...): the four switches inside a ``with``; deprecated.

    >>> with torch.backends.cuda.sdp_kernel(enable_flash=False):
    ...     torch.backends.cuda.flash_sdp_enabled()
    False
    """
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager "
        "will be removed. Please see `torch.nn.attention.sdpa_kernel()` for the new context "
        "manager, with updated signature.",
        FutureWarning,
        stacklevel=3,
    )
    before = dict(_sdp)
    _sdp.update(
        flash=enable_flash,
        math=enable_math,
        mem_efficient=enable_mem_efficient,
        cudnn=enable_cudnn,
    )
    try:
        yield
    finally:
        _sdp.update(before)
