"""Under srun: there is none here, so a stand-in sets what SLURM's manual says it sets."""

import contextlib
import socket
import subprocess
import sys

import pytest
from tests.distributed.starting import PATIENCE, PROGRAMS, environment

from rushlight.distributed import mpi, slurm

pytest.importorskip("mpi4py")


def variables(rank, size, job):
    """Those of one machine, as ``srun -n SIZE`` sets them."""
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": size, "SLURM_STEP_NODELIST": "localhost"}
    place = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": 0}
    whole = {"SLURM_NTASKS": size, "SLURM_JOB_NODELIST": "localhost", "SLURM_NNODES": 1}
    found = {**step, **place, **whole, "SLURM_STEP_TASKS_PER_NODE": size, "SLURM_JOB_ID": job}
    return {name: str(value) for name, value in found.items()}


def is_free(port):
    with contextlib.suppress(OSError), socket.create_server(("", port)):
        return True
    return False


def srun(size, program, **more):
    """Start processes as srun does; their outputs."""
    job = next(port for port in range(21000, 32000) if is_free(port)) - 20000
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "rushlight", str(program)],
            env=environment(**variables(rank, size, job), **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    outputs = [p.communicate(timeout=PATIENCE)[0] for p in started]
    assert [p.returncode for p in started] == [0] * size, outputs
    return outputs


@pytest.mark.parametrize("more", [{}, {"PMIX_RANK": "0", "PMIX_NAMESPACE": "slurm.pmix.1.0"}])
def test_ranks_come_from_srun(more):
    """Alone, and with ``--mpi=pmix``, which the MPI that pip installs does not speak."""
    outputs = srun(2, PROGRAMS / "where.py", **more)
    assert "rank 0 of 2" in outputs[0]
    assert "rank 1 of 2" in outputs[1]


def test_what_srun_says():
    env = {
        "SLURM_PROCID": "5",
        "SLURM_LOCALID": "1",
        "SLURM_NODEID": "2",
        "SLURM_STEP_NUM_TASKS": "6",
        "SLURM_STEP_TASKS_PER_NODE": "2(x3)",
        "SLURM_STEP_NODELIST": "gpu[03-05]",
        "SLURM_JOB_ID": "41234",
        "SLURM_STEP_ID": "2",
    }
    before = dict(env)
    slurm.describe(env)
    assert {k: v for k, v in env.items() if k not in before} == {
        "RANK": "5",
        "WORLD_SIZE": "6",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "gpu03",
        "MASTER_PORT": "21496",
    }


def test_a_batch_script_is_no_step():
    """It has SLURM_PROCID and SLURM_NTASKS, but what it starts is one process."""
    env = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "n1"}
    assert slurm.size(env) == 0
    slurm.describe(env)
    assert "RANK" not in env


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("node7", "node7"),
        ("a1,b2", "a1"),
        ("node[03-07,09],login", "node03"),
        ("node[3,7]", "node3"),
        ("rack[1-2]n[04-08]-ib", "rack1n04-ib"),
    ],
)
def test_lists_of_machines(text, first):
    assert slurm.first_host(text) == first


def test_processes_of_machines():
    assert slurm.tasks_per_node("2(x3),1,4(x2)") == [2, 2, 2, 1, 4, 4]


def test_pmi_is_understood(monkeypatch):
    """mpiexec, and ``srun --mpi=pmi2``, give PMI_RANK and PMI_FD: MPI starts by them."""
    for name in ("PMI_RANK", "PMI_FD", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "RUSHLIGHT_MPI_JOB"):
        monkeypatch.delenv(name, raising=False)
    assert not mpi.launched()
    monkeypatch.setenv("PMIX_RANK", "1")
    assert mpi.launched() == mpi._understands_pmix()
    monkeypatch.setenv("PMI_RANK", "1")
    assert mpi.launched()
