"""Every operator, Tensor and dtype in one flat module: what nn and optim import ``as torch``."""

import math
from typing import TYPE_CHECKING, Any

# _kernels first: records look their native kernels up when they are made. _ops makes the records.
from rushlight import _kernels as _kernels
from rushlight import _ops as _ops
from rushlight._core import device as _device
from rushlight._core import dtypes as _dtypes
from rushlight._core import grad_dtype as _grad_dtype  # noqa: F401 (attaches itself to Tensor)
from rushlight._core import legacy as _legacy
from rushlight._core import looking_in as _looking_in  # noqa: F401 (attaches itself to Node)
from rushlight._core import methods as _methods  # noqa: F401 (attaches itself to Tensor)
from rushlight._core import methods_copies as _methods_copies  # noqa: F401 (as above)
from rushlight._core import methods_pinned as _methods_pinned  # noqa: F401 (as above)
from rushlight._core import methods_python as _methods_python  # noqa: F401 (as above)
from rushlight._core import return_types as return_types
from rushlight._core import surface as _surface
from rushlight._core.device import device as device
from rushlight._core.device import get_default_device as get_default_device
from rushlight._core.device import layout as layout
from rushlight._core.device import memory_format as memory_format
from rushlight._core.device import set_default_device as set_default_device
from rushlight._core.dlpack import from_dlpack as from_dlpack
from rushlight._core.dlpack import to_dlpack as to_dlpack
from rushlight._core.dtypes import can_cast as can_cast
from rushlight._core.dtypes import dtype as dtype
from rushlight._core.dtypes import finfo as finfo
from rushlight._core.dtypes import get_default_dtype as get_default_dtype
from rushlight._core.dtypes import iinfo as iinfo
from rushlight._core.dtypes import promote_types as promote_types
from rushlight._core.dtypes import set_default_dtype as set_default_dtype
from rushlight._core.generator import Generator as Generator
from rushlight._core.generator import default_generator as default_generator
from rushlight._core.grad_mode import enable_grad as enable_grad
from rushlight._core.grad_mode import inference_mode as inference_mode
from rushlight._core.grad_mode import is_grad_enabled as is_grad_enabled
from rushlight._core.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from rushlight._core.grad_mode import no_grad as no_grad
from rushlight._core.grad_mode import set_grad_enabled as set_grad_enabled
from rushlight._core.handle import RemovableHandle as _RemovableHandle  # noqa: F401 (for nn)
from rushlight._core.printing import get_printoptions as get_printoptions
from rushlight._core.printing import set_printoptions as set_printoptions
from rushlight._core.shape import Size as Size
from rushlight._core.shape import broadcast_shapes as broadcast_shapes
from rushlight._core.storage import UntypedStorage as UntypedStorage
from rushlight._core.tensor import Parameter as Parameter
from rushlight._core.tensor import Tensor as Tensor
from rushlight._ops import optimizer as _optimizer_kernels

optimizer_kernels = _optimizer_kernels
# Before the dtypes take the name float.
inf, nan, pi, e = float("inf"), float("nan"), math.pi, math.e
newaxis = None
_surface.attach()
namespace = _surface.namespace
globals().update(namespace("torch"))
globals().update(_dtypes.PUBLIC)
globals().update(_dtypes.BY_NAME)
globals().update(_device.LAYOUTS)
globals().update(_device.MEMORY_FORMATS)
globals()["legacy_contiguous_format"] = _device.contiguous_format
globals().update(_legacy.TENSOR_TYPES)
globals()["bool"] = _dtypes.bool_

if TYPE_CHECKING:  # the names taken from the records above

    def __getattr__(name: str) -> Any: ...
