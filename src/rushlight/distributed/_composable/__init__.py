"""torch.distributed._composable: the older places of ``fully_shard``."""
