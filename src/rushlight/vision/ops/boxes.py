"""Boxes in pictures: (N, 4) tensors of corners (x1, y1, x2, y2)."""

from rushlight import _api as torch


def box_area(boxes: "torch.Tensor") -> "torch.Tensor":
    """box_area(boxes) -> Tensor: the areas of boxes (N, 4).

    >>> vision.ops.box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0]]))
    tensor([6.])
    """
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlap(first: "torch.Tensor", second: "torch.Tensor") -> "torch.Tensor":
    """The areas that each box of the first shares with each of the second, (N, M)."""
    low = torch.max(first[:, None, :2], second[None, :, :2])
    high = torch.min(first[:, None, 2:], second[None, :, 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_iou(boxes1: "torch.Tensor", boxes2: "torch.Tensor") -> "torch.Tensor":
    """box_iou(boxes1, boxes2) -> Tensor (N, M): intersection over union of each pair.

    >>> a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    >>> vision.ops.box_iou(a, torch.tensor([[0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]]))
    tensor([[0.5000, 0.0000]])
    """
    shared = _overlap(boxes1, boxes2)
    return shared / (box_area(boxes1)[:, None] + box_area(boxes2) - shared)


def box_convert(boxes: "torch.Tensor", in_fmt: str, out_fmt: str) -> "torch.Tensor":
    """box_convert(boxes, in_fmt, out_fmt) -> Tensor: between 'xyxy' (corners), 'xywh' (corner and
    size) and 'cxcywh' (centre and size). ValueError for other formats.

    >>> vision.ops.box_convert(torch.tensor([[1.0, 1.0, 4.0, 2.0]]), 'xywh', 'xyxy')
    tensor([[1., 1., 5., 3.]])
    """
    known = ("xyxy", "xywh", "cxcywh")
    if in_fmt not in known or out_fmt not in known:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), dim=-1)


def clip_boxes_to_image(boxes: "torch.Tensor", size: tuple[int, int]) -> "torch.Tensor":
    """clip_boxes_to_image(boxes, size) -> Tensor: the parts inside a picture of (height, width).

    >>> vision.ops.clip_boxes_to_image(torch.tensor([[-1.0, 0.0, 9.0, 2.0]]), (4, 5))
    tensor([[0., 0., 5., 2.]])
    """
    height, width = size
    xs = boxes[..., 0::2].clamp(min=0, max=width)
    ys = boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((xs, ys), dim=boxes.dim()).reshape(boxes.shape)


def remove_small_boxes(boxes: "torch.Tensor", min_size: float) -> "torch.Tensor":
    """remove_small_boxes(boxes, min_size) -> Tensor: the numbers of the boxes whose sides are both
    at least ``min_size``.

    >>> vision.ops.remove_small_boxes(torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 3.0, 4.0]]), 2)
    tensor([1])
    """
    wide = boxes[:, 2] - boxes[:, 0] >= min_size
    high = boxes[:, 3] - boxes[:, 1] >= min_size
    return torch.where(wide & high)[0]


def nms(boxes: "torch.Tensor", scores: "torch.Tensor", iou_threshold: float) -> "torch.Tensor":
    """nms(boxes, scores, iou_threshold) -> Tensor: the numbers of the boxes that are left when each
    box overlapping a better one by more than the threshold is dropped, the best first.

    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    >>> vision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    tensor([0, 2])
    """
    order = scores.argsort(descending=True, stable=True)
    ordered = boxes[order]
    over = (box_iou(ordered, ordered) > iou_threshold).tolist()
    dropped = [False] * len(over)
    kept = []
    for i, row in enumerate(over):
        if dropped[i]:
            continue
        kept.append(i)
        dropped = [
            was or (j > i and now) for j, (was, now) in enumerate(zip(dropped, row, strict=True))
        ]
    return order[torch.tensor(kept, dtype=torch.int64)]


def batched_nms(
    boxes: "torch.Tensor", scores: "torch.Tensor", idxs: "torch.Tensor", iou_threshold: float
) -> "torch.Tensor":
    """batched_nms(boxes, scores, idxs, iou_threshold) -> Tensor: nms within each category.

    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
    >>> vision.ops.batched_nms(boxes, torch.tensor([0.8, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64)
    apart = idxs.to(boxes) * (boxes.max() + 1)  # categories that cannot touch
    return nms(boxes + apart[:, None], scores, iou_threshold)
