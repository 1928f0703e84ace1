"""What a run is made of, beside its data: network, objective, training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch

from contractive.data import DataError, Split, check_fits
from contractive.jacobian import METHODS
from contractive.models import ACTIVATIONS, Autoencoder, NetworkSettings
from contractive.objectives import LOSSES, OBJECTIVES, Objective, ObjectiveSettings
from contractive.training import DEVICES, PRECISIONS, SCHEDULES, check_seed

MODELS = ("mlp", "tied", "conv")
_MANY_ROWS = 5000
_MANY_FEATURES = 256
_COPIES = 4  # of the weights while training: themselves, gradient, two of Adam


@dataclass(frozen=True)
class Settings:
    """Network, objective and training of one run; None is for a default that depends on the data (`completed`).

    Attributes:
        objective: Name of `objectives.OBJECTIVES`.
        weight: Its strength: the penalty's weight, or the noise of a denoising autoencoder. None: a penalty's weight is
            found in training by what it costs (`max_error_increase`).
        max_error_increase: Allowed increase of the reconstruction error over an unpenalised run, where it is found.
        model: `mlp`, `tied` or `conv`.
        hidden: Widths between input and code; channels of a convolutional model.
        code: Code size.
        activation: Of the encoder.
        output: `sigmoid` for data in [0, 1], else `linear`.
        loss: Name from `objectives.LOSSES`.
        method: How the Jacobian norm is computed in training.
        epochs: Passes over the data.
        batch_size: Rows per step and process.
        learning_rate: Of Adam.
        schedule: `constant`, `cosine` or `exponential`.
        patience: Epochs without improvement until training stops; None for all epochs.
        gradient_clip: Largest norm of the gradient, or None.
        seed: Of weights, order, noise, probes and split.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `32` or `bf16`.
        devices: Processes on this machine.
        num_nodes: Machines.
        strategy: Lightning's.
    """

    objective: str = "contractive"
    weight: float | None = None
    max_error_increase: float | None = None
    model: str = "mlp"
    hidden: tuple[int, ...] | None = None
    code: int | None = None
    activation: str = "sigmoid"
    output: str | None = None
    loss: str = "squared_error"
    method: str = "auto"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: str = "cosine"
    patience: int | None = None
    gradient_clip: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "32"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        check_types(self)
        choices = {"objective": OBJECTIVES, "model": MODELS, "activation": ACTIVATIONS, "loss": LOSSES}
        choices |= {"schedule": SCHEDULES, "method": METHODS, "precision": PRECISIONS}
        choices |= {"device": DEVICES, "output": ACTIVATIONS}
        check_choices(self, choices)
        check_counts(self, "code", "epochs", "batch_size", "patience", "devices", "num_nodes")
        check_rates(self, "learning_rate", "gradient_clip")
        check_seed(self.seed)
        if self.hidden is not None and any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden must be widths of at least 1, got {self.hidden}. For instance 256,128.")
        if self.max_error_increase is not None and not 0 < self.max_error_increase < float("inf"):
            raise ValueError(f"max_error_increase must be above 0 and finite, got {self.max_error_increase}. Try 0.1.")
        if self.max_error_increase is not None and (self.weight is not None or not OBJECTIVES[self.objective].searched):
            searched = [name for name, record in OBJECTIVES.items() if record.searched]
            raise ValueError(
                f"max_error_increase must come with a weight to be found, got {self.objective} and {self.weight}."
                f" Leave it out, or use --weight auto with one of {', '.join(searched)}."
            )
        check_weights(self, "weight")
        self._objective_settings()

    def completed(self, split: Split) -> Settings:
        """With the defaults that depend on the data, checked against them."""
        rows, features = len(split.train), split.features
        many, wide = rows > _MANY_ROWS, features >= _MANY_FEATURES
        if self.model == "conv" and split.image_shape is None:
            raise DataError(f"data must be images for --model conv, got {split.name}. Use --model mlp.")
        low, high = span(split)
        unit_range = low >= 0 and high <= 1
        network = self._network().completed(features=features, image_shape=split.image_shape, unit_range=unit_range)
        chosen = replace(
            self,
            weight=self.weight if self.weight is not None else OBJECTIVES[self.objective].default,
            max_error_increase=self.max_error_increase
            if self.max_error_increase is not None
            else self._default_max_error_increase(),
            hidden=network.hidden,
            code=network.code,
            output=network.output,
            epochs=self.epochs if self.epochs is not None else 10 if many and wide else 40,
            batch_size=self.batch_size if self.batch_size is not None else 128 if many else 32,
            learning_rate=self.learning_rate if self.learning_rate is not None else 1e-3 if many else 3e-3,
        )
        chosen._check_against(split)
        return chosen

    def _default_max_error_increase(self) -> float | None:
        return DEFAULT_MAX_ERROR_INCREASE if self.weight is None and OBJECTIVES[self.objective].searched else None

    def _check_against(self, split: Split) -> None:
        low, high = span(split)
        if self.loss == "cross_entropy" and (low < 0 or high > 1 or self.output != "sigmoid"):
            raise DataError(
                f"data must lie between 0 and 1 for --loss cross_entropy, got {low:.3g} to {high:.3g} after scaling."
                " Leave the loss out, or scale the file to that range."
            )
        if self.max_error_increase is not None and self.patience is not None:
            raise ValueError("--patience must be left out with --weight auto, got one. Or fix --weight, say 0.1.")
        self._check_size(split)

    def _check_size(self, split: Split) -> None:
        """Refuse a network that does not fit into memory, before it is made."""
        remedy = "Take a smaller --code or --hidden."
        try:
            with torch.device("meta"):
                weights = sum(parameter.numel() for parameter in self.build(split).parameters())
        except RuntimeError as error:
            raise DataError(f"the network must fit into memory, got one beyond any. {remedy}") from error
        check_fits("the network", _COPIES * 4 * weights, remedy)

    def build(self, split: Split) -> Autoencoder:
        """The network with fresh weights."""
        return self._network().build(split.features, split.image_shape)

    def _network(self) -> NetworkSettings:
        names: Any = (self.model, self.hidden, self.code, self.activation, self.output)
        return NetworkSettings(*names)

    def make_objective(self) -> Objective:
        """What is minimised."""
        return self._objective_settings().make()

    def _objective_settings(self) -> ObjectiveSettings:
        return ObjectiveSettings(self.objective, self.weight, cast(Any, self.loss), cast(Any, self.method))

    def to_dict(self) -> dict[str, Any]:
        """For `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Settings:
        """From `config.json`.

        Raises:
            ValueError: Not such settings.
        """
        return from_stored(cls, settings)


_S = TypeVar("_S")


def from_stored(kind: type[_S], settings: dict[str, Any]) -> _S:
    """Settings of this kind from what `to_dict` gave and JSON kept.

    Raises:
        ValueError: A name that the kind does not have.
    """
    known = {field.name for field in fields(cast(Any, kind))}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(f"settings must be known ones, got {unknown[0]!r}. Was it written by a newer version?")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})


def check_choices(settings: Any, choices: dict[str, Any]) -> None:
    """Refuse a value that is not among those of its field."""
    for name, allowed in choices.items():
        got = getattr(settings, name)
        if got is not None and got not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {got!r}. Check the spelling.")


def check_counts(settings: Any, *names: str, least: int = 1) -> None:
    """Refuse numbers below the least."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}. Leave it out for the default.")


def check_rates(settings: Any, *names: str) -> None:
    """Refuse what is not above 0 and finite."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0 and finite, got {value}. Leave it out for the default.")


def check_weights(settings: Any, *names: str) -> None:
    """Refuse what is below 0 or not finite."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be a finite number of at least 0, got {value}. Try 0.1.")


def check_types(settings: Any) -> None:
    """Refuse values of another type than the field's, as a changed `config.json` may have them."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        kind, optional = str(field.type).removesuffix(" | None"), str(field.type).endswith(" | None")
        if value is None and optional:
            continue
        if kind == "tuple[int, ...]":
            right = isinstance(value, tuple) and all(type(width) is int for width in value)
        else:
            right = isinstance(value, _TYPES[kind]) and not isinstance(value, bool)
        if not right:
            raise TypeError(f"{field.name} must be {_WORDS[kind]}, got {value!r:.60}. Leave it out for the default.")


_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
_WORDS = {"str": "a text", "int": "a whole number", "float": "a number", "tuple[int, ...]": "whole numbers"}


def span(split: Split) -> tuple[float, float]:
    """Smallest and largest prepared number; of streamed training rows a block is looked at."""
    train = split.train if isinstance(split.train, np.ndarray) else split.train[: split.train.block]
    parts = [part for part in (train, split.validation, split.test) if len(part)]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


DEFAULT_MAX_ERROR_INCREASE = 0.1
