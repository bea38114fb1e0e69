"""torch.serialization: saving and loading, in PyTorch's own file formats and in safetensors."""

from rushlight.serialization.compatibility import FILE_LIKE as FILE_LIKE
from rushlight.serialization.compatibility import MAP_LOCATION as MAP_LOCATION
from rushlight.serialization.compatibility import SourceChangeWarning as SourceChangeWarning
from rushlight.serialization.compatibility import StorageType as StorageType
from rushlight.serialization.compatibility import (
    check_module_version_greater_or_equal as check_module_version_greater_or_equal,
)
from rushlight.serialization.compatibility import mkdtemp as mkdtemp
from rushlight.serialization.compatibility import normalize_storage_type as normalize_storage_type
from rushlight.serialization.compatibility import storage_to_tensor_type as storage_to_tensor_type
from rushlight.serialization.legacy import MAGIC_NUMBER as MAGIC_NUMBER
from rushlight.serialization.legacy import PROTOCOL_VERSION as PROTOCOL_VERSION
from rushlight.serialization.loading import (
    get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint,
)
from rushlight.serialization.loading import load as load
from rushlight.serialization.locations import default_restore_location as default_restore_location
from rushlight.serialization.locations import location_tag as location_tag
from rushlight.serialization.locations import register_package as register_package
from rushlight.serialization.locations import validate_cuda_device as validate_cuda_device
from rushlight.serialization.locations import validate_hpu_device as validate_hpu_device
from rushlight.serialization.names import _get_layout as _get_layout
from rushlight.serialization.safe_globals import add_safe_globals as add_safe_globals
from rushlight.serialization.safe_globals import clear_safe_globals as clear_safe_globals
from rushlight.serialization.safe_globals import get_safe_globals as get_safe_globals
from rushlight.serialization.safe_globals import safe_globals as safe_globals
from rushlight.serialization.saving import DEFAULT_PROTOCOL as DEFAULT_PROTOCOL
from rushlight.serialization.saving import save as save
from rushlight.serialization.settings import LoadEndianness as LoadEndianness
from rushlight.serialization.settings import get_crc32_options as get_crc32_options
from rushlight.serialization.settings import (
    get_default_load_endianness as get_default_load_endianness,
)
from rushlight.serialization.settings import get_default_mmap_options as get_default_mmap_options
from rushlight.serialization.settings import set_crc32_options as set_crc32_options
from rushlight.serialization.settings import (
    set_default_load_endianness as set_default_load_endianness,
)
from rushlight.serialization.settings import set_default_mmap_options as set_default_mmap_options
from rushlight.serialization.settings import skip_data as skip_data
