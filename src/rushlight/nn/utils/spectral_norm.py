"""Spectral normalization by a forward pre-hook: the form before parametrizations."""

from typing import Any

from rushlight import _api as torch
from rushlight.nn import functional as F
from rushlight.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.parameter import Parameter, is_lazy

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "remove_spectral_norm",
    "spectral_norm",
]

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def output_dim(module: Any) -> int:
    """output_dim(module): the dimension of the weight that counts outputs."""
    return 1 if isinstance(module, _TRANSPOSED) else 0


class SpectralNorm:
    """SpectralNorm(name='weight', n_power_iterations=1, dim=0, eps=1e-12): the hook that recomputes
    ``name``.

    Weight = name_orig / σ, where σ, its largest singular value, is estimated with name_u and
    name_v.

    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4))
    >>> hook = next(iter(m._forward_pre_hooks.values()))
    >>> type(hook).__name__, hook.name, hook.n_power_iterations, m.weight_u.shape
    ('SpectralNorm', 'weight', 1, torch.Size([4]))
    """

    _version: int = 1

    def __init__(
        self,
        name: str = "weight",
        n_power_iterations: int = 1,
        dim: int = 0,
        eps: float = 1e-12,
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Any) -> Any:
        """reshape_weight_to_matrix(weight): two dimensions, outputs first."""
        if self.dim != 0:
            others = (d for d in range(weight.dim()) if d != self.dim)
            weight = weight.permute(self.dim, *others)
        return weight.reshape(weight.size(0), -1)

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Any:
        """compute_weight(module, do_power_iteration)

        The weight divided by its largest singular value.
        """
        weight = getattr(module, self.name + "_orig")
        u = getattr(module, self.name + "_u")
        v = getattr(module, self.name + "_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with torch.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(torch.mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(torch.mv(matrix, v), dim=0, eps=self.eps))
                # Backward needs these values even if the buffers move on before it.
                u, v = u.clone(), v.clone()
        sigma = torch.dot(u, torch.mv(matrix, v))
        return weight / sigma

    def remove(self, module: Any) -> None:
        """remove(module): make the weight an ordinary parameter again."""
        with torch.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    def _solve_v_and_rescale(self, matrix: Any, u: Any, target_sigma: Any) -> Any:
        """The v that belongs to u, for states saved before v was."""
        inverse = (matrix.t() @ matrix).pinverse()
        v = (inverse @ (matrix.t() @ u.unsqueeze(1))).squeeze(1)
        return v * (target_sigma / torch.dot(u, torch.mv(matrix, v)))

    @staticmethod
    def apply(
        module: Any, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> "SpectralNorm":
        """apply(module, name, n_power_iterations, dim, eps)

        Replace the parameter and register the hook.
        """
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. "
                "Make sure to run the dummy forward before applying spectral normalization"
            )
        with torch.no_grad():
            height, width = hook.reshape_weight_to_matrix(weight).size()
            u = F.normalize(weight.new_empty(height).normal_(0, 1), dim=0, eps=eps)
            v = F.normalize(weight.new_empty(width).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)  # a plain attribute: the hook replaces it
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(SpectralNormStateDictHook(hook))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(hook))
        return hook


class SpectralNormLoadStateDictPreHook:
    """Completes states saved by version 0, which kept the weight but not v.

    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4))
    >>> [type(hook).__name__ for hook in m._load_state_dict_pre_hooks.values()] != []
    True
    """

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        fn = self.fn
        version = local_metadata.get("spectral_norm", {}).get(fn.name + ".version")
        if version is not None and version >= 1:
            return
        key = prefix + fn.name
        complete = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v"))
        if version is None and complete and key not in state_dict:
            return
        missing = [key + s for s in ("_orig", "", "_u") if key + s not in state_dict]
        if missing:
            if strict:
                missing_keys.extend(missing)
            return
        with torch.no_grad():
            original = state_dict[key + "_orig"]
            sigma = (original / state_dict.pop(key)).mean()
            matrix = fn.reshape_weight_to_matrix(original)
            u = state_dict[key + "_u"]
            state_dict[key + "_v"] = fn._solve_v_and_rescale(matrix, u, sigma)


class SpectralNormStateDictHook:
    """Notes the version in the state's metadata.

    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4))
    >>> [type(hook).__name__ for hook in m._state_dict_hooks.values()]
    ['SpectralNormStateDictHook']
    """

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Any, state_dict: dict, prefix: str, local_metadata: dict) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = self.fn.name + ".version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """spectral_norm(module, name='weight', n_power_iterations=1, eps=1e-12, dim=None)

    Divide by the spectral norm.

    Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018): one step of
    power iteration a call.

    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4), n_power_iterations=50)
    >>> m(torch.ones(2, 3)).shape
    torch.Size([2, 4])
    >>> torch.linalg.matrix_norm(m.weight, 2).round(decimals=3).item()
    1.0
    >>> list(m.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    dim = output_dim(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def _drop(hooks: dict, wanted: Any) -> Any:
    """Remove and return the first hook that ``wanted`` accepts."""
    for key, hook in hooks.items():
        if wanted(getattr(hook, "hook", hook)):
            del hooks[key]
            return hook
    return None


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """remove_spectral_norm(module, name='weight')

    Undo spectral_norm; ValueError where there is none.

    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4))
    >>> list(torch.nn.utils.remove_spectral_norm(m).state_dict())
    ['bias', 'weight']
    """
    hook = _drop(
        module._forward_pre_hooks, lambda h: isinstance(h, SpectralNorm) and h.name == name
    )
    if hook is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    hook.remove(module)
    for hooks, kind in (
        (module._state_dict_hooks, SpectralNormStateDictHook),
        (module._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook),
    ):
        _drop(hooks, lambda h, kind=kind: isinstance(h, kind) and h.fn.name == name)
    return module
