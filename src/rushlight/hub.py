"""torch.hub: models from a folder with a hubconf.py, and checkpoints from the internet."""

import hashlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse as urlparse
from urllib.parse import urlsplit

from rushlight.serialization import load as load_file
from rushlight.vision.datasets.utils import _fetch_with_retries

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # in a file's name: the first digits of its SHA-256
_dir: dict[str, str] = {}


def _get_torch_home() -> str:
    """The folder that ``hub`` stands in: $TORCH_HOME, or ``$XDG_CACHE_HOME/torch``."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))
    return str(Path(home).expanduser())


def get_dir() -> str:
    """get_dir() -> str

    Where downloads are kept: what ``set_dir`` said, or ``hub`` in $TORCH_HOME, or in
    ``$XDG_CACHE_HOME/torch`` (``~/.cache/torch``).

    >>> import os
    >>> os.path.basename(torch.hub.get_dir())
    'hub'
    """
    if "dir" in _dir:
        return _dir["dir"]
    return str(Path(_get_torch_home()) / "hub")


def set_dir(d: str | os.PathLike) -> None:
    """set_dir(d) -> None: keep downloads in folder ``d``.

    >>> before = torch.hub.get_dir()
    >>> torch.hub.set_dir('/tmp/models')
    >>> torch.hub.get_dir()
    '/tmp/models'
    >>> torch.hub.set_dir(before)
    """
    _dir["dir"] = str(Path(d).expanduser())


def _hubconf(folder: str, source: str) -> ModuleType:
    """The folder's hubconf.py as a module."""
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise NotImplementedError(
            "torch.hub: rushlight runs no code from the internet; clone the repository and pass "
            "its folder with source='local'"
        )
    path = Path(folder).expanduser() / "hubconf.py"
    spec = importlib.util.spec_from_file_location("hubconf", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    missing = [
        name
        for name in getattr(module, "dependencies", ())
        if name not in sys.modules and importlib.util.find_spec(name) is None
    ]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: ModuleType, model: str) -> Any:
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    function = getattr(module, model, None)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return function


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str | None = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """load(repo_or_dir, model, *args, source='github', **kwargs)

    What the function ``model`` of ``repo_or_dir/hubconf.py`` returns for the other arguments. Only
    ``source='local'`` is supported; the arguments about downloads have no effect on it.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, 'hubconf.py').write_text('def net(width): return [width] * 2')
    ...     torch.hub.load(folder, 'net', 3, source='local')
    [3, 3]
    """
    return _entry(_hubconf(repo_or_dir, source.lower()), model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
    verbose: bool = True,
) -> Any:
    """list(github) -> list of str: the functions of ``hubconf.py`` in a folder.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, 'hubconf.py').write_text('def net(width): return width')
    ...     torch.hub.list(folder)
    ['net']
    """
    module = _hubconf(github, "local" if Path(github).expanduser().is_dir() else "github")
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
) -> str | None:
    """help(github, model) -> str: the documentation of a function of ``hubconf.py``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     code = "def net(width): 'A linear layer.'"
    ...     _ = pathlib.Path(folder, 'hubconf.py').write_text(code)
    ...     torch.hub.help(folder, 'net')
    'A linear layer.'
    """
    source = "local" if Path(github).expanduser().is_dir() else "github"
    return _entry(_hubconf(github, source), model).__doc__


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True,
    check_hash=False, file_name=None, weights_only=False)

    Download a file once into ``model_dir`` (``checkpoints`` in ``get_dir()``) and load it.
    ``check_hash``: its name ends in ``-<first digits of its SHA-256>``, which are compared.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({'w': torch.ones(2)}, pathlib.Path(folder, 'net.pt'))
    ...     # the file is there already: nothing is fetched
    ...     torch.hub.load_state_dict_from_url('https://example.org/net.pt', folder)
    {'w': tensor([1., 1.])}
    """
    folder = Path(model_dir) if model_dir is not None else Path(get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (file_name or Path(urlsplit(url).path).name)
    if not target.exists():
        part = target.with_name(target.name + ".part")
        _fetch_with_retries(url, part, progress)
        if check_hash:
            _check_hash(part, target.name)
        part.replace(target)
    return load_file(target, map_location=map_location, weights_only=weights_only)


def download_url_to_file(
    url: str, dst: str | os.PathLike, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """download_url_to_file(url, dst, hash_prefix=None, progress=True)

    Download a file to the path ``dst``, which is complete or not there. RuntimeError if its SHA-256
    does not begin with ``hash_prefix``.

    >>> torch.hub.download_url_to_file('https://example.org/net.pt', '/no/such/folder/net.pt')
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    target = Path(dst).expanduser()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(target.parent)!r}")
    part = target.with_name(target.name + ".part")
    _fetch_with_retries(url, part, progress)
    if hash_prefix:
        _check_digest(part, hash_prefix)
    part.replace(target)


def _check_hash(part: Path, name: str) -> None:
    """Compare a file's SHA-256 with the digits in its name."""
    found = HASH_REGEX.search(name)
    if found is not None:
        _check_digest(part, found.group(1))


def _check_digest(part: Path, prefix: str) -> None:
    """Delete the file and raise unless its SHA-256 begins with ``prefix``."""
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    if not digest.startswith(prefix):
        part.unlink()
        raise RuntimeError(f'invalid hash value (expected "{prefix}", got "{digest}")')
