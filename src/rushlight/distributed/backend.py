"""Names of backends."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from rushlight.distributed import nccl

__all__ = ["Backend", "BackendConfig"]


class Backend(str):
    """The name of a backend, in lower case. 'gloo' and 'mpi' both mean MPI on the CPU.

    >>> torch.distributed.Backend("GLOO")
    'gloo'
    """

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    XCCL = "xccl"
    UCC = "ucc"
    MPI = "mpi"
    FAKE = "fake"
    backend_list: ClassVar[list[str]] = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI]
    default_device_backend_map: ClassVar[dict[str, str]] = {"cpu": GLOO, "cuda": NCCL}
    backend_capability: ClassVar[dict[str, list[str]]] = {
        GLOO: ["cpu"],
        NCCL: ["cuda"],
        MPI: ["cpu"],
    }

    def __new__(cls, name: str) -> "Backend":
        """The name in lower case; ValueError if it is no string."""
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())

    @classmethod
    def register_backend(
        cls,
        name: str,
        func: Callable[..., Any],
        extended_api: bool = False,
        devices: str | list[str] | None = None,
    ) -> None:
        """Other backends cannot be plugged in: NotImplementedError."""
        raise NotImplementedError(
            "third-party backends are not supported: use 'gloo' or 'mpi', which are MPI"
        )


class BackendConfig:
    """Which backend serves which kind of device.

    >>> torch.distributed.BackendConfig("cpu:gloo,cuda:nccl")
    cpu:gloo,cuda:nccl
    """

    def __init__(self, backend: str) -> None:
        self.device_backend_map = self._parsed(Backend(backend))

    @staticmethod
    def _parsed(backend: str) -> dict[str, str]:
        known = (Backend.GLOO, Backend.MPI, Backend.NCCL)
        if backend == Backend.UNDEFINED:
            return dict(Backend.default_device_backend_map)
        if ":" not in backend:
            if backend not in known:
                raise ValueError(
                    f"Unknown backend '{backend}'. Specify a 'device:backend' string "
                    f"or use one of: {sorted(known)}"
                )
            devices = ["cuda"] if backend == Backend.NCCL else ["cpu", "cuda"]
            return dict.fromkeys(devices, backend)
        found: dict[str, str] = {}
        for part in backend.split(","):
            if not re.fullmatch(r"\w+:\w+", part):
                raise ValueError(
                    f"Invalid device:backend pairing '{part}' in '{backend}'. "
                    "Expected format: '<device_type1>:<backend1>,<device_type2>:<backend2>...'"
                )
            device, _, name = part.partition(":")
            if device in found:
                raise ValueError(f"Duplicate device type '{device}' in backend string '{backend}'")
            found[device] = name
        return found

    def __repr__(self) -> str:
        return ",".join(f"{device}:{name}" for device, name in self.device_backend_map.items())

    def get_device_backend_map(self) -> dict[str, str]:
        """The backend of each kind of device."""
        return self.device_backend_map


def backend_name(backend: str) -> Backend:
    """The name that a group goes by: that of the CPU's backend, or 'nccl' if there is no other.

    RuntimeError for a backend that is not there.
    """
    places = BackendConfig(backend).device_backend_map
    name = places.get("cpu", Backend.NCCL)
    if Backend.NCCL in places.values() and backend != Backend.UNDEFINED:
        nccl.module()
    if name == Backend.NCCL:
        return Backend(name)
    if name not in (Backend.GLOO, Backend.MPI):
        raise RuntimeError(f"Distributed package doesn't have {name.upper()} built in")
    return Backend(name)
