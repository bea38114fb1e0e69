"""torch._dynamo._trace_wrapped_higher_order_op: a context that libraries index in."""


class TransformGetItemToIndex:
    """A context in which ``x[i]`` with a tensor ``i`` of no dimensions works under vmap. It does
    without here, so nothing changes inside.
    """

    def __enter__(self) -> "TransformGetItemToIndex":
        return self

    def __exit__(self, *exc: object) -> None:
        return
