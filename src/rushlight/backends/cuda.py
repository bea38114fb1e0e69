"""torch.backends.cuda: whether there is CUDA, and how exact its matrix products are."""

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


def flash_sdp_enabled() -> bool:
    """flash_sdp_enabled() -> bool: True, attention may be computed in one pass.

    >>> torch.backends.cuda.flash_sdp_enabled()
    True
    """
    return switches.cudnn_enabled


def mem_efficient_sdp_enabled() -> bool:
    """mem_efficient_sdp_enabled() -> bool: as :func:`flash_sdp_enabled`.

    >>> torch.backends.cuda.mem_efficient_sdp_enabled()
    True
    """
    return switches.cudnn_enabled


def cudnn_sdp_enabled() -> bool:
    """cudnn_sdp_enabled() -> bool: as :func:`flash_sdp_enabled`.

    >>> torch.backends.cuda.cudnn_sdp_enabled()
    True
    """
    return switches.cudnn_enabled


def math_sdp_enabled() -> bool:
    """math_sdp_enabled() -> bool: True, attention may be two products around a softmax.

    >>> torch.backends.cuda.math_sdp_enabled()
    True
    """
    return True
