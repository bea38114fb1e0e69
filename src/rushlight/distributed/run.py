"""``rushlight run`` and ``torch.distributed.run`` (torchrun): start the processes of a job.

One agent runs on each machine. It starts its processes with RANK, WORLD_SIZE, MASTER_ADDR and the
like in their environment, waits, and when one fails it ends the others and, with --max-restarts,
starts all of them again. The agent of the first machine serves the store.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rushlight.distributed import monitor
from rushlight.distributed.errors import DistError
from rushlight.distributed.tcp_store import TCPStore

__all__ = ["get_args_parser", "main", "run"]

# Seconds that the other processes of a job have to say their errors, then to end.
_LAST_WORDS, _END = 1.0, 3.0
_POLL = 0.05


def get_args_parser() -> argparse.ArgumentParser:
    """The options, under torchrun's names."""
    p = argparse.ArgumentParser("rushlight run", description="Run a script in several processes.")
    add = p.add_argument
    add("--nproc-per-node", "--nproc_per_node", default="1", help="processes on each machine")
    add("--nnodes", default="1", help="machines")
    add("--node-rank", "--node_rank", type=int, default=None, help="number of this machine")
    add("--hostfile", help="a file with the names of the machines, the first serves the store")
    add("--master-addr", "--master_addr", default=None, help="address of the first machine")
    add("--master-port", "--master_port", type=int, default=None, help="port of the store")
    add("--rdzv-endpoint", "--rdzv_endpoint", default="", help="host:port, instead of the two")
    add("--rdzv-backend", "--rdzv_backend", default="static", help="all are the agent's store")
    add("--rdzv-id", "--rdzv_id", default=None, help="name of the job")
    add("--rdzv-conf", "--rdzv_conf", default="", help="key=value,...: join_timeout is read")
    add("--standalone", action="store_true", help="one machine, a free port")
    add("--max-restarts", "--max_restarts", type=int, default=0, help="fresh starts after failures")
    add("--monitor-interval", "--monitor_interval", type=float, default=0.1, help="ignored")
    add("--start-method", "--start_method", default="spawn", help="processes are always fresh")
    add("--role", default="default", help="a name for the processes")
    add("--log-dir", "--log_dir", default=None, help="a folder for what the processes print")
    add("-r", "--redirects", default="0", help="with --log-dir: 1 stdout, 2 stderr, 3 both")
    add("--collective-timeout", type=float, help="seconds after which a collective has failed")
    add("-m", "--module", action="store_true", help="the script is a module")
    add("--no-python", "--no_python", action="store_true", help="the script is a program")
    add("--use-env", "--use_env", action="store_true", help="always so")
    add("training_script", help="what to run")
    add("training_script_args", nargs=argparse.REMAINDER, help="its arguments")
    return p


class Failure:
    """The process that failed first: its rank, and why."""

    def __init__(self, rank: int, reason: str) -> None:
        self.rank, self.reason = rank, reason


class Agent:
    """Starts and watches the processes of this machine."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.local_size = process_count(args.nproc_per_node)
        self.nodes = int(str(args.nnodes).rpartition(":")[2])
        self.node, self.host, self.port = self._place()
        self.run_id = args.rdzv_id or uuid.uuid4().hex[:8]
        self.timeout = timedelta(seconds=_join_timeout(args.rdzv_conf))
        first = self.node == 0
        self.store = TCPStore(self.host, self.port, None, first, self.timeout)
        self.port = self.store.port
        if first:
            self.store._client.ask(b"guard")
        self.processes: list[subprocess.Popen] = []
        self.lost: str | None = None
        self.watcher: monitor.Monitor | None = None
        if self.nodes > 1:
            self._meet_agents()

    def _place(self) -> tuple[int, str, int]:
        """The number of this machine, and where the store is."""
        args = self.args
        node = args.node_rank
        host, port = args.master_addr, args.master_port
        if args.rdzv_endpoint and not args.standalone:
            name, _, number = args.rdzv_endpoint.partition(":")
            host = name
            port = int(number) if number else port
        if args.hostfile:
            hosts = host_names(args.hostfile)
            self.nodes = max(self.nodes, len(hosts))
            host = hosts[0] if host is None else host
            node = own_place(hosts) if node is None else node
        if self.nodes == 1:
            return 0, host or "127.0.0.1", 0 if port is None or args.standalone else port
        if node is None:
            node = int(os.environ.get("GROUP_RANK", os.environ.get("SLURM_NODEID", "0")))
        if host is None:
            raise SystemExit("rushlight run: several machines need --master-addr or --hostfile")
        return node, host, 29500 if port is None else port

    def _meet_agents(self) -> None:
        """Join the other agents; the loss of a machine is told to all."""
        if self.node == 0:
            self.store.set("agents", self.store._client.ask(b"new_job", b"%d" % self.nodes)[1][0])
        job = int(self.store.get("agents"))
        say = f"the agent of machine {self.node}"
        self.watcher = monitor.Monitor(
            self.host, self.port, job, self.node, lambda: say, self._agent_lost
        )
        self.watcher.noticed.set()
        self.watcher.start()
        self.store.barrier("agents_there", self.nodes)

    def _agent_lost(self, rank: int, text: str) -> None:
        if rank >= 0:
            self.lost = f"machine {rank} is gone ({text})"

    # ---- one start of all processes --------------------------------------------------------------

    def environment(self, local: int, attempt: int) -> dict[str, str]:
        """What a process is told."""
        rank = self.node * self.local_size + local
        size = self.nodes * self.local_size
        values: dict[str, Any] = {
            "RANK": rank,
            "LOCAL_RANK": local,
            "WORLD_SIZE": size,
            "LOCAL_WORLD_SIZE": self.local_size,
            "GROUP_RANK": self.node,
            "GROUP_WORLD_SIZE": self.nodes,
            "ROLE_NAME": self.args.role,
            "ROLE_RANK": rank,
            "ROLE_WORLD_SIZE": size,
            "MASTER_ADDR": self.host,
            "MASTER_PORT": self.port,
            "TORCHELASTIC_RESTART_COUNT": attempt,
            "TORCHELASTIC_MAX_RESTARTS": self.args.max_restarts,
            "TORCHELASTIC_RUN_ID": self.run_id,
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        env = dict(os.environ, **{name: str(value) for name, value in values.items()})
        if self.args.collective_timeout is not None:
            env["RUSHLIGHT_COLLECTIVE_TIMEOUT"] = str(self.args.collective_timeout)
        if self.local_size > 1:
            env.setdefault("OMP_NUM_THREADS", "1")
        return env

    def command(self) -> list[str]:
        """What to start."""
        args = self.args
        start = [] if args.no_python else [sys.executable, "-u", "-m", "rushlight"]
        if args.module:
            start.append("-m")
        return [*start, args.training_script, *args.training_script_args]

    def start(self, attempt: int) -> None:
        """Start the processes."""
        self.processes = []
        for local in range(self.local_size):
            out, err = self._outputs(local, attempt)
            self.processes.append(
                subprocess.Popen(
                    self.command(),
                    env=self.environment(local, attempt),
                    stdout=out,
                    stderr=err,
                    start_new_session=True,  # so that what they start can be ended with them
                )
            )

    def _outputs(self, local: int, attempt: int) -> tuple[Any, Any]:
        if self.args.log_dir is None or self.args.redirects == "0":
            return None, None
        folder = Path(self.args.log_dir) / self.run_id / f"attempt_{attempt}" / str(local)
        folder.mkdir(parents=True, exist_ok=True)
        which = int(self.args.redirects)
        with contextlib.ExitStack() as stack:
            out = stack.enter_context((folder / "stdout.log").open("wb")) if which & 1 else None
            err = stack.enter_context((folder / "stderr.log").open("wb")) if which & 2 else None
            stack.pop_all()
        return out, err

    def watch(self, attempt: int) -> Failure | None:
        """Wait until all have ended well, anywhere (None), or one has failed."""
        looked = 0.0
        said, done = False, 0
        while True:
            codes = [p.poll() for p in self.processes]
            for local, code in enumerate(codes):
                if code:
                    return self._first_failure(local, code, attempt)
            if self.nodes > 1 and time.monotonic() - looked > 0.3:
                looked = time.monotonic()
                text = self._failure_elsewhere(attempt)
                if text is not None:
                    return Failure(-1, text)
            if all(code == 0 for code in codes):
                if not said:
                    said = True
                    done = self.store.add(f"round/{attempt}/done", 1)
                if self.nodes == 1 or done == self.nodes:
                    return None
                done = self.store.add(f"round/{attempt}/done", 0)
            time.sleep(_POLL)

    def _failure_elsewhere(self, attempt: int) -> str | None:
        if self.lost is not None:
            return self.lost
        key = f"round/{attempt}/failed"
        return self.store.get(key).decode() if self.store.check([key]) else None

    def _first_failure(self, local: int, code: int, attempt: int) -> Failure:
        """Who failed first: the store's server has seen the ends in their order."""
        time.sleep(_LAST_WORDS)
        rank = self.node * self.local_size + local
        reason = how_it_ended(code)
        for dead in self._ends():
            first, said, last = int(dead[1]), dead[2].decode(), dead[3].decode()
            own = first - self.node * self.local_size
            ended = self.processes[own].poll() if 0 <= own < self.local_size else None
            if dead[0][0] == monitor.wire.LEFT and not ended:
                continue
            said = f"{how_it_ended(ended)} ({said})" if ended else said
            rank, reason = first, f"{said}; its last collective: {last}"
            break
        text = f"rank {rank} failed: {reason}"
        if self.nodes > 1:
            self.store.set(f"round/{attempt}/failed", text)
        return Failure(rank, text)

    def _ends(self) -> list[list[bytes]]:
        """Which ends of processes the server has noted in the newest job."""
        try:
            newest = int(self.store._client.ask(b"jobs")[1][0]) - 1
            if newest < (1 if self.nodes > 1 else 0):
                return []
            found = self.store._client.ask(b"deaths", b"%d" % newest)[1]
        except DistError:
            return []
        return [monitor.wire.unpack(body) for body in found]

    def stop(self) -> None:
        """End whatever still runs."""
        for number, patience in ((signal.SIGTERM, _END), (signal.SIGKILL, _END)):
            for p in self.processes:
                if p.poll() is None or number == signal.SIGKILL:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(p.pid, number)
                        os.killpg(p.pid, signal.SIGCONT)  # one that is stopped hears nothing
            end = time.monotonic() + patience
            while any(p.poll() is None for p in self.processes) and time.monotonic() < end:
                time.sleep(_POLL)

    def run(self) -> int:
        """Start, watch and start again; the exit status."""
        for attempt in range(self.args.max_restarts + 1):
            self.start(attempt)
            try:
                failure = self.watch(attempt)
            finally:
                self.stop()
            if failure is None:
                return 0
            again = attempt < self.args.max_restarts and self.lost is None
            plan = f"; restart {attempt + 1} of {self.args.max_restarts}" if again else ""
            print(f"rushlight run: {failure.reason}{plan}", file=sys.stderr, flush=True)
            if not again:
                return 1
            if self.nodes > 1:
                self.store.barrier(f"round/{attempt}/stopped", self.nodes)
        return 1

    def close(self) -> None:
        """Leave the other agents."""
        if self.watcher is not None:
            with contextlib.suppress(DistError):
                self.store.barrier("agents_done", self.nodes, timedelta(seconds=5))
            self.watcher.say_last(b"bye")
        if self.store._server is not None:
            self.store._server.stop()


def process_count(text: str) -> int:
    """--nproc-per-node: a number, or 'auto' and 'cpu' for the number of processors."""
    if text in ("auto", "cpu"):
        return os.cpu_count() or 1
    if text == "gpu":
        raise SystemExit("rushlight run: --nproc-per-node gpu: there is no GPU engine")
    try:
        return int(text)
    except ValueError:
        raise SystemExit(f"rushlight run: Unsupported nproc_per_node value: {text}") from None


def _join_timeout(conf: str) -> float:
    pairs = dict(part.split("=", 1) for part in conf.split(",") if "=" in part)
    return float(pairs.get("join_timeout", 600))


def host_names(path: str) -> list[str]:
    """The machines of a host file: the first word of each line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def own_place(hosts: Sequence[str]) -> int:
    """Which of the machines this is: the one whose address is ours."""
    own = {socket.gethostname(), socket.getfqdn()}
    for i, host in enumerate(hosts):
        if host in own or _is_own_address(host):
            return i
    raise SystemExit(f"rushlight run: this machine ({min(own)}) is not in the host file")


def _is_own_address(host: str) -> bool:
    """Whether a socket can be bound to it."""
    try:
        with socket.socket(socket.AF_INET) as probe:
            probe.bind((socket.gethostbyname(host), 0))
    except OSError:
        return False
    return True


def how_it_ended(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


def _interrupted(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def run(args: argparse.Namespace) -> int:
    """Do what the options say; the exit status."""
    agent = Agent(args)
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        return agent.run()
    finally:
        signal.signal(signal.SIGTERM, before)
        agent.close()


def main(args: list[str] | None = None) -> None:
    """torchrun: start the processes, and exit with status 1 if one failed for good."""
    status = run(get_args_parser().parse_args(args))
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
