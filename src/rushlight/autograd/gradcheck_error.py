"""What gradcheck raises."""


class GradcheckError(RuntimeError):
    """An analytical gradient that does not agree with the numerical one."""
