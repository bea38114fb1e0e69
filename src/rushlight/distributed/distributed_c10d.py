"""torch.distributed.distributed_c10d: where PyTorch keeps the collectives."""

import os

from rushlight.distributed import collectives, groups, mpi, nccl
from rushlight.distributed.backend import Backend as Backend
from rushlight.distributed.backend import BackendConfig as BackendConfig
from rushlight.distributed.collectives import all_gather as all_gather
from rushlight.distributed.collectives import all_gather_coalesced as all_gather_coalesced
from rushlight.distributed.collectives import all_gather_into_tensor as all_gather_into_tensor
from rushlight.distributed.collectives import all_gather_single as all_gather_single
from rushlight.distributed.collectives import all_reduce as all_reduce
from rushlight.distributed.collectives import all_reduce_coalesced as all_reduce_coalesced
from rushlight.distributed.collectives import all_to_all as all_to_all
from rushlight.distributed.collectives import all_to_all_single as all_to_all_single
from rushlight.distributed.collectives import barrier as barrier
from rushlight.distributed.collectives import broadcast as broadcast
from rushlight.distributed.collectives import gather as gather
from rushlight.distributed.collectives import monitored_barrier as monitored_barrier
from rushlight.distributed.collectives import record_comm as record_comm
from rushlight.distributed.collectives import reduce as reduce
from rushlight.distributed.collectives import reduce_scatter as reduce_scatter
from rushlight.distributed.collectives import reduce_scatter_single as reduce_scatter_single
from rushlight.distributed.collectives import reduce_scatter_tensor as reduce_scatter_tensor
from rushlight.distributed.collectives import scatter as scatter
from rushlight.distributed.collectives import supports_complex as supports_complex
from rushlight.distributed.constants import default_pg_timeout as default_pg_timeout
from rushlight.distributed.debug import DebugLevel as DebugLevel
from rushlight.distributed.debug import get_debug_level as get_debug_level
from rushlight.distributed.debug import set_debug_level as set_debug_level
from rushlight.distributed.debug import set_debug_level_from_env as set_debug_level_from_env
from rushlight.distributed.groups import GroupMember as GroupMember
from rushlight.distributed.groups import destroy_process_group as destroy_process_group
from rushlight.distributed.groups import get_backend as get_backend
from rushlight.distributed.groups import get_backend_config as get_backend_config
from rushlight.distributed.groups import (
    get_default_backend_for_device as get_default_backend_for_device,
)
from rushlight.distributed.groups import get_global_rank as get_global_rank
from rushlight.distributed.groups import get_group_rank as get_group_rank
from rushlight.distributed.groups import get_node_local_rank as get_node_local_rank
from rushlight.distributed.groups import get_pg_count as get_pg_count
from rushlight.distributed.groups import get_process_group_ranks as get_process_group_ranks
from rushlight.distributed.groups import get_rank as get_rank
from rushlight.distributed.groups import get_world_size as get_world_size
from rushlight.distributed.groups import group as group
from rushlight.distributed.groups import init_process_group as init_process_group
from rushlight.distributed.groups import is_initialized as is_initialized
from rushlight.distributed.groups import new_group as new_group
from rushlight.distributed.groups import new_subgroups as new_subgroups
from rushlight.distributed.groups import (
    new_subgroups_by_enumeration as new_subgroups_by_enumeration,
)
from rushlight.distributed.groups import shrink_group as shrink_group
from rushlight.distributed.groups import split_group as split_group
from rushlight.distributed.messages import P2POp as P2POp
from rushlight.distributed.messages import batch_isend_irecv as batch_isend_irecv
from rushlight.distributed.messages import irecv as irecv
from rushlight.distributed.messages import isend as isend
from rushlight.distributed.messages import recv as recv
from rushlight.distributed.messages import send as send
from rushlight.distributed.objects import all_gather_object as all_gather_object
from rushlight.distributed.objects import broadcast_object_list as broadcast_object_list
from rushlight.distributed.objects import gather_object as gather_object
from rushlight.distributed.objects import recv_object_list as recv_object_list
from rushlight.distributed.objects import scatter_object_list as scatter_object_list
from rushlight.distributed.objects import send_object_list as send_object_list
from rushlight.distributed.options import AllreduceCoalescedOptions as AllreduceCoalescedOptions
from rushlight.distributed.options import AllreduceOptions as AllreduceOptions
from rushlight.distributed.options import AllToAllOptions as AllToAllOptions
from rushlight.distributed.options import BarrierOptions as BarrierOptions
from rushlight.distributed.options import BroadcastOptions as BroadcastOptions
from rushlight.distributed.options import GatherOptions as GatherOptions
from rushlight.distributed.options import ReduceOptions as ReduceOptions
from rushlight.distributed.options import ReduceScatterOptions as ReduceScatterOptions
from rushlight.distributed.options import ScatterOptions as ScatterOptions
from rushlight.distributed.process_group import ProcessGroup as ProcessGroup
from rushlight.distributed.process_group import ProcessGroupGloo as ProcessGroupGloo
from rushlight.distributed.reduce_op import ReduceOp as ReduceOp
from rushlight.distributed.reduce_op import premul_sum
from rushlight.distributed.reduce_op import reduce_op as reduce_op
from rushlight.distributed.rendezvous import (
    register_rendezvous_handler as register_rendezvous_handler,
)
from rushlight.distributed.rendezvous import rendezvous as rendezvous
from rushlight.distributed.store import PrefixStore as PrefixStore
from rushlight.distributed.store import Store as Store
from rushlight.distributed.work import Work as Work

_coalescing_manager = collectives.coalescing_manager
_CoalescingManager = collectives.CoalescingManager
_get_default_group = groups.default_group
_rank_not_in_group = groups.not_in_group
_make_nccl_premul_sum = premul_sum
_all_gather_base = all_gather_into_tensor
_reduce_scatter_base = reduce_scatter_tensor


def _get_process_group_name(pg: ProcessGroup) -> str:
    return pg.group_name


def is_mpi_available() -> bool:
    """Whether several processes can work together: mpi4py and an MPI library are installed.

    >>> torch.distributed.is_mpi_available() in (True, False)
    True
    """
    return mpi.is_available()


def is_gloo_available() -> bool:
    """Whether the backend 'gloo' can be named; MPI does its work.

    >>> torch.distributed.is_gloo_available()
    True
    """
    return True


def is_nccl_available() -> bool:
    """Whether there is a GPU, and a CuPy with NCCL.

    >>> torch.distributed.is_nccl_available()
    False
    """
    return nccl.is_available()


def is_ucc_available() -> bool:
    """False.

    >>> torch.distributed.is_ucc_available()
    False
    """
    return False


def is_xccl_available() -> bool:
    """False.

    >>> torch.distributed.is_xccl_available()
    False
    """
    return False


def is_backend_available(backend: str) -> bool:
    """Whether a backend of this name can be used here.

    >>> torch.distributed.is_backend_available("gloo")
    True
    """
    return backend.lower() in ("gloo", "mpi") or (backend.lower() == "nccl" and is_nccl_available())


def is_torchelastic_launched() -> bool:
    """Whether ``rushlight run`` or torchrun started this process.

    >>> torch.distributed.is_torchelastic_launched()
    False
    """
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None
