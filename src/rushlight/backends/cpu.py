"""torch.backends.cpu: what the processor offers."""

from rushlight import _kernels


def get_cpu_capability() -> str:
    """get_cpu_capability() -> str

    The instruction set that the native kernels use, or 'DEFAULT' without them.

    >>> torch.backends.cpu.get_cpu_capability() in ('DEFAULT', 'AVX2', 'AVX512')
    True
    """
    names = {"v4": "AVX512", "v3": "AVX2"}
    return names.get(getattr(_kernels, "isa", lambda: "")(), "DEFAULT")
