"""Running a script, a module or a string as Python would, with rushlight as ``torch``."""

import builtins
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from rushlight._compat.hook import install

_OUR_FILES = (str(Path(__file__).parent), "<frozen importlib")


class Arguments(list):
    """``sys.argv`` of the program. A process started by multiprocessing gets the hook with it.

    Such a process unpickles ``sys.argv`` before it imports the program's main file again.
    """

    def __reduce__(self) -> tuple:
        return _arguments_with_hook, (list(self),)


def _arguments_with_hook(values: list[str]) -> Arguments:
    install()
    return Arguments(values)


def run_script(path: str, arguments: list[str]) -> int:
    """Run a file, or a folder with a ``__main__.py``, and return the exit status."""
    if Path(path).is_dir():
        return _run(lambda: _module_code("__main__", [path]), path, arguments, path)
    file = str(Path(path).absolute())
    facts = {"__file__": file, "__cached__": None}
    return _run(
        lambda: (_file_code(file), facts), path, arguments, str(Path(file).resolve().parent)
    )


def run_module(name: str, arguments: list[str]) -> int:
    """Run a module by its name, as ``python -m`` does, and return the exit status."""
    return _run(lambda: _module_code(name), None, arguments, str(Path.cwd()))


def run_string(source: str, arguments: list[str]) -> int:
    """Run a string, as ``python -c`` does, and return the exit status."""
    return _run(lambda: (compile(source, "<string>", "exec"), {}), "-c", arguments, "")


def _file_code(path: str) -> CodeType:
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        text = f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}"
        raise _NothingToRunError(text) from None
    return compile(source, path, "exec")


class _NothingToRunError(Exception):
    """There is nothing to run; the text says why."""


def _find(name: str, path: list[str] | None) -> ModuleSpec:
    try:
        spec = PathFinder.find_spec(name, path) if path else importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise _NothingToRunError(
            f"Error while finding module specification for {name!r} ({error})"
        ) from None
    if spec is None:
        where = f" in {path[0]!r}" if path else ""
        raise _NothingToRunError(
            f"No module named {name}" if not path else f"can't find {name!r} module{where}"
        )
    return spec


def _module_code(name: str, path: list[str] | None = None) -> tuple[CodeType, dict[str, Any]]:
    """The code of a module (of a package: its ``__main__``), and what its globals begin with."""
    spec = _find(name, path)
    if spec.submodule_search_locations is not None:
        spec = _find(f"{name}.__main__", None)
    get_code = getattr(spec.loader, "get_code", None)
    code = None if get_code is None else get_code(spec.name)
    if code is None:
        raise _NothingToRunError(f"No code object available for {name}")
    facts = {
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
    }
    return code, facts


def _new_main(facts: dict[str, Any]) -> dict[str, Any]:
    """Replace ``__main__`` by a fresh module and return its globals."""
    module = ModuleType("__main__")
    module.__dict__.update({"__builtins__": builtins, **facts})
    sys.modules["__main__"] = module
    return module.__dict__


def _run(
    load: Callable[[], tuple[CodeType, dict[str, Any]]],
    name: str | None,
    arguments: list[str],
    folder: str,
) -> int:
    """Set the stage as Python does, run the code and report what it raises."""
    sys.argv = Arguments([name or "-m", *arguments])
    if not sys.flags.safe_path:
        sys.path[0] = folder
    install()
    try:
        code, facts = load()
        sys.argv[0] = name or facts["__file__"]
        exec(code, _new_main(facts))
    except _NothingToRunError as error:
        print(f"{sys.executable}: {error}", file=sys.stderr)
        return 2 if name else 1
    except SystemExit:
        raise
    except BaseException as error:
        error.with_traceback(_without_ours(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback with the frames of the runner and the hook left out."""
    if traceback is None:
        return None
    rest = _without_ours(traceback.tb_next)
    if traceback.tb_frame.f_code.co_filename.startswith(_OUR_FILES):
        return rest
    traceback.tb_next = rest
    return traceback
