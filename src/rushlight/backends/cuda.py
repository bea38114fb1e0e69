"""torch.backends.cuda: whether there is CUDA, and how exact its matrix products are."""

import os

from rushlight._core import gpu


class _Matmul:
    """Precision switches of matrix products on a GPU."""

    @property
    def allow_tf32(self) -> bool:
        """May float32 products be computed in TF32? CuPy decides that when it is imported."""
        return self._allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        if on != self._allow_tf32 and gpu.cuda.module is not None:
            raise NotImplementedError(
                "torch.backends.cuda.matmul.allow_tf32: CuPy reads it when it is imported; set it "
                "before the first use of a device"
            )
        self._allow_tf32 = bool(on)
        os.environ["CUPY_TF32"] = "1" if on else "0"

    _allow_tf32 = os.environ.get("CUPY_TF32") == "1"
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _Matmul()


def is_built() -> bool:
    """is_built() -> bool: was CuPy found? It is looked for when a device is asked for.

    >>> torch.backends.cuda.is_built()
    False
    """
    return gpu.cuda.kind is not None
