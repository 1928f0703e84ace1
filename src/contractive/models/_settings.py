"""The network of a run: a few choices, and the one rule for those that depend on the data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, setting
from contractive.models._autoencoder import Activation, Autoencoder, conv, mlp, tied

Model = Literal["mlp", "tied", "conv"]
_WIDE = 256  # features, such as pixels, from which networks are larger
_NARROW = 64


@dataclass(frozen=True)
class NetworkSettings:
    """The choices of a network, the help of each in its metadata; None stands for a default by the data (`completed`).

    Raises:
        InvalidValue: A width below 1, or a name that is not known.
        InvalidType: A value of another type.
    """

    model: Model = setting("mlp", "Network: fully connected, with tied weights, or convolutional (images).")
    hidden: tuple[int, ...] | None = setting(
        None,
        "Widths between input and code, with commas (conv: channels).",
        by_data="256,128 from 256 features, else 128,64; tied: none; conv: 16,32",
        least=1,
    )
    code: int | None = setting(
        None, "Numbers per code.", by_data="64 from 256 features, else 32, or half of fewer than 64 features", least=1
    )
    activation: Activation = setting("sigmoid", "Activation of the encoder.")
    output: Activation | None = setting(
        None, "Activation of the last decoder layer.", by_data="sigmoid for data in [0, 1], else linear"
    )
    decoder_activation: Activation = setting("relu", "Activation of the decoder's inner layers (tied: the encoder's).")

    def __post_init__(self) -> None:
        check_settings(self)

    def completed(
        self, *, features: int, unit_range: bool, image_shape: Sequence[int] | None = None
    ) -> "NetworkSettings":
        """Return the settings with the defaults for these data.

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
        hidden = {"conv": (16, 32), "tied": ()}.get(self.model, (256, 128) if wide else (128, 64))
        code = 64 if wide else min(32, max(2, features // 2)) if features < _NARROW else 32
        return replace(
            self,
            hidden=hidden if self.hidden is None else self.hidden,
            code=code if self.code is None else self.code,
            output=self.output or ("sigmoid" if unit_range else "linear"),
        )

    def build(self, features: int, image_shape: Sequence[int] | None = None) -> Autoencoder:
        """Build the network of completed settings with fresh weights, for rows (batch, features).

        Args:
            features: Numbers per example.
            image_shape: (channels, height, width), needed by a convolutional network.
        """
        if self.hidden is None or self.code is None or self.output is None:
            raise InvalidValue("settings", "be completed before a network is built", self, "Call completed() first.")
        shared: Any = {"code": self.code, "activation": self.activation, "output": self.output}
        if self.model == "tied":
            return tied(features, hidden=self.hidden, **shared)
        shared["decoder_activation"] = self.decoder_activation
        if self.model == "conv":
            return conv(image_shape or (), channels=self.hidden, flat=True, **shared)
        return mlp(features, hidden=self.hidden, **shared)
