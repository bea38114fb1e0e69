"""How long until a job is over of which rank 1 raises, is killed, is stopped, sleeps or loops.

``python benchmarks/faults.py`` starts three ranks for each: rank 0 waits in a collective, rank 2
computes and does not look. Seconds from the fault until rank 0 is told, and until all is over,
started by env:// and by ``rushlight run``.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
MODES = ("raise", "kill", "stop", "sleep", "loop")


def fail(mode: str) -> None:
    """What rank 1 does."""
    if mode == "raise":
        raise ValueError("boom")
    if mode in ("kill", "stop"):
        os.kill(os.getpid(), signal.SIGKILL if mode == "kill" else signal.SIGSTOP)
    while mode == "loop":
        pass
    time.sleep(1000)


def rank(mode: str) -> None:
    """One process of a job."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    distributed.all_reduce(torch.ones(3))
    me = distributed.get_rank()
    if me == 1:
        time.sleep(0.5)
        print("fault", time.time(), flush=True)
        fail(mode)
    if me == 2:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            torch.ones(100, 100).sum()
    try:
        distributed.all_reduce(torch.ones(3))
    finally:
        print("told", time.time(), flush=True)


def measured(mode: str, launcher: bool) -> tuple[float, float]:
    """Seconds until rank 0 is told, and until all processes (but a stopped one) have ended."""
    program = [str(Path(__file__).resolve()), mode]
    base = [sys.executable, "-m", "rushlight"]
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    if launcher:
        commands = [([*base, "run", "--nproc-per-node=3", *program], env)]
    else:
        with socket.create_server(("", 0)) as s:
            where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(s.getsockname()[1])}
        ranks = [{"RANK": str(r), "WORLD_SIZE": "3", "LOCAL_RANK": str(r)} for r in range(3)]
        commands = [([*base, *program], {**env, **where, **r}) for r in ranks]
    started = [
        subprocess.Popen(c, env=e, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for c, e in commands
    ]
    waited = [p for i, p in enumerate(started) if launcher or mode != "stop" or i != 1]
    for p in waited:
        p.wait(100)
    over = time.time()
    for p in started:
        p.kill()
    words = " ".join(p.communicate()[0] for p in started).split()
    fault, told = (float(words[words.index(name) + 1]) for name in ("fault", "told"))
    return told - fault, over - fault


def main() -> None:
    """Print the table."""
    print(f"{'rank 1':8}{'told':>8}{'over':>8}{'by rushlight run':>20}")
    for mode in MODES:
        told, over = measured(mode, False)
        by_run = measured(mode, True)[1]
        print(f"{mode:8}{told:8.1f}{over:8.1f}{by_run:20.1f}", flush=True)


if __name__ == "__main__":
    if "RANK" in os.environ:
        rank(sys.argv[1])
    else:
        main()
