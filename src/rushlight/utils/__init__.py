"""torch.utils: data loading, checkpoints."""

from rushlight.utils import checkpoint as checkpoint
from rushlight.utils import data as data
from rushlight.utils import hooks as hooks
from rushlight.utils import serialization as serialization
