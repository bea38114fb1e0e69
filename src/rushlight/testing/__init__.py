"""torch.testing: comparing results, and making inputs."""

from rushlight.testing.comparison import assert_close as assert_close
from rushlight.testing.creation import make_tensor as make_tensor
