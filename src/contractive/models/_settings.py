"""The choices of a network by names and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, checked, setting
from contractive.models._autoencoder import Activation, Autoencoder, conv, mlp, residual, tied

Model = Literal["mlp", "tied", "conv", "residual"]
_WIDE = 256  # features, such as pixels, from which networks are larger
_NARROW = 64
_MOST_CODE = 64


def half_of(features: int) -> int:
    """Return the size of a code that begins as principal components: half of the features, at most 64."""
    return max(1, min(_MOST_CODE, features // 2))


@dataclass(frozen=True)
class NetworkSettings:
    """The choices of a network, the help of each in its metadata; None stands for a default by the data (`completed`).

    Raises:
        InvalidValue: A width below 1, or a name that is not known.
        InvalidType: A value of another type.
    """

    model: Model = setting(
        "mlp", "Network: fully connected, with tied weights, convolutional (images), or one residual layer each way."
    )
    hidden: tuple[int, ...] | None = setting(
        None,
        "Widths between input and code, with commas (conv: channels).",
        by_data="256,128 from 256 features, else 128,64; tied: none; conv: 16,32; residual: 64",
        least=1,
    )
    code: int | Literal["auto"] | None = setting(
        None,
        "Numbers per code; auto for as many as principal components that hold 95 % of the variance.",
        by_data="64 from 256 features, 32 from 64, half below; from PCA on, half, at most 64",
    )
    activation: Activation | None = setting(
        None, "Activation of the encoder.", by_data="sigmoid, or linear for a residual network from PCA on"
    )
    output: Activation | None = setting(
        None, "Activation of the last decoder layer.", by_data="sigmoid for data in [0, 1], else linear"
    )
    decoder_activation: Activation | None = setting(
        None, "Activation of the decoder's inner layers (tied: the encoder's).", by_data="relu"
    )
    center: bool | None = setting(
        None,
        "Subtract the mean of the training rows inside the encoder (mlp and tied).",
        by_data="on for data in [0, 1], which no scaling centres",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.code not in (None, "auto"):
            checked("code", self.code, int, least=1)
        if self.center and self.model not in ("mlp", "tied"):
            raise InvalidValue("center", f"be left out for the model {self.model}", True, "Or choose mlp or tied.")

    @property
    def size(self) -> int:
        """Numbers per code of completed settings.

        Raises:
            InvalidValue: It depends on data that are not known here.
        """
        if not isinstance(self.code, int):
            raise InvalidValue("code", "be a number before a network is built", self.code, "Call completed() first.")
        return self.code

    def completed(
        self, *, features: int, unit_range: bool, image_shape: Sequence[int] | None = None
    ) -> "NetworkSettings":
        """Return the settings with the defaults for data of so many features per example.

        Args:
            features: Numbers per example.
            unit_range: Whether all data lie between 0 and 1.
            image_shape: (channels, height, width) of images, None for any other data.

        Raises:
            InvalidValue: A convolutional network for data that are not images.
        """
        if self.model == "conv" and image_shape is None:
            raise InvalidValue("model", "be mlp or tied for data that are not images", "conv", "Choose mlp.")
        wide = features >= _WIDE
        hidden = {"conv": (16, 32), "tied": (), "residual": (64,)}.get(self.model, (256, 128) if wide else (128, 64))
        code = 64 if wide else min(32, max(2, features // 2)) if features < _NARROW else 32
        if self.model == "residual":
            code = half_of(features)
            if self.hidden is not None and len(self.hidden) != 1:
                raise InvalidValue("hidden", "be one width for the residual model", self.hidden, "For instance 64.")
        return replace(
            self,
            hidden=hidden if self.hidden is None else self.hidden,
            code=code if self.code is None else self.code,
            activation=self.activation or "sigmoid",
            output=self.output or ("sigmoid" if unit_range else "linear"),
            decoder_activation=self.decoder_activation or "relu",
            center=unit_range and self.model in ("mlp", "tied") if self.center is None else self.center,
        )

    def build(self, features: int, image_shape: Sequence[int] | None = None) -> Autoencoder:
        """Build the network of completed settings with fresh weights for rows (batch, features); conv needs a shape."""
        if any(value is None for value in vars(self).values()):
            raise InvalidValue("settings", "be completed before a network is built", self, "Call completed() first.")
        hidden: Any = self.hidden
        shared: Any = {"code": self.size, "activation": self.activation, "output": self.output}
        if self.model == "tied":
            return tied(features, hidden=hidden, center=bool(self.center), **shared)
        if self.model == "residual":
            return residual(features, hidden=hidden[0], **shared)
        shared["decoder_activation"] = self.decoder_activation
        if self.model == "conv":
            return conv(image_shape or (), channels=hidden, flat=True, **shared)
        return mlp(features, hidden=hidden, center=bool(self.center), **shared)
