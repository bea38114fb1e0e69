"""torch._subclasses.fake_tensor: the question that libraries ask."""

from rushlight._api import Tensor


class FakeTensor(Tensor):
    """A tensor without memory, of the compiler; nothing here is one. See the device "meta"."""


def is_fake(x: object) -> bool:
    """is_fake(x) -> bool: False, the compiler's tensors do not exist here."""
    return False
