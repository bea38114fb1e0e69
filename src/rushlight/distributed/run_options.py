"""The options of ``rushlight run``: torchrun's, and three of our own."""

import argparse
import os
import socket
from pathlib import Path
from typing import Any

from rushlight import cuda

__all__ = ["get_args_parser"]


def comma_separated(text: str) -> list[str]:
    """The parts of a list in which two commas stand for one."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


class _Options:
    """Adds options whose default may be in the environment: PET_MAX_RESTARTS=3."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser

    def value(self, name: str, default: Any = None, **more: Any) -> None:
        """An option with a value; its name is also understood with underscores."""
        dest = name.replace("-", "_")
        default = os.environ.get(f"PET_{dest.upper()}", default)
        self.parser.add_argument(*self._names(name, more), default=default, **more)

    def flag(self, name: str, **more: Any) -> None:
        """An option without one."""
        default = os.environ.get(f"PET_{name.replace('-', '_').upper()}", "0") not in ("0", "")
        names = self._names(name, more)
        self.parser.add_argument(*names, action="store_true", default=default, **more)

    @staticmethod
    def _names(name: str, more: dict[str, Any]) -> list[str]:
        short = more.pop("short", None)
        names = [f"--{name}"] if short is None else [short, f"--{name}"]
        return [*names, f"--{name.replace('-', '_')}"] if "-" in name else names


def get_args_parser() -> argparse.ArgumentParser:
    """get_args_parser() -> argparse.ArgumentParser: of torchrun's options.

    >>> from rushlight.distributed.run import get_args_parser
    >>> get_args_parser().parse_args(["--nproc_per_node=2", "train.py", "--lr=1"]).nproc_per_node
    '2'
    """
    p = argparse.ArgumentParser("rushlight run", description="Run a script in several processes.")
    add = _Options(p)
    _add_places(add)
    _add_processes(add)
    _add_outputs(add)
    p.add_argument("--hostfile", help="a file with the machines' names, the first has the store")
    p.add_argument("--collective-timeout", type=float, help="seconds: collectives fail after it")
    p.add_argument("--hang-timeout", type=float, help="seconds without progress; 0: never ended")
    p.add_argument("--use-env", "--use_env", action="store_true", help="always so")
    p.add_argument("training_script", help="what to run")
    p.add_argument("training_script_args", nargs=argparse.REMAINDER, help="its arguments")
    return p


def _add_places(add: _Options) -> None:
    add.value("nproc-per-node", "1", help="processes on each machine: a number, cpu, gpu or auto")
    add.value("nnodes", "1", help="machines, or fewest:most")
    add.value("node-rank", type=int, help="number of this machine; not needed with rdzv-backend")
    add.value("master-addr", help="address of the first machine")
    add.value("master-port", type=int, help="port of the store")
    add.value("local-addr", help="address of this machine")
    add.value("rdzv-endpoint", "", help="host:port of the machine that serves the store")
    add.value("rdzv-backend", "static", help="static: --node-rank counts; c10d: machines come")
    add.value("rdzv-id", "none", help="name of the job")
    add.value("rdzv-conf", "", help="key=value,...: join_timeout, last_call_timeout")
    add.flag("standalone", help="one machine, a free port")


def _add_processes(add: _Options) -> None:
    add.value("max-restarts", 0, type=int, help="fresh starts after failures")
    add.value("monitor-interval", 0.1, type=float, help="seconds between looks at the processes")
    methods = ["spawn", "fork", "forkserver"]
    add.value("start-method", "spawn", choices=methods, help="processes are always fresh")
    add.value("role", "default", help="a name for the processes")
    add.flag("module", short="-m", help="the script is a module")
    add.flag("no-python", help="the script is a program")
    add.flag("run-path", help="the script is a path")
    add.flag("virtual-local-rank", help="each process sees its GPU as the only one")
    default = "SIGTERM,SIGINT,SIGHUP,SIGQUIT"
    add.value("signals-to-handle", default, help="signals that end the processes, too")
    add.value("shutdown-timeout", type=float, help="seconds from SIGTERM to SIGKILL")


def _add_outputs(add: _Options) -> None:
    add.value("log-dir", help="a folder for what the processes print")
    add.value("redirects", "0", short="-r", help="to files: 1 stdout, 2 stderr, 3 both; or 0:1,1:3")
    add.value("tee", "0", short="-t", help="to files and the console: the same")
    add.value("local-ranks-filter", "", help="only these write to the console: 0,1")
    add.value("duplicate-stdout-filters", [], type=comma_separated, help="not supported")
    add.value("duplicate-stderr-filters", [], type=comma_separated, help="not supported")
    add.value("event-log-handler", "null", help="null only")
    add.value("logs-specs", help="not supported")
    add.value("numa-binding", help="not supported")


def check(args: argparse.Namespace) -> None:
    """Refuse what is not there, rather than ignore it."""
    asked = {
        "--duplicate-stdout-filters": args.duplicate_stdout_filters,
        "--duplicate-stderr-filters": args.duplicate_stderr_filters,
        "--logs-specs": args.logs_specs,
        "--numa-binding": args.numa_binding,
        "--event-log-handler": args.event_log_handler not in ("null", "console"),
    }
    for name, given in asked.items():
        if given:
            raise SystemExit(f"rushlight run: {name} is not supported: leave it out")
    if args.no_python and args.module:
        raise ValueError(
            "Don't use both the '--no-python' flag and the '--module' flag at the same time."
        )
    if args.max_restarts < 0:
        raise AssertionError("max_restarts must be >= 0")


def parse_min_max_nnodes(nnodes: str) -> tuple[int, int]:
    """parse_min_max_nnodes(nnodes): fewest and most machines; RuntimeError if it is neither.

    >>> from rushlight.distributed.run import parse_min_max_nnodes
    >>> parse_min_max_nnodes("1:4"), parse_min_max_nnodes("2")
    ((1, 4), (2, 2))
    """
    parts = nnodes.split(":")
    if len(parts) > 2:
        raise RuntimeError(f'nnodes={nnodes} is not in "MIN:MAX" format')
    fewest, most = int(parts[0]), int(parts[-1])
    if not 0 < fewest <= most:
        raise AssertionError(
            f"min_nodes must be > 0 and <= max_nodes, got min_nodes={fewest}, max_nodes={most}"
        )
    return fewest, most


def determine_local_world_size(nproc_per_node: str) -> int:
    """determine_local_world_size(nproc_per_node): a number, or 'cpu', 'gpu', 'auto' for as many as
    there are processors or GPUs; ValueError for anything else.

    >>> from rushlight.distributed.run import determine_local_world_size
    >>> determine_local_world_size("3")
    3
    """
    gpus = cuda.device_count() if nproc_per_node in ("gpu", "auto") else 0
    if nproc_per_node == "gpu":
        if not gpus:
            raise ValueError("Cuda is not available.")
        return gpus
    if nproc_per_node in ("auto", "cpu"):
        return gpus or os.cpu_count() or 1
    try:
        return int(nproc_per_node)
    except ValueError:
        raise ValueError(f"Unsupported nproc_per_node value: {nproc_per_node}") from None


def conf(text: str) -> dict[str, str]:
    """--rdzv-conf."""
    return dict(part.strip().split("=", 1) for part in text.split(",") if "=" in part)


def local_ranks(text: str) -> set[int] | None:
    """--local-ranks-filter; None: all."""
    if not text:
        return None
    try:
        return set(map(int, text.split(",")))
    except ValueError:
        raise ValueError(
            "--local_ranks_filter must be a comma-separated list of integers "
            "e.g. --local_ranks_filter=0,1,2"
        ) from None


# ---- machines ------------------------------------------------------------------------------------


def host_names(path: str) -> list[str]:
    """The machines of a host file: the first word of each line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def own_place(hosts: list[str], local_addr: str | None = None) -> int:
    """Which of the machines this is: the one whose address is ours."""
    own = {socket.gethostname(), socket.getfqdn(), local_addr}
    for i, host in enumerate(hosts):
        if host in own or is_own_address(host):
            return i
    name = socket.gethostname()
    raise SystemExit(f"rushlight run: this machine ({name}) is not in the host file")


def is_own_address(host: str) -> bool:
    """Whether a socket can be bound to it."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), 0, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def split_endpoint(text: str) -> tuple[str, int | None]:
    """host:port, host, or [address]:port."""
    host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not port.isdigit():
        return text.strip("[]"), None
    return host.strip("[]"), int(port)
