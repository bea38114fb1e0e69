"""Kernels of csrc/attention.cpp and csrc/loss.cpp: their arguments are the op's."""

from rushlight._core.backend import kernel
from rushlight._core.extension import C

SAME = (
    "attention",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "nll_loss",
    "cross_entropy",
)


def register() -> None:
    """Enter each kernel and that of its gradient. Called once, before the records are made."""
    for name in SAME:
        kernel(name, getattr(C, name))
        kernel(f"{name}_backward", getattr(C, f"{name}_backward"))
