"""Jobs of several processes on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.distributed.starting import PATIENCE, PROGRAMS, environment, run_job, run_torch

from rushlight.distributed import stillness
from rushlight.distributed.run import parse_args
from rushlight.distributed.run import run as run_agent

pytest.importorskip("mpi4py")


@pytest.mark.parametrize(("size", "window"), [(2, "1"), (3, "1"), (3, "0")])
def test_collectives(job, size, window):
    result = job(size, "collectives.py", RUSHLIGHT_SHM=window, RUSHLIGHT_SHM_WINDOW="65536")
    assert result.codes == [0] * size, result.text
    assert result.text.count("all well") == size


def test_detail_mode_does_not_disturb(job):
    result = job(2, "collectives.py", TORCH_DISTRIBUTED_DEBUG="DETAIL")
    assert result.codes == [0, 0], result.text


@pytest.fixture(scope="module")
def trained(nursery, tmp_path_factory):
    """The weights after train.py: by two processes here, or by PyTorch's, or by one."""
    folder = tmp_path_factory.mktemp("trained")

    def weights(library, size):
        file = folder / f"{library}{size}.npz"
        if not file.exists():
            if library == "torch":
                result = run_torch(size, "train.py", [file])
            else:
                result = run_job(nursery, size, "train.py", [file])
            assert result.codes == [0] * size, result.text
        with np.load(file) as found:
            return {name: found[name] for name in found.files}

    return weights


def test_training_is_that_of_torch(trained):
    """DDP, its hooks, join and ZeRO: the weights after some steps are PyTorch's with gloo."""
    pytest.importorskip("torch")
    ours, theirs = trained("rushlight", 2), trained("torch", 2)
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        near = 5e-4 if name.startswith(("half/", "mixed/", "brain/")) else 1e-6
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=near, err_msg=name)


def test_training_is_that_of_one_process(trained):
    """The joined batch in one process gives the same weights (where batches are not normalized)."""
    two, one = trained("rushlight", 2), trained("rushlight", 1)
    for name, value in one.items():
        if name.startswith(("mlp/", "no_sync/", "plain/", "zero/")):
            np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("raise", "rank 1 is gone: it raised ValueError: boom; the last collective it reported: "),
        ("kill", "rank 1 is gone: its process ended; the last collective it reported: all_reduce"),
        ("leave", "rank 1 is gone: it has ended"),
    ],
)
def test_faults_are_named(job, mode, text):
    result = job(2, "faults.py", mode)
    assert result.codes[0] == 1
    assert text in result.outputs[0], result.text


def test_who_is_late_is_named(job):
    """The group's timeout; the one that sleeps is ended too: it does not notice by itself."""
    result = job(2, "faults.py", "late", RUSHLIGHT_ABORT_GRACE="1")
    text = "broadcast (number 2 of group 0) timed out after 2 s; rank 1 was last in all_reduce"
    assert text in result.outputs[0], result.text
    assert "did not notice within 1 s" in result.outputs[1], result.text


on_linux = pytest.mark.skipif(
    not stillness.supported(), reason="this system does not tell what threads wait for"
)


@on_linux
@pytest.mark.parametrize("mode", ["lock", "again", "spin", "flag"])
def test_a_rank_that_stands_still_is_named(job, mode):
    result = job(2, "faults.py", mode, RUSHLIGHT_HANG_TIMEOUT="1")
    assert result.codes == [1, 1], result.text
    where = "broadcast (number 2 of group 0) failed: rank 1 is gone: it hangs: no progress for "
    assert where in result.outputs[0], result.text
    assert "the last collective it reported: all_reduce (number 1 of group 0), done" in result.text
    assert f"in <module> ({PROGRAMS / 'faults.py'}:" in result.outputs[1], result.text


@on_linux
def test_a_circle_of_waiting_ranks_is_named(job):
    result = job(2, "faults.py", "circle", RUSHLIGHT_HANG_TIMEOUT="1")
    assert result.codes == [1, 1], result.text
    assert "it waits for rank 0, which waits for it in all_reduce" in result.text or (
        "it waits for rank 1, which waits for it in all_reduce" in result.text
    ), result.text


@on_linux
def test_slow_ranks_are_waited_for(job):
    """They sleep for a while, compute, or wait for something elsewhere (slow.py)."""
    result = job(4, "faults.py", "slow", RUSHLIGHT_HANG_TIMEOUT="1")
    assert result.codes == [0] * 4, result.text


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("shape", "rank 0: all_reduce([3] torch.float32, RedOpType.SUM) (number 2); rank 1: all_r"),
        ("dtype", "rank 1: all_reduce([3] torch.float64, RedOpType.SUM)"),
        ("order", "rank 0: broadcast([3] torch.float32, src=0) (number 2); rank 1: all_reduce("),
    ],
)
def test_detail_mode_names_mismatches(job, mode, text):
    result = job(2, "faults.py", mode, TORCH_DISTRIBUTED_DEBUG="DETAIL")
    assert result.codes == [1, 1]
    assert text in result.outputs[0], result.text


def test_monitored_barrier_names_who_is_late(job):
    result = job(2, "faults.py", "barrier")
    assert "[Rank 0]: Rank 1 failed to pass monitoredBarrier in 500 ms" in result.outputs[0]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("stop", "rank 1 failed: it is stopped"),
        ("hang", "rank 1 failed: it ended with exit code 1 (it hangs: no progress for "),
    ],
)
def test_the_launcher_names_who_failed(launch, programs, mode, text):
    more = {"RUSHLIGHT_HEARTBEAT_TIMEOUT": "1"} if mode == "stop" else {}
    options = ["--hang-timeout=1"] if mode == "hang" else []
    result = launch("--nproc-per-node", 2, *options, programs / "faults.py", mode, **more)
    assert result.codes == [1]
    assert text in result.outputs[1], result.text
    assert "its last collective: all_reduce (number 1 of group 0)" in result.outputs[1]


def test_the_launcher_starts_again(launch, programs):
    result = launch(
        "--nproc_per_node=2", "--max-restarts=1", "--standalone", programs / "faults.py", "kill"
    )
    assert result.codes == [0], result.text
    assert "rank 1 failed: it was killed by SIGKILL" in result.outputs[1], result.text
    assert "restart 1 of 1" in result.outputs[1]
    assert result.outputs[0].count("done") == 2
    assert "rank 1 of 2, attempt 1" in result.outputs[0]


def test_spawn(job, port):
    result = job(1, "spawned.py", f"tcp://127.0.0.1:{port}")
    assert result.codes == [0], result.text
    assert result.text.count("well") == 2


def test_a_file_as_meeting_place(job, tmp_path):
    result = job(1, "spawned.py", f"file://{tmp_path}/store", "", "fork")
    assert result.codes == [0], result.text
    assert result.text.count("well") == 2


def test_spawn_tells_of_a_failure(job, port):
    result = job(1, "spawned.py", f"tcp://127.0.0.1:{port}", "fail", "fork")
    assert result.codes == [1]
    assert "boom" in result.text


def test_shards_and_checkpoints(job, tmp_path):
    """fully_shard, tensor parallel layers and checkpoints agree with one process; what two save,
    three can load.
    """
    result = job(2, "shards.py", tmp_path / "two")
    assert result.codes == [0, 0], result.text
    result = job(3, "shards.py", tmp_path / "three", tmp_path / "two" / "one")
    assert result.codes == [0, 0, 0], result.text


def test_planners_of_a_program(job, tmp_path):
    """Who writes what is as in PyTorch; each reads what the other has written."""
    pytest.importorskip("torch")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    result = job(2, "planners.py", ours)
    assert result.codes == [0, 0], result.text
    result = run_torch(2, "planners.py", [theirs, ours])
    assert result.codes == [0, 0], result.text
    result = job(3, "planners.py", tmp_path / "more", theirs)
    assert result.codes == [0, 0, 0], result.text
    found = json.loads((ours / "written.json").read_text())
    assert found == json.loads((theirs / "written.json").read_text())
    assert found["failed"] == [1, "OSError", "the planner of rank 1"]


def test_meshes_of_two_dimensions(job, tmp_path):
    """Tensor parallel layers in FSDP and DDP, and DTensors that are cut twice."""
    result = job(4, "meshes.py", tmp_path)
    assert result.codes == [0] * 4, result.text


def test_on_gpus(job):
    """NCCL's calls, made to a stand-in: two processes with a device each, or one alone."""
    result = job(2, "gpus.py")
    assert result.codes == [0, 0], result.text
    result = job(2, "gpus.py", TORCH_DISTRIBUTED_DEBUG="DETAIL")
    assert result.codes == [0, 0], result.text


def test_under_mpiexec(programs, environment):
    """A script needs nothing but mpiexec: ranks and the meeting place come from MPI."""
    mpiexec = Path(sys.executable).parent / "mpiexec"
    if not mpiexec.exists():
        pytest.skip("no mpiexec beside this Python")
    start = [mpiexec, "-n", "2", sys.executable, "-m", "rushlight", programs / "where.py"]
    p = subprocess.run(start, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert p.returncode == 0, p.stderr
    assert "rank 1 of 2" in p.stdout
    start[-1:] = [programs / "faults.py", "raise"]
    p = subprocess.run(start, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert p.returncode != 0
    assert "boom" in p.stderr


def test_torchrun_spellings(programs):
    """The module, and a program with collectives; the command, and one that only starts."""
    p = run([*("-m", "torch.distributed.run"), "--nproc_per_node=2", programs / "where.py"])
    assert p.returncode == 0, p.stderr
    assert "rank 0 of 2" in p.stdout
    p = run(["torchrun", "--nproc_per_node=2", "--standalone", *SAY, "echo $LOCAL_RANK"])
    assert p.returncode == 0, p.stderr
    assert sorted(p.stdout.split()) == ["0", "1"]


def run(arguments):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


SAY = ["--no-python", "sh", "-c"]  # a program that starts at once


def test_where_processes_write(launch, tmp_path):
    """--redirects to files, --tee to both, --local-ranks-filter, PET_ variables."""
    result = launch(
        *("--nproc-per-node=3", f"--log-dir={tmp_path}", "--redirects=0:1", "--tee=1:3"),
        *("--rdzv-id=job", "--role=trainer", *SAY, "echo out $RANK; echo err $RANK >&2"),
        PET_LOCAL_RANKS_FILTER="0,1",
    )
    assert result.codes == [0], result.text
    assert result.outputs[0] == "[trainer1]:out 1\n"
    assert sorted(result.outputs[1].splitlines()) == ["[trainer1]:err 1", "err 0"]
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("job_")
    files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*.log")}
    assert files == {
        "attempt_0/0/stdout.log": "out 0\n",
        "attempt_0/1/stdout.log": "out 1\n",
        "attempt_0/1/stderr.log": "err 1\n",
    }


def test_machines_are_numbered_as_they_come(environment, port):
    """--rdzv-backend c10d and a range of machines: two of at most three come in time."""
    command = [sys.executable, "-m", "rushlight", "run", "--nnodes=2:3", "--rdzv-backend=c10d"]
    command += [f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-conf=last_call_timeout=0.2"]
    command += [*SAY, "echo rank $RANK of $WORLD_SIZE on $GROUP_RANK of $GROUP_WORLD_SIZE"]
    agents = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [agent.communicate(timeout=PATIENCE)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0]
    assert sorted(outputs) == ["rank 0 of 2 on 0 of 2\n", "rank 1 of 2 on 1 of 2\n"]


def test_options_that_are_not_there_are_refused():
    with pytest.raises(SystemExit, match="--numa-binding is not supported: leave it out"):
        run_agent(parse_args(["--numa-binding=node", "train.py"]))
    with pytest.raises(ValueError, match="Unsupported nproc_per_node value: many"):
        run_agent(parse_args(["--nproc-per-node=many", "train.py"]))


def test_restarts_change_nothing(job, launch, programs, tmp_path):
    """A run that loses ranks at random, and is restarted as often, ends with the same weights.

    RUSHLIGHT_DEATHS=20 makes it 20 times, which takes a minute.
    """
    deaths = int(os.environ.get("RUSHLIGHT_DEATHS", "2"))
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    result = job(2, "restarts.py", tmp_path / "whole", 0, tmp_path / "whole.npz")
    assert result.codes == [0, 0], result.text
    result = launch(
        *("--nproc-per-node=2", "--max-restarts=20", programs / "restarts.py"),
        *(tmp_path / "broken", deaths, tmp_path / "broken.npz"),
        timeout=2 * PATIENCE,
    )
    assert result.codes == [0], result.text
    assert result.outputs[1].count("was killed by SIGKILL") == deaths
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "broken.npz") as broken:
        assert sorted(whole.files) == sorted(broken.files)
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], broken[name], err_msg=name)
