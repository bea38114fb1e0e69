"""Transforms: what they print, draw, compute and refuse, on tensors and on Pillow images."""

import math
import random

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import transforms as T
from rushlight.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def photo():
    """A smooth colour picture, 20 rows of 30."""
    y, x = np.mgrid[0:20, 0:30]
    pixels = np.stack([x * 8, y * 12, (x + y) * 5], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels)


def as_array(image):
    return F.pil_to_tensor(image).numpy() if not isinstance(image, torch.Tensor) else image.numpy()


def distance(left, right):
    return np.abs(as_array(left).astype(float) - as_array(right).astype(float))


PRINTED = [
    (T.ToTensor(), "ToTensor()"),
    (T.PILToTensor(), "PILToTensor()"),
    (T.ToPILImage(), "ToPILImage()"),
    (T.ToPILImage("RGB"), "ToPILImage(mode=RGB)"),
    (T.Normalize((0.5,), (0.25,)), "Normalize(mean=(0.5,), std=(0.25,))"),
    (T.Resize(4), "Resize(size=4, interpolation=bilinear, max_size=None, antialias=True)"),
    (T.CenterCrop(3), "CenterCrop(size=(3, 3))"),
    (T.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
    (T.RandomCrop(4, padding=1), "RandomCrop(size=(4, 4), padding=1)"),
    (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (T.RandomVerticalFlip(0.1), "RandomVerticalFlip(p=0.1)"),
    (
        T.RandomResizedCrop(8),
        "RandomResizedCrop(size=(8, 8), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
        "interpolation=bilinear, antialias=True)",
    ),
    (
        T.RandomRotation(10),
        "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)",
    ),
    (T.RandomAffine(5, scale=(0.9, 1.1)), "RandomAffine(degrees=[-5.0, 5.0], scale=(0.9, 1.1))"),
    (
        T.ColorJitter(0.5, hue=0.1),
        "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.1, 0.1))",
    ),
    (T.GaussianBlur(3), "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"),
    (T.Grayscale(), "Grayscale(num_output_channels=1)"),
    (T.RandomGrayscale(), "RandomGrayscale(p=0.1)"),
    (
        T.RandomErasing(),
        "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)",
    ),
    (T.Lambda(abs), "Lambda()"),
    (T.Compose([T.ToTensor(), T.Lambda(abs)]), "Compose(\n    ToTensor()\n    Lambda()\n)"),
    (T.RandomApply([T.ToTensor()]), "RandomApply(\n    p=0.5\n    ToTensor()\n)"),
    (T.RandomChoice([T.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
]


@pytest.mark.parametrize(("transform", "text"), PRINTED, ids=lambda v: type(v).__name__)
def test_repr(transform, text):
    assert repr(transform) == text


def test_conversions_keep_every_pixel(photo):
    tensor = T.ToTensor()(photo)
    assert tensor.dtype == torch.float32 and tuple(tensor.shape) == (3, 20, 30)
    np.testing.assert_array_equal(
        tensor.numpy(), np.asarray(photo).transpose(2, 0, 1) / np.float32(255)
    )
    assert np.array_equal(np.asarray(T.ToPILImage()(tensor)), np.asarray(photo))
    assert torch.equal(T.PILToTensor()(photo), T.PILToTensor()(F.to_pil_image(np.asarray(photo))))


@pytest.mark.parametrize(
    ("mode", "dtype"),
    [("L", "uint8"), ("I", "int32"), ("F", "float32"), ("I;16", "int16"), ("1", "")],
)
def test_modes_of_grey(mode, dtype):
    if mode == "1":
        image = Image.fromarray(np.eye(3, dtype=bool))
        assert torch.equal(F.to_tensor(image)[0], torch.eye(3))
        return
    pixels = np.arange(6, dtype=dtype).reshape(2, 3)
    image = F.to_pil_image(pixels)
    back = F.to_tensor(image)
    expected = pixels / np.float32(255) if dtype == "uint8" else pixels
    np.testing.assert_array_equal(back[0].numpy(), expected)


def test_to_tensor_of_arrays():
    assert tuple(F.to_tensor(np.zeros((4, 5), np.uint8)).shape) == (1, 4, 5)
    assert F.to_tensor(np.zeros((4, 5, 3))).dtype == torch.float64
    with pytest.raises(TypeError, match=r"pic should be PIL Image or ndarray. Got <class 'list'>"):
        F.to_tensor([1])
    with pytest.raises(ValueError, match=r"pic should be 2/3 dimensional. Got 1 dimensions."):
        F.to_tensor(np.zeros(3))


@pytest.mark.parametrize(
    ("start", "goal", "white"),
    [
        (torch.uint8, torch.float32, (255, 1.0)),
        (torch.float32, torch.uint8, (1.0, 255)),
        (torch.uint8, torch.int16, (255, 32640)),
        (torch.int16, torch.uint8, (32767, 255)),
        (torch.float32, torch.float64, (1.0, 1.0)),
    ],
)
def test_convert_image_dtype_keeps_white(start, goal, white):
    image = torch.tensor([[white[0], 0]], dtype=start)
    result = T.ConvertImageDtype(goal)(image)
    assert result.dtype == goal and result.tolist() == [[white[1], 0]]


def test_convert_image_dtype_refuses_what_float_cannot_hold():
    with pytest.raises(
        RuntimeError, match=r"torch.float32 to torch.int32 cannot be performed safely"
    ):
        F.convert_image_dtype(torch.zeros(1, 2, 2), torch.int32)


def test_normalize():
    image = torch.arange(8.0).reshape(2, 2, 2)
    result = T.Normalize((1.0, 2.0), (2.0, 4.0))(image)
    assert result.tolist() == [[[-0.5, 0.0], [0.5, 1.0]], [[0.5, 0.75], [1.0, 1.25]]]
    with pytest.raises(
        ValueError, match=r"std evaluated to zero after conversion to torch.float32"
    ):
        F.normalize(image, [0.0], [0.0])
    with pytest.raises(TypeError, match=r"Input tensor should be a float tensor. Got torch.uint8."):
        F.normalize(image.to(torch.uint8), [0.0], [1.0])


PLACES = [
    lambda i: F.crop(i, 3, 4, 10, 12),
    lambda i: F.crop(i, -3, -2, 30, 40),
    lambda i: F.center_crop(i, (7, 9)),
    lambda i: F.center_crop(i, (41, 25)),
    lambda i: F.hflip(i),
    lambda i: F.vflip(i),
    lambda i: F.pad(i, 3, fill=7),
    lambda i: F.pad(i, (1, 2), padding_mode="edge"),
    lambda i: F.pad(i, (1, 2, 3, 4), padding_mode="reflect"),
    lambda i: F.pad(i, (5, 6, 7, 8), padding_mode="symmetric"),
    lambda i: F.rotate(i, 90),
    lambda i: F.rotate(i, 180),
    lambda i: F.rotate(i, 90, expand=True),
    lambda i: F.resize(i, (10, 15), T.InterpolationMode.NEAREST_EXACT),
    lambda i: F.five_crop(i, 8)[3],
]


@pytest.mark.parametrize("change", PLACES)
def test_tensor_and_pillow_agree_exactly(photo, change):
    expected = as_array(change(photo))
    assert np.array_equal(as_array(change(F.pil_to_tensor(photo))), expected)


VALUES = [
    (lambda i: F.resize(i, (9, 13)), 1),
    (lambda i: F.resize(i, (31, 45)), 1),
    (lambda i: F.resize(i, 10, T.InterpolationMode.BICUBIC), 2),
    (lambda i: F.adjust_brightness(i, 1.4), 1),
    (lambda i: F.adjust_contrast(i, 0.6), 1),
    (lambda i: F.adjust_saturation(i, 1.7), 2),
    (lambda i: F.adjust_gamma(i, 0.8), 1),
    (lambda i: F.rgb_to_grayscale(i, 3), 1),
    (lambda i: F.adjust_hue(i, 0.2), 12),  # Pillow's hue has 256 steps
]


@pytest.mark.parametrize(("change", "tolerance"), VALUES)
def test_tensor_and_pillow_agree_nearly(photo, change, tolerance):
    tensor = F.pil_to_tensor(photo)
    assert distance(change(tensor), change(photo)).max() <= tolerance


@pytest.mark.parametrize("mode", [T.InterpolationMode.NEAREST, T.InterpolationMode.BILINEAR])
@pytest.mark.parametrize("expand", [False, True])
def test_rotation_agrees_inside(photo, mode, expand):
    tensor = F.pil_to_tensor(photo)
    turned = F.rotate(photo, 25, mode, expand=expand, fill=9)
    result = F.rotate(tensor, 25, mode, expand=expand, fill=9)
    assert result.shape == F.pil_to_tensor(turned).shape
    assert np.quantile(distance(turned, result), 0.85) <= 8  # edges are weighed differently


@pytest.mark.parametrize("center", [None, (3, 4)])
def test_affine_agrees_inside(photo, center):
    tensor = F.pil_to_tensor(photo)
    arguments = (20, (2, -3), 1.2, (5, 10))
    expected = F.affine(photo, *arguments, center=center)
    assert np.quantile(distance(expected, F.affine(tensor, *arguments, center=center)), 0.85) <= 8


@pytest.mark.parametrize(
    ("size", "max_size", "expected"),
    [(10, None, [10, 15]), (40, 50, [33, 50]), ([10], None, [10, 15]), ((7, 9), None, [7, 9])],
)
def test_resize_keeps_the_shape_of_one_number(photo, size, max_size, expected):
    assert F.get_dimensions(F.resize(photo, size, max_size=max_size))[1:] == expected
    assert F.get_dimensions(F.resize(F.to_tensor(photo), size, max_size=max_size))[1:] == expected


def by_hand_crop(image):
    top = torch.randint(0, 20 - 8 + 1, size=(1,)).item()
    left = torch.randint(0, 30 - 6 + 1, size=(1,)).item()
    return F.crop(image, top, left, 8, 6)


def by_hand_jitter(image):
    order = torch.randperm(4)
    factors = [
        torch.empty(1).uniform_(*b).item()
        for b in [(0.5, 1.5), (0.5, 1.5), (0.5, 1.5), (-0.1, 0.1)]
    ]
    steps = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for index in order.tolist():
        image = steps[index](image, factors[index])
    return image


def by_hand_resized(image):
    low, high = torch.log(torch.tensor((3 / 4, 4 / 3))).tolist()
    while True:
        area = 600 * torch.empty(1).uniform_(0.08, 1.0).item()
        aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if width <= 30 and height <= 20:
            top = torch.randint(0, 20 - height + 1, size=(1,)).item()
            left = torch.randint(0, 30 - width + 1, size=(1,)).item()
            return F.resized_crop(image, top, left, height, width, (8, 8))


DRAWS = [
    (T.RandomHorizontalFlip(0.4), lambda i: F.hflip(i) if torch.rand(1) < 0.4 else i),
    (T.RandomVerticalFlip(0.4), lambda i: F.vflip(i) if torch.rand(1) < 0.4 else i),
    (T.RandomGrayscale(0.4), lambda i: F.rgb_to_grayscale(i, 3) if torch.rand(1) < 0.4 else i),
    (T.RandomCrop((8, 6)), by_hand_crop),
    (T.RandomResizedCrop(8), by_hand_resized),
    (T.ColorJitter(0.5, 0.5, 0.5, 0.1), by_hand_jitter),
    (T.RandomRotation(30), lambda i: F.rotate(i, torch.empty(1).uniform_(-30, 30).item(), fill=0)),
    (
        T.GaussianBlur(5),
        lambda i: F.gaussian_blur(i, 5, torch.empty(1).uniform_(0.1, 2.0).item()),
    ),
    (T.RandomApply([F.hflip], 0.4), lambda i: i if torch.rand(1) > 0.4 else F.hflip(i)),
]


@pytest.mark.parametrize(("transform", "by_hand"), DRAWS, ids=lambda v: type(v).__name__)
def test_order_of_draws(photo, transform, by_hand):
    for seed in range(5):
        torch.manual_seed(seed)
        expected = as_array(by_hand(photo))
        after = torch.rand(1)
        torch.manual_seed(seed)
        assert np.array_equal(as_array(transform(photo)), expected)
        assert torch.equal(torch.rand(1), after)


def test_gaussian_blur(photo):
    spot = torch.zeros(1, 7, 9)
    spot[0, 3, 4] = 1.0
    blurred = F.gaussian_blur(spot, (3, 5), (1.0, 2.0))
    across = np.exp(-0.5 * np.arange(-1, 2) ** 2)
    down = np.exp(-0.5 * (np.arange(-2, 3) / 2.0) ** 2)
    expected = np.outer(down / down.sum(), across / across.sum())
    np.testing.assert_allclose(blurred[0, 1:6, 3:6].numpy(), expected, rtol=1e-6)
    assert abs(float(blurred.sum()) - 1) < 1e-6
    assert np.array_equal(
        as_array(F.gaussian_blur(photo, 5)), F.gaussian_blur(F.pil_to_tensor(photo), 5).numpy()
    )


def test_random_erasing_writes_one_rectangle():
    torch.manual_seed(0)
    image = torch.ones(3, 20, 30)
    result = T.RandomErasing(p=1.0, value=(2.0, 3.0, 4.0))(image)
    changed = (result != 1).nonzero()
    rows, columns = changed[:, 1].unique(), changed[:, 2].unique()
    assert len(changed) == 3 * len(rows) * len(columns) > 0
    assert [float(result[c].max()) for c in range(3)] == [2.0, 3.0, 4.0]
    assert bool((image == 1).all())
    noise = T.RandomErasing(p=1.0, value="random", inplace=True)(image)
    assert noise is image and image.unique().numel() > 10


def test_containers(photo):
    assert T.Compose([])(photo) is photo
    random.seed(1)
    assert T.RandomOrder([lambda x: [*x, 1], lambda x: [*x, 2]])([]) in ([1, 2], [2, 1])
    assert T.RandomChoice([lambda x: 1, lambda x: 2], p=[0, 1])(None) == 2
    with pytest.raises(TypeError, match=r"Argument lambd should be callable, got 'int'"):
        T.Lambda(3)


REFUSED = [
    (lambda p: F.hflip([1]), TypeError, "img should be PIL Image. Got <class 'list'>"),
    (
        lambda p: T.Pad((1, 2, 3)),
        ValueError,
        "Padding must be an int or a 1, 2, or 4 element tuple",
    ),
    (lambda p: F.adjust_hue(p, 0.6), ValueError, r"hue_factor \(0.6\) is not in \[-0.5, 0.5\]."),
    (
        lambda p: T.ColorJitter(-1),
        ValueError,
        "If brightness is a single number, it must be non neg",
    ),
    (lambda p: T.ColorJitter(hue=0.7), ValueError, r"hue values should be between \(-0.5, 0.5\)"),
    (
        lambda p: T.RandomRotation(-3),
        ValueError,
        "If degrees is a single number, it must be positive",
    ),
    (
        lambda p: T.RandomCrop(50)(p),
        ValueError,
        r"Required crop size \(50, 50\) is larger than input",
    ),
    (lambda p: T.RandomErasing(value="x"), ValueError, "If value is str, it should be 'random'"),
    (lambda p: T.GaussianBlur(4), ValueError, "Kernel size value should be an odd and positive"),
    (lambda p: F.gaussian_blur(p, 3, 0), ValueError, r"sigma should have positive values"),
    (lambda p: F.five_crop(p, 25), ValueError, "is bigger than input size"),
    (
        lambda p: T.Resize((1, 2, 3)),
        ValueError,
        "If size is a sequence, it should have 1 or 2 values",
    ),
    (
        lambda p: F.to_pil_image(torch.zeros(5, 2, 2)),
        ValueError,
        "should not have > 4 channels. Got 5",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED)
def test_refusals(photo, call, kind, text):
    with pytest.raises(kind, match=text):
        call(photo)
