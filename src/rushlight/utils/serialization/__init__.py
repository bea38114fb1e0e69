"""torch.utils.serialization: what saving and loading take when they are not told."""

from rushlight.utils.serialization import config as config
