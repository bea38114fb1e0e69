"""rearrange: reshape, permute and expand by a pattern of names."""

import re
from typing import Any

from rushlight import _api as torch
from rushlight._core.tensor import Tensor

ELLIPSIS = "..."


def parse(side: str, pattern: str) -> list[list[str]]:
    """One side of a pattern as groups of names; ``1`` and ``()`` are groups without any."""
    text = side.replace(ELLIPSIS, " ... ")
    groups: list[list[str]] = []
    inside: list[str] | None = None
    for token in re.findall(r"\.\.\.|[()]|[^\s()]+", text):
        if token == "(":
            if inside is not None:
                raise ValueError(f"brackets are nested in pattern '{pattern}'")
            inside = []
        elif token == ")":
            if inside is None:
                raise ValueError(f"brackets are not balanced in pattern '{pattern}'")
            groups.append(inside)
            inside = None
        else:
            name = check_name(token, pattern)
            if inside is None:
                groups.append([name] if name != "1" else [])
            elif name != "1":
                inside.append(name)
    if inside is not None:
        raise ValueError(f"brackets are not balanced in pattern '{pattern}'")
    return groups


def check_name(token: str, pattern: str) -> str:
    """A name of an axis, ``...`` or ``1``."""
    if (
        token in (ELLIPSIS, "1")
        or token == "_"
        or (token.isidentifier() and not token.startswith("_") and not token.endswith("_"))
    ):
        return token
    raise ValueError(f"'{token}' in pattern '{pattern}' is not the name of an axis")


def names_of(groups: list[list[str]], pattern: str) -> list[str]:
    """All names, none twice."""
    names = [n for g in groups for n in g]
    for n in names:
        if names.count(n) > 1:
            raise ValueError(f"axis '{n}' appears more than once on a side of '{pattern}'")
    return names


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """rearrange(tensor, pattern, **axes_lengths) -> Tensor

    A tensor's dimensions in another order, split and joined, as a pattern says: names on the left
    are its dimensions, brackets join several into one, ``...`` stands for any, and ``1`` for one of
    size 1. ``axes_lengths`` gives sizes that do not follow. A list of tensors is stacked first.

    >>> images = torch.arange(8.0).view(2, 2, 2)
    >>> torch.func.rearrange(images, "b h w -> b (h w)").shape
    torch.Size([2, 4])
    >>> torch.func.rearrange(torch.ones(6, 2), "(h w) c -> c h w", h=2).shape
    torch.Size([2, 2, 3])
    """
    if not isinstance(tensor, Tensor):
        tensor = torch.stack(list(tensor))
    if pattern.count("->") != 1:
        raise ValueError(f"pattern '{pattern}' needs exactly one '->'")
    left, right = (parse(side, pattern) for side in pattern.split("->"))
    first, second = names_of(left, pattern), names_of(right, pattern)
    if set(first) != set(second):
        odd = sorted(set(first) ^ set(second))
        raise ValueError(f"axes {odd} are on one side of pattern '{pattern}' only")
    for name in axes_lengths:
        if name not in first:
            raise ValueError(f"axis '{name}' has a length but is not in pattern '{pattern}'")
    rest = tensor.dim() - len([g for g in left if g != [ELLIPSIS]])
    if rest < 0 or (rest and [ELLIPSIS] not in left):
        raise ValueError(f"pattern '{pattern}' does not fit a tensor of {tensor.dim()} dimensions")
    left, right = spread(left, rest), spread(right, rest)
    sizes = sizes_of(tensor, left, axes_lengths, pattern)
    names = [n for g in left for n in g]
    split = tensor.reshape([sizes[n] for n in names])
    moved = split.permute([names.index(n) for g in right for n in g])
    return moved.reshape([product(g, sizes) for g in right])


def spread(groups: list[list[str]], rest: int) -> list[list[str]]:
    """``...`` as the names of the dimensions it stands for; joined, if it is in brackets."""
    whole = [f"... {i}" for i in range(rest)]
    made: list[list[str]] = []
    for g in groups:
        if g == [ELLIPSIS]:
            made += [[n] for n in whole]
        else:
            made.append([x for n in g for x in (whole if n == ELLIPSIS else [n])])
    return made


def product(group: list[str], sizes: dict[str, int]) -> int:
    """The size of joined dimensions."""
    n = 1
    for name in group:
        n *= sizes[name]
    return n


def sizes_of(
    tensor: Tensor, left: list[list[str]], given: dict[str, int], pattern: str
) -> dict[str, int]:
    """The size of each name, from the tensor and from what was given."""
    sizes = dict(given)
    for size, group in zip(tensor.shape, left, strict=True):
        unknown = [n for n in group if n not in sizes]
        known = product([n for n in group if n in sizes], sizes)
        if len(unknown) > 1:
            raise ValueError(f"the lengths of {unknown} in pattern '{pattern}' are not known")
        if (size % known if unknown and known else size != known) or (unknown and not known):
            raise ValueError(
                f"a dimension of size {size} does not fit {group} of pattern '{pattern}'"
            )
        if unknown:
            sizes[unknown[0]] = size // known
    return sizes
