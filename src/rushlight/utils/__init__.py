"""torch.utils: data loading, checkpoints."""

from rushlight.utils import checkpoint as checkpoint
from rushlight.utils import data as data
