"""Summary messages of numbers: scalars, histograms, sounds, texts, tensors, curves, layouts."""

import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight._api import Tensor
from rushlight.utils.tensorboard.events import as_array

LIMIT = 2**31  # bytes of a message
MAX_THRESHOLDS = 127  # more does not fit the plugin's message

# dtype -> the message's name for it, and the field its values go to.
FIELDS = {
    torch.float16: ("DT_HALF", "half_val"),
    torch.bfloat16: ("DT_BFLOAT16", "half_val"),
    torch.float32: ("DT_FLOAT", "float_val"),
    torch.float64: ("DT_DOUBLE", "double_val"),
    torch.int8: ("DT_INT8", "int_val"),
    torch.uint8: ("DT_UINT8", "uint32_val"),
    torch.int16: ("DT_INT16", "int_val"),
    torch.int32: ("DT_INT32", "int_val"),
    torch.int64: ("DT_INT64", "int64_val"),
    torch.bool: ("DT_BOOL", "bool_val"),
    torch.complex32: ("DT_COMPLEX32", "scomplex_val"),
    torch.complex64: ("DT_COMPLEX64", "scomplex_val"),
    torch.complex128: ("DT_COMPLEX128", "dcomplex_val"),
}


def summary_of(tag: str, **value: Any) -> Any:
    """A Summary with one value."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, **value)])


def plugin(name: str, content: bytes = b"") -> Any:
    """The metadata that give a value to a plugin of TensorBoard."""
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

    data = SummaryMetadata.PluginData(plugin_name=name, content=content)
    return SummaryMetadata(plugin_data=data)


def tensor_message(dtype: str, shape: Sequence[int] | None, **values: Any) -> Any:
    """A TensorProto; no shape at all where ``shape`` is None."""
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    if shape is not None:
        sizes = [TensorShapeProto.Dim(size=n) for n in shape]
        values["tensor_shape"] = TensorShapeProto(dim=sizes)
    return TensorProto(dtype=dtype, **values)


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number, in the old field or, ``new_style``, as a tensor."""
    x = as_array(value).squeeze()
    if x.ndim:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions)."
            f"             Was given size: {x.size} and {x.ndim} dimensions."
        )
    if not new_style:
        return summary_of(tag, simple_value=float(x))
    if double_precision:
        message = tensor_message("DT_DOUBLE", None, double_val=[float(x)])
    else:
        message = tensor_message("DT_FLOAT", None, float_val=[float(x)])
    return summary_of(tag, tensor=message, metadata=plugin("scalars"))


def default_edges() -> list[float]:
    """Edges of bins from -1e20 to 1e20 that grow by a tenth from 1e-12 on either side of zero."""
    edges = [1e-12]
    while (step := edges[-1] * 1.1) < 1e20:
        edges.append(step)
    return [-x for x in reversed(edges)] + [0.0] + edges


def merge_bins(counts: np.ndarray, edges: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins taken together in equal groups, so that there are about ``most``."""
    if len(counts) <= most:
        return counts, edges
    starts = np.arange(0, len(counts), len(counts) // most)
    return np.add.reduceat(counts, starts), np.append(edges[starts], edges[-1])


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Any:
    """The distribution of values: the bins from one before the first full one to the last."""
    x = as_array(values).astype(np.float64).reshape(-1)
    if not x.size:
        raise ValueError("The input has no element.")
    counts, edges = np.histogram(x, bins)
    if max_bins is not None:
        counts, edges = merge_bins(counts, edges, max_bins)
    full = np.flatnonzero(counts)
    if not full.size:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, end = full[0], full[-1] + 1
    # A bucket has its upper limit alone: an empty one before gives the first its lower limit.
    buckets = np.concatenate([[0], counts])[first : end + 1]
    limits = edges[first : end + 1]
    numbers = (x.min(), x.max(), len(x), x.sum(), x.dot(x))
    return histogram_raw(tag, *numbers, limits.tolist(), buckets.tolist())


def histogram_raw(
    tag: str, low: Any, high: Any, num: Any, total: Any, squares: Any, limits: Any, counts: Any
) -> Any:
    """A distribution whose numbers are known."""
    from tensorboard.compat.proto.summary_pb2 import HistogramProto

    message = HistogramProto(
        min=low,
        max=high,
        num=num,
        sum=total,
        sum_squares=squares,
        bucket_limit=limits,
        bucket=counts,
    )
    return summary_of(tag, histo=message)


def audio(tag: str, sound: Any, rate: int) -> Any:
    """A sound of one channel in [-1, 1], as a WAV file of 16 bits."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    x = as_array(sound).squeeze()
    if abs(x).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        x = x.clip(-1, 1)
    if x.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((x * np.iinfo(np.int16).max).astype("<i2").tobytes())
    message = Summary.Audio(
        sample_rate=rate,
        num_channels=1,
        length_frames=len(x),
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )
    return summary_of(tag, audio=message)


def text(tag: str, string: str) -> Any:
    """A text in Markdown."""
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    metadata = plugin("text", TextPluginData(version=0).SerializeToString())
    message = tensor_message("DT_STRING", (1,), string_val=[string.encode()])
    return summary_of(f"{tag}/text_summary", metadata=metadata, tensor=message)


def numbers_of(x: Tensor) -> list:
    """A tensor's values as its field has them: halves as the bits of float32, parts of complex."""
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.to(torch.float32).view(torch.int32)
    elif x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    return x.flatten().tolist()


def tensor(tag: str, x: Tensor) -> Any:
    """A whole tensor."""
    if x.numel() * x.itemsize >= LIMIT:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    if x.dtype not in FIELDS:
        raise ValueError(f"{tag} has unsupported tensor dtype {x.dtype}")
    name, field = FIELDS[x.dtype]
    message = tensor_message(name, x.shape, **{field: numbers_of(x.detach())})
    return summary_of(tag, metadata=plugin("tensor"), tensor=message)


def count_curve(labels: Any, scores: Any, thresholds: int, weights: Any) -> list[np.ndarray]:
    """True and false positives and negatives, precision and recall at every threshold."""
    truth = as_array(labels).astype(np.float64)
    weight = 1.0 if weights is None else as_array(weights)
    bins = np.floor(as_array(scores) * (thresholds - 1)).astype(np.int32)

    def at_least(weights: Any) -> np.ndarray:
        """The weight of what scores at least each threshold."""
        found, _ = np.histogram(bins, thresholds, (0, thresholds - 1), weights=weights)
        return found[::-1].cumsum()[::-1]

    tp, fp = at_least(truth * weight), at_least((1.0 - truth) * weight)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(1e-7, tp + fp)
    recall = tp / np.maximum(1e-7, tp + fn)
    return [tp, fp, tn, fn, precision, recall]


def pr_curve(tag: str, rows: Sequence[Any], thresholds: int) -> Any:
    """The six rows of ``count_curve`` for the plugin."""
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

    data = np.stack([as_array(x) if isinstance(x, Tensor) else np.asarray(x) for x in rows])
    content = PrCurvePluginData(version=0, num_thresholds=min(thresholds, MAX_THRESHOLDS))
    message = tensor_message("DT_FLOAT", data.shape[:2], float_val=data.reshape(-1).tolist())
    return summary_of(
        tag, metadata=plugin("pr_curves", content.SerializeToString()), tensor=message
    )


def chart(title: str, kind: str, tags: Sequence[str]) -> Any:
    """A chart of a layout: of a value between two others ("Margin"), or of several lines."""
    from tensorboard.plugins.custom_scalar import layout_pb2 as proto

    if kind != "Margin":
        return proto.Chart(title=title, multiline=proto.MultilineChartContent(tag=tags))
    if len(tags) != 3:
        raise AssertionError("len(tags) != 3")
    series = proto.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
    return proto.Chart(title=title, margin=proto.MarginChartContent(series=[series]))


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence]]) -> Any:
    """The layout of charts: category -> title -> [kind, tags]."""
    from tensorboard.plugins.custom_scalar import layout_pb2 as proto

    categories = [
        proto.Category(title=title, chart=[chart(name, c[0], c[1]) for name, c in charts.items()])
        for title, charts in layout.items()
    ]
    content = proto.Layout(category=categories).SerializeToString()
    message = tensor_message("DT_STRING", (), string_val=[content])
    return summary_of("custom_scalars__config__", tensor=message, metadata=plugin("custom_scalars"))


def mesh(tag: str, parts: Mapping[str, Any], config: str) -> Any:
    """Vertices, faces and colours, those that are there, each of shape (B, N, 3)."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    there = [
        (MeshPluginData.ContentType.Value(kind), torch.as_tensor(x))
        for kind, x in parts.items()
        if x is not None
    ]
    mask = metadata.get_components_bitmask([kind for kind, _ in there])
    values = []
    for kind, x in there:
        shape = list(x.shape)
        about = metadata.create_summary_metadata(
            tag, None, kind, mask, shape, None, json_config=config
        )
        message = tensor_message("DT_FLOAT", shape[:3], float_val=x.reshape(-1).tolist())
        name = metadata.get_instance_name(tag, kind)
        values.append(Summary.Value(tag=name, tensor=message, metadata=about))
    return Summary(value=values)
