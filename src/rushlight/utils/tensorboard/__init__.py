"""torch.utils.tensorboard: SummaryWriter, by way of the tensorboard package."""

from rushlight.utils.tensorboard.events import FileWriter as FileWriter
from rushlight.utils.tensorboard.writer import SummaryWriter as SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
