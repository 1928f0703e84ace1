"""An autoencoder is a pair of modules; `mlp`, `tied` and `conv` build the usual ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "linear": nn.Identity,
}


@dataclass(frozen=True)
class Recipe:
    """How a builder made an autoencoder: enough to build it again without its weights."""

    builder: str
    arguments: dict[str, Any]

    def build(self) -> "Autoencoder":
        """The same architecture with fresh weights.

        Raises:
            ValueError: The builder is not one of `BUILDERS`.
        """
        if self.builder not in BUILDERS:
            raise ValueError(
                f"builder must be one of {', '.join(BUILDERS)}, got {self.builder!r}. Was it made by a newer version?"
            )
        return BUILDERS[self.builder](**self.arguments)


class Autoencoder(nn.Module):
    """Encoder f and decoder g; calling it reconstructs, g(f(x)).

    Args:
        encoder: Any module from (batch, *features) to (batch, *code), each row from its own example only.
        decoder: Any module back.
        recipe: How it was built, if by a builder; needed to save it.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, recipe: Recipe | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.recipe = recipe

    def encode(self, x: Tensor) -> Tensor:
        """The code f(x)."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """The reconstruction g(code)."""
        return self.decoder(code)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction g(f(x))."""
        return self.decoder(self.encoder(x))


class TiedLinear(nn.Module):
    """x -> W^T x + c with the weight W of an encoder layer and a bias of its own."""

    def __init__(self, partner: nn.Linear) -> None:
        super().__init__()
        self._partner = (partner,)  # in a tuple: W stays the partner's parameter and is stored once
        self.bias = nn.Parameter(torch.zeros(partner.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to rows (batch, partner.out_features)."""
        return F.linear(x, self._partner[0].weight.T, self.bias)


def mlp(
    features: int,
    *,
    code: int,
    hidden: Sequence[int] = (),
    activation: str = "sigmoid",
    decoder_activation: str = "relu",
    output: str = "sigmoid",
) -> Autoencoder:
    """Build a fully connected autoencoder, the decoder's widths mirroring the encoder's.

    Args:
        features: Numbers per example, d.
        code: Numbers per code, k.
        hidden: Widths between input and code.
        activation: After every encoder layer, the code included (see `ACTIVATIONS`).
        decoder_activation: After every decoder layer but the last.
        output: After the last decoder layer: `sigmoid` for data in [0, 1], `linear` for any other.

    Raises:
        ValueError: A width below 1 or an unknown activation.

    Example:
        >>> mlp(784, hidden=(256, 128), code=64)(torch.rand(5, 784)).shape
        torch.Size([5, 784])
    """
    arguments = {
        "features": features,
        "code": code,
        "hidden": list(hidden),
        "activation": activation,
        "decoder_activation": decoder_activation,
        "output": output,
    }
    widths = _checked_widths(features, *hidden, code)
    encoder = _dense(widths, activation, activation)
    decoder = _dense(widths[::-1], decoder_activation, output)
    return Autoencoder(encoder, decoder, recipe=Recipe("mlp", arguments))


def tied(
    features: int,
    code: int,
    *,
    hidden: Sequence[int] = (),
    activation: str = "sigmoid",
    output: str = "sigmoid",
) -> Autoencoder:
    """Build an autoencoder whose decoder uses the encoder's weights transposed, as in Rifai et al. (2011).

    Tying rules out the cheap way to a small penalty: an encoder that shrinks its code and a decoder that blows it up
    again (their footnote 2). Arguments as in `mlp`; the decoder's hidden activations are the encoder's.

    Raises:
        ValueError: A width below 1 or an unknown activation.
    """
    arguments = {
        "features": features,
        "code": code,
        "hidden": list(hidden),
        "activation": activation,
        "output": output,
    }
    encoder = _dense(_checked_widths(features, *hidden, code), activation, activation)
    layers: list[nn.Module] = []
    for layer in reversed([module for module in encoder if isinstance(module, nn.Linear)]):
        layers += [TiedLinear(layer), _activation(activation)]
    layers[-1] = _activation(output)
    return Autoencoder(encoder, nn.Sequential(*layers), recipe=Recipe("tied", arguments))


def conv(
    shape: Sequence[int],
    *,
    code: int,
    channels: Sequence[int] = (16, 32),
    kernel: int = 3,
    activation: str = "sigmoid",
    decoder_activation: str = "relu",
    output: str = "sigmoid",
    flat: bool = False,
) -> Autoencoder:
    """Build a convolutional autoencoder: strided convolutions, one linear layer to the code, and back.

    Args:
        shape: (channels, height, width) of one image; inputs are (batch, *shape).
        code: Numbers per code, k.
        channels: Channels after each convolution, each of stride 2.
        kernel: Odd kernel size.
        activation: After every encoder layer, the code included.
        decoder_activation: After every decoder layer but the last.
        output: After the last decoder layer.
        flat: Take and give rows (batch, channels * height * width) instead, as tables of pixels come.

    Raises:
        ValueError: A width below 1, an even kernel, an unknown activation, or a shape that is not three numbers.
    """
    if len(shape) != 3:
        raise ValueError(f"shape must be (channels, height, width), got {tuple(shape)}. Grey images have 1 channel.")
    if kernel % 2 == 0:
        raise ValueError(f"kernel must be odd, got {kernel}. Take {kernel + 1}.")
    arguments = {
        "shape": list(shape),
        "code": code,
        "channels": list(channels),
        "kernel": kernel,
        "activation": activation,
        "decoder_activation": decoder_activation,
        "output": output,
        **({"flat": True} if flat else {}),
    }
    planes = _checked_widths(*shape, *channels, code)[:-1]
    planes = [planes[0], *planes[3:]]
    sizes = [(shape[1], shape[2])]
    for _ in channels:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    bottom = (planes[-1], *sizes[-1])
    units = bottom[0] * bottom[1] * bottom[2]

    encoder: list[nn.Module] = [nn.Unflatten(1, tuple(shape))] if flat else []
    for here, there in pairwise(planes):
        encoder += _block(nn.Conv2d(here, there, kernel, 2, kernel // 2), activation)
    encoder += [nn.Flatten(), *_block(nn.Linear(units, code), activation)]

    decoder = [*_block(nn.Linear(code, units), decoder_activation), nn.Unflatten(1, bottom)]
    for i in range(len(channels), 0, -1):
        extra = (1 - sizes[i - 1][0] % 2, 1 - sizes[i - 1][1] % 2)  # even sizes need one row, one column more
        up = nn.ConvTranspose2d(planes[i], planes[i - 1], kernel, 2, kernel // 2, extra)
        decoder += _block(up, decoder_activation if i > 1 else output)
    if flat:
        decoder.append(nn.Flatten())
    return Autoencoder(nn.Sequential(*encoder), nn.Sequential(*decoder), recipe=Recipe("conv", arguments))


BUILDERS = {"mlp": mlp, "tied": tied, "conv": conv}


def _dense(widths: Sequence[int], activation: str, last: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    activations = [activation] * (len(widths) - 2) + [last]
    for (here, there), name in zip(pairwise(widths), activations, strict=True):
        layers += _block(nn.Linear(here, there), name)
    return nn.Sequential(*layers)


def _block(layer: Any, activation: str) -> list[nn.Module]:
    """The layer with Glorot and Bengio's (2010) uniform weights and zero biases, and its activation.

    Four times wider before a sigmoid, whose slope is at most 1/4, as Rifai et al. (2011) did in their released code:
    without that factor a deep sigmoid encoder hardly moves at first.
    """
    module = _activation(activation)
    nn.init.xavier_uniform_(layer.weight, gain=4.0 if activation == "sigmoid" else 1.0)
    nn.init.zeros_(layer.bias)
    return [layer, module]


def _activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}. Pick one of these.")
    return ACTIVATIONS[name]()


def _checked_widths(*widths: int) -> list[int]:
    for width in widths:
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"width must be a whole number above 0, got {width!r}. Check features, hidden and code.")
    return list(widths)
