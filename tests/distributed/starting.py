"""Jobs of several processes, started as a launcher would start them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

# Seconds for a job that takes one or two on a machine with nothing else to do.
PATIENCE = 240
PROGRAMS = Path(__file__).parent / "programs"
SOURCE = Path(__file__).parents[2] / "src"


def free_port():
    with socket.create_server(("", 0)) as s:
        return s.getsockname()[1]


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RANK", "WORLD_", "MASTER_"))}
    path = os.pathsep.join([str(SOURCE), env.get("PYTHONPATH", "")])
    return {**env, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


class Result:
    def __init__(self, codes, outputs):
        self.codes, self.outputs = codes, outputs
        self.text = "\n".join(outputs)


def environments(n, **more):
    """Of the ranks of a job."""
    common = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        environment(RANK=str(rank), LOCAL_RANK=str(rank), **common, **more) for rank in range(n)
    ]


def run_job(nursery, n, program, arguments=(), timeout=PATIENCE, **env):
    """Run a program in n processes that find each other by env://; exit codes and outputs."""
    argv = [str(PROGRAMS / program), *map(str, arguments)]
    return Result(*nursery.run(environments(n, **env), argv, timeout))


def run_torch(n, program, arguments=(), timeout=PATIENCE):
    """The same by PyTorch, in fresh processes: it does not survive a fork."""
    command = [sys.executable, "-W", "ignore", PROGRAMS / program, *map(str, arguments)]
    started = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for env in environments(n)
    ]
    try:
        outputs = [p.communicate(timeout=timeout)[0] for p in started]
    finally:
        for p in started:
            p.kill()
    return Result([p.returncode for p in started], outputs)
