"""What gradcheck raises."""


class GradcheckError(RuntimeError):
    """An analytical gradient that does not agree with the numerical one.

    >>> class Wrong(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g
    >>> x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(Wrong.apply, x)
    Traceback (most recent call last):
        ...
    torch.autograd.gradcheck.GradcheckError: Jacobian mismatch for output 0 ...
    """
