"""torch.distributed: one program on several processes and machines."""

import importlib
import pkgutil

from rushlight.distributed.buckets import BuiltinCommHookType as BuiltinCommHookType
from rushlight.distributed.buckets import GradBucket as GradBucket
from rushlight.distributed.device_mesh import DeviceMesh as DeviceMesh
from rushlight.distributed.device_mesh import init_device_mesh as init_device_mesh
from rushlight.distributed.distributed_c10d import (
    AllreduceCoalescedOptions as AllreduceCoalescedOptions,
)
from rushlight.distributed.distributed_c10d import AllreduceOptions as AllreduceOptions
from rushlight.distributed.distributed_c10d import AllToAllOptions as AllToAllOptions
from rushlight.distributed.distributed_c10d import Backend as Backend
from rushlight.distributed.distributed_c10d import BackendConfig as BackendConfig
from rushlight.distributed.distributed_c10d import BarrierOptions as BarrierOptions
from rushlight.distributed.distributed_c10d import BroadcastOptions as BroadcastOptions
from rushlight.distributed.distributed_c10d import DebugLevel as DebugLevel
from rushlight.distributed.distributed_c10d import GatherOptions as GatherOptions
from rushlight.distributed.distributed_c10d import GroupMember as GroupMember
from rushlight.distributed.distributed_c10d import P2POp as P2POp
from rushlight.distributed.distributed_c10d import PrefixStore as PrefixStore
from rushlight.distributed.distributed_c10d import ProcessGroup as ProcessGroup
from rushlight.distributed.distributed_c10d import ProcessGroupGloo as ProcessGroupGloo
from rushlight.distributed.distributed_c10d import ReduceOp as ReduceOp
from rushlight.distributed.distributed_c10d import ReduceOptions as ReduceOptions
from rushlight.distributed.distributed_c10d import ReduceScatterOptions as ReduceScatterOptions
from rushlight.distributed.distributed_c10d import ScatterOptions as ScatterOptions
from rushlight.distributed.distributed_c10d import Store as Store
from rushlight.distributed.distributed_c10d import Work as Work
from rushlight.distributed.distributed_c10d import _all_gather_base as _all_gather_base
from rushlight.distributed.distributed_c10d import _coalescing_manager as _coalescing_manager
from rushlight.distributed.distributed_c10d import _CoalescingManager as _CoalescingManager
from rushlight.distributed.distributed_c10d import _get_default_group as _get_default_group
from rushlight.distributed.distributed_c10d import (
    _get_process_group_name as _get_process_group_name,
)
from rushlight.distributed.distributed_c10d import _make_nccl_premul_sum as _make_nccl_premul_sum
from rushlight.distributed.distributed_c10d import _rank_not_in_group as _rank_not_in_group
from rushlight.distributed.distributed_c10d import _reduce_scatter_base as _reduce_scatter_base
from rushlight.distributed.distributed_c10d import all_gather as all_gather
from rushlight.distributed.distributed_c10d import all_gather_coalesced as all_gather_coalesced
from rushlight.distributed.distributed_c10d import all_gather_into_tensor as all_gather_into_tensor
from rushlight.distributed.distributed_c10d import all_gather_object as all_gather_object
from rushlight.distributed.distributed_c10d import all_gather_single as all_gather_single
from rushlight.distributed.distributed_c10d import all_reduce as all_reduce
from rushlight.distributed.distributed_c10d import all_reduce_coalesced as all_reduce_coalesced
from rushlight.distributed.distributed_c10d import all_to_all as all_to_all
from rushlight.distributed.distributed_c10d import all_to_all_single as all_to_all_single
from rushlight.distributed.distributed_c10d import barrier as barrier
from rushlight.distributed.distributed_c10d import batch_isend_irecv as batch_isend_irecv
from rushlight.distributed.distributed_c10d import broadcast as broadcast
from rushlight.distributed.distributed_c10d import broadcast_object_list as broadcast_object_list
from rushlight.distributed.distributed_c10d import default_pg_timeout as default_pg_timeout
from rushlight.distributed.distributed_c10d import destroy_process_group as destroy_process_group
from rushlight.distributed.distributed_c10d import gather as gather
from rushlight.distributed.distributed_c10d import gather_object as gather_object
from rushlight.distributed.distributed_c10d import get_backend as get_backend
from rushlight.distributed.distributed_c10d import get_backend_config as get_backend_config
from rushlight.distributed.distributed_c10d import get_debug_level as get_debug_level
from rushlight.distributed.distributed_c10d import (
    get_default_backend_for_device as get_default_backend_for_device,
)
from rushlight.distributed.distributed_c10d import get_global_rank as get_global_rank
from rushlight.distributed.distributed_c10d import get_group_rank as get_group_rank
from rushlight.distributed.distributed_c10d import get_node_local_rank as get_node_local_rank
from rushlight.distributed.distributed_c10d import get_pg_count as get_pg_count
from rushlight.distributed.distributed_c10d import (
    get_process_group_ranks as get_process_group_ranks,
)
from rushlight.distributed.distributed_c10d import get_rank as get_rank
from rushlight.distributed.distributed_c10d import get_world_size as get_world_size
from rushlight.distributed.distributed_c10d import group as group
from rushlight.distributed.distributed_c10d import init_process_group as init_process_group
from rushlight.distributed.distributed_c10d import irecv as irecv
from rushlight.distributed.distributed_c10d import is_backend_available as is_backend_available
from rushlight.distributed.distributed_c10d import is_gloo_available as is_gloo_available
from rushlight.distributed.distributed_c10d import is_initialized as is_initialized
from rushlight.distributed.distributed_c10d import is_mpi_available as is_mpi_available
from rushlight.distributed.distributed_c10d import is_nccl_available as is_nccl_available
from rushlight.distributed.distributed_c10d import (
    is_torchelastic_launched as is_torchelastic_launched,
)
from rushlight.distributed.distributed_c10d import is_ucc_available as is_ucc_available
from rushlight.distributed.distributed_c10d import is_xccl_available as is_xccl_available
from rushlight.distributed.distributed_c10d import isend as isend
from rushlight.distributed.distributed_c10d import monitored_barrier as monitored_barrier
from rushlight.distributed.distributed_c10d import new_group as new_group
from rushlight.distributed.distributed_c10d import new_subgroups as new_subgroups
from rushlight.distributed.distributed_c10d import (
    new_subgroups_by_enumeration as new_subgroups_by_enumeration,
)
from rushlight.distributed.distributed_c10d import record_comm as record_comm
from rushlight.distributed.distributed_c10d import recv as recv
from rushlight.distributed.distributed_c10d import recv_object_list as recv_object_list
from rushlight.distributed.distributed_c10d import reduce as reduce
from rushlight.distributed.distributed_c10d import reduce_op as reduce_op
from rushlight.distributed.distributed_c10d import reduce_scatter as reduce_scatter
from rushlight.distributed.distributed_c10d import reduce_scatter_single as reduce_scatter_single
from rushlight.distributed.distributed_c10d import reduce_scatter_tensor as reduce_scatter_tensor
from rushlight.distributed.distributed_c10d import (
    register_rendezvous_handler as register_rendezvous_handler,
)
from rushlight.distributed.distributed_c10d import rendezvous as rendezvous
from rushlight.distributed.distributed_c10d import scatter as scatter
from rushlight.distributed.distributed_c10d import scatter_object_list as scatter_object_list
from rushlight.distributed.distributed_c10d import send as send
from rushlight.distributed.distributed_c10d import send_object_list as send_object_list
from rushlight.distributed.distributed_c10d import set_debug_level as set_debug_level
from rushlight.distributed.distributed_c10d import (
    set_debug_level_from_env as set_debug_level_from_env,
)
from rushlight.distributed.distributed_c10d import shrink_group as shrink_group
from rushlight.distributed.distributed_c10d import split_group as split_group
from rushlight.distributed.distributed_c10d import supports_complex as supports_complex
from rushlight.distributed.errors import DistBackendError as DistBackendError
from rushlight.distributed.errors import DistError as DistError
from rushlight.distributed.errors import DistNetworkError as DistNetworkError
from rushlight.distributed.errors import DistStoreError as DistStoreError
from rushlight.distributed.errors import QueueEmptyError as QueueEmptyError
from rushlight.distributed.file_store import FileStore as FileStore
from rushlight.distributed.store import HashStore as HashStore
from rushlight.distributed.tcp_store import TCPStore as TCPStore


def is_available() -> bool:
    """True: this package is always there; several processes need MPI.

    >>> torch.distributed.is_available()
    True
    """
    return True


_SUBMODULES = frozenset(m.name for m in pkgutil.iter_modules(__path__))


def __getattr__(name: str) -> object:
    """Parts that are loaded when first named: ``nn``, ``optim``, ``fsdp``, ``checkpoint``, ..."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.distributed' has no attribute '{name}'")
