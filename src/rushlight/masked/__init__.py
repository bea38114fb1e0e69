"""torch.masked: reductions and normalizations that leave out what a mask says, and MaskedTensor."""

from rushlight.masked.maskedtensor import MaskedTensor as MaskedTensor
from rushlight.masked.maskedtensor import as_masked_tensor as as_masked_tensor
from rushlight.masked.maskedtensor import is_masked_tensor as is_masked_tensor
from rushlight.masked.maskedtensor import masked_tensor as masked_tensor
from rushlight.masked.normalizations import cumprod as cumprod
from rushlight.masked.normalizations import cumsum as cumsum
from rushlight.masked.normalizations import log_softmax as log_softmax
from rushlight.masked.normalizations import logaddexp as logaddexp
from rushlight.masked.normalizations import normalize as normalize
from rushlight.masked.normalizations import softmax as softmax
from rushlight.masked.normalizations import softmin as softmin
from rushlight.masked.reductions import amax as amax
from rushlight.masked.reductions import amin as amin
from rushlight.masked.reductions import argmax as argmax
from rushlight.masked.reductions import argmin as argmin
from rushlight.masked.reductions import logsumexp as logsumexp
from rushlight.masked.reductions import mean as mean
from rushlight.masked.reductions import median as median
from rushlight.masked.reductions import norm as norm
from rushlight.masked.reductions import prod as prod
from rushlight.masked.reductions import std as std
from rushlight.masked.reductions import sum as sum
from rushlight.masked.reductions import var as var
