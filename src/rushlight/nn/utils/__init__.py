"""torch.nn.utils: tools for parameters and sequences."""
