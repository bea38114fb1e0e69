"""How a DataLoader fetches: in this process or in workers."""

from rushlight.utils.data._utils import collate as collate
from rushlight.utils.data._utils import fetch as fetch
from rushlight.utils.data._utils import worker as worker
