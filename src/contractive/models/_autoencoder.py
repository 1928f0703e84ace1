"""An autoencoder is a pair of modules; `mlp`, `tied`, `conv` and `residual` build the usual ones, with a `Recipe`."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from numbers import Integral
from typing import Literal, ParamSpec

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contractive.core.errors import InvalidValue, check_choice
from contractive.jacobian import Center, PartlyLinear

Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "linear"]
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
BUILDERS: "dict[str, Callable[..., Autoencoder]]" = {}
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Recipe:
    """How a builder made an autoencoder: enough to build it again without its weights."""

    builder: str  # a name of `BUILDERS`
    arguments: Mapping[str, str | int | float | bool | Sequence[int] | None]  # with its defaults, as JSON can hold them

    def build(self) -> "Autoencoder":
        """Build the same architecture with fresh weights."""
        check_choice("builder", self.builder, BUILDERS, "Use the version that wrote it.")
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
        """Return the code f(x), (batch, *code), of x (batch, *features)."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """Return the reconstruction g(code), (batch, *features), of codes (batch, *code)."""
        return self.decoder(code)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction g(f(x)), of the shape of x."""
        return self.decoder(self.encoder(x))


class TiedLinear(nn.Module):
    """x -> W^T x + c with the weight W of an encoder layer and a separate bias c."""

    def __init__(self, partner: nn.Linear) -> None:
        super().__init__()
        self._partner = (partner,)  # in a tuple: W stays the partner's parameter and is stored once
        self.bias = nn.Parameter(torch.zeros(partner.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to rows (batch, partner.out_features)."""
        return F.linear(x, self._partner[0].weight.T, self.bias)


def _builder(build: "Callable[_P, Autoencoder]") -> "Callable[_P, Autoencoder]":
    """Register a builder; check its widths and activations, and note all arguments in the recipe of the result."""

    @wraps(build)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> Autoencoder:
        bound = inspect.signature(build).bind_partial(*args, **kwargs)  # what is missing, the call below reports
        bound.apply_defaults()
        arguments = {name: list(v) if isinstance(v, list | tuple) else v for name, v in bound.arguments.items()}
        for name, value in arguments.items():
            if name in ("features", "code", "hidden", "channels", "shape"):
                for width in value if isinstance(value, list) else [value]:
                    if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
                        raise InvalidValue(name, "be a whole number above 0", repr(width), "For instance 64.")
                arguments[name] = [int(width) for width in value] if isinstance(value, list) else int(value)
            elif name in ("activation", "decoder_activation", "output"):
                check_choice(name, value, ACTIVATIONS)
        autoencoder = build(*args, **kwargs)
        autoencoder.recipe = Recipe(build.__name__, arguments)
        return autoencoder

    BUILDERS[build.__name__] = checked
    return checked


@_builder
def mlp(
    features: int,
    *,
    code: int,
    hidden: Sequence[int] = (),
    activation: str = "sigmoid",
    decoder_activation: str = "relu",
    output: str = "sigmoid",
    center: bool = False,
) -> Autoencoder:
    """Build a fully connected autoencoder, the decoder's widths mirroring the encoder's.

    Args:
        features: Numbers per example, d.
        code: Numbers per code, k.
        hidden: Widths between input and code.
        activation: Activation after every encoder layer, the code included (see `ACTIVATIONS`).
        decoder_activation: Activation after every decoder layer but the last.
        output: Activation after the last decoder layer: `sigmoid` for data in [0, 1], `linear` for any other.
        center: Subtract the mean of the training rows from the encoder's inputs. `fit` sets it; until then it is 0.

    Raises:
        InvalidValue: A width below 1 or an unknown activation.

    Examples:
        >>> mlp(784, hidden=(256, 128), code=64)(torch.rand(5, 784)).shape
        torch.Size([5, 784])
    """
    widths = [features, *hidden, code]
    encoder = _dense(widths, activation, activation, center)
    return Autoencoder(encoder, _dense(widths[::-1], decoder_activation, output))


@_builder
def tied(
    features: int,
    code: int,
    *,
    hidden: Sequence[int] = (),
    activation: str = "sigmoid",
    output: str = "sigmoid",
    center: bool = False,
) -> Autoencoder:
    """Build an autoencoder whose decoder uses the encoder's weights transposed, as in Rifai et al. (2011).

    Tying rules out the cheap way to a small penalty: an encoder that shrinks its code and a decoder that enlarges it
    again (their footnote 2). Arguments and errors as in `mlp`; the decoder's hidden activations are the encoder's.
    """
    encoder = _dense([features, *hidden, code], activation, activation, center)
    layers: list[nn.Module] = []
    for layer in reversed([module for module in encoder if isinstance(module, nn.Linear)]):
        layers += [TiedLinear(layer), ACTIVATIONS[activation]()]
    layers[-1] = ACTIVATIONS[output]()
    return Autoencoder(encoder, nn.Sequential(*layers))


@_builder
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
    """Build a convolutional autoencoder: convolutions of stride 2, one linear layer to the code, and back.

    Inputs are images (batch, *shape) with shape (channels, height, width), or with `flat` rows (batch, channels *
    height * width), as tables of pixels come. `channels` are those after each convolution. Other arguments as in `mlp`.

    Raises:
        InvalidValue: A width below 1, an even kernel, an unknown activation, or a shape that is not three numbers.
    """
    if len(shape) != 3:
        raise InvalidValue("shape", "be (channels, height, width)", tuple(shape), "Grey images have 1 channel.")
    if kernel % 2 == 0:
        raise InvalidValue("kernel", "be odd", kernel, f"Take {kernel + 1}.")
    planes = [shape[0], *channels]
    sizes = [(shape[1], shape[2])]
    for _ in channels:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))  # a stride of 2 with padding kernel // 2 rounds up
    bottom = (planes[-1], *sizes[-1])
    units = bottom[0] * bottom[1] * bottom[2]

    encoder: list[nn.Module] = [nn.Unflatten(1, tuple(shape))] if flat else []
    for here, there in pairwise(planes):
        encoder += _layer(nn.Conv2d(here, there, kernel, 2, kernel // 2), activation)
    encoder += [nn.Flatten(), *_layer(nn.Linear(units, code), activation)]

    decoder = [*_layer(nn.Linear(code, units), decoder_activation), nn.Unflatten(1, bottom)]
    for i in range(len(channels), 0, -1):
        extra = (1 - sizes[i - 1][0] % 2, 1 - sizes[i - 1][1] % 2)  # even sizes need one row, one column more
        up = nn.ConvTranspose2d(planes[i], planes[i - 1], kernel, 2, kernel // 2, extra)
        decoder += _layer(up, decoder_activation if i > 1 else output)
    return Autoencoder(nn.Sequential(*encoder), nn.Sequential(*decoder, *([nn.Flatten()] if flat else [])))


@_builder
def residual(
    features: int, *, code: int, hidden: int = 64, activation: str = "linear", output: str = "linear"
) -> Autoencoder:
    """Build an autoencoder that is linear but for one hidden layer beside the linear map, on either side of the code.

    f(x) = act(W x + b + B psi(A x + a)), g likewise, psi the SiLU. Every linear autoencoder is among them, so that one
    may begin as principal components (`training.start_at_principal_components`).

    Args:
        features: Numbers per example, d.
        code: Numbers per code, k.
        hidden: Units of each hidden layer.
        activation: Activation of the code: `linear`, or a bounded one such as `tanh`.
        output: Activation of the reconstruction: `sigmoid` for data in [0, 1], `linear` for any other.

    Raises:
        InvalidValue: A width below 1 or an unknown activation.
    """

    def half(inputs: int, outputs: int, last: str) -> nn.Sequential:
        first = _layer(nn.Linear(inputs, code + hidden), "linear")[0]
        return nn.Sequential(first, PartlyLinear(code), *_layer(nn.Linear(code + hidden, outputs), last))

    return Autoencoder(half(features, code, activation), half(code, features, output))


def fold_means(module: nn.Module) -> nn.Module:
    """Return a copy in which the linear layers have the means of their centred inputs in the bias, b - W mean."""
    module = copy.deepcopy(module)
    for chain in [each for each in module.modules() if type(each) is nn.Sequential]:
        for index, (center, layer) in reversed(list(enumerate(pairwise(chain)))):
            if isinstance(center, Center) and type(layer) is nn.Linear and layer.bias is not None:
                with torch.no_grad():
                    layer.bias.sub_(layer.weight @ center.mean)
                del chain[index]
    return module


def _dense(widths: Sequence[int], activation: str, last: str, center: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [Center(widths[0])] if center else []
    for i, (here, there) in enumerate(pairwise(widths), 2):
        layers += _layer(nn.Linear(here, there), activation if i < len(widths) else last)
    return nn.Sequential(*layers)


def _layer(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, activation: str) -> list[nn.Module]:
    """Return the layer with Glorot and Bengio's (2010) uniform weights and zero biases, and its activation.

    The weights are four times wider before a sigmoid, whose slope is at most 1/4, as in the released code of Rifai et
    al. (2011): without that factor a deep sigmoid encoder hardly moves at first.
    """
    nn.init.xavier_uniform_(layer.weight, gain=4.0 if activation == "sigmoid" else 1.0)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return [layer, ACTIVATIONS[activation]()]
