"""torch.amp: mixed precision. ``autocast`` chooses dtypes, ``GradScaler`` scales the loss."""

from rushlight.amp.autocast_mode import _enter_autocast as _enter_autocast
from rushlight.amp.autocast_mode import _exit_autocast as _exit_autocast
from rushlight.amp.autocast_mode import autocast as autocast
from rushlight.amp.autocast_mode import custom_bwd as custom_bwd
from rushlight.amp.autocast_mode import custom_fwd as custom_fwd
from rushlight.amp.autocast_mode import is_autocast_available as is_autocast_available
from rushlight.amp.grad_scaler import GradScaler as GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
