"""torch.distributed.checkpoint.hf_storage: folders of safetensors files; not there yet."""

from typing import Any


class _Absent:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__} is not available in rushlight: use FileSystemReader and "
            "FileSystemWriter, or rushlight.serialization's safetensors files"
        )


class HuggingFaceStorageReader(_Absent):
    """HuggingFaceStorageReader(path): not available; NotImplementedError says what to do."""


class HuggingFaceStorageWriter(_Absent):
    """HuggingFaceStorageWriter(path): not available; NotImplementedError says what to do."""
