"""One fit of a comparison: a task that any process can do, and what comes of it."""

import math
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import torch

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
    """One objective at one weight from one seed; what is empty was not trained or not measured.

    Attributes:
        objective: Name of the objective.
        weight: Its weight; 0 without one.
        seed: Its seed.
        trial: Whether it is a trial of a search, which is not measured on test data.
        metrics: On test data, by key of `METRICS`.
        history: Rows per epoch, as of `History`; empty where training diverged.
        warnings: In plain sentences.
        penalty_path: How the Jacobian norm was computed in training.
        sections: Sections of an analysis of the first seed's model.
        arrays: Accuracies by noise level, `probe` and `knn`; of the first seed's model also `sensitivity` and
            `operator_norm` per test row, `reconstructions`, `noisy_reconstructions` and `filters`.
        state: Weights of the first seed's network.
    """

    objective: str
    weight: float
    seed: int
    trial: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
    penalty_path: str = ""
    sections: ShownSections = field(default_factory=ShownSections, repr=False)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    state: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def error(self) -> float:
        """Validation reconstruction error at the end; infinite where training diverged."""
        return self.history[-1]["val_reconstruction"] if self.history else math.inf


def train(task: Fit, split: Split, settings: CompareSettings) -> Fit:
    """Train on the training rows unless that is done, and measure on the test rows unless it is a trial."""
    torch.manual_seed(task.seed)
    autoencoder = settings.network.build(split.features, split.image_shape)
    if task.state:
        autoencoder.load_state_dict({name: torch.from_numpy(array) for name, array in task.state.items()})
        return _measured(task, autoencoder.eval(), split, settings)
    objective = OBJECTIVES[task.objective].make(task.weight, loss=LOSSES[settings.loss])
    options = replace(settings.training, seed=task.seed).options()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # table and report have the sentence
            history = fit(autoencoder, split.train, objective, validation=split.validation, progress=False, **options)
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
    return task if task.trial else _measured(task, autoencoder, split, settings)


def _measured(task: Fit, autoencoder: Autoencoder, split: Split, settings: CompareSettings) -> Fit:
    labelled = (split.train, split.labels[0], split.labels[2]) if split.labels is not None else None
    generator = torch.Generator().manual_seed(task.seed)
    subject = Subject(autoencoder, torch.from_numpy(split.test), noise_unit(split), generator, labelled)
    metrics = measure(subject)
    metrics["seconds_per_epoch"] = float(np.median([row["seconds"] for row in task.history]))
    if task.seed != settings.training.seed:
        return replace(task, metrics=metrics, arrays=subject.accuracies, state={})
    clean, noisy = map(torch.from_numpy, examples(split).values())
    first = next(autoencoder.encoder.parameters()).detach()
    with torch.no_grad():
        arrays = {
            "sensitivity": subject.sensitivity.ratios[:_DISTRIBUTION_ROWS].numpy(),
            "operator_norm": subject.norms.operator.numpy(),
            "reconstructions": autoencoder(clean).numpy(),
            "noisy_reconstructions": autoencoder(noisy).numpy(),
        }
    if first.ndim == 2:  # not of a convolution, whose filters are no pictures of rows
        arrays["filters"] = first[:_FILTERS].numpy().copy()
    sections = ShownSections.of(autoencoder, split)
    return replace(task, metrics=metrics, arrays=arrays | subject.accuracies, sections=sections)


def examples(split: Split) -> dict[str, np.ndarray]:
    """Return up to ten test rows, one of each label where there are labels, and the same with noise of level 1."""
    rows = split.test[:10]
    if split.labels is not None:
        _, first = np.unique(split.labels[2], return_index=True)
        rows = split.test[first[:10]]
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    return {"inputs": rows, "noisy_inputs": (torch.from_numpy(rows) + noise_unit(split) * noise).numpy()}
