"""Autoencoders and classifiers as torch modules, and how they are saved and loaded.

What needs safetensors is loaded when first used, so that the mathematics needs torch only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.models._autoencoder import (
    ACTIVATIONS,
    BUILDERS,
    Activation,
    Autoencoder,
    Recipe,
    TiedLinear,
    conv,
    fold_means,
    mlp,
    residual,
    tied,
)
from contractive.models._settings import Model, NetworkSettings, half_of
from contractive.models._stacked import OUTPUTS, Classifier, Output, encoder, stack, unroll

if TYPE_CHECKING:
    from contractive.models.storage import (
        ModelConfig,
        StorageError,
        architecture,
        load,
        read_config,
        save,
        save_weights,
        tensors_checksum,
        write_config,
    )

__all__ = ["Autoencoder", "Recipe", "mlp", "tied", "conv", "residual", "TiedLinear", "BUILDERS", "ACTIVATIONS"]
__all__ += ["fold_means"]
# layers one on the other
__all__ += ["stack", "encoder", "unroll", "Classifier", "Output", "OUTPUTS"]
# by names and numbers
__all__ += ["NetworkSettings", "Model", "Activation", "half_of"]
# on disk
__all__ += ["save", "load", "save_weights", "write_config", "read_config", "ModelConfig", "StorageError"]
__all__ += ["architecture", "tensors_checksum"]


def __getattr__(name: str) -> Any:
    if name not in __all__:  # all other names are defined above
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.storage"), name)
    globals()[name] = value
    return value
