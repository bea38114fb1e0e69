"""torch.backends.cuda: flags are kept, and have no effect without a GPU."""


class _Matmul:
    """Precision switches of matrix products on a GPU."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _Matmul()


def is_built() -> bool:
    """is_built() -> bool: False, this build has no CUDA.

    >>> torch.backends.cuda.is_built()
    False
    """
    return False
