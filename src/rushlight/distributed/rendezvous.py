"""How processes find each other: env://, tcp://, file://."""

import os
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from rushlight.distributed import mpi, slurm
from rushlight.distributed.file_store import FileStore
from rushlight.distributed.store import PrefixStore, Store
from rushlight.distributed.tcp_store import TCPStore

__all__ = ["register_rendezvous_handler", "rendezvous"]

Found = tuple[Store, int, int]
_DEFAULT = timedelta(seconds=1800)


def _error(scheme: str, text: str) -> ValueError:
    return ValueError(f"Error initializing torch.distributed using {scheme}:// rendezvous: {text}")


def _needed(query: dict[str, str], name: str, scheme: str) -> int:
    if name not in query:
        raise _error(scheme, f"{name.replace('_', ' ')} parameter missing")
    return int(query[name])


def _variable(query: dict[str, str], key: str, variable: str) -> str:
    if key in query:
        return query[key]
    value = os.environ.get(variable)
    if value is None:
        raise _error("env", f"environment variable {variable} expected, but not set")
    return value


def _from_environment(url: SplitResult, query: dict[str, str], timeout: timedelta) -> Found:
    describe_environment()
    rank = int(_variable(query, "rank", "RANK"))
    size = int(_variable(query, "world_size", "WORLD_SIZE"))
    host = _variable({}, "", "MASTER_ADDR")
    port = int(_variable({}, "", "MASTER_PORT"))
    return _tcp_store(host, port, rank, size, timeout), rank, size


def _tcp_store(host: str, port: int, rank: int, size: int, timeout: timedelta) -> Store:
    """The store of rank 0, or of the agent that started us (a fresh part of it for each start)."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = TCPStore(host, port, size, False, timeout)
        return PrefixStore(f"/worker/attempt_{attempt}", store)
    return TCPStore(host, port, size, rank == 0, timeout, multi_tenant=True)


def _from_address(url: SplitResult, query: dict[str, str], timeout: timedelta) -> Found:
    if not url.port:
        raise _error("tcp", "port number missing")
    rank, size = _needed(query, "rank", "tcp"), _needed(query, "world_size", "tcp")
    store = TCPStore(url.hostname or "127.0.0.1", url.port, size, rank == 0, timeout)
    return store, rank, size


def _from_file(url: SplitResult, query: dict[str, str], timeout: timedelta) -> Found:
    if not url.path:
        raise _error("file", "path missing")
    rank, size = _needed(query, "rank", "file"), _needed(query, "world_size", "file")
    store = FileStore(url.path, size)
    store.set_timeout(timeout)
    return store, rank, size


_handlers: dict[str, Callable[..., Any]] = {
    "env": _from_environment,
    "tcp": _from_address,
    "file": _from_file,
}
_foreign: dict[str, Callable[..., Iterator[Found]]] = {}


def register_rendezvous_handler(scheme: str, handler: Callable[..., Iterator[Found]]) -> None:
    """Let ``handler(url, timeout=...)``, an iterator of (store, rank, world size), answer for URLs
    of this scheme.

    RuntimeError if the scheme is taken.

    >>> def meet(url, **options):
    ...     yield torch.distributed.HashStore(), 0, 1
    >>> torch.distributed.register_rendezvous_handler("alone", meet)
    >>> store, rank, size = next(torch.distributed.rendezvous("alone://"))
    >>> rank, size
    (0, 1)
    """
    if scheme in _handlers or scheme in _foreign:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _foreign[scheme] = handler


def rendezvous(url: str, rank: int = -1, world_size: int = -1, **kwargs: Any) -> Iterator[Found]:
    """rendezvous(url, rank=-1, world_size=-1, timeout=...) -> iterator of (store, rank, world size)

    Meet the other processes as the URL says. RuntimeError for an unknown scheme.

    >>> torch.distributed.rendezvous("nowhere://")
    Traceback (most recent call last):
        ...
    RuntimeError: No rendezvous handler for nowhere://
    """
    if not isinstance(url, (str, bytes)):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    parts = urlsplit(str(url))
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if rank >= 0:
        query["rank"] = str(rank)
    if world_size >= 0:
        query["world_size"] = str(world_size)
    if parts.scheme in _foreign:
        return iter(_foreign[parts.scheme](url, **kwargs))
    if parts.scheme not in _handlers:
        raise RuntimeError(f"No rendezvous handler for {parts.scheme}://")
    timeout = kwargs.get("timeout", _DEFAULT)
    return iter([_handlers[parts.scheme](parts, query, timeout)])


def describe_environment() -> None:
    """Set RANK and the like from what mpiexec or srun say, where nobody else has."""
    if "RANK" in os.environ:
        return
    if mpi.launched():
        _describe_mpi()
    else:
        slurm.describe(os.environ)


def _describe_mpi() -> None:
    comm = mpi.start_launched().COMM_WORLD
    expected = int(os.environ.get("PMI_SIZE") or slurm.size(os.environ) or comm.size)
    if comm.size != expected:
        raise RuntimeError(
            f"the launcher has started {expected} processes, but MPI knows {comm.size}: MPI and "
            "the launcher do not speak the same protocol. Use the mpiexec of this MPI, srun "
            "--mpi=none, or rushlight run"
        )
    local = comm.Split_type(mpi.load().COMM_TYPE_SHARED)
    address = None
    if comm.rank == 0:
        with socket.create_server(("", 0)) as free:
            address = own_address(), free.getsockname()[1]
    host, port = comm.bcast(address)
    values = {
        "RANK": comm.rank,
        "WORLD_SIZE": comm.size,
        "LOCAL_RANK": local.rank,
        "LOCAL_WORLD_SIZE": local.size,
    }
    os.environ.update({name: str(value) for name, value in values.items()})
    os.environ.setdefault("MASTER_ADDR", host)
    os.environ.setdefault("MASTER_PORT", str(port))


def own_address() -> str:
    """An address at which other machines reach this one, or 127.0.0.1 if there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))  # sends nothing: asks the routing table
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
