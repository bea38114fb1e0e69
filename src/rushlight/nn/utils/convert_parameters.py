"""Parameters as one vector, and back."""

from collections.abc import Iterable
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.utils import _typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_one_device(parameters: list) -> None:
    if len({p.device for p in parameters}) > 1:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported."
        )


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """parameters_to_vector(parameters): all elements, joined into one dimension.

    >>> torch.nn.utils.parameters_to_vector(torch.nn.Linear(3, 4).parameters()).shape
    torch.Size([16])
    """
    parameters = list(parameters)
    _check_one_device(parameters)
    return torch.cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """vector_to_parameters(vec, parameters)

    Make the parameters views of consecutive pieces of ``vec``.

    >>> m = torch.nn.Linear(2, 1)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), m.parameters())
    >>> m.weight, m.bias
    (Parameter containing:
    tensor([[1., 2.]], requires_grad=True), Parameter containing:
    tensor([3.], requires_grad=True))
    """
    if not isinstance(vec, torch.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {_typename(vec)}")
    parameters = list(parameters)
    _check_one_device(parameters)
    start = 0
    for param in parameters:
        stop = start + param.numel()
        param.data = vec[start:stop].view_as(param).data
        start = stop
