"""torch.jit.isinstance: of containers, what they hold is looked at too."""

import types
import typing
import warnings
from typing import Any

_BARE = {
    dict: "dict",
    list: "list",
    tuple: "tuple",
    typing.Dict: "Dict",  # noqa: UP006
    typing.List: "List",  # noqa: UP006
    typing.Optional: "Optional",
    typing.Tuple: "Tuple",  # noqa: UP006
}


def _refuse_bare(kind: Any) -> None:
    name = _BARE.get(kind)
    if name is None:
        return
    if name.endswith("ict"):
        raise RuntimeError(
            f"Attempted to use {name} without contained types. Please add contained type, e.g. "
            f"{name}[int, int]"
        )
    raise RuntimeError(
        f"Attempted to use {name} without a contained type. Please add a contained type, e.g. "
        f"{name}[int]"
    )


def _warn_of_empty(obj: Any) -> None:
    if obj == [] or obj == {} or obj == ():
        warnings.warn(
            "The inner type of a container is lost when calling torch.jit.isinstance in eager "
            "mode. For example, List[int] would become list and therefore falsely return True for "
            "List[float] or List[str].",
            stacklevel=4,
        )


def _fits(obj: Any, kind: Any) -> bool:
    return _holds(obj, kind) if typing.get_origin(kind) else isinstance(obj, kind)


def _holds(obj: Any, kind: Any) -> bool:
    """Whether a container's parts are of the types that ``kind`` names."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union or origin is types.UnionType:
        return obj is None or any(_fits(obj, k) for k in inner)
    if origin not in (list, dict, tuple):
        return False
    _warn_of_empty(obj)
    if not isinstance(obj, origin):
        return False
    if origin is list:
        return all(_fits(part, inner[0]) for part in obj)
    if origin is dict:
        return all(isinstance(k, inner[0]) and _fits(v, inner[1]) for k, v in obj.items())
    return len(obj) == len(inner) and all(map(_fits, obj, inner))


def refines(obj: Any, target_type: Any) -> bool:
    """isinstance(obj, target_type) -> bool: like Python's; also of ``List[int]``,
    ``Dict[str, Tensor]``, ``Tuple[int, str]`` and ``Optional[int]``.

    >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance([1, 'a'], list[int])
    (True, False)
    """
    if isinstance(target_type, tuple):
        return any(refines(obj, kind) for kind in target_type)
    if isinstance(target_type, (list, set, dict)):
        raise RuntimeError(
            "The second argument to `torch.jit.isinstance` must be a type or a tuple of types"
        )
    _refuse_bare(target_type)
    return _fits(obj, target_type)
