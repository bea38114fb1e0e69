"""Pruning: masks that switch elements of a parameter off.

A pruned parameter ``name`` is kept as ``name_orig``, its mask as the buffer ``name_mask``; a
forward pre-hook sets ``name`` to their product.
"""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.nn.utils.convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way to prune; subclasses define ``compute_mask`` and ``PRUNING_TYPE``.

    >>> class Small(torch.nn.utils.prune.BasePruningMethod):
    ...     PRUNING_TYPE = 'unstructured'
    ...     def compute_mask(self, t, default_mask):
    ...         return default_mask * (t.abs() > 0.5)
    >>> m = torch.nn.Linear(2, 2)
    >>> with torch.no_grad():
    ...     _ = m.weight.copy_(torch.tensor([[1.0, 0.1], [0.2, 2.0]]))
    >>> _ = Small.apply(m, 'weight')
    >>> m.weight
    tensor([[1., 0.],
            [0., 2.]], grad_fn=<MulBackward0>)
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): the new mask, on top of ``default_mask``."""

    def apply_mask(self, module: Any) -> Any:
        """apply_mask(module): the parameter times its mask."""
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> "BasePruningMethod":
        """apply(module, name, *args, importance_scores=None, **kwargs)

        Prune a parameter, again if need be.
        """
        method = cls._after_earlier(module, name, cls(*args, **kwargs))
        first = not isinstance(method, PruningContainer)
        original = getattr(module, name)
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                "importance_scores should have the same shape as parameter "
                f"{name} of {module}, got {importance_scores.shape} vs {original.shape}"
            )
        if first:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            default_mask = torch.ones_like(original)
        else:
            default_mask = getattr(module, name + "_mask").detach().clone()
        try:
            with torch.no_grad():
                mask = method.compute_mask(importance_scores, default_mask=default_mask)
            module.register_buffer(name + "_mask", mask)
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if first:
                module.register_parameter(name, getattr(module, name + "_orig"))
                del module._parameters[name + "_orig"]
            raise
        return method

    @staticmethod
    def _after_earlier(module: Any, name: str, method: "BasePruningMethod") -> "BasePruningMethod":
        """The method joined with the one this parameter is pruned by already, whose hook goes."""
        method._tensor_name = name
        hooks = module._forward_pre_hooks
        keys = [k for k, hook in hooks.items() if _prunes(hook, name)]
        if len(keys) > 1:
            raise AssertionError(
                "Avoid adding multiple pruning hooks to the "
                f"same tensor {name} of module {module}. Use a PruningContainer."
            )
        if not keys:
            return method
        earlier = hooks.pop(keys[0])
        if not isinstance(earlier, PruningContainer):
            earlier = PruningContainer(earlier)
        earlier.add_pruning_method(method)
        return earlier

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """prune(t, default_mask=None, importance_scores=None): a tensor with the mask applied."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, "
                f"got {importance_scores.shape} vs {t.shape}"
            )
        if default_mask is None:
            default_mask = torch.ones_like(t)
        return t * self.compute_mask(importance_scores, default_mask=default_mask)

    def remove(self, module: Any) -> None:
        """remove(module)

        Make the pruned values the parameter's own; the hook stays for the caller to remove.
        """
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _prunes(hook: Any, name: str) -> bool:
    return isinstance(hook, BasePruningMethod) and hook._tensor_name == name


class PruningContainer(BasePruningMethod):
    """PruningContainer(*methods): methods applied to one parameter, one after another.

    >>> m = torch.nn.Linear(3, 4)
    >>> _ = torch.nn.utils.prune.random_unstructured(m, 'weight', amount=2)
    >>> _ = torch.nn.utils.prune.l1_unstructured(m, 'weight', amount=3)
    >>> hook = next(iter(m._forward_pre_hooks.values()))
    >>> type(hook).__name__, len(hook), (m.weight == 0).sum()
    ('PruningContainer', 2, tensor(5))
    """

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """add_pruning_method(method): one more, for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on "
                f"the parameter named '{self._tensor_name}' to PruningContainer {self}."
                f" Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): the last method applied to what the others left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        left = self._left(method, t, default_mask)
        partial = method.compute_mask(t[left], default_mask=default_mask[left])
        mask = mask.clone()
        mask[left] = partial.to(dtype=mask.dtype)
        return mask

    @staticmethod
    def _left(method: BasePruningMethod, t: Any, mask: Any) -> Any:
        """The index of what is not pruned yet."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        if method.PRUNING_TYPE == "global":
            return (slice(None),) * t.dim()
        if method.PRUNING_TYPE != "structured":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        if not hasattr(method, "dim"):
            raise AttributeError(
                "Pruning methods of PRUNING_TYPE "
                '"structured" need to have the attribute `dim` defined.'
            )
        n = t.dim()
        dim = method.dim + n if method.dim < 0 else method.dim
        if dim < 0:
            raise IndexError(f"Index is out of bounds for tensor with dimensions {n}")
        kept = mask.sum(dim=[d for d in range(n) if d != dim]) != 0
        return (*[slice(None)] * dim, kept, *[slice(None)] * (n - dim - 1))


class Identity(BasePruningMethod):
    """Identity(): prunes nothing; for a mask to be changed later.

    >>> torch.nn.utils.prune.Identity().prune(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 3.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): the mask as it was."""
        return default_mask


class _ByAmount(BasePruningMethod):
    """Prunes a share (float) or a number (int) of elements or channels."""

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of ``size`` to prune."""
        if not isinstance(self.amount, numbers.Integral):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of "
                f"parameters to prune={size}"
            )
        return self.amount


class RandomUnstructured(_ByAmount):
    """RandomUnstructured(amount): prunes elements at random.

    >>> (torch.nn.utils.prune.RandomUnstructured(amount=0.5).prune(torch.ones(10)) == 0).sum()
    tensor(5)
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): zeros at random places."""
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count != 0:
            mask.view(-1)[torch.topk(torch.rand_like(t).view(-1), k=count)[1]] = 0
        return mask


class L1Unstructured(_ByAmount):
    """L1Unstructured(amount): prunes the elements of smallest absolute value.

    >>> torch.nn.utils.prune.L1Unstructured(amount=2).prune(torch.tensor([0.5, -2.0, 3.0, 0.1]))
    tensor([ 0., -2.,  3.,  0.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): zeros where the absolute values are smallest."""
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count != 0:
            mask.view(-1)[torch.topk(torch.abs(t).view(-1), k=count, largest=False)[1]] = 0
        return mask


class _Structured(_ByAmount):
    """Prunes whole channels along a dimension."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _check(self, t: Any) -> int:
        """The number of channels to prune."""
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to "
                "multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        return self._count(t.shape[self.dim])

    def _keep(self, t: Any, channels: Any, default_mask: Any) -> Any:
        """The mask that keeps these channels of what was kept."""
        mask = torch.zeros_like(t)
        dim = self.dim % t.dim()
        mask[(*[slice(None)] * dim, channels)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """RandomStructured(amount, dim=-1): prunes channels at random.

    >>> method = torch.nn.utils.prune.RandomStructured(amount=1, dim=0)
    >>> (method.prune(torch.ones(3, 2)) == 0).all(1).sum()
    tensor(1)
    """

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): zeros for random channels."""
        count = self._check(t)
        if count == 0:
            return default_mask
        chances = torch.rand(t.shape[self.dim])
        threshold = torch.sort(chances)[0][count - 1]
        return self._keep(t, chances > threshold, default_mask)


class LnStructured(_Structured):
    """LnStructured(amount, n, dim=-1): prunes the channels of smallest n-norm.

    >>> method = torch.nn.utils.prune.LnStructured(amount=1, n=2, dim=0)
    >>> method.prune(torch.tensor([[3.0, 4.0], [1.0, 1.0]]))
    tensor([[3., 4.],
            [0., 0.]])
    """

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): zeros for the channels of smallest norm."""
        count = self._check(t)
        if count == 0:
            return default_mask
        others = tuple(d for d in range(t.dim()) if d != self.dim % t.dim())
        norms = t.norm(self.n, others)
        kept = torch.topk(norms, k=t.shape[self.dim] - count, largest=True)[1]
        return self._keep(t, kept, default_mask)


class CustomFromMask(BasePruningMethod):
    """CustomFromMask(mask): prunes where a given mask is zero.

    >>> method = torch.nn.utils.prune.CustomFromMask(torch.tensor([1, 0, 1]))
    >>> method.prune(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 3.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """compute_mask(t, default_mask): both masks together."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match "
                f"self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    number: Any = amount
    whole = isinstance(amount, numbers.Integral)
    if number < 0 or (not whole and number > 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] "
            "or a non-negative integer"
        )


def identity(module: Any, name: str) -> Any:
    """identity(module, name): a mask of ones, to be changed later.

    >>> m = torch.nn.utils.prune.identity(torch.nn.Linear(2, 3), 'bias')
    >>> m.bias_mask
    tensor([1., 1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: float) -> Any:
    """random_unstructured(module, name, amount): prune elements at random.

    >>> m = torch.nn.utils.prune.random_unstructured(torch.nn.Linear(4, 5), 'weight', amount=1)
    >>> m.weight_mask.sum()
    tensor(19.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: float, importance_scores: Any = None) -> Any:
    """l1_unstructured(module, name, amount, importance_scores=None)

    Prune the smallest elements.

    >>> m = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 5), 'weight', amount=0.2)
    >>> (m.weight == 0).sum(), sorted(m.state_dict())
    (tensor(4), ['bias', 'weight_mask', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: float, dim: int) -> Any:
    """random_structured(module, name, amount, dim): prune channels along ``dim`` at random.

    >>> m = torch.nn.utils.prune.random_structured(torch.nn.Linear(6, 5), 'weight', amount=3, dim=1)
    >>> (m.weight == 0).all(0).sum()  # three of the six columns
    tensor(3)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None
) -> Any:
    """ln_structured(module, name, amount, n, dim, importance_scores=None)

    Prune the channels of smallest n-norm.

    >>> m = torch.nn.Conv2d(3, 4, 2)
    >>> m = torch.nn.utils.prune.ln_structured(m, 'weight', amount=0.5, n=2, dim=0)
    >>> (m.weight == 0).flatten(1).all(1).sum()  # two of the four filters
    tensor(2)
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """custom_from_mask(module, name, mask): prune where ``mask`` is zero.

    >>> mask = torch.tensor([0, 1, 0])
    >>> m = torch.nn.utils.prune.custom_from_mask(torch.nn.Linear(2, 3), 'bias', mask)
    >>> (m.bias == 0).tolist(), sorted(m.state_dict())
    ([True, False, True], ['bias_mask', 'bias_orig', 'weight'])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type, importance_scores: Any = None, **kwargs: Any
) -> None:
    """global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs)

    Prune several parameters, given as (module, name) pairs, as if they were one tensor.

    >>> m = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    >>> weights = [(m[0], 'weight'), (m[1], 'weight')]
    >>> prune = torch.nn.utils.prune
    >>> prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=0.25)
    >>> (m[0].weight == 0).sum() + (m[1].weight == 0).sum()
    tensor(8)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    parameters = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for '
            f"the `pruning_method`. Found method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    values = [getattr(module, name) for module, name in parameters]
    masks = [
        getattr(m, n + "_mask", torch.ones_like(v))
        for (m, n), v in zip(parameters, values, strict=True)
    ]
    with torch.no_grad():
        relevant = [scores.get(pair, v) for pair, v in zip(parameters, values, strict=True)]
        mask = PruningContainer(method).compute_mask(
            parameters_to_vector(relevant), parameters_to_vector(masks)
        )
    start = 0
    for (module, name), value in zip(parameters, values, strict=True):
        stop = start + value.numel()
        custom_from_mask(module, name, mask=mask[start:stop].view_as(value))
        start = stop


def remove(module: Any, name: str) -> Any:
    """remove(module, name): make pruning permanent; ValueError where there is none.

    >>> m = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 5), 'weight', amount=3)
    >>> m = torch.nn.utils.prune.remove(m, 'weight')
    >>> sorted(m.state_dict()), (m.weight == 0).sum()
    (['bias', 'weight'], tensor(3))
    """
    for key, hook in module._forward_pre_hooks.items():
        if _prunes(hook, name):
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Any) -> bool:
    """is_pruned(module): is any parameter in it or below pruned?

    >>> m = torch.nn.Sequential(torch.nn.Linear(2, 3))
    >>> torch.nn.utils.prune.is_pruned(m)
    False
    >>> _ = torch.nn.utils.prune.identity(m[0], 'bias')
    >>> torch.nn.utils.prune.is_pruned(m)
    True
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )
