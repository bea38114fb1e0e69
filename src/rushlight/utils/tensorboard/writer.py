"""SummaryWriter: numbers, pictures and texts for TensorBoard."""

import io
import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight._api import Tensor


def _tensorboard() -> Any:
    """The parts of the tensorboard package that are needed; ImportError says how to get it."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise ImportError(
            "SummaryWriter needs the tensorboard package: pip install rushlight[tensorboard]"
        ) from None
    return event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, EventFileWriter


def _array(x: Any) -> np.ndarray:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


class SummaryWriter:
    """SummaryWriter(log_dir=None, comment='', purge_step=None, max_queue=10, flush_secs=120,
    filename_suffix='')

    Writes events into ``log_dir`` (``runs/<time>_<host><comment>`` by default) for TensorBoard.
    Needs the optional package ``tensorboard``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
    ...         writer.add_scalar('loss', 0.5, global_step=1)
    ...     len(list(pathlib.Path(folder).iterdir()))
    1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        self._proto = _tensorboard()
        if log_dir is None:
            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = Path("runs") / f"{stamp}_{socket.gethostname()}{comment}"
        self.log_dir = str(log_dir)
        self._file = self._proto[4](self.log_dir, max_queue, flush_secs, filename_suffix)
        if purge_step is not None:
            session = self._proto[0].SessionLog(status=self._proto[0].SessionLog.START)
            self._event(purge_step, None, session_log=session)

    def _event(self, step: int | None, walltime: float | None, **what: Any) -> None:
        event = self._proto[0].Event(
            wall_time=time.time() if walltime is None else walltime, **what
        )
        if step is not None:
            event.step = int(step)
        self._file.add_event(event)

    def _value(self, tag: str, step: int | None, walltime: float | None, **value: Any) -> None:
        summary = self._proto[1].Summary
        entry = summary.Value(tag=tag, **value)
        self._event(step, walltime, summary=summary(value=[entry]))

    def get_logdir(self) -> str:
        """The folder written to."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add one number."""
        value = float(_array(scalar_value).reshape(()))
        self._value(tag, global_step, walltime, simple_value=value)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "auto",
        walltime: float | None = None,
    ) -> None:
        """Add the distribution of a tensor's values."""
        x = _array(values).astype(np.float64).reshape(-1)
        if not x.size:
            raise ValueError("The input has no element.")
        counts, limits = np.histogram(x, bins)
        histogram = self._proto[1].HistogramProto(
            min=x.min(),
            max=x.max(),
            num=x.size,
            sum=x.sum(),
            sum_squares=x.dot(x),
            bucket_limit=limits[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._value(tag, global_step, walltime, histo=histogram)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Add a picture, of bytes or of floats in [0, 1]. Needs Pillow."""
        from PIL import Image

        x = torch.as_tensor(_array(img_tensor))
        if dataformats.upper() == "HW":
            x = x[None]
        else:
            x = x.permute([dataformats.upper().index(c) for c in "CHW"])
        if x.dtype is not torch.uint8:
            x = (x * 255).clamp(0, 255).to(torch.uint8)
        pixels = x.permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
        image = self._proto[1].Summary.Image(
            height=x.shape[1],
            width=x.shape[2],
            colorspace=x.shape[0],
            encoded_image_string=file.getvalue(),
        )
        self._value(tag, global_step, walltime, image=image)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a text in Markdown."""
        _, summary, tensor, shape, _ = self._proto
        plugin = summary.SummaryMetadata.PluginData(plugin_name="text")
        size = shape.TensorShapeProto(dim=[shape.TensorShapeProto.Dim(size=1)])
        value = tensor.TensorProto(
            dtype="DT_STRING", string_val=[text_string.encode()], tensor_shape=size
        )
        self._value(
            f"{tag}/text_summary",
            global_step,
            walltime,
            tensor=value,
            metadata=summary.SummaryMetadata(plugin_data=plugin),
        )

    def flush(self) -> None:
        """Write what is waiting."""
        self._file.flush()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._file.close()

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
