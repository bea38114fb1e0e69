"""Jobs of several processes, started as a launcher would start them."""

import subprocess
import sys

import pytest
from tests.distributed import starting
from tests.distributed.nursery import Nursery
from tests.distributed.starting import PATIENCE, PROGRAMS, Result, environment, run_job


@pytest.fixture(scope="session")
def nursery():
    """A process that has imported rushlight and forks ranks."""
    found = Nursery(environment())
    yield found
    found.close()


@pytest.fixture
def job(nursery):
    """``run_job``: ``job(2, "faults.py", "kill")``."""
    return lambda n, program, *args, **env: run_job(nursery, n, program, args, **env)


@pytest.fixture
def launch():
    """``rushlight run`` with some arguments; its exit code and output."""

    def run(*args, timeout=PATIENCE, **env):
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
    return starting.free_port()


@pytest.fixture
def programs():
    return PROGRAMS
