"""The import hook, in processes of its own: a process has one ``torch``."""

import subprocess
import sys

import pytest


def run(code, *options):
    """Run ``code`` in a new process and return what it printed."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NAMES = """
import rushlight, rushlight.nn
from rushlight import _compat
assert not _compat.installed()
_compat.install()
_compat.install()
import torch, torchvision
import torch.nn as nn, torch.nn.functional as F, torch.optim as optim
from torch.utils.data import DataLoader
from torch import Tensor
import torchvision.transforms as T
from torchvision.datasets import MNIST
import torchvision.transforms.functional
assert torch is rushlight and torchvision is rushlight.vision and nn is rushlight.nn
assert torch.optim is rushlight.optim and Tensor is rushlight.Tensor
import rushlight.utils.data, rushlight.vision.transforms
assert DataLoader is rushlight.utils.data.DataLoader and T is rushlight.vision.transforms
assert nn.functional is F and sys.modules["torch.nn.functional"] is rushlight.nn.functional
assert nn.__name__ == nn.__spec__.name == "rushlight.nn"
assert importlib.util.find_spec("torch") is not None
"""


@pytest.mark.parametrize("first", ["", "import torch.nn\n"])
def test_names_lead_to_the_same_modules(first):
    hooked = NAMES.replace("import torch, torchvision\n", first + "import torch, torchvision\n")
    run("import sys, importlib.util\n" + hooked)


def test_nothing_is_installed_unless_asked_for():
    run(
        "import rushlight, rushlight._compat, sys\n"
        "assert rushlight.__version__ == rushlight._version.__version__\n"
        "assert not any(name.split('.')[0] == 'torch' for name in sys.modules)\n"
        "sys.path = []\n"
        "try:\n    import torch\n"
        "except ModuleNotFoundError as error:\n    assert error.name == 'torch'\n"
        "else:\n    raise AssertionError\n"
    )


def test_version():
    run(
        "import rushlight; from rushlight import _compat; own = rushlight.__version__\n"
        "_compat.install(); import torch\n"
        "assert torch.__version__ == '2.13.0+rushlight' and torch.__version__ >= (2, 0)\n"
        "import torchvision; assert torchvision.__version__ == '0.28.0+rushlight'\n"
        "from torch.torch_version import TorchVersion\n"
        "assert isinstance(torch.__version__, TorchVersion)\n"
        "_compat.uninstall(); assert rushlight.__version__ == own and not _compat.installed()\n"
        "assert rushlight.vision.__version__ == own\n"
        "import sys; assert 'torch' not in sys.modules and 'rushlight' in sys.modules\n"
    )


def test_a_missing_module_says_who_lacks_it():
    out = run(
        "from rushlight import _compat; _compat.install()\n"
        "for name in ('torch.absent', 'torch.nn.absent.deeper', 'torchvision.absent'):\n"
        "    try:\n        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error.name, '|', error)\n"
    )
    first, second, third = out.splitlines()
    assert first.startswith(
        "torch.absent | No module named 'torch.absent': rushlight does not have it"
    )
    assert second.startswith("torch.nn.absent | ") and third.startswith("torchvision.absent | ")


def test_a_torch_that_is_there_already_is_refused():
    run(
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\n"
        "from rushlight import _compat\n"
        "try:\n    _compat.install()\n"
        "except RuntimeError as error:\n"
        "    assert 'torch is already imported from elsewhere' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )


def test_torch_itself_has_the_names_that_libraries_expect():
    run(
        "import rushlight; from rushlight import _compat; ours = vars(rushlight).get('_C')\n"
        "_compat.install(); import torch\n"
        "assert torch.__name__ == 'torch' and torch.torch is torch\n"
        "assert torch._C._get_tracing_state() is None\n"
        "assert torch._C._TensorMeta is type(torch.Tensor)\n"
        "from torch._C import _nn; assert _nn._parse_to('cpu')[0] == torch.device('cpu')\n"
        "assert not torch._C._are_functorch_transforms_active()\n"
        "seen = []; torch.vmap(lambda x: seen.append(torch._C._are_functorch_transforms_active())"
        " or x)(torch.ones(2)); assert seen == [True]\n"
        "try:\n    torch._C._jit_pass_inline\n"
        "except AttributeError as error:\n    assert 'compiled' in str(error) or error\n"
        "else:\n    raise AssertionError\n"
        "_compat.uninstall(); assert rushlight.__name__ == 'rushlight'\n"
        "assert vars(rushlight).get('_C') is ours and not hasattr(rushlight, 'torch')\n"
    )
