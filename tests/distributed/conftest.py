"""Jobs of several processes, started as a launcher would start them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture
def job():
    """Run a program in n processes that find each other by env://; exit codes and outputs."""
    started = []

    def run(n, program, *args, real=False, timeout=60, **env):
        port = str(free_port())
        start = [sys.executable] if real else [sys.executable, "-m", "rushlight"]
        processes = []
        for rank in range(n):
            values = environment(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(n),
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
                **env,
            )
            p = subprocess.Popen(
                [*start, str(PROGRAMS / program), *map(str, args)],
                env=values,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            processes.append(p)
        started.extend(processes)
        outputs = [p.communicate(timeout=timeout)[0] for p in processes]
        return Result([p.returncode for p in processes], outputs)

    yield run
    for p in started:
        if p.poll() is None:
            p.kill()
            p.wait()


@pytest.fixture
def launch():
    """``rushlight run`` with some arguments; its exit code and output."""

    def run(*args, timeout=60, **env):
        p = subprocess.run(
            [sys.executable, "-m", "rushlight", "run", *map(str, args)],
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result([p.returncode], [p.stdout, p.stderr])

    return run


@pytest.fixture(name="environment")
def environment_fixture():
    return environment


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def programs():
    return PROGRAMS
