"""torch.utils._python_dispatch: the question that libraries ask of subclasses."""


def is_traceable_wrapper_subclass(t: object) -> bool:
    """is_traceable_wrapper_subclass(t) -> bool: is it a tensor that holds others and says how to
    take it apart (``__tensor_flatten__`` and ``__tensor_unflatten__``)? Such subclasses need
    ``__torch_dispatch__``, which there is not.
    """
    return hasattr(type(t), "__tensor_flatten__") and hasattr(type(t), "__tensor_unflatten__")
