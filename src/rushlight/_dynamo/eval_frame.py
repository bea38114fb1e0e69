"""torch._dynamo.eval_frame: what torch.compile makes of a module."""

from rushlight.nn.modules.optimized import OptimizedModule as OptimizedModule


def is_dynamo_supported() -> bool:
    """is_dynamo_supported() -> bool: False, there is no compiler."""
    return False


def is_inductor_supported() -> bool:
    """is_inductor_supported() -> bool: False, there is no compiler."""
    return False
