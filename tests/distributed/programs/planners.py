"""Checkpoints of several processes with planners of their own; rank 0 notes who wrote what.

Run by PyTorch and by rushlight: arguments are a folder to save to and, perhaps, one to load from.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor


class Noting(dcp.DefaultSavePlanner):
    """Each process adds something to the list."""

    def create_local_plan(self):
        plan = super().create_local_plan()
        self.ways = plan.planner_data
        note = {**plan.planner_data, f"rank{dist.get_rank()}": ("noted",)}
        return type(plan)(plan.items, plan.storage_data, note)


class Failing(dcp.DefaultLoadPlanner):
    def create_local_plan(self):
        if dist.get_rank() == 1:
            raise OSError("the planner of rank 1")
        return super().create_local_plan()


def state(mesh, fill):
    whole = torch.arange(10.0).view(5, 2) if fill else torch.zeros(5, 2)
    return {
        "cut": distribute_tensor(whole, mesh, [Shard(0)]),
        "across": distribute_tensor(whole, mesh, [Shard(1)]),
        "copies": distribute_tensor(whole, mesh, [Replicate()]),
        "plain": [whole + 1, whole + 2, whole[:3] + 3],
        "text": "saved" if fill else "",
    }


def check(found, mesh):
    for name, value in state(mesh, True).items():
        pairs = zip(found[name], value, strict=True) if name == "plain" else [(found[name], value)]
        for a, b in pairs:
            if hasattr(a, "full_tensor"):
                a, b = a.full_tensor(), b.full_tensor()
            assert a == b if name == "text" else a.equal(b), name


def main(folder, other=None):
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    written = {}
    for name, options in (("spread", {}), ("lowest", {"dedup_save_to_lowest_rank": True})):
        metadata = dcp.save(
            state(mesh, True), checkpoint_id=f"{folder}/{name}", planner=Noting(**options)
        )
        written[name] = sorted(
            [index.fqn, list(index.offset or []), place.relative_path]
            for index, place in metadata.storage_data.items()
        )
        written[f"{name} notes"] = sorted(metadata.planner_data)
    for path in (folder, other):
        if path is not None:
            found = state(mesh, False)
            dcp.load(found, checkpoint_id=f"{path}/spread")
            check(found, mesh)
    try:
        dcp.load(state(mesh, False), checkpoint_id=f"{folder}/spread", planner=Failing())
    except dcp.CheckpointException as error:
        ((rank, (cause, _)),) = error.failures.items()
        written["failed"] = [rank, type(cause).__name__, str(cause)]
    if dist.get_rank() == 0:
        Path(folder, "written.json").write_text(json.dumps(written, indent=1))
    dist.barrier()
    if not torch.__version__.endswith("rushlight"):
        os._exit(0)  # about one PyTorch process in ten hangs while it takes gloo down
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
