"""torch._dynamo.exc: errors of compilation, for programs that catch them by name."""

from rushlight._core.compilation import InvalidBackend as InvalidBackend
from rushlight._core.compilation import TorchDynamoError

TorchDynamoException = TorchDynamoError


class Unsupported(TorchDynamoError):  # noqa: N818 # PyTorch's name
    """The compiler does not support what the program does; never raised here."""


class TensorifyScalarRestartAnalysis(TorchDynamoError):  # noqa: N818
    """The compiler begins again; never raised here."""
