"""torch.compile: the function as it stands, where the program says that this will do."""

import functools

from rushlight._core import compilation
from rushlight._core.op import public


class EagerCalls:
    """What ``torch.compile`` was told; called with a function it gives the one to call instead."""

    def __init__(self, backend):
        self.backend = backend

    def __call__(self, function):
        """A function that calls ``function``, if the backend or the stance allows it."""
        backend = self.backend

        @functools.wraps(function)
        def compiled(*args, **kwargs):
            compilation.require_eager(backend)
            return function(*args, **kwargs)

        compiled._torchdynamo_orig_callable = function
        compiled._require_eager = functools.partial(compilation.require_eager, backend)
        return compiled


def _whole_class(kind, calls):
    """A class whose instances are called through ``calls``."""
    kind.__call__ = calls(kind.__call__)
    return kind


@public("torch", out=False)
def compile(
    model=None,
    *,
    fullgraph=False,
    dynamic=None,
    backend=None,
    mode=None,
    options=None,
    name=None,
    disable=False,
    recompile_limit=None,
    isolate_recompiles=False,
    shapes_spec=None,
):
    """compile(model=None, *, backend=None, disable=False, ...) -> the callable to use instead

    Nothing is compiled here. With ``backend="eager"``, under
    ``torch.compiler.set_stance("force_eager")`` or with ``TORCH_COMPILE_DISABLE=1`` in the
    environment, the result calls ``model`` as it stands, as in PyTorch. With other backends it can
    be made, but a call raises NotImplementedError. For a module the result is an
    ``OptimizedModule``, whose state_dict has the prefix ``_orig_mod.``. ``disable=True`` gives
    ``model`` back. The other arguments are about compilation and change no result.

    >>> square = torch.compile(lambda x: x * x, backend='eager')
    >>> square(torch.tensor(3))
    tensor(9)
    """
    if backend is None:
        backend = compilation.settings.default_backend
    if model is None:
        return functools.partial(
            compile, backend=backend, mode=mode, options=options, disable=disable
        )
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    compilation.known(backend)
    if disable:
        return model
    calls = EagerCalls(backend)
    if isinstance(model, type):
        return _whole_class(model, calls)
    optimized = getattr(model, "_optimized_class", None)  # an nn.Module says what wraps it
    return calls(model) if optimized is None else optimized(model, calls)
