"""Short-time Fourier transforms: stft and istft."""

import warnings

from rushlight._core import dtypes
from rushlight._core.looking import seen
from rushlight._core.op import public
from rushlight._ops import fft as transforms
from rushlight._ops.complex import ViewAsReal


def _warn_no_window(consequence):
    warnings.warn(
        f"A window was not provided. A rectangular window will be applied{consequence}To suppress "
        "this warning and use a rectangular window, explicitly set `window=torch.ones(n_fft, "
        "device=<device>)`.",
        UserWarning,
        stacklevel=3,
    )


def _described(name, t, **given):
    shown = ", ".join(f"{k}={v}" for k, v in given.items())
    kind = f"torch.{dtypes.scalar_name(t.dtype)}Tensor"
    return f"{name}({kind}{list(t.shape)}, {shown})"


def _fitted_window(name, input, window, n_fft, win_length):
    """The window padded on both sides to ``n_fft``; ones if none is given."""
    if window is not None and (window.ndim != 1 or window.shape[0] != win_length):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but "
            f"got window with size {list(window.shape)}"
        )
    if window is None:
        window = input.new_ones(win_length, dtype=input.dtype.to_real())
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        padded = window.new_zeros(n_fft)
        window = transforms.join(
            [padded.narrow(0, 0, left), window, padded.narrow(0, 0, n_fft - win_length - left)], 0
        )
    return window


def _reflect(t, pad):
    """A batch of signals extended on both sides by mirroring."""
    n = t.shape[-1]
    if pad >= n:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but "
            f"got: padding ({pad}, {pad}) at dimension {t.ndim} of input {[1, *t.shape]}"
        )
    left = t.narrow(-1, 1, pad).flip(-1)
    return transforms.join([left, t, t.narrow(-1, n - 1 - pad, pad).flip(-1)], -1)


def _extend(t, pad, mode):
    if mode == "reflect":
        return _reflect(t, pad)
    if mode == "constant":
        zeros = t.new_zeros((*t.shape[:-1], pad))
        return transforms.join([zeros, t, zeros], -1)
    if mode == "replicate":
        first, last = t.narrow(-1, 0, 1), t.narrow(-1, t.shape[-1] - 1, 1)
        return transforms.join(
            [first.expand(*t.shape[:-1], pad), t, last.expand(*t.shape[:-1], pad)], -1
        )
    if mode == "circular":
        return transforms.join([t.narrow(-1, t.shape[-1] - pad, pad), t, t.narrow(-1, 0, pad)], -1)
    raise NotImplementedError(f"Unrecognised padding mode {mode}")


def _check_stft(input, window, align_to_window, center, **given):
    """Refuse what PyTorch refuses; the text that starts the messages about sizes."""
    if given["return_complex"] is None:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further "
            "require that return_complex=True in a future PyTorch release."
        )
    kind = "None"
    if window is not None:
        kind = f"torch.{dtypes.scalar_name(window.dtype)}Tensor{{{list(window.shape)}}}"
    what = _described("stft", input, window=kind, align_to_window=align_to_window, **given)
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{what}: expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"{what}: expected a 1D or 2D tensor")
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    return what


def _check_frames(what, n, n_fft, hop, win):
    if not 0 < n_fft <= n:
        raise RuntimeError(f"{what}: expected 0 < n_fft <= {n}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{what}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft, but got win_length={win}")


@public("torch", "Tensor", out=False)
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, ...) -> Tensor

    Fourier transforms of windowed frames of a signal (or a batch), one every ``hop_length`` points:
    a complex tensor (batch, frequency, frame). ``return_complex=True`` is needed for real input.

    >>> torch.stft(torch.ones(16), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 17])
    """
    if window is None:
        _warn_no_window(
            ",which is known to cause spectral leakage. Other windows such as torch.hann_window or "
            "torch.hamming_window are recommended to reduce spectral leakage."
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    win = n_fft if win_length is None else win_length
    if return_complex is None and (
        input.is_complex() or (window is not None and window.is_complex())
    ):
        return_complex = True
    what = _check_stft(
        input,
        window,
        align_to_window,
        center,
        n_fft=n_fft,
        hop_length=hop,
        win_length=win,
        normalized=int(normalized),
        onesided=onesided,
        return_complex=None if return_complex is None else int(return_complex),
    )
    signal = input if input.ndim == 2 else input.unsqueeze(0)
    if center:
        signal = _extend(signal, n_fft // 2, pad_mode)
    _check_frames(what, signal.shape[-1], n_fft, hop, win)
    frames = signal.unfold(-1, n_fft, hop) * _fitted_window(what, input, window, n_fft, win)
    if onesided is None:
        onesided = not frames.is_complex()
    if frames.is_complex() and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    transform = transforms.rfft if onesided else transforms.fft
    result = transform(frames, norm="ortho" if normalized else None).transpose(1, 2)
    result = result if input.ndim == 2 else result.squeeze(0)
    return result if return_complex else ViewAsReal.call(result)


def _check_istft(input, n_fft, hop, win, onesided):
    """The spectrum as (batch, frequency, frame) and whether it is one-sided."""
    what = f"istft({list(input.shape)})"
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if input.numel() == 0:
        raise RuntimeError(f"{what}: input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"{what}: expected a tensor with 2 or 3 dimensions, but got {input.ndim}"
        )
    spectrum = input if input.ndim == 3 else input.unsqueeze(0)
    points = spectrum.shape[1]
    if onesided is None:
        onesided = points != n_fft
    if points != (n_fft // 2 + 1 if onesided else n_fft):
        wanted = "n_fft / 2 + 1 when onesided=True" if onesided else "n_fft when onesided=False"
        raise RuntimeError(
            f"{what}: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match {wanted}, but got {points}"
        )
    if not 0 < hop <= win:
        raise RuntimeError(f"{what}: expected 0 < hop_length <= win_length")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft")
    return spectrum, onesided


@public("torch", "Tensor", out=False)
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """istft(input, n_fft, hop_length=None, win_length=None, window=None, ...) -> Tensor

    Inverse of :func:`stft` by overlap and add (Griffin and Lim, 1984).

    >>> x, w = torch.arange(16.0), torch.ones(4)
    >>> torch.istft(torch.stft(x, 4, window=w, return_complex=True), 4, window=w).shape
    torch.Size([16])
    """
    if window is None:
        _warn_no_window(
            ".Please provide the same window used by stft to make the inversion lossless."
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    win = n_fft if win_length is None else win_length
    spectrum, onesided = _check_istft(input, n_fft, hop, win, onesided)
    fitted = _fitted_window("istft", input, window, n_fft, win)
    pieces = _frames_of(spectrum.transpose(1, 2), n_fft, onesided, return_complex, normalized)
    frames = spectrum.shape[2]
    whole = n_fft + hop * (frames - 1)
    signal = _overlap_add(pieces * fitted, hop, whole)
    envelope = _overlap_add((fitted * fitted).expand(1, frames, n_fft), hop, whole)
    start = n_fft // 2 if center else 0
    end = whole - n_fft // 2 if center else whole
    if length is not None:
        end = start + length
    size = min(end, whole) - start
    signal, envelope = signal.narrow(-1, start, size), envelope.narrow(-1, start, size)
    if seen(envelope) and float(envelope.detach().abs().min()) < 1e-11:
        raise RuntimeError("window overlap add min: 1")
    signal = signal / envelope
    if end > whole:
        missing = signal.new_zeros((signal.shape[0], end - whole))
        signal = transforms.join([signal, missing], -1)
    return signal if input.ndim == 3 else signal.squeeze(0)


def _frames_of(spectrum, n_fft, onesided, return_complex, normalized):
    """The signal's frames (batch, frame, n_fft) from their spectra."""
    norm = "ortho" if normalized else None
    if not return_complex:
        return transforms.irfft(spectrum.narrow(-1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    if onesided:
        raise RuntimeError("cannot have onesided output if window or input is complex")
    return transforms.ifft(spectrum, norm=norm)


def _overlap_add(pieces, hop, whole):
    """Frames (batch, frame, n) summed where they overlap."""
    batch, frames, n = pieces.shape
    place = transforms.arange(frames, device=pieces.device).unsqueeze(1) * hop
    place = (place + transforms.arange(n, device=pieces.device)).reshape(-1)
    flat = pieces.reshape(batch, frames * n)
    return pieces.new_zeros((batch, whole)).index_add(1, place, flat)
