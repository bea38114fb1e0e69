"""What srun tells the processes that it starts."""

import re
from collections.abc import Mapping, MutableMapping

_RUN = re.compile(r"(\d+)(?:\(x(\d+)\))?")


def size(env: Mapping[str, str]) -> int:
    """How many processes srun has started in this step; 0 if it has not started this one.

    A batch script has SLURM_NTASKS, too, but is no step: what it starts by itself is one process.
    """
    if "SLURM_PROCID" not in env:
        return 0
    count = env.get("SLURM_STEP_NUM_TASKS")
    if count is None and "SLURM_STEP_ID" in env:
        count = env.get("SLURM_NTASKS") or env.get("SLURM_NPROCS")
    return int(count or 0)


def describe(env: MutableMapping[str, str]) -> None:
    """Set RANK and the like from srun's variables, if there are any."""
    if not size(env):
        return
    env["RANK"], env["WORLD_SIZE"] = env["SLURM_PROCID"], str(size(env))
    env.setdefault("LOCAL_RANK", env.get("SLURM_LOCALID", "0"))
    tasks = env.get("SLURM_STEP_TASKS_PER_NODE") or env.get("SLURM_TASKS_PER_NODE")
    if tasks and "SLURM_NODEID" in env:
        here = tasks_per_node(tasks)[int(env["SLURM_NODEID"])]
        env.setdefault("LOCAL_WORLD_SIZE", str(here))
    hosts = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST", "127.0.0.1")
    env.setdefault("MASTER_ADDR", first_host(hosts))
    job, step = (int(env.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    env.setdefault("MASTER_PORT", str(20000 + (job + 131 * step) % 20000))


def first_host(hosts: str) -> str:
    """The first of a list of machines: ``gpu[03-07,09]-ib,login`` begins with ``gpu03-ib``."""
    first, depth = "", 0
    for letter in hosts:
        if letter == "," and depth == 0:
            break
        depth += (letter == "[") - (letter == "]")
        first += letter
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first)


def tasks_per_node(text: str) -> list[int]:
    """How many processes each machine has: ``2(x3),1`` is 2, 2, 2, 1."""
    runs = [(int(count), int(times or 1)) for count, times in _RUN.findall(text)]
    return [count for count, times in runs for _ in range(times)]
