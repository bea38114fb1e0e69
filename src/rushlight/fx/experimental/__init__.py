"""torch.fx.experimental: tracing by running; there is none."""
