"""What every model says about weights."""

import enum
from typing import Any, NoReturn


def refuse_weights(weights: Any) -> None:
    """Raise NotImplementedError unless ``weights`` is None: none come with the package."""
    if weights is not None:
        raise NotImplementedError(
            f"weights={weights!r}: no weights are fetched. Make the model with weights=None and "
            "load a file of yours: model.load_state_dict(torch.load(path))"
        )


class Weights(enum.Enum):
    """Weights that torchvision offers: named, so that programs can name them, and refused."""

    def __repr__(self) -> str:
        return str(self)

    def get_state_dict(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not available: no weights are fetched."""
        raise NotImplementedError(
            f"{self}: no weights are fetched. Load a file of yours: "
            "model.load_state_dict(torch.load(path))"
        )


def _named(name: str, *sets: str) -> Any:
    """An enumeration of sets of weights; the last but ``DEFAULT`` is the default one."""
    members = {member: f"{name}.{member}" for member in sets}
    best = [member for member in sets if member.startswith("IMAGENET1K_V")][-1]
    kind: Any = Weights(name, {**members, "DEFAULT": members[best]}, module=__name__)  # type: ignore[call-arg] # the functional form
    kind.__doc__ = (
        f"{name}: names of weights that torchvision fetches; a model refuses them here.\n\n"
        f">>> vision.models.{name}.DEFAULT\n{name}.{best}"
    )
    return kind


AlexNet_Weights = _named("AlexNet_Weights", "IMAGENET1K_V1")
MobileNet_V2_Weights = _named("MobileNet_V2_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
ResNet18_Weights = _named("ResNet18_Weights", "IMAGENET1K_V1")
ResNet34_Weights = _named("ResNet34_Weights", "IMAGENET1K_V1")
ResNet50_Weights = _named("ResNet50_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
ResNet101_Weights = _named("ResNet101_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
ResNet152_Weights = _named("ResNet152_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
ResNeXt50_32X4D_Weights = _named("ResNeXt50_32X4D_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
Wide_ResNet50_2_Weights = _named("Wide_ResNet50_2_Weights", "IMAGENET1K_V1", "IMAGENET1K_V2")
VGG11_Weights = _named("VGG11_Weights", "IMAGENET1K_V1")
VGG11_BN_Weights = _named("VGG11_BN_Weights", "IMAGENET1K_V1")
VGG13_Weights = _named("VGG13_Weights", "IMAGENET1K_V1")
VGG13_BN_Weights = _named("VGG13_BN_Weights", "IMAGENET1K_V1")
VGG16_Weights = _named("VGG16_Weights", "IMAGENET1K_V1", "IMAGENET1K_FEATURES")
VGG16_BN_Weights = _named("VGG16_BN_Weights", "IMAGENET1K_V1")
VGG19_Weights = _named("VGG19_Weights", "IMAGENET1K_V1")
VGG19_BN_Weights = _named("VGG19_BN_Weights", "IMAGENET1K_V1")
