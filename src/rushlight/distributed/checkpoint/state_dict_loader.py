"""torch.distributed.checkpoint.state_dict_loader: load."""

import logging
import os
import warnings
from collections.abc import Iterable
from typing import Any

from rushlight.distributed.checkpoint.coordination import Coordination
from rushlight.distributed.checkpoint.default_planner import (
    DefaultLoadPlanner,
    _EmptyStateDictLoadPlanner,
)
from rushlight.distributed.checkpoint.filesystem import FileSystemReader
from rushlight.distributed.checkpoint.metadata import Metadata
from rushlight.distributed.checkpoint.planner import LoadPlan, LoadPlanner
from rushlight.distributed.checkpoint.state_dict_saver import alone, states_of, storage_of, takes
from rushlight.distributed.checkpoint.stateful import Stateful
from rushlight.distributed.checkpoint.storage import StorageReader
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["load", "load_state_dict"]

_log = logging.getLogger(__name__)


class _Loading:
    """The steps of one loading, in one process."""

    def __init__(
        self,
        state: dict[str, Any],
        reader: StorageReader,
        planner: LoadPlanner,
        together: Coordination,
    ) -> None:
        self.state, self.reader, self.planner, self.together = state, reader, planner, together

    def run(self) -> None:
        """All of them."""
        plan = self.together.scatter("plan", self.local_plan, self.global_plan)
        self.together.together("read", lambda: self.read(plan))

    def local_plan(self) -> LoadPlan:
        """In all processes."""
        metadata, whole = self._metadata()
        first = self.together.is_coordinator
        self.planner.set_up_planner(self.state, metadata, first)
        if takes(self.reader.set_up_storage_reader, "kwargs"):
            self.reader.set_up_storage_reader(
                metadata, first, rank=self.together.rank, use_collectives=whole
            )
        else:
            self.reader.set_up_storage_reader(metadata, first)
        return self.reader.prepare_local_plan(self.planner.create_local_plan())

    def _metadata(self) -> tuple[Metadata, bool]:
        """The list, and whether it is one for all processes."""
        try:
            return self.reader.read_metadata(), True
        except Exception as error:
            problem = f"metadata is None; global metadata read failed: {error}"
            cause = error
        if takes(self.reader.read_metadata, "kwargs"):
            _log.warning("Global metadata is not found. Falling back to rank local metadata.")
            try:
                return self.reader.read_metadata(rank=self.together.rank), False
            except Exception as error:
                problem += f"; rank local metadata read failed: {error}"
        raise AssertionError(problem) from cause

    def global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """In the first process."""
        return self.reader.prepare_global_plan(self.planner.create_global_plan(plans))

    def read(self, plan: LoadPlan) -> None:
        """In all processes."""
        self.reader.read_data(self.planner.finish_plan(plan), self.planner).wait()


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_reader: StorageReader | None = None,
    planner: LoadPlanner | None = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
) -> None:
    """load(state_dict, *, checkpoint_id=None, storage_reader=None, planner=None,
    process_group=None, no_dist=False)

    Fill the tensors of a state, in place, and replace its other values. Each process reads what it
    holds; the number of processes and the placements may be others than those at saving, and the
    checkpoint may be one of PyTorch's. Values that are no tensors are pickles: load what you trust.
    ``planner`` decides what is read and where it goes.

    CheckpointException, in all processes, if one of them fails, for instance with RuntimeError
    because something is not in the checkpoint, or ValueError because it has another shape there.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, model = tempfile.mkdtemp(), torch.nn.Linear(2, 1)
    >>> _ = checkpoint.save({"model": model, "epoch": 3}, checkpoint_id=folder)
    >>> state = {"model": torch.nn.Linear(2, 1), "epoch": 0}
    >>> checkpoint.load(state, checkpoint_id=folder)
    >>> state["epoch"], state["model"].weight.equal(model.weight)
    (3, True)
    """
    no_dist = alone(no_dist, "load")
    reader = storage_of(FileSystemReader, storage_reader, checkpoint_id)
    states = states_of({key: state_dict[key] for key in sorted(state_dict)})
    _load(states, reader, planner, Coordination(process_group, no_dist))
    for key, value in list(state_dict.items()):
        if isinstance(value, Stateful):
            value.load_state_dict(states[key])
        else:
            state_dict[key] = states[key]


def _load(
    state: dict[str, Any], reader: StorageReader, planner: LoadPlanner | None, by: Coordination
) -> None:
    _Loading(state, reader, DefaultLoadPlanner() if planner is None else planner, by).run()


def load_state_dict(
    state_dict: dict[str, Any],
    storage_reader: StorageReader,
    process_group: ProcessGroup | None = None,
    coordinator_rank: int = 0,
    no_dist: bool = False,
    planner: LoadPlanner | None = None,
) -> None:
    """load_state_dict(state_dict, storage_reader, process_group=None, coordinator_rank=0,
    no_dist=False, planner=None): the older name of :func:`load`.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, state = tempfile.mkdtemp(), {"a": 1}
    >>> _ = checkpoint.save({"a": 2}, checkpoint_id=folder)
    >>> checkpoint.load_state_dict(state, checkpoint.FileSystemReader(folder)); state
    {'a': 2}
    """
    warnings.warn(
        "`load_state_dict` is deprecated and will be removed in future versions. "
        "Please use `load` instead.",
        FutureWarning,
        stacklevel=2,
    )
    storage_reader.reset()
    together = Coordination(process_group, no_dist, coordinator_rank)
    _load(state_dict, storage_reader, planner, together)


def _load_state_dict_from_keys(
    keys: set[str] | str | None = None,
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_reader: StorageReader | None = None,
    process_group: ProcessGroup | None = None,
) -> dict[str, Any]:
    """A new state of what is in a checkpoint under some names, or of all of it.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> from rushlight.distributed.checkpoint.state_dict_loader import _load_state_dict_from_keys
    >>> folder = tempfile.mkdtemp()
    >>> _ = checkpoint.save({"a": {"b": torch.ones(2)}, "c": 1}, checkpoint_id=folder)
    >>> _load_state_dict_from_keys("a", checkpoint_id=folder)
    {'a': {'b': tensor([1., 1.])}}
    """
    no_dist = alone(False, "load")
    reader = storage_of(FileSystemReader, storage_reader, checkpoint_id)
    wanted: Iterable[str] | None = {keys} if isinstance(keys, str) else keys
    state: dict[str, Any] = {}
    _load(state, reader, _EmptyStateDictLoadPlanner(wanted), Coordination(process_group, no_dist))
    return state


def everything(reader: StorageReader) -> dict[str, Any]:
    """The whole state of a checkpoint, read by this process alone."""
    state: dict[str, Any] = {}
    _load(state, reader, _EmptyStateDictLoadPlanner(), Coordination(None, True))
    return state
