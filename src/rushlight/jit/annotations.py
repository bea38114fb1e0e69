"""torch.jit.annotations: the names of types that programs import from here."""

from typing import Any as Any
from typing import Dict as Dict  # noqa: UP035 # importable here in PyTorch
from typing import List as List  # noqa: UP035
from typing import Optional as Optional
from typing import Tuple as Tuple  # noqa: UP035
from typing import Union as Union

from rushlight.futures import Future as Future
