"""What a run that ends in a classifier is made of, beside its data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from contractive.data import DataError, Split, check_fits
from contractive.models import ACTIVATIONS, OUTPUTS, Autoencoder, Classifier, encoder, stack
from contractive.objectives import LOSSES, OBJECTIVES, Objective
from contractive.studies.classifier_runs._task import Task
from contractive.studies.runs import span
from contractive.studies.runs._settings import (
    check_choices,
    check_counts,
    check_rates,
    check_types,
    check_weights,
    from_stored,
)
from contractive.training import DEVICES, check_seed

PRETRAINING = (*OBJECTIVES, "none")
_PENALTY = 0.03  # weight of a penalty, against an error summed over features
_MANY_ROWS = 5000
_MANY_FEATURES = 256
_PRETRAINING, _FINE_TUNING = (1000, 10), (2500, 20)  # steps and epochs, the least of either
_MOST_EPOCHS = 500
_LAST_RATE = 0.2  # what decay leaves of the rates
_COPIES = 6  # of the weights: pretraining, fine-tuning, best and latest


@dataclass(frozen=True)
class Settings:
    """Layers, pretraining and fine-tuning of one run; None is for a default that depends on the data (`completed`).

    Attributes:
        objective: How layers are pretrained: a name of `OBJECTIVES`, or `none`.
        weight: Its strength: the penalty's weight, or the noise of a denoising autoencoder.
        hidden: Units of each layer, from the data upwards.
        activation: Of every layer.
        decoder: Output of the lowest decoder: `sigmoid` for data in [0, 1], else `linear`.
        loss: Reconstruction loss, a name from `objectives.LOSSES`.
        pretraining_epochs: Passes of each layer; 0 for none.
        pretraining_rate: Learning rate of Adam in pretraining.
        pretraining_batch_size: Rows per step of pretraining.
        labels_used: So many training rows keep their labels, balanced over the classes; all if None.
        output: `softmax`, or `sigmoid` for one output per class.
        tangents: Directions per row along which the outputs shall not move (Rifai et al., NIPS 2011); 0 for none.
        tangent_weight: Factor of their term.
        tangents_per_step: So many of them drawn anew for every batch; all if None.
        jacobian_weight: Factor of ||J||_F^2 of all layers in fine-tuning.
        epochs: Passes of fine-tuning over the labelled rows.
        batch_size: Rows per step of it.
        learning_rate: Of the layers in it, which is plain gradient descent.
        output_rate: Of the output layer; as the layers' if None.
        decay: Factor of both rates after every epoch.
        patience: Epochs without a lower validation error (or less loss at the same) until it stops; None for all.
        seed: Of weights, order, noise, split and the choice of labels.
        device: `auto`, `cpu`, `cuda` or `mps`.
    """

    objective: str = "contractive"
    weight: float | None = None
    hidden: tuple[int, ...] | None = None
    activation: str = "sigmoid"
    decoder: str | None = None
    loss: str = "squared_error"
    pretraining_epochs: int | None = None
    pretraining_rate: float | None = None
    pretraining_batch_size: int | None = None
    labels_used: int | None = None
    output: str | None = None
    tangents: int = 0
    tangent_weight: float = 0.1
    tangents_per_step: int | None = None
    jacobian_weight: float = 0.0
    epochs: int | None = None
    batch_size: int = 20
    learning_rate: float = 0.5
    output_rate: float | None = None
    decay: float | None = None
    patience: int | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_types(self)
        choices = {"objective": PRETRAINING, "activation": ACTIVATIONS, "loss": LOSSES, "output": OUTPUTS}
        check_choices(self, choices | {"device": DEVICES, "decoder": ACTIVATIONS})
        check_counts(
            self, "pretraining_batch_size", "labels_used", "tangents_per_step", "epochs", "batch_size", "patience"
        )
        check_counts(self, "pretraining_epochs", "tangents", least=0)
        check_rates(self, "pretraining_rate", "learning_rate", "output_rate")
        check_weights(self, "weight", "tangent_weight", "jacobian_weight")
        if self.decay is not None and not 0 < self.decay <= 1:
            raise ValueError(f"decay must lie above 0 and be at most 1, got {self.decay}. 1 keeps the rate constant.")
        if self.hidden is not None and (not self.hidden or any(width < 1 for width in self.hidden)):
            raise ValueError(f"hidden must be widths of at least 1, got {self.hidden}. For instance 1000,1000.")
        if not self.tangents and (self.tangents_per_step is not None or self.tangent_weight != Settings.tangent_weight):
            raise ValueError("tangents must be at least 1 for settings of their term, got 0. For instance 15.")
        check_seed(self.seed)

    def completed(self, split: Split, task: Task) -> Settings:
        """With the defaults that depend on the data, checked against them.

        Raises:
            DataError: Data that do not fit the loss or the memory.
            ValueError: More directions than there are.
        """
        many, wide = len(split.train) > _MANY_ROWS, split.features >= _MANY_FEATURES
        low, high = span(split)
        batch_size = self.pretraining_batch_size or (128 if many else 32)
        epochs = self.epochs or _epochs(len(task.labelled), self.batch_size, *_FINE_TUNING)
        chosen = replace(
            self,
            weight=self._default_weight() if self.weight is None else self.weight,
            hidden=self.hidden or ((500, 500) if wide else (256, 256)),
            decoder=self.decoder or ("sigmoid" if low >= 0 and high <= 1 else "linear"),
            pretraining_epochs=self._pretraining_epochs(len(split.train), batch_size),
            pretraining_rate=self.pretraining_rate or (1e-3 if many else 3e-3),
            pretraining_batch_size=batch_size,
            output=self.output or ("sigmoid" if self.tangents else "softmax"),
            epochs=epochs,
            decay=self.decay or _LAST_RATE ** (1 / epochs),
        )
        chosen._check_against(split, low, high)
        return chosen

    def _default_weight(self) -> float:
        if self.objective == "none":
            return 0.0
        default = OBJECTIVES[self.objective].default
        return _PENALTY if default is None else default

    def _pretraining_epochs(self, rows: int, batch_size: int) -> int:
        if self.objective == "none":
            return 0
        return _epochs(rows, batch_size, *_PRETRAINING) if self.pretraining_epochs is None else self.pretraining_epochs

    def _check_against(self, split: Split, low: float, high: float) -> None:
        assert self.hidden is not None
        if self.loss == "cross_entropy" and (low < 0 or high > 1 or self.decoder != "sigmoid"):
            raise DataError(
                f"data must lie between 0 and 1 for --loss cross_entropy, got {low:.3g} to {high:.3g} after scaling."
                " Leave the loss out, or scale them with --scale minmax."
            )
        if self.loss == "cross_entropy" and len(self.hidden) > 1 and self.activation != "sigmoid":
            raise ValueError(
                f"activation must be sigmoid for more than one layer with cross_entropy, got {self.activation!r}: the"
                " codes are the data of the layer above. Leave the loss out."
            )
        most = min(split.features, *self.hidden)
        if self.tangents > most:
            raise ValueError(
                f"tangents must be at most {most}, the least of features and units, got {self.tangents}. Take fewer."
            )
        sizes = zip((split.features, *self.hidden), self.hidden, strict=False)
        weights = sum(below * above for below, above in sizes)
        check_fits("the network", _COPIES * 4 * weights, "Take a smaller --hidden.")

    def build(self, features: int) -> tuple[Autoencoder, ...]:
        """The layers with fresh weights."""
        assert self.hidden is not None and self.decoder is not None
        return stack(features, self.hidden, activation=self.activation, output=self.decoder, seed=self.seed)

    def classifier(self, layers: tuple[Autoencoder, ...], num_classes: int) -> Classifier:
        """Copies of the layers' encoders, and a fresh output layer."""
        assert self.hidden is not None and self.output is not None
        return Classifier(encoder(layers), self.hidden[-1], num_classes, output=self.output, seed=self.seed)

    def make_objective(self) -> Objective:
        """What pretraining minimises."""
        return OBJECTIVES[self.objective].make(self.weight or 0.0, loss=LOSSES[self.loss])

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


def _epochs(rows: int, batch_size: int, steps: int, least: int) -> int:
    """Epochs that make so many steps, within bounds."""
    return min(_MOST_EPOCHS, max(least, math.ceil(steps / math.ceil(rows / batch_size))))
