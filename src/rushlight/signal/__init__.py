"""torch.signal: signal processing, of which PyTorch has the window functions."""

from rushlight.signal import windows as windows
