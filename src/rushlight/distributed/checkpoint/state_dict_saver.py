"""torch.distributed.checkpoint.state_dict_saver: save, async_save."""

import inspect
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rushlight.distributed.checkpoint.coordination import Coordination
from rushlight.distributed.checkpoint.default_planner import DefaultSavePlanner
from rushlight.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from rushlight.distributed.checkpoint.metadata import Metadata
from rushlight.distributed.checkpoint.planner import SavePlan, SavePlanner
from rushlight.distributed.checkpoint.staging import AsyncStager, BlockingAsyncStager
from rushlight.distributed.checkpoint.stateful import Stateful
from rushlight.distributed.checkpoint.storage import StorageWriter, WriteResult
from rushlight.distributed.groups import default_group, is_initialized, new_group
from rushlight.distributed.process_group import ProcessGroup

__all__ = [
    "AsyncCheckpointerType",
    "AsyncSaveResponse",
    "async_save",
    "save",
    "save_state_dict",
]

_ALONE = (
    "torch.distributed is disabled, unavailable or uninitialized, assuming the intent is to {} in "
    "a single process."
)


class AsyncCheckpointerType(Enum):
    """Where ``async_save`` writes: in a thread; a process of its own is not supported.

    >>> from rushlight.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType
    >>> AsyncCheckpointerType.THREAD.value
    'thread'
    """

    THREAD = "thread"
    PROCESS = "process"


@dataclass
class AsyncSaveResponse:
    """AsyncSaveResponse(staging_completion, upload_completion): what ``async_save`` gives if the
    stager copies in the background: futures of the copy and of the checkpoint.

    >>> from concurrent.futures import Future
    >>> from rushlight.distributed.checkpoint.state_dict_saver import AsyncSaveResponse
    >>> AsyncSaveResponse(Future(), Future()).upload_completion.done()
    False
    """

    staging_completion: Future
    upload_completion: Future


def states_of(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The state, with the states of the objects that know them."""
    return {k: v.state_dict() if isinstance(v, Stateful) else v for k, v in state_dict.items()}


def alone(no_dist: bool, what: str) -> bool:
    """Whether this process saves or loads without the others: said in a warning."""
    if no_dist or not is_initialized():
        warnings.warn(_ALONE.format(what), stacklevel=3)
        return True
    return False


def storage_of(kind: type, storage: Any, checkpoint_id: Any) -> Any:
    """The storage that is given, or a folder; RuntimeError if there is neither."""
    if storage is not None:
        if checkpoint_id is not None:
            storage.reset(checkpoint_id)
        return storage
    if not checkpoint_id:
        raise RuntimeError(
            "`checkpoint_id` must be specified if storage_reader/storage_writer is None."
        )
    folders: type = FileSystemReader if kind is FileSystemReader else FileSystemWriter
    if not FileSystemWriter.validate_checkpoint_id(checkpoint_id):
        raise RuntimeError(
            "Cannot detect which StorageReader or StorageWriter to use. "
            "Please specify the storage_reader/storage_writer."
        )
    made = folders(checkpoint_id)
    made.reset(checkpoint_id)
    return made


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a method that a program has written has a parameter."""
    return name in inspect.signature(function).parameters


class _Saving:
    """The steps of one saving, in one process."""

    def __init__(
        self,
        state: dict[str, Any],
        writer: StorageWriter,
        planner: SavePlanner,
        together: Coordination,
        use_collectives: bool,
    ) -> None:
        self.state, self.writer, self.planner = state, writer, planner
        self.together, self.use_collectives = together, use_collectives
        self.metadata: Metadata | None = None

    def run(self) -> Metadata:
        """All of them."""
        if self.use_collectives:
            plan = self.together.scatter("plan", self.local_plan, self.global_plan)
            return self.together.reduce("write", lambda: self.write(plan), self.finish)
        plan = self.global_plan([self.local_plan()])[0]
        metadata = self.finish([self.write(plan)])
        self.together.barrier()
        return metadata

    def local_plan(self) -> SavePlan:
        """In all processes."""
        first = self.together.is_coordinator
        meta = self.writer.storage_meta()
        if takes(self.planner.set_up_planner, "storage_meta"):
            self.planner.set_up_planner(
                state_dict=self.state, storage_meta=meta, is_coordinator=first
            )
        else:
            warnings.warn(
                "The function definition for SavePlanner.set_up_planner has been updated to "
                "include the storage_meta argument. Please update your implementation to include "
                "this parameter.",
                stacklevel=2,
            )
            older: Callable[..., None] = self.planner.set_up_planner
            older(self.state, first)
        if takes(self.writer.set_up_storage_writer, "kwargs"):
            self.writer.set_up_storage_writer(
                first, rank=self.together.rank, use_collectives=self.use_collectives
            )
        else:
            self.writer.set_up_storage_writer(first)
        return self.writer.prepare_local_plan(self.planner.create_local_plan())

    def global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """In the first process."""
        plans, self.metadata = self.planner.create_global_plan(plans)
        return self.writer.prepare_global_plan(plans)

    def write(self, plan: SavePlan) -> list[WriteResult]:
        """In all processes."""
        done = self.writer.write_data(self.planner.finish_plan(plan), self.planner)
        done.wait()
        return done.value()

    def finish(self, results: list[list[WriteResult]]) -> Metadata:
        """In the first process."""
        assert self.metadata is not None
        self.writer.finish(metadata=self.metadata, results=results)
        return self.metadata


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: StorageWriter | None = None,
    planner: SavePlanner | None = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> Metadata:
    """save(state_dict, *, checkpoint_id=None, storage_writer=None, planner=None,
    process_group=None, no_dist=False, use_collectives=True) -> Metadata

    Save a state to a folder, in PyTorch's format, or by a StorageWriter of the program's. All
    processes call it; each writes its share, what several have is written by one of them. The list
    of what is where is written last, and at once: a folder either has a whole checkpoint or none.
    ``planner`` decides what is written. Without ``use_collectives`` each process writes all it has,
    with a list of its own, and only as many processes can load it.

    CheckpointException, in all processes, if one of them fails.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, state = tempfile.mkdtemp(), {"w": torch.ones(2)}
    >>> _ = checkpoint.save(state, checkpoint_id=folder)
    >>> state["w"].zero_(); checkpoint.load(state, checkpoint_id=folder); state["w"]
    tensor([0., 0.])
    tensor([1., 1.])
    """
    no_dist = alone(no_dist, "save")
    writer = storage_of(FileSystemWriter, storage_writer, checkpoint_id)
    together = Coordination(process_group, no_dist)
    chosen = DefaultSavePlanner() if planner is None else planner
    return _Saving(states_of(state_dict), writer, chosen, together, use_collectives).run()


def save_without_asking(state: dict[str, Any], writer: StorageWriter) -> Metadata:
    """Save a state as it is, by this process alone."""
    return _Saving(state, writer, DefaultSavePlanner(), Coordination(None, True), True).run()


def save_state_dict(
    state_dict: dict[str, Any],
    storage_writer: StorageWriter,
    process_group: ProcessGroup | None = None,
    coordinator_rank: int = 0,
    no_dist: bool = False,
    planner: SavePlanner | None = None,
) -> Metadata:
    """save_state_dict(state_dict, storage_writer, process_group=None, coordinator_rank=0,
    no_dist=False, planner=None): the older name of :func:`save`.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> writer = checkpoint.FileSystemWriter(tempfile.mkdtemp())
    >>> list(checkpoint.save_state_dict({"a": 1}, writer).state_dict_metadata)
    ['a']
    """
    warnings.warn(
        "`save_state_dict` is deprecated and will be removed in future versions."
        "Please use `save` instead.",
        FutureWarning,
        stacklevel=2,
    )
    storage_writer.reset()
    together = Coordination(process_group, no_dist, coordinator_rank)
    chosen = DefaultSavePlanner() if planner is None else planner
    return _Saving(state_dict, storage_writer, chosen, together, True).run()


_background: list[tuple[ProcessGroup, ProcessGroup]] = []  # the group of all, and its twin


def _twin() -> ProcessGroup:
    """A group of all processes that nothing else uses; made once, by all of them."""
    whole = default_group()
    if not _background or _background[0][0] is not whole:
        _background[:] = [(whole, new_group(group_desc="async_save"))]
    return _background[0][1]


def async_save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: StorageWriter | None = None,
    planner: SavePlanner | None = None,
    process_group: ProcessGroup | None = None,
    async_checkpointer_type: AsyncCheckpointerType = AsyncCheckpointerType.THREAD,
    async_stager: AsyncStager | None = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> Future | AsyncSaveResponse:
    """async_save(state_dict, *, checkpoint_id=None, storage_writer=None, planner=None,
    process_group=None, async_checkpointer_type=AsyncCheckpointerType.THREAD, async_stager=None,
    no_dist=False, use_collectives=True) -> Future

    Copy the state now and write it in a thread; a future that is done when it is written. The
    processes agree by a group of its own, or by ``process_group``, which must then be used for
    nothing else meanwhile. ``async_stager``, or the ``stage`` of the writer, makes the copy; if
    that gives a future, so there are two: AsyncSaveResponse.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> future = checkpoint.async_save({"w": torch.ones(2)}, checkpoint_id=tempfile.mkdtemp())
    >>> list(future.result().state_dict_metadata)
    ['w']
    """
    if async_checkpointer_type is not AsyncCheckpointerType.THREAD:
        raise NotImplementedError("AsyncCheckpointerType.PROCESS is not supported: use THREAD")
    group = process_group
    if group is None and is_initialized() and not no_dist:
        group = _twin()
    stager = async_stager
    if stager is None:
        stager = storage_writer if isinstance(storage_writer, AsyncStager) else None
    stager = BlockingAsyncStager() if stager is None else stager
    staged = stager.stage(states_of(state_dict))

    def write() -> Metadata:
        return save(
            staged.result() if isinstance(staged, Future) else staged,
            checkpoint_id=checkpoint_id,
            storage_writer=storage_writer,
            planner=planner,
            process_group=group,
            no_dist=no_dist,
            use_collectives=use_collectives,
        )

    future = _in_a_thread(write)
    if isinstance(staged, Future):
        return AsyncSaveResponse(_end_of(staged), future)
    if stager.should_synchronize_after_execute:
        stager.synchronize_staging()
    return future


def _in_a_thread(work: Callable[[], Any]) -> Future:
    future: Future = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="rushlight-async-save").start()
    return future


def _end_of(staged: Future) -> Future:
    """A future of nothing, when the copy is complete."""
    end: Future = Future()

    def tell(done: Future) -> None:
        error = done.exception()
        if error is None:
            end.set_result(None)
        else:
            end.set_exception(error)

    staged.add_done_callback(tell)
    return end
