"""torch.distributed.checkpoint.format_utils: from a checkpoint's folder to one file, and back."""

import os
from pathlib import Path

from rushlight import serialization
from rushlight.distributed.checkpoint.state_dict_loader import everything
from rushlight.distributed.checkpoint.state_dict_saver import save

__all__ = ["dcp_to_torch_save", "torch_save_to_dcp"]


def dcp_to_torch_save(
    dcp_checkpoint_dir: str | os.PathLike, torch_save_path: str | os.PathLike
) -> None:
    """dcp_to_torch_save(dcp_checkpoint_dir, torch_save_path): a folder's state as one file of
    ``torch.save``, by one process.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> from rushlight.distributed.checkpoint.format_utils import dcp_to_torch_save
    >>> folder = tempfile.mkdtemp()
    >>> _ = checkpoint.save({"a": {"w": torch.ones(2)}}, checkpoint_id=folder)
    >>> dcp_to_torch_save(folder, folder + "/state.pt"); torch.load(folder + "/state.pt")
    {'a': {'w': tensor([1., 1.])}}
    """
    serialization.save(everything(Path(dcp_checkpoint_dir)), torch_save_path)


def torch_save_to_dcp(
    torch_save_path: str | os.PathLike, dcp_checkpoint_dir: str | os.PathLike
) -> None:
    """torch_save_to_dcp(torch_save_path, dcp_checkpoint_dir): a file of ``torch.save`` as a folder
    that ``load`` reads, by one process.

    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.format_utils import torch_save_to_dcp
    >>> folder = tempfile.mkdtemp()
    >>> torch.save({"w": torch.ones(2)}, folder + "/state.pt")
    >>> torch_save_to_dcp(folder + "/state.pt", folder + "/state")
    >>> state = {"w": torch.zeros(2)}
    >>> torch.distributed.checkpoint.load(state, checkpoint_id=folder + "/state"); state
    {'w': tensor([1., 1.])}
    """
    state = serialization.load(torch_save_path, map_location="cpu", weights_only=False)
    if not isinstance(state, dict):
        raise ValueError(f"{torch_save_path} holds no dict, but {type(state).__name__}")
    save(state, checkpoint_id=dcp_checkpoint_dir, no_dist=True)
