"""``rushlight run`` and ``torch.distributed.run`` (torchrun): start the processes of a job.

One agent runs on each machine. It starts its processes with RANK, WORLD_SIZE, MASTER_ADDR and the
like in their environment, waits, and when one fails it ends the others and, with --max-restarts,
starts all of them again. The agent of the first machine serves the store.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

from rushlight.distributed import monitor
from rushlight.distributed import run_options as options
from rushlight.distributed.errors import DistError
from rushlight.distributed.run_options import (
    determine_local_world_size as determine_local_world_size,
)
from rushlight.distributed.run_options import get_args_parser as get_args_parser
from rushlight.distributed.run_options import parse_min_max_nnodes as parse_min_max_nnodes
from rushlight.distributed.run_outputs import Outputs
from rushlight.distributed.tcp_store import TCPStore

__all__ = ["get_args_parser", "main", "parse_args", "run"]

# Seconds that the other processes of a job have to say their errors, then to end.
_LAST_WORDS, _END = 1.0, 3.0
_POLL = 0.05


class Failure:
    """The process that failed first: its rank, and why."""

    def __init__(self, rank: int, reason: str) -> None:
        self.rank, self.reason = rank, reason


class Agent:
    """Starts and watches the processes of this machine."""

    def __init__(self, args: argparse.Namespace) -> None:
        options.check(args)
        self.args = args
        self.local_size = determine_local_world_size(args.nproc_per_node)
        self.fewest, self.nodes = parse_min_max_nnodes(str(args.nnodes))
        self.conf = options.conf(args.rdzv_conf)
        self.timeout = timedelta(seconds=float(self.conf.get("join_timeout", 600)))
        self.run_id = uuid.uuid4().hex[:8] if args.rdzv_id == "none" else args.rdzv_id
        self.outputs = Outputs(args, self.run_id)
        self.processes: list[subprocess.Popen] = []
        self.lost: str | None = None
        self.watcher: monitor.Monitor | None = None
        self.node, self.host, port = self._place()
        self.store = self._open_store(port)
        self.port = self.store.port
        if self.node == 0:
            self.store._client.ask(b"guard")
        if self.nodes > 1:
            self._meet_agents()

    def _place(self) -> tuple[int | None, str, int]:
        """This machine's number, or None if they are counted as they come; the store's place."""
        args = self.args
        host, port, node = args.master_addr, args.master_port, args.node_rank
        if args.rdzv_endpoint and not args.standalone:
            host, given = options.split_endpoint(args.rdzv_endpoint)
            port = port if given is None else given
        if args.hostfile:
            hosts = options.host_names(args.hostfile)
            if args.nnodes == "1":
                self.fewest = self.nodes = len(hosts)
            host = hosts[0] if host is None else host
            node = options.own_place(hosts, args.local_addr) if node is None else node
        if self.nodes == 1 or args.standalone:
            self.nodes = 1
            return 0, host or "127.0.0.1", 0 if port is None or args.standalone else port
        if host is None:
            raise SystemExit(
                "rushlight run: several machines need --master-addr, --rdzv-endpoint or --hostfile"
            )
        if args.rdzv_backend != "static" and not args.hostfile:
            node = None
        elif node is None:
            node = int(os.environ.get("GROUP_RANK", os.environ.get("SLURM_NODEID", "0")))
        return node, host, 29500 if port is None else port

    def _open_store(self, port: int) -> TCPStore:
        """The store, and the number of this machine if that is not known yet."""
        if self.node is not None:
            return TCPStore(self.host, port, None, self.node == 0, self.timeout)
        serve = options.is_own_address(self.host)
        store = TCPStore(self.host, port, None, serve, self.timeout, multi_tenant=True)
        serves = store._server is not None
        number = 0 if serves else int(store.add("agents_numbered", 1))
        self.node = number
        if self.fewest < self.nodes:
            self._agree_on_size(store)
        if number >= self.nodes:
            raise SystemExit(f"rushlight run: {self.nodes} machines have come already")
        return store

    def _agree_on_size(self, store: TCPStore) -> None:
        """Between the fewest and the most machines: those that come in time."""
        if self.node == 0:
            last_call = float(self.conf.get("last_call_timeout", 30))
            end: float | None = None
            while (count := 1 + store.add("agents_numbered", 0)) < self.nodes:
                if count >= self.fewest:
                    end = time.monotonic() + last_call if end is None else end
                    if time.monotonic() > end:
                        break
                time.sleep(_POLL)
            store.set("agents_agreed", str(min(count, self.nodes)))
        self.nodes = int(store.get("agents_agreed"))

    def _meet_agents(self) -> None:
        """Join the other agents; the loss of a machine is told to all."""
        if self.node == 0:
            self.store.set("agents", self.store._client.ask(b"new_job", b"%d" % self.nodes)[1][0])
        job = int(self.store.get("agents"))
        assert self.node is not None
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

    @property
    def first(self) -> int:
        """The rank of the first process here."""
        return (self.node or 0) * self.local_size

    # ---- one start of all processes --------------------------------------------------------------

    def environment(self, local: int, attempt: int) -> dict[str, str]:
        """What a process is told."""
        rank = self.first + local
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
        if self.args.virtual_local_rank:
            seen = env.get("CUDA_VISIBLE_DEVICES", "").split(",")
            env["CUDA_VISIBLE_DEVICES"] = (
                seen[local] if local < len(seen) and seen[0] else str(local)
            )
            env["LOCAL_RANK"] = "0"
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
            streams = self.outputs.of(local, attempt)
            p = subprocess.Popen(
                self.command(),
                env=self.environment(local, attempt),
                start_new_session=True,  # so that what they start can be ended with them
                **streams,
            )
            self.processes.append(p)
            self.outputs.started(p, local, attempt, streams)

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
            time.sleep(self.args.monitor_interval)

    def _failure_elsewhere(self, attempt: int) -> str | None:
        if self.lost is not None:
            return self.lost
        key = f"round/{attempt}/failed"
        return self.store.get(key).decode() if self.store.check([key]) else None

    def _first_failure(self, local: int, code: int, attempt: int) -> Failure:
        """Who failed first: the store's server has seen the ends in their order."""
        time.sleep(_LAST_WORDS)
        rank = self.first + local
        reason = how_it_ended(code)
        for dead in self._ends():
            first, said, last = int(dead[1]), dead[2].decode(), dead[3].decode()
            own = first - self.first
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
        given = self.args.shutdown_timeout
        patience = _END if given is None else given
        for number in (signal.SIGTERM, signal.SIGKILL):
            for p in self.processes:
                if p.poll() is None or number == signal.SIGKILL:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(p.pid, number)
                        os.killpg(p.pid, signal.SIGCONT)  # one that is stopped hears nothing
            end = time.monotonic() + patience
            while any(p.poll() is None for p in self.processes) and time.monotonic() < end:
                time.sleep(_POLL)
        self.outputs.finish()

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
    """Do what the options say; the exit status.

    >>> from rushlight.distributed.run import parse_args, run
    >>> run(parse_args(["--numa-binding", "node", "train.py"]))
    Traceback (most recent call last):
        ...
    SystemExit: rushlight run: --numa-binding is not supported: leave it out
    """
    if args.hang_timeout is not None:  # read by the store's server, which is started next
        os.environ["RUSHLIGHT_HANG_TIMEOUT"] = str(args.hang_timeout)
    agent = Agent(args)
    before = {}
    for name in filter(None, args.signals_to_handle.split(",")):
        number = getattr(signal, name)
        before[number] = signal.signal(number, _interrupted)
    try:
        return agent.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        agent.close()


def parse_args(args: list[str] | None) -> argparse.Namespace:
    """parse_args(args): torchrun's options, parsed.

    >>> from rushlight.distributed.run import parse_args
    >>> parse_args(["--max-restarts", "3", "train.py"]).max_restarts
    3
    """
    return get_args_parser().parse_args(args)


def main(args: list[str] | None = None) -> None:
    """torchrun: start the processes, and exit with status 1 if one failed for good.

    >>> from rushlight.distributed.run import main
    >>> main(["--nproc-per-node", "none", "train.py"])
    Traceback (most recent call last):
        ...
    ValueError: Unsupported nproc_per_node value: none
    """
    status = run(parse_args(args))
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
