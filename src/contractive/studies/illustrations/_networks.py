"""Training of the small networks of the illustrations, all from a seed."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contractive import training
from contractive.core.randomness import global_randomness
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training import CollapseWarning


@dataclass(frozen=True)
class Budget:
    """How long a network is trained, with Adam whose rate falls along a cosine."""

    epochs: int
    batch_size: int
    learning_rate: float

    def train(self, autoencoder: Autoencoder, data: Tensor, objective: Objective, seed: int) -> Autoencoder:
        """The autoencoder, trained in place; a collapse is no surprise here but something to be shown."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)
            training.fit(
                autoencoder,
                data,
                objective,
                max_epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                schedule="cosine",
                seed=seed,
                device="cpu",
                progress=False,
            )
        return autoencoder


def seeded(build: Callable[[], Autoencoder], seed: int) -> Autoencoder:
    """What `build` makes with the weights of a seed; the global generator is left as it was."""
    with global_randomness(seed, devices=[]):
        return build()


@torch.no_grad()
def placed(autoencoder: Autoencoder, places: Tensor, steepness: float, seed: int) -> Autoencoder:
    """Let the first layer's units turn at given points, one each, with weights of a given length.

    With the usual small weights and no biases all units of a network with few inputs turn near the origin, and sharp
    bends elsewhere take many thousand steps to learn.

    Args:
        autoencoder: Its encoder starts with a linear layer; changed in place.
        places: (units, features).
        steepness: Length of every unit's weight vector.
        seed: Of the directions.
    """
    layer = next(module for module in autoencoder.encoder.modules() if isinstance(module, nn.Linear))
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(layer.weight.shape, generator=generator)
    layer.weight.copy_(steepness * nn.functional.normalize(directions))
    layer.bias.copy_(-(layer.weight * places).sum(1))
    return autoencoder
