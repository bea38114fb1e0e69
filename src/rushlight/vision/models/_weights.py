"""What every model says about weights."""

from typing import Any


def refuse_weights(weights: Any) -> None:
    """Raise NotImplementedError unless ``weights`` is None: none come with the package."""
    if weights is not None:
        raise NotImplementedError(
            f"weights={weights!r}: no weights are fetched. Make the model with weights=None and "
            "load a file of yours: model.load_state_dict(torch.load(path))"
        )
