"""Autoencoders one on the other, the network that they make together, and a classifier on top of its encoder."""

import copy
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contractive.core.errors import InvalidValue, check_at_least, check_choice
from contractive.core.randomness import global_randomness
from contractive.jacobian import is_altered
from contractive.models._autoencoder import Autoencoder, tied

Output = Literal["softmax", "sigmoid"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
_RANGE = {"sigmoid": "sigmoid", "tanh": "tanh"}  # the output activation that covers codes of this activation


def stack(
    features: int,
    widths: Sequence[int],
    *,
    activation: str = "sigmoid",
    output: str = "sigmoid",
    center: bool = False,
    seed: int = 0,
) -> tuple[Autoencoder, ...]:
    """Build one tied autoencoder per width, from the data upwards, each to be trained on the codes of the one below.

    `output` is the activation of the lowest decoder: `sigmoid` for data in [0, 1], `linear` for any other. `center` as
    in `mlp`.

    Raises:
        InvalidValue: No layer, a width below 1, an unknown activation.
    """
    if not widths:
        raise InvalidValue("widths", "name at least one layer", "none", "For instance (1000,).")
    outputs = [output, *[_RANGE.get(activation, "linear")] * (len(widths) - 1)]
    with global_randomness(seed):
        sizes = zip([features, *widths], widths, outputs, strict=False)
        return tuple(
            tied(below, above, activation=activation, output=name, center=center) for below, above, name in sizes
        )


def encoder(layers: Sequence[Autoencoder]) -> nn.Sequential:
    """Return the encoders of all layers as one chain, which shares their parameters."""
    return nn.Sequential(*(module for layer in layers for module in _modules(layer.encoder)))


def unroll(layers: Sequence[Autoencoder]) -> Autoencoder:
    """Return one autoencoder of all layers, encoders upwards and decoders down again, which shares their parameters.

    The deep autoencoder of Hinton and Salakhutdinov (2006); the model from which `sampling.walk` samples for a stack.
    """
    decoders = [module for layer in reversed(layers) for module in _modules(layer.decoder)]
    return Autoencoder(encoder(layers), nn.Sequential(*decoders))


def _modules(module: nn.Module) -> list[nn.Module]:
    """Return the modules of a plain Sequential; any other whole, as hooks or its `forward` may change the function."""
    return list(module) if type(module) is nn.Sequential and not is_altered(module) else [module]


class Classifier(nn.Module):
    """Encoder, one linear layer, and softmax or one sigmoid per class; calling it gives the logits (batch, classes).

    The encoder, from (batch, *features) to (batch, num_units), is copied: fine-tuning leaves the given one as it is.
    `output` is `softmax`, trained by cross-entropy, or `sigmoid`, by the sum of binary cross-entropies over the
    classes, as in the manifold tangent classifier. `seed` gives the initial weights of the linear layer.

    Raises:
        InvalidValue: Fewer than two classes, or another output.
    """

    def __init__(
        self, encoder: nn.Module, num_units: int, num_classes: int, *, output: str = "softmax", seed: int = 0
    ) -> None:
        super().__init__()
        check_at_least("num_classes", num_classes, 2, "One class leaves nothing to learn.")
        check_choice("output", output, OUTPUTS)
        self.output = output
        self.encoder = copy.deepcopy(encoder)
        like = next(encoder.parameters(), torch.empty(0))
        self.linear = nn.Linear(num_units, num_classes, dtype=like.dtype)
        # Drawn on the CPU, so that the seed gives the same weights on every device.
        nn.init.xavier_uniform_(self.linear.weight, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.linear.bias)
        self.linear.to(like.device)

    @property
    def chain(self) -> nn.Sequential:
        """Encoder and linear layer as one sequence, whose structure the Jacobian formulas can read."""
        return nn.Sequential(self.encoder, self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (batch, classes)."""
        return self.linear(self.encoder(x))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the negative log-likelihood per example in nats, (batch,); labels are class numbers."""
        if self.output == "softmax":
            return F.cross_entropy(logits, labels, reduction="none")
        wanted = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes, summing to 1; sigmoid outputs are divided by their sum."""
        # p_c / sum p = softmax(log p), which has no 0 / 0 where all outputs underflow
        return torch.softmax(logits if self.output == "softmax" else F.logsigmoid(logits), 1)
