"""torch._utils: the functions by which pickles of PyTorch's tensors make them again."""

from rushlight.serialization import rebuild, rebuild_sparse

_rebuild_tensor = rebuild._rebuild_tensor
_rebuild_tensor_v2 = rebuild._rebuild_tensor_v2
_rebuild_tensor_v3 = rebuild._rebuild_tensor_v3
_rebuild_parameter = rebuild._rebuild_parameter
_rebuild_parameter_with_state = rebuild._rebuild_parameter_with_state
_rebuild_meta_tensor_no_storage = rebuild._rebuild_meta_tensor_no_storage
_rebuild_sparse_tensor = rebuild_sparse._rebuild_sparse_tensor
_rebuild_device_tensor_from_cpu_tensor = rebuild._rebuild_device_tensor_from_cpu_tensor
