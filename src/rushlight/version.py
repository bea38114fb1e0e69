"""torch.version: what this build is, for code that asks."""

from rushlight._version import __version__ as __version__

cuda = None
hip = None
xpu = None
git_version = None
debug = False
