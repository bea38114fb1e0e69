"""The public names whose documentation is held to a rule, and what they are derived from."""

import importlib
import inspect
import re
import types

import rushlight as torch
from rushlight._lazy import FROM

# The namespaces that hold operators; each is a module of the same name.
MODULES = (
    "nn.functional",
    "linalg",
    "fft",
    "special",
    "signal.windows",
    "masked",
    "sparse",
    "func",
    "autograd.forward_ad",
)
# The other public namespaces, of classes and functions.
SPACES = """
accelerator amp autograd autograd.forward_ad autograd.function autograd.functional
autograd.gradcheck autograd.graph autograd.profiler backends.cpu backends.cuda backends.cudnn
backends.mkl backends.mps backends.openmp cpu cpu.amp cuda cuda.amp distributions
distributions.constraint_registry distributions.constraints distributions.kl
distributed distributed.algorithms.ddp_comm_hooks.default_hooks
distributed.algorithms.ddp_comm_hooks.powerSGD_hook distributed.algorithms.join
distributed.checkpoint distributed.checkpoint.format_utils distributed.checkpoint.metadata
distributed.checkpoint.state_dict distributed.device_mesh distributed.fsdp distributed.nn
distributed.fsdp.wrap distributed.optim distributed.run distributed.tensor
distributed.tensor.parallel
distributions.transforms distributions.utils func futures hub multiprocessing
multiprocessing.pool multiprocessing.queue nn nn.attention nn.grad nn.init nn.modules
nn.modules.lazy nn.modules.module nn.parallel nn.parameter nn.utils nn.utils.parametrizations
nn.utils.parametrize nn.utils.prune nn.utils.rnn nn.utils.stateless optim optim.lr_scheduler
optim.optimizer optim.swa_utils overrides profiler random serialization storage testing utils
utils.benchmark utils.checkpoint utils.data utils.hooks utils.model_zoo
utils.serialization.config utils.summary utils.tensorboard version vision vision.datasets
vision.io vision.models vision.transforms vision.transforms.functional vision.utils
backends.mkldnn backends.opt_einsum compiler fx jit onnx utils.dlpack utils.flop_counter
library nn.attention.flex_attention vision.ops
"""
# A derived form says what it is derived from; that one has the example.
DERIVED = re.compile(
    r"(?:In-place form of|The form of|A copy of|Short for|See|Alias of)\s+:\w+:`torch\.([\w.]+)`"
)
FLAGS = re.compile(r"Tensor\.is_(cuda|ipu|mkldnn|mps|nested|quantized|sparse\w*|vulkan|xla|xpu)$")


def is_function(value):
    """Is it a function, or a class that is used as one (``no_grad``)?"""
    return callable(value) and not isinstance(value, (types.ModuleType, type))


def is_ours(value):
    """Is it a class or function of this package, not one of Python's or of another's?"""
    home = getattr(value, "__module__", None) or ""
    return (
        callable(value)
        and not isinstance(value, types.ModuleType)
        and home.startswith(("rushlight", "torch"))
    )


def documented_names():
    """Every operator, method and attribute that owes an example: dotted name -> the object."""
    found = {n: getattr(torch, n) for n in torch.__all__}
    found = {n: f for n, f in found.items() if is_function(f) and not isinstance(f, torch.dtype)}
    for module in MODULES:
        space = importlib.import_module(f"rushlight.{module}")
        for name in getattr(space, "__all__", vars(space)):
            value = getattr(space, name)
            if is_function(value) and not name.startswith("_"):
                found[f"{module}.{name}"] = value
    for name in dir(torch.Tensor):
        if not name.startswith("_"):
            found[f"Tensor.{name}"] = inspect.getattr_static(torch.Tensor, name)
    return found


def is_named(module, name):
    """Is it a name of the module, not one that a plain module without ``__all__`` imports?"""
    return (
        hasattr(module, "__all__")
        or hasattr(module, "__path__")
        or getattr(getattr(module, name), "__module__", None) == module.__name__
    )


def public_names():
    """Every public class, function and attribute of Tensor, under the first of its names."""
    found = documented_names()
    top = {n: getattr(torch, n) for n in (*torch.__all__, *FROM)}
    found.update({n: v for n, v in top.items() if is_ours(v)})
    seen = {id(value) for value in found.values()}
    for space in SPACES.split():
        module = importlib.import_module(f"rushlight.{space}")
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            if (
                is_named(module, name)
                and is_ours(value)
                and not name.startswith("_")
                and id(value) not in seen
            ):
                seen.add(id(value))
                found[f"{space}.{name}"] = value
    return found


def doc_of(value):
    """The docstring of a function or of a property."""
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def origin_of(value):
    """The public name that a derived form names in its documentation, or None."""
    match = DERIVED.search(doc_of(value))
    return match and match.group(1)


def resolve(dotted):
    """The object of a public name below ``torch``."""
    value = torch
    for part in dotted.split("."):
        value = (
            inspect.getattr_static(value, part) if isinstance(value, type) else getattr(value, part)
        )
    return value
