"""The groups of this process: making the first one, making others, asking about them."""

import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from rushlight import _api as torch
from rushlight.distributed import debug, monitor, mpi
from rushlight.distributed.backend import Backend, BackendConfig, backend_name
from rushlight.distributed.constants import usual_timeout
from rushlight.distributed.engine import Engine, MPIEngine
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.rendezvous import own_address, rendezvous
from rushlight.distributed.store import PrefixStore, Store
from rushlight.distributed.tcp_store import TCPStore
from rushlight.distributed.waiting import Watch
from rushlight.distributed.window import WindowEngine
from rushlight.utils.data import distributed as sampling

NON_GROUP_MEMBER = -100


class World:
    """What this process has joined."""

    def __init__(self) -> None:
        self.default: ProcessGroup | None = None
        self.groups: list[ProcessGroup] = []
        self.configs: dict[ProcessGroup, str] = {}
        self.counts: dict[tuple[int, ...], int] = {}
        self.made = 0
        self.mpi: Any = None
        self.mpi_ranks: list[int] = []  # rank -> rank in MPI's world
        self.nodes: list[int] = []  # rank -> its machine
        self.monitor: monitor.Monitor | None = None
        self.store: Store | None = None
        self.server: TCPStore | None = None

    def status(self) -> str:
        """What this process did last, for the others to know."""
        if not self.groups:
            return "none"
        latest = max(self.groups, key=lambda g: (g.is_waiting(), g.sequence))
        return f"{latest.last}, {'under way' if latest.is_waiting() else 'done'}"

    def begun(self) -> str:
        """How many collectives of each group this process has begun, for the server."""
        return ",".join(f"{g.group_name}:{g.sequence}" for g in list(self.groups))

    def waits(self) -> str:
        """What a caller here has waited for longest: group, number, seconds, and for whom."""
        now = time.monotonic()
        held = [(h[1], h[0], g) for g in list(self.groups) if (h := g.held) is not None]
        if not held:
            return ""
        since, what, g = min(held, key=lambda entry: entry[0])
        if what.isdigit():
            me = g.ranks[g.rank()]
            others = ".".join(str(r) for r in g.ranks if r != me)
            return f"{g.group_name}:{what}:{int(now - since)}:{others}"
        return f"::{int(now - since)}:{what.removeprefix('rank ')}"

    def fail(self, rank: int, text: str) -> None:
        """A process has died, or (below 0) has left."""
        for group in list(self.groups):
            if rank >= 0:
                group.fail(text)
            elif -1 - rank in group.ranks:
                group.left = text
                if group.is_waiting():
                    group.fail(text)


world = World()
_inits = 0  # how often this process has joined: part of the keys in a store that outlives a group


# ---- joining -------------------------------------------------------------------------------------


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
    _ranks: list[int] | None = None,
) -> None:
    """init_process_group(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1,
    store=None, group_name='', pg_options=None, device_id=None)

    Join the other processes of the job, and make the group of all of them.

    ``backend`` is 'gloo' or 'mpi', which both are MPI, or 'nccl' for tensors on GPUs (those on the
    CPU go by MPI then, too). Where to meet is said by ``init_method``
    ('env://', the default; 'tcp://host:port'; 'file:///path') or is a ``store``. ``timeout`` is how
    long any collective may take (30 minutes).

    ValueError if this process has joined already or something is missing; RuntimeError for a
    backend that is not there.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> torch.distributed.get_world_size()
    1
    >>> torch.distributed.destroy_process_group()
    """
    global _inits
    if world.default is not None:
        raise ValueError("trying to initialize the default process group twice!")
    debug.set_debug_level_from_env()
    _check_init(init_method, store, world_size, rank, timeout, device_id)
    limit = usual_timeout() if timeout is None else timeout
    config = Backend(backend or Backend.UNDEFINED)
    if store is None:
        store, rank, world_size = _met(config, init_method or "env://", rank, world_size, limit)
    name = backend_name(config)
    _inits += 1
    world.store = PrefixStore(f"default_pg/{_inits}", store)
    if world_size > 1:
        _connect(world.store, rank, world_size)
    sampling.process_group = lambda: (get_world_size(), get_rank())
    world.default = _make_group(list(range(world_size)), rank, limit, name, "default_pg")
    world.configs[world.default] = repr(BackendConfig(name if config == "undefined" else config))
    if device_id is not None:
        world.default.bound_device_id = device_id
        world.default.open_gpu(device_id.index)
    if world_size > 1:
        _wait_for_connection(world.default)
        if world.monitor is not None and world.monitor.progress is not None:
            world.monitor.progress.connected()


def _met(
    config: str, method: str, rank: int, world_size: int, limit: timedelta
) -> tuple[Store, int, int]:
    """A store, the rank and the number of processes, as the method says."""
    alone = config == Backend.MPI and "RANK" not in os.environ and not mpi.launched()
    if alone and method == "env://" and rank < 0:
        raise RuntimeError(
            "Distributed package has no MPI launcher here: start the program with mpiexec or "
            "`rushlight run`, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT"
        )
    store, rank, world_size = next(rendezvous(method, rank, world_size, timeout=limit))
    store.set_timeout(limit)
    return store, rank, world_size


def _check_init(
    init_method: str | None,
    store: Store | None,
    world_size: int,
    rank: int,
    timeout: timedelta | None,
    device_id: Any,
) -> None:
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(
            f"Expected timeout argument to be of type datetime.timedelta, got {timeout}"
        )
    if device_id is not None and (device_id.type != "cuda" or device_id.index is None):
        raise ValueError(
            "init_process_group device_id parameter must be an accelerator with an index"
        )
    if store is not None:
        if init_method is not None:
            raise AssertionError("Cannot specify both init_method and store.")
        if not world_size > 0:
            raise AssertionError("world_size must be positive if using store")
        if not rank >= 0:
            raise AssertionError("rank must be non-negative if using store")


def _wait_for_connection(group: ProcessGroup) -> None:
    try:
        group.run("init_process_group", group.engine.barrier, [], async_op=True).wait()
    except BaseException:
        destroy_process_group()
        raise
    group.sequence = 0
    group.last = "none"


def _connect(store: Store, rank: int, size: int) -> None:
    """Start MPI, and the connection that tells who is alive."""
    server = _server(store, rank)
    if rank == 0:
        store.set("job", server._client.ask(b"new_job", b"%d" % size)[1][0])
    job = int(store.get("job"))
    progress = monitor.Progress(world.begun, world.waits, server.serving_pids())
    watcher = monitor.Monitor(
        server.host, server.port, job, rank, world.status, world.fail, progress
    )
    watcher.asking.ask(b"num_keys")
    world.monitor, world.server = watcher, server
    monitor.watch_over(watcher, _at_end)
    store.barrier("arrived", size)
    if mpi.launched():
        world.mpi = mpi.start_launched()
    else:
        world.mpi = mpi.start(server, job, rank, size)
    comm = world.mpi.COMM_WORLD
    node = comm.Split_type(world.mpi.COMM_TYPE_SHARED)
    machine = node.allreduce(comm.rank, world.mpi.MIN)
    node.Barrier()
    mpi.forget_names()
    found = sorted(comm.allgather((rank, comm.rank, machine)))
    world.mpi_ranks = [entry[1] for entry in found]
    world.nodes = [entry[2] for entry in found]


def _server(store: Store, rank: int) -> TCPStore:
    """The store itself if it is served over TCP, else one that is announced in it."""
    inner: Store = store
    while isinstance(inner, PrefixStore):
        inner = inner.underlying_store
    if isinstance(inner, TCPStore):
        return inner
    if rank == 0:
        server = TCPStore(own_address(), 0, is_master=True)
        store.set("server", f"{server.host}:{server.port}")
        return server
    host, _, port = store.get("server").decode().rpartition(":")
    return TCPStore(host, int(port))


def _at_end(failed: bool) -> None:
    """The process ends. What mpiexec has started must say so to MPI."""
    if world.mpi is None or mpi.is_ours() or not world.mpi.Is_initialized():
        return
    if world.mpi.Is_finalized():
        return
    if failed:
        world.mpi.COMM_WORLD.Abort(1)
    world.mpi.Finalize()


def _make_group(
    ranks: list[int], rank: int, timeout: timedelta, backend: str, description: str
) -> ProcessGroup:
    """A group of the ranks; ``rank`` is that of this process in the world."""
    number = world.made
    world.made += 1
    key = tuple(ranks)
    count = world.counts[key] = world.counts.get(key, 0) + 1
    tag = zlib.crc32(f"{ranks}/{count}".encode()) % 30000
    store = None if world.store is None else PrefixStore(str(number), world.store)
    engine = _engine(ranks, ranks.index(rank), tag)
    group = ProcessGroup(engine, ranks, number, timeout, store, backend, description)
    if world.monitor is not None:
        group.report = world.monitor.report
    world.groups.append(group)
    world.configs[group] = repr(BackendConfig(backend))
    group.begin()
    return group


def _engine(ranks: list[int], rank: int, tag: int) -> Engine:
    watch = Watch()
    if len(ranks) == 1:
        return Engine(watch)
    one_machine = len({world.nodes[r] for r in ranks}) == 1
    through_memory = one_machine and os.environ.get("RUSHLIGHT_SHM", "1") != "0"
    kind = WindowEngine if through_memory else MPIEngine
    return kind(watch, rank, len(ranks), world.mpi, _connection(ranks, tag))


def _connection(ranks: list[int], tag: int) -> Callable[[], Any]:
    """How the processes of these ranks get a communicator."""
    members = [world.mpi_ranks[r] for r in ranks]

    def connect() -> Any:
        everyone = world.mpi.COMM_WORLD
        return everyone.Create_group(everyone.group.Incl(members), tag)

    return connect


def destroy_process_group(group: Any = None) -> None:
    """destroy_process_group(group=None): leave a group, or all of them and the job.

    AssertionError if there is none.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.destroy_process_group(dist.new_group([0]))
    >>> dist.destroy_process_group()
    """
    if group is NON_GROUP_MEMBER or group == NON_GROUP_MEMBER:
        return
    pg = world.default if group is None else group
    if pg is None:
        raise AssertionError("Process group cannot be None")
    if pg not in world.groups:
        raise ValueError("Invalid process group specified")
    if pg is not world.default:
        pg.shutdown()
        world.groups.remove(pg)
        del world.configs[pg]
        return
    for member in world.groups:
        member.shutdown()
    monitor.stop_watching()
    keep = world.mpi
    world.__init__()  # type: ignore[misc]
    world.mpi = keep


# ---- asking --------------------------------------------------------------------------------------


def is_initialized() -> bool:
    """Whether this process has joined a job.

    >>> torch.distributed.is_initialized()
    False
    """
    return world.default is not None


def default_group() -> ProcessGroup:
    """The group of all processes; ValueError if this process has not joined."""
    if world.default is None:
        raise ValueError(
            "Default process group has not been initialized, "
            "please make sure to call init_process_group."
        )
    return world.default


def not_in_group(group: Any) -> bool:
    """Whether this process is not a member."""
    return group is not None and group == NON_GROUP_MEMBER


def the_group(group: Any) -> ProcessGroup:
    """The group meant: None is the group of all."""
    if group is None:
        return default_group()
    if not isinstance(group, ProcessGroup) or group not in world.groups:
        raise ValueError(
            f"Group {group} is not registered, please create group with "
            "torch.distributed.new_group API"
        )
    return group


def get_rank(group: Any = None) -> int:
    """get_rank(group=None): the rank of this process in the group; -1 if it is no member.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_rank()
    0
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        return -1
    default = default_group()
    if group is None or group is default:
        return default.rank()
    return the_group(group).rank()


def get_world_size(group: Any = None) -> int:
    """get_world_size(group=None): how many processes; -1 if this one is no member.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_world_size()
    1
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        return -1
    default_group()
    return the_group(group).size()


def get_backend(group: Any = None) -> Backend:
    """get_backend(group=None): the name of the backend.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_backend()
    'gloo'
    >>> dist.destroy_process_group()
    """
    default_group()
    if not_in_group(group) or (group is not None and group not in world.groups):
        raise ValueError("Invalid process group specified")
    return Backend(the_group(group).name())


def get_backend_config(group: Any = None) -> str:
    """get_backend_config(group=None): the backends of the kinds of devices, as text.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_backend_config()
    'cpu:gloo,cuda:gloo'
    >>> dist.destroy_process_group()
    """
    default_group()
    if not_in_group(group) or (group is not None and group not in world.groups):
        raise ValueError("Invalid process group specified")
    return world.configs[the_group(group)]


def get_default_backend_for_device(device: Any) -> str:
    """get_default_backend_for_device(device): 'gloo' for the CPU.

    >>> torch.distributed.get_default_backend_for_device("cpu")
    'gloo'
    """
    kind = device.type if isinstance(device, torch.device) else torch.device(device).type
    backend = Backend.default_device_backend_map.get(kind)
    if backend is None:
        raise ValueError(f"Default backend not registered for device : {device}")
    return backend


def get_pg_count() -> int:
    """How many groups there are.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_pg_count()
    1
    >>> dist.destroy_process_group()
    """
    return len(world.groups)


def get_process_group_ranks(group: Any) -> list[int]:
    """get_process_group_ranks(group): the ranks, in the world, of a group's processes.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_process_group_ranks(dist.group.WORLD)
    [0]
    >>> dist.destroy_process_group()
    """
    return list(the_group(group).ranks)


def get_group_rank(group: Any, global_rank: int) -> int:
    """get_group_rank(group, global_rank): a rank in the world as a rank in the group.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_group_rank(dist.new_group([0]), 0)
    0
    >>> dist.destroy_process_group()
    """
    pg = the_group(group)
    if pg is world.default:
        return global_rank
    if global_rank not in pg.ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {pg}")
    return pg.ranks.index(global_rank)


def get_global_rank(group: Any, group_rank: int) -> int:
    """get_global_rank(group, group_rank): a rank in the group as a rank in the world.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_global_rank(dist.new_group([0]), 0)
    0
    >>> dist.destroy_process_group()
    """
    pg = the_group(group)
    if pg is world.default:
        return group_rank
    if not 0 <= group_rank < pg.size():
        raise ValueError(f"Group rank {group_rank} is not part of group {pg}")
    return pg.ranks[group_rank]


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """get_node_local_rank(fallback_rank=None): the rank among the processes of this machine.

    >>> torch.distributed.get_node_local_rank(fallback_rank=0)
    0
    """
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
        "`get_node_local_rank` to work, assuming you are not running in a multi-device context "
        "and want the code to run locally instead."
    )


def warn_not_in_group(name: str) -> None:
    """Say that a process called a collective of a group it is no member of."""
    who = default_group().rank()
    warnings.warn(
        f"Running {name} on global rank {who} which does not belong to the given group.",
        stacklevel=3,
    )


# ---- more groups ---------------------------------------------------------------------------------


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """new_group(ranks=None, timeout=None, backend=None, pg_options=None,
    use_local_synchronization=False, group_desc=None, device_id=None, sort_ranks=True)

    A group of some of the processes. All processes call it, in the same order; those that are not
    in ``ranks`` get ``GroupMember.NON_GROUP_MEMBER``.

    ValueError if ``ranks`` has duplicates or ranks that do not exist.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_world_size(dist.new_group([0]))
    1
    >>> dist.destroy_process_group()
    """
    default = default_group()
    size = default.size()
    chosen = list(range(size)) if ranks is None else list(ranks)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"ranks list must not contain duplicate entries, got {ranks}")
    if len(chosen) > size:
        raise ValueError(
            "the new group's world size should be less or "
            "equal to the world size set by init_process_group"
        )
    for rank in chosen:
        if not 0 <= rank < size:
            raise ValueError(
                f"Rank {rank} is out of range. Valid ranks are 0 to {size - 1} (world_size={size})"
            )
    if not chosen:
        raise ValueError("a group needs at least one rank")
    name = default.name() if backend is None else backend_name(backend)
    if sort_ranks:
        chosen.sort()
    if default.rank() not in chosen:
        world.made += 1
        return NON_GROUP_MEMBER
    limit = usual_timeout() if timeout is None else timeout
    return _make_group(chosen, default.rank(), limit, name, group_desc or "undefined")


def new_subgroups(
    group_size: int | None = None,
    group: Any = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """new_subgroups(group_size, group=None, timeout=None, backend=None, pg_options=None,
    group_desc=None)

    Groups of ``group_size`` processes with consecutive ranks: that of this process, and all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine, every = dist.new_subgroups(1)
    >>> dist.get_rank(mine), len(every)
    (0, 1)
    >>> dist.destroy_process_group()
    """
    if group_size is None:
        raise ValueError(
            "Default group size only takes effect when CUDA is available."
            "If your subgroup using a backend that does not depend on CUDA,"
            "please pass in 'group_size' correctly."
        )
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    size = get_world_size(group)
    if size < group_size:
        raise ValueError(
            f"The arg 'group_size' ({group_size}) must not exceed the world size ({size})"
        )
    if size % group_size != 0:
        raise ValueError(f"The world size ({size}) must be divisible by '{group_size=}'")
    members = get_process_group_ranks(group)
    chosen = [members[i : i + group_size] for i in range(0, size, group_size)]
    return new_subgroups_by_enumeration(chosen, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: list[list[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """new_subgroups_by_enumeration(ranks_per_subgroup_list, timeout=None, backend=None,
    pg_options=None, group_desc=None)

    Groups with these ranks, of which no two share one: that of this process, and all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine, every = dist.new_subgroups_by_enumeration([[0]])
    >>> mine is every[0]
    True
    >>> dist.destroy_process_group()
    """
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    mine: Any = None
    groups: list[Any] = []
    seen: dict[int, list[int]] = {}
    for ranks in ranks_per_subgroup_list:
        for rank in ranks:
            if rank in seen:
                raise ValueError(
                    f"Rank {rank} has appeared in both subgroup {seen[rank]} and {ranks}"
                )
            seen[rank] = ranks
    for ranks in ranks_per_subgroup_list:
        group = new_group(ranks, timeout, backend, pg_options, group_desc=group_desc)
        groups.append(group)
        if get_rank() in ranks:
            mine = group
    return mine, groups


def split_group(
    parent_pg: Any = None,
    split_ranks: list | None = None,
    timeout: timedelta | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
    backend: str | None = None,
) -> ProcessGroup | None:
    """split_group(parent_pg=None, split_ranks=None, timeout=None, pg_options=None, group_desc=None,
    backend=None)

    The part of the parent group, given as ranks of the parent, that this process is in, or None.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.split_group(split_ranks=[[0]]).size()
    1
    >>> dist.destroy_process_group()
    """
    if not split_ranks:
        raise ValueError("split_ranks cannot be None or empty")
    parent = the_group(parent_pg)
    mine = None
    for part in split_ranks:
        if not part:
            raise ValueError("the split group cannot be empty")
        if len(set(part)) != len(part):
            raise ValueError("the split group cannot have duplicate ranks")
        if parent.rank() in part:
            mine = sorted(part)
    if mine is None:
        world.made += 1
        return None
    ranks = [parent.ranks[r] for r in mine]
    limit = parent.timeout if timeout is None else timeout
    me = default_group().rank()
    return _make_group(ranks, me, limit, parent.name(), group_desc or "undefined")


def shrink_group(
    ranks_to_exclude: list[int],
    group: Any = None,
    shrink_flags: int = 0,
    pg_options: Any = None,
) -> ProcessGroup:
    """shrink_group(ranks_to_exclude, group=None, shrink_flags=0, pg_options=None)

    A group without some ranks; those that stay call it. Where the group was that of all processes,
    the new one takes its place.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.shrink_group([0])
    Traceback (most recent call last):
        ...
    ValueError: Cannot shrink a process group with size 1. Group must have at least 2 ranks
    >>> dist.destroy_process_group()
    """
    pg = the_group(group)
    if not isinstance(ranks_to_exclude, list):
        raise TypeError(
            f"ranks_to_exclude must be a list, but got {type(ranks_to_exclude).__name__}. "
            "Example: [1, 3, 5] to exclude ranks 1, 3, and 5."
        )
    if not ranks_to_exclude:
        raise ValueError(
            "ranks_to_exclude cannot be empty. To shrink a group, you must specify at least "
            "one rank to exclude. Example: [failed_rank_id]"
        )
    _check_excluded(ranks_to_exclude, pg)
    ranks = [r for i, r in enumerate(pg.ranks) if i not in ranks_to_exclude]
    me = pg.ranks[pg.rank()]
    smaller = _make_group(ranks, me, pg.timeout, pg.name(), pg.group_desc)
    if pg is world.default:
        world.default = smaller
    return smaller


def _check_excluded(excluded: list[int], pg: ProcessGroup) -> None:
    size = pg.size()
    if size < 2:
        raise ValueError(
            f"Cannot shrink a process group with size {size}. "
            "Group must have at least 2 ranks to support shrinking."
        )
    for i, rank in enumerate(excluded):
        if not 0 <= rank < size:
            raise ValueError(
                f"Rank {rank} at index {i} is out of bounds for group size {size}. "
                f"Valid ranks are in range [0, {size - 1}]."
            )
    if len(set(excluded)) == size:
        raise ValueError(
            f"Cannot exclude all {size} ranks from process group. "
            f"At least one rank must remain. Excluding {size} ranks."
        )
    if pg.rank() in excluded:
        raise RuntimeError(
            f"Current rank {pg.rank()} is in the exclusion list and should not call "
            "shrink_group(). Only non-excluded ranks should participate in the shrinking "
            "operation. Excluded ranks should terminate their processes instead."
        )


class _WorldMeta(type):
    """``group.WORLD`` is the group of all processes, whatever it is now."""

    @property
    def WORLD(cls) -> ProcessGroup | None:  # noqa: N802 (PyTorch's name)
        """The group of all processes, or None."""
        return world.default

    @WORLD.setter
    def WORLD(cls, pg: ProcessGroup | None) -> None:  # noqa: N802
        world.default = pg


class group(metaclass=_WorldMeta):
    """``group.WORLD``: the group of all processes.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.group.WORLD.size()
    1
    >>> dist.destroy_process_group()
    """


class GroupMember(metaclass=_WorldMeta):
    """``GroupMember.NON_GROUP_MEMBER``: what stands for a group for who is not in it.

    >>> torch.distributed.GroupMember.NON_GROUP_MEMBER
    -100
    """

    NON_GROUP_MEMBER = NON_GROUP_MEMBER


def groups_iterator() -> Iterator[ProcessGroup]:
    """All groups of this process."""
    return iter(world.groups)
