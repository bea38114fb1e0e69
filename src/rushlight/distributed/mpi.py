"""Starting MPI: under mpiexec, or by our own store, which speaks MPI's start protocol."""

import os
from pathlib import Path
from typing import Any

from rushlight.distributed.tcp_store import TCPStore

# Variables by which a process knows that an MPI launcher (mpiexec, srun with PMI) has started it.
_LAUNCHER = ("PMI_FD", "PMI_RANK")
_PMIX = ("PMIX_RANK", "OMPI_COMM_WORLD_RANK")

_started = False
_by_us: tuple[int, int] | None = None  # rank and size of the world we started


def is_available() -> bool:
    """Whether mpi4py, and an MPI library for it, is installed."""
    try:
        _module()
    except ImportError:
        return False
    return True


def _module() -> Any:
    import mpi4py

    if not mpi4py.rc.initialize and _started:
        from mpi4py import MPI

        return MPI
    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = False
    from mpi4py import MPI

    return MPI


def load() -> Any:
    """The module ``mpi4py.MPI``; RuntimeError saying what to install."""
    try:
        return _module()
    except ImportError as error:
        raise RuntimeError(
            "torch.distributed with several processes needs MPI: "
            f"pip install 'rushlight[distributed]' (mpi4py and mpich); {error}"
        ) from None


def launched() -> bool:
    """Whether a launcher that this MPI understands has started this process."""
    if "RUSHLIGHT_MPI_JOB" in os.environ:
        return False
    if any(name in os.environ for name in _LAUNCHER):
        return True
    return any(name in os.environ for name in _PMIX) and _understands_pmix()


def _understands_pmix() -> bool:
    """Open MPI starts by PMIx; MPICH as pip installs it does not, and would run alone."""
    try:
        return "Open MPI" in _module().Get_library_version()
    except ImportError:
        return False


def start_launched() -> Any:
    """MPI in a process that an MPI launcher has started; the module."""
    global _started
    mpi = load()
    if not mpi.Is_initialized():
        mpi.Init_thread(mpi.THREAD_MULTIPLE)
    _started = True
    return mpi


def start(server: TCPStore, job: int, rank: int, size: int) -> Any:
    """MPI for the processes that have met at a store; the module.

    All of them call this at about the same time. A process can be in one such world only.
    """
    global _started, _by_us
    if _started:
        _check_same_world(rank, size)
        return load()
    for name in [n for n in os.environ if n.startswith(("PMI_", "PMI2_", "PMIX_"))]:
        del os.environ[name]
    os.environ["RUSHLIGHT_MPI_JOB"] = str(job)
    os.environ["PMI_PORT"] = f"{server.host}:{server.port}"
    os.environ["PMI_ID"] = str((job << 16) + rank)
    mpi = load()
    mpi.Init_thread(mpi.THREAD_MULTIPLE)
    _started = True
    _by_us = rank, size
    return mpi


def _check_same_world(rank: int, size: int) -> None:
    mpi = load()
    world = mpi.COMM_WORLD
    if world.size < size:
        raise RuntimeError(
            f"MPI was started with {world.size} processes and cannot start again with {size}: "
            "start a new process instead"
        )


def is_ours() -> bool:
    """Whether MPI was started by our store, not by mpiexec."""
    return _by_us is not None


def forget_names() -> None:
    """Remove the names of MPI's shared memory: a killed process would leave them behind.

    All processes have opened it when this is called; the memory itself lives as long as they do.
    """
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, slash, rest = line.partition("/dev/shm/mpich_shm")
        if slash and not rest.endswith("(deleted)"):
            Path(slash + rest).unlink(missing_ok=True)
