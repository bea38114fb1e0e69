"""torch.onnx: the question that libraries ask; nothing is exported."""

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """is_in_onnx_export() -> bool: False, since nothing is exported.

    >>> torch.onnx.is_in_onnx_export()
    False
    """
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """export(...): not available; NotImplementedError says what to do.

    >>> torch.onnx.export(torch.nn.ReLU(), (torch.ones(1),), 'model.onnx')
    Traceback (most recent call last):
    NotImplementedError: torch.onnx.export is not available in rushlight: load the state_dict in ...
    """
    raise NotImplementedError(
        "torch.onnx.export is not available in rushlight: load the state_dict in PyTorch and "
        "export there"
    )
