"""Several machines on one: network namespaces with addresses and host names of their own."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from tests.distributed.starting import PATIENCE

pytest.importorskip("mpi4py")

COUNT = 2


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True)


@pytest.fixture
def machines():
    """Namespaces joined by a bridge: names and addresses."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("needs the programs ip and unshare")
    tag = f"rl{os.getpid() % 100000}"
    names = [f"{tag}n{i}" for i in range(COUNT)]
    bridge = f"{tag}b"
    try:
        ip("link", "add", bridge, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no right to make networks: {error.stderr.decode().strip()}")
    try:
        ip("link", "set", bridge, "up")
        for i, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"{tag}v{i}", "type", "veth", "peer", "name", f"{tag}p{i}")
            ip("link", "set", f"{tag}p{i}", "netns", name)
            ip("link", "set", f"{tag}v{i}", "master", bridge)
            ip("link", "set", f"{tag}v{i}", "up")
            ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", f"{tag}p{i}")
            ip("-n", name, "link", "set", f"{tag}p{i}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [(name, f"10.77.0.{i + 1}") for i, name in enumerate(names)]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def start(machines, environment, tmp_path, *args):
    """An agent on each machine, with a host file."""
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address}\n" for _, address in machines))
    command = [sys.executable, "-m", "rushlight", "run", f"--nnodes={COUNT}"]
    command += [f"--hostfile={hosts}", "--nproc-per-node=2", *map(str, args)]
    return [
        subprocess.Popen(
            [
                *("ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c"),
                *('hostname "$0"; exec "$@"', f"host{i}", *command),
            ],
            env=environment(UCX_TLS="tcp,self"),  # no way but the network
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i, (name, _) in enumerate(machines)
    ]


def finish(processes):
    try:
        outputs = [p.communicate(timeout=PATIENCE)[0] for p in processes]
    finally:
        for p in processes:
            p.kill()
    return [p.returncode for p in processes], "\n".join(outputs)


def test_collectives_over_machines(machines, environment, programs, tmp_path):
    arguments = programs / "where.py", "collectives"
    codes, text = finish(start(machines, environment, tmp_path, *arguments))
    assert codes == [0, 0], text
    assert "rank 3 of 4 on host0 host0 host1 host1 by MPIEngine" in text
    assert text.count("all well") == 4


def test_a_death_is_told_everywhere(machines, environment, programs, tmp_path):
    processes = start(
        machines, environment, tmp_path, "--max-restarts=1", programs / "faults.py", "kill"
    )
    codes, text = finish(processes)
    assert codes == [0, 0], text
    assert "rank 1 failed: it was killed by SIGKILL" in text
    assert text.count("rushlight run: rank 1 failed: ") == 2  # by the agent of each machine
    # ", done" is what a collective was; lines of two ranks may run into one
    assert len(re.findall(r"(?<!, )done", text)) == 4
