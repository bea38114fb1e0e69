"""The projector's files: vectors, labels, pictures, and the list of them all."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.utils.tensorboard.events import as_array
from rushlight.utils.tensorboard.pictures import grid_of


def encode(tag: str) -> str:
    """A tag as the name of a folder."""
    return tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def check(mat: np.ndarray, metadata: Sequence | None, label_img: Any, header: Any) -> None:
    """AssertionError, unless there is one label and one picture for every vector."""
    if metadata is not None and len(mat) != len(metadata):
        raise AssertionError("#labels should equal with #data points")
    if metadata is not None and header and len(header) != len(metadata[0]):
        raise AssertionError("len of header must be equal to the number of columns in metadata")
    if label_img is not None and len(mat) != label_img.shape[0]:
        raise AssertionError("#images should equal with #data points")
    if mat.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")


def lines(rows: Sequence) -> bytes:
    """Rows of a table, separated by tabs."""
    return ("\n".join("\t".join(map(str, row)) for row in rows) + "\n").encode()


def sprite(images: Any) -> bytes:
    """All pictures in one square, as PNG: shape (N, C, H, W), floats in [0, 1]."""
    from PIL import Image

    x = as_array(images)
    grid = grid_of(x, math.ceil(len(x) ** 0.5)).transpose(1, 2, 0)
    square = np.zeros((grid.shape[1], grid.shape[1], 3))
    square[: grid.shape[0]] = grid
    file = io.BytesIO()
    Image.fromarray(np.uint8((square * 255).clip(0, 255))).save(file, "PNG")
    return file.getvalue()


def make_folder(folder: Path) -> None:
    """The folder of an embedding; one that is there already is written over, with a word."""
    if folder.is_dir():
        print("warning: Embedding dir exists, did you set global_step for add_embedding()?")
    elif folder.exists():
        raise NotADirectoryError(f"Path: `{folder}` exists, but is a file. Cannot proceed.")
    folder.mkdir(parents=True, exist_ok=True)


def write(folder: Path, mat: np.ndarray, metadata: Any, label_img: Any, header: Any) -> None:
    """The files of one embedding."""
    make_folder(folder)
    if metadata is not None:
        rows = [header, *metadata] if header else [[label] for label in metadata]
        (folder / "metadata.tsv").write_bytes(lines(rows))
    if label_img is not None:
        (folder / "sprite.png").write_bytes(sprite(label_img))
    (folder / "tensors.tsv").write_bytes(lines(mat.tolist()) if len(mat) else b"")


def add_info(config: Any, name: str, folder: str, labels: bool, label_img: Any) -> None:
    """Add one embedding to the projector's list."""
    info = config.embeddings.add(tensor_name=name, tensor_path=f"{folder}/tensors.tsv")
    if labels:
        info.metadata_path = f"{folder}/metadata.tsv"
    if label_img is not None:
        info.sprite.image_path = f"{folder}/sprite.png"
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])


def write_config(folder: Path, config: Any) -> None:
    """The projector's list, as text."""
    from google.protobuf import text_format

    content = text_format.MessageToString(config)
    (folder / "projector_config.pbtxt").write_bytes(content.encode())
