"""torch.utils.tensorboard: SummaryWriter, by way of the tensorboard package."""

from rushlight.utils.tensorboard.writer import SummaryWriter as SummaryWriter
