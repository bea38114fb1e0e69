"""torch.distributed.checkpoint: each process writes and reads its part of a state."""

from rushlight.distributed.checkpoint import state_dict as state_dict
from rushlight.distributed.checkpoint.files import FileSystemReader as FileSystemReader
from rushlight.distributed.checkpoint.files import FileSystemWriter as FileSystemWriter
from rushlight.distributed.checkpoint.files import async_save as async_save
from rushlight.distributed.checkpoint.files import load as load
from rushlight.distributed.checkpoint.files import save as save
