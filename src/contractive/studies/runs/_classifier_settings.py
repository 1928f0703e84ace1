"""Settings of a classifier: stacked layers, their pretraining without labels, and fine-tuning on labels."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, Self

from contractive import training
from contractive.analysis import TangentsOf
from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, setting
from contractive.data import Split, check_fits
from contractive.models import Activation, Autoencoder, Classifier, encoder, stack
from contractive.objectives import OBJECTIVES, LossName, Objective, ObjectiveSettings
from contractive.studies.runs._autoencoder import check_loss, value_range
from contractive.studies.runs._classes import ClassifierMetrics, class_labels
from contractive.studies.runs._task import TaskSettings
from contractive.training import Device, TrainingSettings

_PENALTY = 0.03  # weight of a penalty, against an error summed over features
_WIDE = 256  # features
_MOST_EPOCHS = 500
_LAST_RATE = 0.2  # what the decay leaves of the learning rates
_COPIES = 6  # of the weights: pretraining, fine-tuning, best and latest


@dataclass(frozen=True)
class ClassifierSettings(TaskSettings[Classifier, ClassifierMetrics]):
    """Layers, pretraining and fine-tuning of one run; None is for a default that depends on the data (`completed`).

    The metadata of each field hold its help. `classes` are those of the data, in order; they are never given.

    Raises:
        InvalidValue: A setting out of range.
        InvalidType: A setting of another type.
    """

    by_data = ("hidden", "decoder", "output", "max_epochs", "pretraining_epochs", "decay", "classes")

    objective: str = setting(
        "contractive", "Objective of pretraining, or none for no pretraining.", choices=(*OBJECTIVES, "none")
    )
    weight: float | None = setting(None, "Weight or noise of that objective.", by_data="0.03; denoising 0.3", least=0)
    hidden: tuple[int, ...] | None = setting(
        None, "Units of each layer, from the data upwards.", by_data="256,256, or 500,500 from 256 features"
    )
    activation: Activation = setting("sigmoid", "Activation of every layer.")
    center: bool = setting(False, "Subtract, inside each layer, the mean of its inputs in pretraining.")
    decoder: Activation | None = setting(
        None, "Activation of the lowest decoder layer.", by_data="sigmoid for data in [0, 1], else linear"
    )
    loss: LossName = setting("squared_error", "Reconstruction loss of pretraining, summed over features.")
    pretraining_epochs: int | None = setting(
        None, "Passes of each layer, 0 for none.", by_data="enough for 1000 steps, from 10 to 500", least=0
    )
    pretraining_rate: float | None = setting(
        None, "Adam learning rate of pretraining.", by_data="0.003, or 0.001 above 5000 rows", positive=True
    )
    pretraining_batch_size: int | None = setting(
        None, "Rows per step of pretraining.", by_data="32, or 128 above 5000 rows", least=1
    )
    labels_used: int | None = setting(
        None, "Number of training rows that keep their labels, balanced over the classes.", by_data="all", least=1
    )
    output: Literal["softmax", "sigmoid"] | None = setting(
        None, "Output: softmax, or one sigmoid per class.", by_data="softmax; sigmoid with tangents"
    )
    tangents: int = setting(
        0, "Directions per row along which outputs should not change (Rifai et al., NIPS 2011); 0 for none.", least=0
    )
    tangents_of: TangentsOf = setting("reconstruction", "Directions of the reconstruction, or of the encoder alone.")
    tangent_rows: Literal["labelled", "all"] = setting("labelled", "Training rows with that term: labelled, or all.")
    tangent_weight: float = setting(0.1, "Weight of the term of these directions.", least=0)
    tangents_per_step: int | None = setting(None, "Directions drawn for each step.", by_data="all", least=1)
    jacobian_weight: float = setting(0.0, "Weight of ||J||_F^2 of all layers in fine-tuning.", least=0)
    max_epochs: int | None = setting(
        None, "Passes over the labelled rows.", by_data="enough for 2500 steps, from 20 to 500", least=1
    )
    batch_size: int = setting(20, "Rows per step of fine-tuning.", least=1)
    learning_rate: float = setting(0.5, "Learning rate of the layers in fine-tuning, without momentum.", positive=True)
    output_rate: float | None = setting(
        None, "Learning rate of the output layer.", by_data="that of the layers", positive=True
    )
    decay: float | None = setting(
        None, "Factor of both learning rates after every epoch.", by_data="to a fifth over all epochs", positive=True
    )
    patience: int | None = setting(
        None,
        "Epochs without a better validation error or loss after which it stops.",
        by_data="train all epochs",
        least=1,
    )
    seed: int = setting(0, "Random seed of weights, row order, noise and the choice of labels.")
    device: Device = setting("auto", "Device: auto, cpu, cuda or mps.")
    classes: tuple[int | str, ...] | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        training.check_seed(self.seed)
        if self.decay is not None and self.decay > 1:
            raise InvalidValue("decay", "be at most 1", self.decay, "1 keeps the learning rates constant.")
        if self.hidden is not None and min(self.hidden, default=0) < 1:
            raise InvalidValue("hidden", "be widths of at least 1", self.hidden, "For instance 1000,1000.")
        if self.classes is not None and len(self.classes) < 2:
            raise InvalidValue("classes", "be at least two", self.classes, "Leave them out.")
        training.check_center(self.center, self.objective != "none" and self.pretraining_epochs != 0)
        changed = self.tangents_per_step is not None or self.tangent_weight != ClassifierSettings.tangent_weight
        if not self.tangents and changed:
            raise InvalidValue("tangents", "be at least 1 for settings of their term", 0, "For instance 15.")

    def completed(self, split: Split) -> Self:
        """Return the settings with the classes and the defaults of the data, checked against the data.

        Raises:
            DataError: Data without classes, on disk, or that do not fit the loss or the memory.
            InvalidValue: More labels or directions than there are.
        """
        split.in_memory()
        labels = class_labels(split, self.labels_used, seed=self.seed)
        low, high = value_range(split)
        base = TrainingSettings(batch_size=self.pretraining_batch_size, learning_rate=self.pretraining_rate)
        base = base.completed(len(split.train), split.features)
        max_epochs = self.max_epochs or _epochs(len(labels.labelled), self.batch_size, steps=2500, least=20)
        weight, epochs = 0.0, 0
        if self.objective != "none":
            default = OBJECTIVES[self.objective].default
            weight = _PENALTY if default is None else default
            epochs = _epochs(len(split.train), base.batch_size or 1, steps=1000, least=10)
            epochs = epochs if self.pretraining_epochs is None else self.pretraining_epochs
        made = replace(
            self,
            weight=weight if self.weight is None else self.weight,
            hidden=self.hidden or ((500, 500) if split.features >= _WIDE else (256, 256)),
            decoder=self.decoder or ("sigmoid" if low >= 0 and high <= 1 else "linear"),
            pretraining_epochs=epochs,
            pretraining_rate=base.learning_rate,
            pretraining_batch_size=base.batch_size,
            output=self.output or ("sigmoid" if self.tangents else "softmax"),
            max_epochs=max_epochs,
            decay=self.decay or _LAST_RATE ** (1 / max_epochs),
            classes=labels.classes,
        )
        check_loss(made.loss, made.decoder, low, high)
        if made.loss == "cross_entropy" and len(made.widths) > 1 and made.activation != "sigmoid":
            rule = "be sigmoid for more than one layer with the loss cross_entropy"
            remedy = "The codes are the data of the next layer. Or leave `loss` out."
            raise InvalidValue("activation", rule, repr(made.activation), remedy)
        most = min(split.features, *made.widths)
        if made.tangents > most:
            rule = f"be at most {most}, the smallest number of features or units"
            raise InvalidValue("tangents", rule, made.tangents, "Give a smaller number.")
        weights = sum(below * above for below, above in pairwise((split.features, *made.widths)))
        check_fits("the network", _COPIES * 4 * weights, "Give smaller `hidden` widths.")
        return made

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer of completed settings."""
        assert self.hidden is not None
        return self.hidden

    def build(self, features: int) -> tuple[Autoencoder, ...]:
        """Return the layers of completed settings with fresh weights."""
        assert self.decoder is not None
        given: Any = {"activation": self.activation, "output": self.decoder, "center": self.center, "seed": self.seed}
        return stack(features, self.widths, **given)

    def classifier(self, layers: tuple[Autoencoder, ...]) -> Classifier:
        """Return copies of the layers' encoders with a fresh output layer."""
        assert self.output is not None and self.classes is not None
        num = len(self.classes)
        return Classifier(encoder(layers), self.widths[-1], num, output=self.output, seed=self.seed)

    def make_objective(self) -> Objective:
        """Return the objective that pretraining minimises."""
        return ObjectiveSettings(self.objective, self.weight, self.loss).make()


def _epochs(rows: int, batch_size: int, *, steps: int, least: int) -> int:
    """Epochs that make so many steps, within bounds."""
    return min(_MOST_EPOCHS, max(least, math.ceil(steps / math.ceil(rows / batch_size))))
