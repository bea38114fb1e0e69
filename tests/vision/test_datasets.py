"""The datasets, on small files made here."""

import gzip
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader
from rushlight.vision import datasets
from rushlight.vision.datasets import utils as files
from rushlight.vision.datasets.mnist import read_sn3_pascalvincent_tensor
from rushlight.vision.transforms import Compose, Lambda, ToTensor


def idx(array):
    """The bytes of an idx file."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(root, name="MNIST", pack=False):
    """Five training and three test images; returns the arrays."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    made = {}
    for prefix, count in (("train", 5), ("t10k", 3)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{prefix}-{kind}-ubyte"
            if pack:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))
        made[prefix] = images, labels
    return made


@pytest.mark.parametrize("pack", [False, True])
def test_mnist(tmp_path, pack):
    pytest.importorskip("PIL")
    made = write_mnist(tmp_path, pack=pack)
    train = datasets.MNIST(tmp_path, train=True, transform=ToTensor())
    assert len(train) == 5 and len(datasets.MNIST(tmp_path, train=False)) == 3
    image, label = train[2]
    np.testing.assert_array_equal(image[0].numpy(), made["train"][0][2] / np.float32(255))
    assert label == made["train"][1][2] and type(label) is int
    assert train.data.dtype == torch.uint8 and train.targets.dtype == torch.int64
    assert train.class_to_idx["3 - three"] == 3
    plain, _ = datasets.MNIST(str(tmp_path))[0]
    assert plain.mode == "L" and plain.size == (28, 28)
    images, labels = next(iter(DataLoader(train, batch_size=4)))
    assert (
        tuple(images.shape) == (4, 1, 28, 28) and labels.tolist() == made["train"][1][:4].tolist()
    )


def test_mnist_repr(tmp_path):
    write_mnist(tmp_path, "FashionMNIST")
    dataset = datasets.FashionMNIST(str(tmp_path), train=False, transform=Compose([ToTensor()]))
    assert repr(dataset) == (
        "Dataset FashionMNIST\n"
        "    Number of datapoints: 3\n"
        f"    Root location: {tmp_path}\n"
        "    Split: Test\n"
        "    StandardTransform\n"
        "Transform: Compose(\n"
        "               ToTensor()\n"
        "           )"
    )


def test_a_missing_dataset_says_what_to_do(tmp_path):
    text = r"Dataset not found. You can use download=True to download it"
    with pytest.raises(RuntimeError, match=text):
        datasets.MNIST(tmp_path)
    with pytest.raises(
        RuntimeError, match=r"Dataset not found or corrupted. You can use download=True"
    ):
        datasets.CIFAR10(tmp_path)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_types(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    result = read_sn3_pascalvincent_tensor(tmp_path / "a").numpy()
    assert result.dtype == array.dtype and np.array_equal(result, array)


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"x", lambda d: b"PK" + d[2:]])
def test_damaged_idx(tmp_path, damage):
    (tmp_path / "a").write_bytes(damage(idx(np.zeros((2, 3), np.uint8))))
    with pytest.raises(ValueError, match=r"idx file|its header says"):
        read_sn3_pascalvincent_tensor(tmp_path / "a")


def python2_pickle(batch):
    """Protocol 2, with NumPy's old module name, as CIFAR's own files are."""
    return pickle.dumps(batch, protocol=2).replace(
        b"numpy._core.multiarray", b"numpy.core.multiarray"
    )


def write_cifar(root, monkeypatch, kind=datasets.CIFAR10):
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 3072), dtype=np.uint8)
    lists = {}
    for name in ("train_list", "test_list"):
        lists[name] = []
        for file, _ in getattr(kind, name):
            batch = {"data": pixels, kind.label_key: [1, 0], "filenames": ["a.png", "b.png"]}
            (folder / file).write_bytes(python2_pickle(batch))
            lists[name].append([file, files.calculate_md5(folder / file)])
    meta = dict(kind.meta)
    (folder / meta["filename"]).write_bytes(python2_pickle({meta["key"]: ["cat", "dog"]}))
    meta["md5"] = files.calculate_md5(folder / meta["filename"])
    for name, value in {**lists, "meta": meta}.items():
        monkeypatch.setattr(kind, name, value)
    return pixels


@pytest.mark.parametrize("kind", [datasets.CIFAR10, datasets.CIFAR100])
def test_cifar(tmp_path, monkeypatch, kind):
    pytest.importorskip("PIL")
    pixels = write_cifar(tmp_path, monkeypatch, kind)
    train = kind(tmp_path, train=True, transform=ToTensor(), download=True)
    assert len(train) == 2 * len(kind.train_list) and train.classes == ["cat", "dog"]
    image, label = train[0]
    np.testing.assert_array_equal(image.numpy(), pixels[0].reshape(3, 32, 32) / np.float32(255))
    assert label == 1 and len(kind(tmp_path, train=False)) == 2


def test_cifar_refuses_code_in_a_batch(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch)
    kind = datasets.CIFAR10
    path = tmp_path / kind.base_folder / "test_batch"
    path.write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    monkeypatch.setattr(kind, "test_list", [["test_batch", files.calculate_md5(path)]])
    with pytest.raises(pickle.UnpicklingError, match=r"posix.system has no place in a CIFAR batch"):
        kind(tmp_path, train=False)


def test_cifar_notices_a_changed_batch(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch)
    with (tmp_path / datasets.CIFAR10.base_folder / "test_batch").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RuntimeError, match=r"not found or corrupted"):
        datasets.CIFAR10(tmp_path)


def make_folders(root):
    Image = pytest.importorskip("PIL.Image")
    for name, shades in {"cat": (10, 20), "dog": (30,)}.items():
        (root / name / "more").mkdir(parents=True)
        for shade in shades:
            Image.new("L", (4, 3), shade).save(root / name / "more" / f"{shade}.PNG")
        (root / name / "notes.txt").write_text("not an image")
    return root


def test_image_folder(tmp_path):
    dataset = datasets.ImageFolder(make_folders(tmp_path), transform=ToTensor())
    assert dataset.classes == ["cat", "dog"] and dataset.targets == [0, 0, 1]
    assert dataset.class_to_idx == {"cat": 0, "dog": 1} and dataset.imgs is dataset.samples
    image, target = dataset[2]
    assert tuple(image.shape) == (3, 3, 4) and target == 1
    assert round(float(image.mean()) * 255) == 30


def test_folder_of_anything(tmp_path):
    make_folders(tmp_path)
    dataset = datasets.DatasetFolder(
        tmp_path, loader=lambda path: Path(path).read_text(), extensions=(".txt",)
    )
    assert list(dataset[i] for i in range(2)) == [("not an image", 0), ("not an image", 1)]
    chosen = datasets.ImageFolder(
        tmp_path, is_valid_file=lambda path: "20" in path, allow_empty=True
    )
    assert len(chosen) == 1


def test_folder_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Couldn't find any class folder in"):
        datasets.ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"Found no valid file for the classes empty. Supported"
    ):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(ValueError, match=r"Both extensions and is_valid_file cannot be None"):
        datasets.DatasetFolder(tmp_path, loader=str)


def test_fake_data():
    pytest.importorskip("PIL")
    dataset = datasets.FakeData(4, (3, 5, 6), 7, transform=ToTensor())
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first, again = dataset[1], dataset[1]
    assert torch.equal(torch.rand(1), before)
    assert torch.equal(first[0], again[0]) and tuple(first[0].shape) == (3, 5, 6)
    assert 0 <= int(first[1]) < 7 and len(list(iter(dataset))) == 4


def test_digits():
    dataset = datasets.Digits(target_transform=Lambda(float))
    image, label = dataset[0]
    assert len(dataset) == 1797 and image.shape == (8, 8) and image.dtype == np.uint8
    assert label == 0.0 and image[0].tolist() == [0, 0, 79, 207, 143, 15, 0, 0]
    counts = torch.bincount(dataset.targets).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert int(dataset.data.max()) == 255 and int(dataset.data.sum()) > 0


def test_digits_are_scikit_learns():
    learn = pytest.importorskip("sklearn.datasets")
    dataset, digits = datasets.Digits(), learn.load_digits()
    assert dataset.targets.tolist() == digits.target.tolist()
    assert np.array_equal(dataset.data.numpy(), digits.images.astype(int) * 255 // 16)


def test_transforms_come_together_or_apart(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(
        ValueError, match=r"Only transforms or transform/target_transform can be passed"
    ):
        datasets.VisionDataset(tmp_path, transforms=max, transform=min)
    both = datasets.VisionDataset(tmp_path, transforms=lambda image, target: (target, image))
    assert both.transforms(1, 2) == (2, 1)


def test_images_need_pillow(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    dataset = datasets.MNIST(tmp_path)
    with pytest.raises(
        ImportError, match=r"an image of MNIST needs Pillow. Install it with: pip install"
    ):
        dataset[0]
    assert datasets.Digits(transform=ToTensor())[0][0].shape[0] == 1
