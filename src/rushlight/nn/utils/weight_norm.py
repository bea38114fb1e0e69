"""Weight normalization by a forward pre-hook (the old form; see parametrizations.weight_norm)."""

import warnings
from typing import Any

from rushlight.nn.parameter import Parameter, is_lazy

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except_dim(v: Any, dim: int | None) -> Any:
    """norm_except_dim(v, dim)

    The 2-norm over all dimensions but one (-1 or None: over all), kept as size 1.
    """
    if dim is None or dim == -1:
        return v.norm()
    others = tuple(d for d in range(v.dim()) if d != dim % v.dim())
    if not others:
        return v.abs()
    return v.norm(2, others, keepdim=True)


def normalized(v: Any, g: Any, dim: int | None) -> Any:
    """normalized(v, g, dim): v scaled to the norms g."""
    return v * (g / norm_except_dim(v, dim))


class WeightNorm:
    """WeightNorm(name, dim)

    The hook that recomputes ``name`` from name_g and name_v before each call.

    >>> m = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4))
    >>> hook = next(iter(m._forward_pre_hooks.values()))
    >>> type(hook).__name__, hook.name, hook.dim
    ('WeightNorm', 'weight', 0)
    """

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Any:
        """compute_weight(module): the weight of the present magnitude and direction."""
        g = getattr(module, self.name + "_g")
        return normalized(getattr(module, self.name + "_v"), g, self.dim)

    @staticmethod
    def apply(module: Any, name: str, dim: int | None) -> "WeightNorm":
        """apply(module, name, dim): replace the parameter and register the hook."""
        warnings.warn(
            "`torch.nn.utils.weight_norm` is deprecated "
            "in favor of `torch.nn.utils.parametrizations.weight_norm`.",
            category=FutureWarning,
            stacklevel=3,
        )
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two weight_norm hooks on the same parameter {name}"
                )
        hook = WeightNorm(name, dim)
        weight = getattr(module, name)
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. "
                "Make sure to run the dummy forward before applying weight normalization"
            )
        del module._parameters[name]
        magnitude = norm_except_dim(weight, hook.dim).data
        module.register_parameter(name + "_g", Parameter(magnitude))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Any) -> None:
        """remove(module): make the weight an ordinary parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[self.name + "_g"]
        del module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int = 0) -> Any:
    """weight_norm(module, name='weight', dim=0)

    Split a parameter into magnitude (name_g) and direction (name_v).

    Salimans and Kingma, "Weight Normalization" (2016): weight = g v / |v|.

    >>> m = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4))
    >>> m.weight_g.shape, m.weight_v.shape
    (torch.Size([4, 1]), torch.Size([4, 3]))
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """remove_weight_norm(module, name='weight')

    Undo weight_norm; ValueError where there is none.

    >>> m = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4))
    >>> list(torch.nn.utils.remove_weight_norm(m).state_dict())
    ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
