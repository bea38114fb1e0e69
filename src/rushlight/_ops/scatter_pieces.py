"""Copies with one piece replaced: the functional forms of writing into a view."""

from rushlight._core.op import public
from rushlight._core.shape import wrap_dim
from rushlight._ops.copy import copy_for


def _fill(place, src):
    """Write ``src`` to a view of just its shape."""
    if tuple(place.shape) != tuple(src.shape):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(place.shape)}"
        )
    place.copy_(src)


@public("torch", "Tensor")
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """slice_scatter(input, src, dim=0, start=None, end=None, step=1) -> Tensor

    A copy with ``src`` put at a slice.

    >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), start=1, end=3)
    tensor([0., 1., 1., 0.])
    """
    out = copy_for(input, src)
    place = out[(slice(None),) * wrap_dim(dim, input.ndim) + (slice(start, end, step),)]
    _fill(place, src)
    return out


@public("torch", "Tensor")
def select_scatter(input, src, dim, index):
    """select_scatter(input, src, dim, index) -> Tensor

    A copy with ``src`` put at one index of a dimension.

    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    out = copy_for(input, src)
    place = out.select(dim, index)
    _fill(place, src)
    return out


@public("torch", "Tensor")
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """diagonal_scatter(input, src, offset=0, dim1=0, dim2=1) -> Tensor

    A copy with ``src`` on a diagonal.

    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    out = copy_for(input, src)
    place = out.diagonal(offset, dim1, dim2)
    _fill(place, src)
    return out


@public("torch", "Tensor")
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """as_strided_scatter(input, src, size, stride, storage_offset=None) -> Tensor

    A copy with ``src`` at a strided view.

    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    out = copy_for(input, src)
    out.as_strided(size, stride, storage_offset).copy_(src)
    return out
