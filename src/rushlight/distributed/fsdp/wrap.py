"""torch.distributed.fsdp.wrap: which inner modules are sharded by themselves."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rushlight.nn import Module, ModuleDict, ModuleList, MultiheadAttention

__all__ = [
    "CustomPolicy",
    "ModuleWrapPolicy",
    "always_wrap_policy",
    "enable_wrap",
    "lambda_auto_wrap_policy",
    "size_based_auto_wrap_policy",
    "transformer_auto_wrap_policy",
    "wrap",
]


class ModuleWrapPolicy:
    """ModuleWrapPolicy(module_classes): modules of these classes.

    >>> from rushlight.distributed.fsdp.wrap import ModuleWrapPolicy
    >>> policy = ModuleWrapPolicy({torch.nn.Linear})
    >>> policy(torch.nn.Linear(1, 1), recurse=False)
    True
    """

    def __init__(self, module_classes: Iterable[type[Module]]) -> None:
        self._module_classes = tuple(set(module_classes))

    def __call__(self, module: Module, recurse: bool, *args: Any, **kwargs: Any) -> bool:
        return recurse or isinstance(module, self._module_classes)

    def __repr__(self) -> str:
        return f"ModuleWrapPolicy({set(self._module_classes)})"


class CustomPolicy:
    """CustomPolicy(lambda_fn): modules for which a function is true.

    >>> from rushlight.distributed.fsdp.wrap import CustomPolicy
    >>> CustomPolicy(lambda m: isinstance(m, torch.nn.Linear))(torch.nn.ReLU(), recurse=False)
    False
    """

    def __init__(self, lambda_fn: Callable[[Module], bool | dict[str, Any]]) -> None:
        self._lambda_fn = lambda_fn

    def __call__(self, module: Module, recurse: bool, *args: Any, **kwargs: Any) -> bool:
        if recurse:
            return True
        answer = self._lambda_fn(module)
        if isinstance(answer, dict):
            raise NotImplementedError("options of single modules are not supported: answer a bool")
        return answer


def always_wrap_policy(*args: Any, **kwargs: Any) -> bool:
    """always_wrap_policy(...): every module.

    >>> from rushlight.distributed.fsdp.wrap import always_wrap_policy
    >>> always_wrap_policy()
    True
    """
    return True


def lambda_auto_wrap_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, lambda_fn: Callable[[Module], bool]
) -> bool:
    """lambda_auto_wrap_policy(module, recurse, nonwrapped_numel, lambda_fn): modules for which
    ``lambda_fn`` is true; the first three are given by FSDP (``functools.partial`` the rest).

    >>> from rushlight.distributed.fsdp.wrap import lambda_auto_wrap_policy
    >>> lambda_auto_wrap_policy(torch.nn.ReLU(), False, 0, lambda m: True)
    True
    """
    return recurse or lambda_fn(module)


def transformer_auto_wrap_policy(
    module: Module,
    recurse: bool,
    nonwrapped_numel: int,
    transformer_layer_cls: set[type[Module]],
) -> bool:
    """transformer_auto_wrap_policy(module, recurse, nonwrapped_numel, transformer_layer_cls):
    modules of these classes.

    >>> from rushlight.distributed.fsdp.wrap import transformer_auto_wrap_policy
    >>> transformer_auto_wrap_policy(torch.nn.ReLU(), False, 0, {torch.nn.TransformerEncoderLayer})
    False
    """
    return recurse or isinstance(module, tuple(transformer_layer_cls))


def size_based_auto_wrap_policy(
    module: Module,
    recurse: bool,
    nonwrapped_numel: int,
    min_num_params: int = int(1e8),
    force_leaf_modules: set[type[Module]] | None = None,
    exclude_wrap_modules: set[type[Module]] | None = None,
) -> bool:
    """size_based_auto_wrap_policy(module, recurse, nonwrapped_numel, min_num_params=100000000,
    force_leaf_modules=None, exclude_wrap_modules=None): modules with so many elements of
    parameters that no inner one has.

    >>> from rushlight.distributed.fsdp.wrap import size_based_auto_wrap_policy
    >>> size_based_auto_wrap_policy(torch.nn.Linear(9, 9), False, 90, min_num_params=50)
    True
    """
    leaves = {MultiheadAttention} if force_leaf_modules is None else force_leaf_modules
    excluded = {ModuleList, ModuleDict} if exclude_wrap_modules is None else exclude_wrap_modules
    large = nonwrapped_numel >= min_num_params
    if recurse:
        return large and not isinstance(module, tuple(leaves))
    return large and not isinstance(module, tuple(excluded))


_wrapper: list[tuple[Any, dict[str, Any]]] = []


@contextlib.contextmanager
def enable_wrap(*, wrapper_cls: Any, **wrapper_kwargs: Any) -> Iterator[None]:
    """enable_wrap(*, wrapper_cls, **options): in the block, ``wrap(module)`` is
    ``wrapper_cls(module, **options)``.

    >>> from rushlight.distributed.fsdp.wrap import enable_wrap, wrap
    >>> with enable_wrap(wrapper_cls=torch.nn.Sequential):
    ...     layer = wrap(torch.nn.ReLU())
    >>> layer
    Sequential( (0): ReLU() )
    """
    _wrapper.append((wrapper_cls, wrapper_kwargs))
    try:
        yield
    finally:
        _wrapper.pop()


def wrap(module: Module, **wrap_overrides: Any) -> Any:
    """wrap(module, **options): the module as the innermost ``enable_wrap`` says; itself outside.

    >>> from rushlight.distributed.fsdp.wrap import wrap
    >>> wrap(torch.nn.ReLU())
    ReLU()
    """
    if not _wrapper:
        return module
    kind, options = _wrapper[-1]
    return kind(module, **{**options, **wrap_overrides})


def chosen(module: Module, policy: Any) -> list[Module]:
    """The inner modules that a policy (or a set of classes) wants sharded, innermost first."""
    if policy is None:
        return []
    if isinstance(policy, (set, frozenset)):
        policy = ModuleWrapPolicy(policy)
    found: list[Module] = []
    _descend(module, policy, found, set(), outermost=True)
    return found


def _descend(
    module: Module, policy: Any, found: list[Module], seen: set[int], outermost: bool = False
) -> int:
    """The elements of parameters that inner wrapped modules have; those modules go to ``found``."""
    total = sum(p.numel() for p in module.parameters())
    taken = 0
    if policy(module=module, recurse=True, nonwrapped_numel=total):
        for child in module.children():
            if id(child) not in seen:
                seen.add(id(child))
                taken += _descend(child, policy, found, seen)
    rest = total - taken
    if not outermost and total and policy(module=module, recurse=False, nonwrapped_numel=rest):
        found.append(module)
        return total
    return taken
