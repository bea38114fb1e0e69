"""torch.fx.experimental.proxy_tensor: the question that libraries ask."""


def get_proxy_mode() -> None:
    """get_proxy_mode() -> None: nothing is being traced."""
