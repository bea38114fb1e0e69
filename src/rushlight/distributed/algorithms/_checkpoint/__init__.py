"""torch.distributed.algorithms._checkpoint: activations computed again, by a wrapper."""
