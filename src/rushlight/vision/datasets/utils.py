"""Fetching dataset files: downloads that resume, checksums, archives."""

import gzip
import hashlib
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_url",
    "extract_archive",
]

_BLOCK = 1 << 16
_ATTEMPTS = 3
_TIMEOUT = 60.0  # seconds without a byte


def calculate_md5(fpath: str | Path, chunk_size: int = 1024 * 1024) -> str:
    """Return the MD5 of a file as 32 hexadecimal digits, read ``chunk_size`` bytes at a time."""
    digest = hashlib.md5(usedforsecurity=False)
    with Path(fpath).open("rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: str | Path, md5: str, **kwargs: Any) -> bool:
    """Whether the file's MD5 is ``md5``."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: str | Path, md5: str | None = None) -> bool:
    """Whether the file exists and, if ``md5`` is given, has that MD5."""
    if not Path(fpath).is_file():
        return False
    return md5 is None or check_md5(fpath, md5)


class _PlainProgress:
    """One line on stderr that counts up to 100 %; tqdm's two methods that a download needs."""

    def __init__(self, label: str, total: int | None, initial: int) -> None:
        self.label, self.total, self.done = label, total, initial
        self.shown = -1

    def update(self, count: int) -> None:
        self.done += count
        if not self.total:
            return
        percent = 100 * self.done // self.total
        if percent != self.shown:
            self.shown = percent
            print(f"\r{self.label}: {percent:3d}%", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.shown >= 0:
            print(file=sys.stderr)


def _progress(label: str, total: int | None, initial: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _PlainProgress(label, total, initial)
    return tqdm(desc=label, total=total, initial=initial, unit="B", unit_scale=True)


class _NoProgress:
    """A progress bar that shows nothing."""

    def update(self, count: int) -> None: ...

    def close(self) -> None: ...


def _copy(
    response: Any, file: BinaryIO, label: str, total: int | None, start: int, progress: bool
) -> int:
    """Append the response to ``file`` and return how long the file is now."""
    bar = _progress(label, total, start) if progress else _NoProgress()
    done = start
    try:
        while block := response.read(_BLOCK):
            file.write(block)
            done += len(block)
            bar.update(len(block))
    finally:
        bar.close()
    return done


def _fetch(url: str, part: Path, progress: bool = True) -> None:
    """One request. What ``part`` holds is not asked for again, if the server can do that."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "rushlight"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urlopen(Request(url, headers=headers), timeout=_TIMEOUT) as response:
        if response.status != 206:
            start = 0  # the whole file comes: begin anew
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with part.open("ab" if start else "wb") as file:
            done = _copy(response, file, part.stem, total, start, progress)
    if total is not None and done < total:
        raise URLError(f"the connection closed after {done} of {total} bytes of {url}")


def _fetch_with_retries(url: str, part: Path, progress: bool = True) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            return _fetch(url, part, progress)
        except HTTPError as error:
            if error.code != 416:  # 416: we asked past the end, so the part is of another file
                raise
            part.unlink()
        except (OSError, HTTPException) as error:  # URLError and time-outs are OSErrors
            if attempt == _ATTEMPTS - 1:
                raise error if isinstance(error, URLError) else URLError(error) from error
    raise URLError(f"the server refused every request for {url}")


def download_url(
    url: str,
    root: str | Path,
    filename: str | Path | None = None,
    md5: str | None = None,
) -> None:
    """download_url(url, root, filename=None, md5=None) -> None

    Download ``url`` into folder ``root``, unless the file is there with the right ``md5``.

    The bytes go to ``<filename>.part``, which a later call resumes; only a complete, verified file
    gets the final name. RuntimeError if the MD5 is another, URLError if the address cannot be
    reached.
    """
    folder = Path(root).expanduser()
    target = folder / (filename or unquote(Path(urlsplit(url).path).name))
    folder.mkdir(parents=True, exist_ok=True)
    if check_integrity(target, md5):
        return
    part = target.with_name(target.name + ".part")
    resumed = part.exists()
    _fetch_with_retries(url, part)
    if resumed and not check_integrity(part, md5):
        part.unlink()  # the first half came from an older file: once more from the start
        _fetch_with_retries(url, part)
    if not check_integrity(part, md5):
        found = calculate_md5(part)
        part.unlink()
        raise RuntimeError(f"File not found or corrupted. {url} has MD5 {found}, expected {md5}")
    part.replace(target)


def _extract_tar(source: Path, target: Path) -> None:
    with tarfile.open(source) as archive:
        archive.extractall(target, filter="data")  # refuses paths outside target


def _extract_zip(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        archive.extractall(target)


def _extract_gzip(source: Path, target: Path) -> None:
    final = target / source.name.removesuffix(".gz")
    part = final.with_name(final.name + ".part")
    with gzip.open(source) as packed, part.open("wb") as file:
        shutil.copyfileobj(packed, file, _BLOCK)
    part.replace(final)


_EXTRACTORS = {
    (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"): _extract_tar,
    (".zip",): _extract_zip,
    (".gz",): _extract_gzip,
}


def _extractor(name: str, kinds: Iterable = _EXTRACTORS.items()) -> Any:
    for endings, function in kinds:
        if name.lower().endswith(endings):
            return function
    raise RuntimeError(
        f"Unknown compression or archive type: '{Path(name).suffix}'.\n"
        f"Known ones are: '{sorted(e for endings in _EXTRACTORS for e in endings)}'."
    )


def extract_archive(
    from_path: str | Path, to_path: str | Path | None = None, remove_finished: bool = False
) -> str | Path:
    """extract_archive(from_path, to_path=None, remove_finished=False) -> path

    Unpack a tar, zip or gzip file into ``to_path`` (its own folder by default), which is returned.
    """
    source = Path(from_path)
    target = Path(to_path) if to_path is not None else source.parent
    target.mkdir(parents=True, exist_ok=True)
    _extractor(source.name)(source, target)
    if remove_finished:
        source.unlink()
    return target if isinstance(from_path, Path) else str(target)


def download_and_extract_archive(
    url: str,
    download_root: str | Path,
    extract_root: str | Path | None = None,
    filename: str | Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Download an archive as ``download_url`` does, then unpack it as ``extract_archive`` does."""
    folder = Path(download_root).expanduser()
    name = filename or unquote(Path(urlsplit(url).path).name)
    download_url(url, folder, name, md5)
    extract_archive(folder / name, extract_root or folder, remove_finished)
