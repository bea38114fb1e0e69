"""The pictures of SummaryWriter: images, grids of images, boxes, figures."""

import io
from typing import Any

import numpy as np

from rushlight.utils.tensorboard.events import Events, as_array
from rushlight.utils.tensorboard.summaries import summary_of

BOX_COLOR, TEXT_COLOR, BOX_WIDTH = "red", "black", 2


def grid_of(x: np.ndarray, columns: int = 8) -> np.ndarray:
    """Pictures (N, 1 or 3, H, W) side by side in rows: (3, rows * H, columns * W)."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise AssertionError("Input should be a 4D numpy array with 3 channels")
    n, _, h, w = x.shape
    columns = min(n, columns)
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, 3, h, w), x.dtype)
    cells[:n] = x
    cells = cells.reshape(rows, columns, 3, h, w)
    return cells.transpose(2, 0, 3, 1, 4).reshape(3, rows * h, columns * w)


def to_hwc(x: np.ndarray, form: str) -> np.ndarray:
    """A picture in the form named (``CHW``, ``HW``, ``NCHW``...) with channels last."""
    if len(set(form)) != len(form):
        raise AssertionError(
            f"You can not use the same dimension shorthand twice.             input_format: {form}"
        )
    if x.ndim != len(form):
        raise AssertionError(
            "size of input tensor and input format are different."
            f"         tensor shape: {x.shape}, input_format: {form}"
        )
    wanted = {2: "HW", 3: "HWC", 4: "NCHW"}.get(len(form))
    if wanted is None:
        raise AssertionError(f"input_format has 2, 3 or 4 letters, not {form}")
    x = x.transpose([form.upper().find(c) for c in wanted])
    if wanted == "NCHW":
        return grid_of(x).transpose(1, 2, 0)
    if wanted == "HW":
        x = x[..., None]
    return np.repeat(x, 3, axis=2) if x.shape[2] == 1 else x


def to_bytes(x: np.ndarray) -> np.ndarray:
    """Pixels of bytes as they are, others from [0, 1] to bytes; what is outside is cut off."""
    scale = 1 if x.dtype == np.uint8 else 255
    return (x.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def write_label(draw: Any, x: float, bottom: float, label: str) -> None:
    """A label on a patch of its own at the lower left corner of a box."""
    from PIL import ImageFont

    font = ImageFont.load_default()
    x0, y0, x1, y1 = font.getbbox(label)
    width, height = x1 - x0, y1 - y0
    margin = np.ceil(0.05 * height)
    draw.rectangle([(x, bottom - height - 2 * margin), (x + width, bottom)], fill=BOX_COLOR)
    draw.text((x + margin, bottom - height - margin), label, fill=TEXT_COLOR, font=font)


def draw_boxes(picture: Any, boxes: np.ndarray, labels: list[str] | None) -> None:
    """Draw boxes (N, 4) of left, top, right, bottom, with their labels."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    for i in range(len(boxes)):
        left, top, right, bottom = (boxes[i, k] for k in range(4))
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        draw.line(corners, fill=BOX_COLOR, width=BOX_WIDTH)
        if labels is not None and labels[i]:
            write_label(draw, left, bottom, labels[i])


def image(
    tag: str, x: Any, form: str, rescale: float = 1, boxes: Any = None, labels: Any = None
) -> Any:
    """The summary of a picture, or of a grid of them, as PNG."""
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    pixels = to_bytes(to_hwc(as_array(x), form))
    height, width, channels = pixels.shape
    picture = Image.fromarray(pixels)
    if boxes is not None:
        draw_boxes(picture, as_array(boxes), labels)
    size = (int(width * rescale), int(height * rescale))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(file, "PNG")
    message = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue()
    )
    return summary_of(tag, image=message)


def draw_figure(figure: Any, close: bool) -> np.ndarray:
    """A figure's pixels, of shape (3, H, W)."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    if close:
        pyplot.close(figure)
    return pixels.transpose(2, 0, 1)


class Pictures(Events):
    """SummaryWriter's methods for pictures."""

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Add a picture, of bytes or of floats in [0, 1], in the form named. Needs Pillow.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_image('noise', torch.rand(3, 8, 8), global_step=1)
        """
        self._add(image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Add a batch of pictures as one grid, eight in a row. Needs Pillow.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_images('noise', torch.rand(10, 3, 8, 8), global_step=1)
        """
        self._add(image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Any = None,
    ) -> None:
        """Add a picture with boxes (N, 4) of left, top, right and bottom. Needs Pillow.

        Labels that are not as many as the boxes are left out.

        >>> import tempfile
        >>> boxes = torch.tensor([[2, 2, 20, 20]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         image = torch.rand(3, 32, 32)
        ...         writer.add_image_with_boxes('cats', image, boxes, labels=['cat'])
        """
        if isinstance(labels, str):
            labels = [labels]
        if labels is not None and len(labels) != box_tensor.shape[0]:
            labels = None
        summary = image(tag, img_tensor, dataformats, rescale, box_tensor, labels)
        self._add(summary, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Add a figure of matplotlib, or a list of figures as one grid.

        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_figure('empty', Figure((1, 1)), global_step=1)
        """
        if isinstance(figure, list):
            pixels = np.stack([draw_figure(f, close) for f in figure])
        else:
            pixels = draw_figure(figure, close)
        form = "NCHW" if isinstance(figure, list) else "CHW"
        self.add_image(tag, pixels, global_step, walltime, form)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: int | float = 4,
        walltime: float | None = None,
    ) -> None:
        """Videos are not written: NotImplementedError names ``add_images``.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_video('film', torch.zeros(1, 2, 3, 8, 8))
        Traceback (most recent call last):
        NotImplementedError: add_video: videos are not written; add the frames with add_images
        """
        raise NotImplementedError(
            "add_video: videos are not written; add the frames with add_images"
        )
