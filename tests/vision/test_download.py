"""Downloads, against a server on this machine."""

import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading
import zipfile
from urllib.error import HTTPError, URLError

import pytest

from rushlight.vision import datasets
from rushlight.vision.datasets import utils as files

DATA = bytes(range(256)) * 2000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; what goes wrong is set by ``server.cut`` and ``server.ranges``."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        body = server.files.get(self.path)
        if body is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        if start and start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        stop = server.cut.pop(0) if server.cut else len(body)
        self.wfile.write(body[start:stop])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.files, made.requests, made.cut, made.ranges = {"/data.bin": DATA}, [], [], True
        made.url = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def md5(data):
    return hashlib.md5(data).hexdigest()


def test_download(server, tmp_path, capfd):
    for _ in range(2):  # the second time the file is there
        files.download_url(f"{server.url}/data.bin", tmp_path / "new", md5=md5(DATA))
    assert (tmp_path / "new" / "data.bin").read_bytes() == DATA
    assert server.requests == [("/data.bin", None)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["data.bin"]
    assert "100%" in capfd.readouterr().err


def test_progress_without_tqdm(server, tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    files.download_url(f"{server.url}/data.bin", tmp_path)
    assert capfd.readouterr().err.endswith("data.bin: 100%\n")


def test_a_broken_connection_is_resumed(server, tmp_path):
    server.cut = [1000]
    files.download_url(f"{server.url}/data.bin", tmp_path, "other.bin", md5(DATA))
    assert (tmp_path / "other.bin").read_bytes() == DATA
    assert server.requests == [("/data.bin", None), ("/data.bin", "bytes=1000-")]


def test_an_earlier_part_is_resumed(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(DATA[:5000])
    files.download_url(f"{server.url}/data.bin", tmp_path, md5=md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert server.requests == [("/data.bin", "bytes=5000-")]


def test_a_server_without_ranges_sends_all(server, tmp_path):
    server.ranges = False
    (tmp_path / "data.bin.part").write_bytes(DATA[:5000])
    files.download_url(f"{server.url}/data.bin", tmp_path, md5=md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("old", [b"x" * 5000, b"x" * (len(DATA) + 5)])
def test_the_part_of_another_file_is_dropped(server, tmp_path, old):
    (tmp_path / "data.bin.part").write_bytes(old)
    files.download_url(f"{server.url}/data.bin", tmp_path, md5=md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(RuntimeError, match=r"File not found or corrupted"):
        files.download_url(f"{server.url}/data.bin", tmp_path, md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_failures(server, tmp_path):
    with pytest.raises(HTTPError, match=r"404"):
        files.download_url(f"{server.url}/absent", tmp_path)
    server.cut = [10] * 3
    with pytest.raises(
        URLError, match=r"the connection closed after 30 of 512000 bytes|after 10 of"
    ):
        files.download_url(f"{server.url}/data.bin", tmp_path)
    with pytest.raises(URLError):
        files.download_url("http://127.0.0.1:9/nothing", tmp_path)


def packed(kind):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("folder/a.txt", "hello")
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            info = tarfile.TarInfo("folder/a.txt")
            info.size = 5
            archive.addfile(info, io.BytesIO(b"hello"))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tgz"])
def test_archives(server, tmp_path, kind):
    server.files[f"/a.{kind}"] = packed(kind)
    files.download_and_extract_archive(
        f"{server.url}/a.{kind}", tmp_path, tmp_path / "out", remove_finished=True
    )
    assert (tmp_path / "out" / "folder" / "a.txt").read_text() == "hello"
    assert not (tmp_path / f"a.{kind}").exists()


def test_archives_stay_inside(tmp_path):
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(tarfile.OutsideDestinationError):
        files.extract_archive(tmp_path / "bad.tar", tmp_path / "out")
    with pytest.raises(RuntimeError, match=r"Unknown compression or archive type: '.rar'"):
        files.extract_archive(tmp_path / "a.rar")


def test_mnist_tries_the_next_mirror(server, tmp_path, monkeypatch, capsys):
    head = {
        "images-idx3": b"\0\0\x08\x03" + b"\0\0\0\1" * 3 + b"\7",
        "labels-idx1": b"\0\0\x08\1\0\0\0\1\3",
    }
    resources = []
    for prefix in ("train", "t10k"):
        for kind, body in head.items():
            name = f"{prefix}-{kind}-ubyte.gz"
            server.files[f"/mnist/{name}"] = gzip.compress(body)
            resources.append((name, md5(server.files[f"/mnist/{name}"])))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{server.url}/gone/", f"{server.url}/mnist/"])
    dataset = datasets.MNIST(tmp_path, download=True)
    assert len(dataset) == 1 and int(dataset.targets[0]) == 3 and int(dataset.data.sum()) == 7
    assert "Failed to download (trying next)" in capsys.readouterr().out
    count = len(server.requests)
    datasets.MNIST(tmp_path, download=True)
    assert len(server.requests) == count
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{server.url}/gone/"])
    with pytest.raises(RuntimeError, match=r"Error downloading train-images-idx3-ubyte.gz"):
        datasets.MNIST(tmp_path / "other", download=True)


def test_cifar_downloads(server, tmp_path, monkeypatch):
    server.files["/cifar.tar.gz"] = packed("tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{server.url}/cifar.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(server.files["/cifar.tar.gz"]))
    with pytest.raises(RuntimeError, match=r"not found or corrupted"):
        datasets.CIFAR10(tmp_path, download=True)  # what was fetched holds no batches
    assert (tmp_path / "folder" / "a.txt").exists()
