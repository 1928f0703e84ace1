"""Open a run that ends in a classifier."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from contractive.data import BROKEN_FILE_ERRORS
from contractive.models import Classifier, StorageError, read_config
from contractive.studies.classifier_runs._judge import Mistakes
from contractive.studies.classifier_runs._metrics import wrong_metric
from contractive.studies.classifier_runs._settings import Settings
from contractive.studies.runs import AnyRun, Run, RunError, open_run
from contractive.studies.runs._folder import CLASSIFIER, Files, task_of
from contractive.studies.runs._open import opened, read_table


class Probabilities(nn.Module):
    """A classifier whose result is the probabilities of its classes, (rows, classes)."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Of the rows x (rows, features), prepared."""
        return self.classifier.probabilities(self.classifier(x))


@dataclass(frozen=True)
class ClassifierRun(AnyRun):
    """A run on disk: a classifier. Its attributes are those of `AnyRun`."""

    settings: Settings

    task = CLASSIFIER
    settings_type = Settings

    @property
    def num_units(self) -> int:
        """Numbers per code: units of the highest layer."""
        return self.widths[-1]

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer.

        Raises:
            RunError: The configuration does not say.
        """
        if self.settings.hidden is None or self.settings.output is None or self.settings.decoder is None:
            raise RunError(f"{self.folder}/config.json must say the layers, got none. It was changed; train again.")
        return self.settings.hidden

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels it tells apart, by class number: whole numbers or texts.

        Raises:
            RunError: The configuration does not say.
        """
        found = self.config.get("classes")
        if not isinstance(found, list) or len(found) < 2 or not all(type(name) in (int, str) for name in found):
            raise RunError(f"{self.folder}/config.json must list the classes, got none. It was changed; train again.")
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as texts."""
        return tuple(map(str, self.classes))

    def classifier(self) -> Classifier:
        """The fine-tuned classifier, in evaluation mode; it takes prepared rows and gives logits.

        Raises:
            RunError: Training has not come to its end.
            StorageError: Broken files.
        """
        self.check_trained()
        path, widths = Files(self.folder).model, self.widths
        try:
            weights = load_file(path)
        except (OSError, ValueError, SafetensorError) as error:
            raise StorageError(f"{path} must hold the weights, got: {str(error).rstrip('.')}. Train again.") from error
        if {name: tuple(part.shape) for name, part in weights.items()} != self._shapes(widths):
            raise StorageError(f"{path} must hold the weights that config.json describes, got others. Train again.")
        classifier = self.settings.classifier(self.settings.build(self.preparation.features), len(self.classes))
        classifier.load_state_dict(weights)
        return classifier.eval()

    def _shapes(self, widths: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Of the weights; known before anything is made, since a changed file may ask for too much."""
        sizes = (self.preparation.features, *widths)
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (below, above) in enumerate(pairwise(sizes)):
            at = f"encoder.{2 * layer}"  # an activation between any two
            shapes |= {f"{at}.weight": (above, below), f"{at}.bias": (above,)}
        return shapes | {"linear.weight": (len(self.classes), sizes[-1]), "linear.bias": (len(self.classes),)}

    def parts(self) -> dict[str, nn.Module]:
        """`encoder`, the fine-tuned layers, and `classifier`, the probabilities."""
        classifier = self.classifier()
        return {"encoder": classifier.encoder, "classifier": Probabilities(classifier).eval()}

    def pretraining(self) -> list[dict[str, float]]:
        """The rows of `pretraining.csv`: as `history()` of an autoencoder, with `layer` from 1."""
        return read_table(Files(self.folder).pretraining)

    def mistakes(self) -> Mistakes:
        """The test rows that it is surest about and wrong.

        Raises:
            RunError: A broken file.
        """
        path = Files(self.folder).mistakes
        try:
            with np.load(path, allow_pickle=False) as stored:
                found = Mistakes(**{name: stored[name] for name in Mistakes.__dataclass_fields__})
        except BROKEN_FILE_ERRORS as error:
            raise RunError(f"{path} must hold the mistakes, got: {error}. Train again.") from error
        lengths = {array.shape[:1] for array in vars(found).values()}
        inside = [bool(((array < len(self.classes)) & (array >= -1)).all()) for array in (found.true, found.given)]
        if len(lengths) > 1 or found.rows.shape[1:] != (self.preparation.features,) or not all(inside):
            raise RunError(f"{path} must hold rows of the data, got others. Train again.")
        return found

    def _wrong_metric(self, metrics: dict[str, Any]) -> str:
        return wrong_metric(metrics, len(self.classes))


def open_classifier(folder: str | Path) -> ClassifierRun:
    """Open the folder of a run of `contractive classify`.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    return opened(ClassifierRun, Path(folder))


def open_any(folder: str | Path) -> Run | ClassifierRun:
    """Open the folder of a run, be it an autoencoder or a classifier.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    try:
        found = task_of(read_config(Path(folder)))
    except StorageError:
        return open_run(folder)  # which says what is wrong
    return open_classifier(folder) if found == CLASSIFIER else open_run(folder)
