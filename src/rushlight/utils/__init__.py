"""torch.utils: data loading."""

from rushlight.utils import data as data
