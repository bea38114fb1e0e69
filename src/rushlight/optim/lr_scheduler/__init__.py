"""Schedules for the learning rate."""

from rushlight.optim.lr_scheduler.base import LRScheduler as LRScheduler
from rushlight.optim.lr_scheduler.base import _LRScheduler as _LRScheduler
from rushlight.optim.lr_scheduler.compose import ChainedScheduler as ChainedScheduler
from rushlight.optim.lr_scheduler.compose import SequentialLR as SequentialLR
from rushlight.optim.lr_scheduler.cyclic import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from rushlight.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from rushlight.optim.lr_scheduler.cyclic import OneCycleLR as OneCycleLR
from rushlight.optim.lr_scheduler.decay import ConstantLR as ConstantLR
from rushlight.optim.lr_scheduler.decay import CosineAnnealingLR as CosineAnnealingLR
from rushlight.optim.lr_scheduler.decay import ExponentialLR as ExponentialLR
from rushlight.optim.lr_scheduler.decay import LambdaLR as LambdaLR
from rushlight.optim.lr_scheduler.decay import LinearLR as LinearLR
from rushlight.optim.lr_scheduler.decay import MultiplicativeLR as MultiplicativeLR
from rushlight.optim.lr_scheduler.decay import MultiStepLR as MultiStepLR
from rushlight.optim.lr_scheduler.decay import PolynomialLR as PolynomialLR
from rushlight.optim.lr_scheduler.decay import StepLR as StepLR
from rushlight.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
