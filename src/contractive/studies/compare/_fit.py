"""One fit of a comparison: a task that any process can do."""

import math
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import LOSSES, OBJECTIVES
from contractive.studies.compare._settings import CompareSettings
from contractive.studies.metrics import Subject, measure, noise_unit
from contractive.studies.side_by_side import ShownSections
from contractive.training import CollapseWarning, TrainingDiverged, fit

_FILTERS = 32
_DISTRIBUTION_ROWS = 1000


@dataclass(frozen=True)
class Fit:
    """One objective at one weight from one seed: before it is trained, afterwards, and measured.

    Attributes:
        objective: Its name.
        weight: 0 without one.
        seed: Its seed.
        trial: Whether it is a trial of a search, which is not measured on test data.
        state: Weights of the autoencoder; empty before training, and where training diverged.
        history: Rows per epoch; empty likewise.
        warnings: In plain sentences.
        penalty_path: How the Jacobian norm was computed in training.
        metrics: On test data; empty if not measured.
        arrays: Numbers behind pictures; empty if not measured.
        sections: Sections of an analysis, of the first seed.
        codes: Codes of a few rows, of the first seed.
    """

    objective: str
    weight: float
    seed: int
    trial: bool = False
    state: dict[str, np.ndarray] = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
    penalty_path: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    sections: ShownSections = field(default_factory=ShownSections)
    codes: Tensor | None = None

    @property
    def error(self) -> float:
        """Validation reconstruction error at the end; infinite where training diverged."""
        return self.history[-1]["val_reconstruction"] if self.history else math.inf


def train(task: Fit, split: Split, settings: CompareSettings) -> Fit:
    """Train on the training rows unless that is done, and measure on the test rows unless it is a trial."""
    torch.manual_seed(task.seed)
    autoencoder = settings.network.build(split.features, split.image_shape)
    if not task.state:
        objective = OBJECTIVES[task.objective].make(task.weight, loss=LOSSES[settings.loss])
        options = replace(settings.training, seed=task.seed).options()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollapseWarning)  # table and report have the sentence
                history = fit(
                    autoencoder, split.train, objective, validation=split.validation, progress=False, **options
                )
        except TrainingDiverged as error:
            if not task.trial:
                raise
            return replace(task, warnings=(str(error),))
        task = replace(
            task,
            state={name: tensor.numpy().copy() for name, tensor in autoencoder.state_dict().items()},
            history=tuple(map(dict, history.rows)),
            warnings=history.warnings,
            penalty_path=history.penalty_path,
        )
    if task.trial:
        return task
    autoencoder.load_state_dict({name: torch.from_numpy(array) for name, array in task.state.items()})
    return _measured(task, autoencoder.eval(), split, first=task.seed == settings.training.seed)


def _measured(task: Fit, autoencoder: Autoencoder, split: Split, *, first: bool) -> Fit:
    labelled = (split.train, split.labels[0], split.labels[2]) if split.labels is not None else None
    generator = torch.Generator().manual_seed(task.seed)
    subject = Subject(autoencoder, torch.from_numpy(split.test), noise_unit(split), generator, labelled)
    metrics = measure(subject)
    metrics["seconds_per_epoch"] = float(np.median([row["seconds"] for row in task.history]))
    clean, noisy = map(torch.from_numpy, examples(split).values())
    filters = next(parameter for parameter in autoencoder.encoder.parameters() if parameter.ndim == 2)
    with torch.no_grad():
        arrays = {
            "sensitivity": subject.sensitivity.ratios[:_DISTRIBUTION_ROWS].numpy(),
            "operator_norm": subject.norms.operator.numpy(),
            "reconstructions": autoencoder(clean).numpy(),
            "noisy_reconstructions": autoencoder(noisy).numpy(),
            "filters": filters[:_FILTERS].numpy().copy(),
        }
    found = replace(task, metrics=metrics, arrays=arrays | subject.accuracies)
    if not first:
        return found
    sections, codes = ShownSections.of(autoencoder, split)
    return replace(found, sections=sections, codes=codes)


def examples(split: Split) -> dict[str, np.ndarray]:
    """Return up to ten test rows, one of each label where there are labels, and the same with noise of level 1."""
    rows = split.test[:10]
    if split.labels is not None:
        _, first = np.unique(split.labels[2], return_index=True)
        rows = split.test[first[:10]]
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    return {"inputs": rows, "noisy_inputs": (torch.from_numpy(rows) + noise_unit(split) * noise).numpy()}
