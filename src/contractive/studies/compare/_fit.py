"""One fit of a comparison: a task that any process can run, and what comes of it."""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.data import Split
from contractive.models import Autoencoder, mlp
from contractive.objectives import LOSSES, OBJECTIVES, Objective
from contractive.studies.compare._side_by_side import sections_of
from contractive.studies.metrics import Subject, measure, noise_unit
from contractive.training import CollapseWarning, History, TrainingDiverged, fit


@dataclass(frozen=True)
class Budget:
    """What every variant gets alike."""

    hidden: tuple[int, ...]
    code: int
    epochs: int
    batch_size: int
    learning_rate: float
    loss: str = "squared_error"
    output: str = "sigmoid"

    def build(self, features: int) -> Autoencoder:
        """The network: sigmoid encoder, ReLU decoder, sigmoid output for data in [0, 1], else a linear one."""
        return mlp(features, hidden=self.hidden, code=self.code, output=self.output)


@dataclass(frozen=True)
class Task:
    """Train one variant at one strength from one seed; measure it on test data only if asked."""

    variant: str
    strength: float
    seed: int
    measured: bool


@dataclass(frozen=True)
class Run:
    """What a task gave.

    Attributes:
        task: What was run.
        rows: The history.
        warnings: Plain sentences.
        penalty_path: How the Jacobian norm was computed in training.
        weights: State of the autoencoder.
        figures: Measures on test data; empty if not measured.
        arrays: What pictures are made of; empty if not measured.
        sections: Of seed 0, the packed results of the sections of an analysis; their arrays are among `arrays`.
    """

    task: Task
    rows: tuple[dict[str, float], ...]
    warnings: tuple[str, ...]
    penalty_path: str
    weights: dict[str, np.ndarray]
    figures: dict[str, float]
    arrays: dict[str, np.ndarray]
    sections: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Validation reconstruction error at the end; infinite where training diverged."""
        return self.rows[-1]["val_reconstruction"] if self.rows else math.inf


def train(task: Task, split: Split, budget: Budget) -> Run:
    """Fit on the training rows, judge on the validation rows, measure on the test rows if the task says so."""
    objective = OBJECTIVES[task.variant].make(task.strength, loss=LOSSES[budget.loss])
    torch.manual_seed(task.seed)
    autoencoder = budget.build(split.features)
    try:
        history = _fit(autoencoder, objective, split, budget, task.seed)
    except TrainingDiverged as error:
        if task.measured:
            raise
        return Run(task, (), (str(error),), "", {}, {}, {})  # a trial of a search: too strong
    weights = {name: tensor.numpy().copy() for name, tensor in autoencoder.state_dict().items()}
    run = Run(task, tuple(map(dict, history.rows)), history.warnings, history.penalty_path, weights, {}, {})
    return measured(run, split, budget) if task.measured else run


def _fit(autoencoder: Autoencoder, objective: Objective, split: Split, budget: Budget, seed: int) -> History:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the run carries the sentence to table and report
        return fit(
            autoencoder,
            split.train,
            objective,
            validation=split.validation,
            max_epochs=budget.epochs,
            batch_size=budget.batch_size,
            learning_rate=budget.learning_rate,
            schedule="cosine",
            seed=seed,
            device="cpu",
            progress=False,
        )


def measured(run: Run, split: Split, budget: Budget) -> Run:
    """The run with its figures on test data."""
    autoencoder = restore(run, split, budget)
    subject = Subject(
        autoencoder,
        torch.from_numpy(split.test),
        noise_unit(split),
        torch.Generator().manual_seed(run.task.seed),
        (split.train, split.labels[0], split.labels[2]) if split.labels is not None else None,
    )
    figures = measure(subject)
    arrays = {"sensitivity": subject.sensitivity.ratios[:1000].numpy(), "operator_norm": subject.norms.operator.numpy()}
    arrays |= subject.accuracies
    figures["seconds_per_epoch"] = float(np.median([row["seconds"] for row in run.rows]))
    arrays |= pictures(autoencoder, split)
    sections = sections_of(autoencoder, split, arrays) if run.task.seed == 0 else {}
    values: dict[str, Any] = {**run.__dict__, "figures": figures, "arrays": arrays, "sections": sections}
    return Run(**values)


def restore(run: Run, split: Split, budget: Budget) -> Autoencoder:
    """The trained autoencoder of a run."""
    autoencoder = budget.build(split.features)
    autoencoder.load_state_dict({name: torch.from_numpy(array) for name, array in run.weights.items()})
    return autoencoder.eval()


@torch.no_grad()
def pictures(autoencoder: Autoencoder, split: Split) -> dict[str, np.ndarray]:
    """Reconstructions of a few test rows, clean and noisy, and the first layer's filters."""
    x = torch.from_numpy(examples(split))
    noisy = noisy_examples(x, noise_unit(split))
    first = next(parameter for parameter in autoencoder.encoder.parameters() if parameter.ndim == 2)
    return {
        "reconstructions": autoencoder(x).numpy(),
        "noisy_reconstructions": autoencoder(noisy).numpy(),
        "filters": first[:32].numpy().copy(),
    }


def examples(split: Split) -> np.ndarray:
    """Up to ten test rows, one of each label where there are labels."""
    if split.labels is None:
        return split.test[:10]
    _, first = np.unique(split.labels[2], return_index=True)
    return split.test[first[:10]]


def noisy_examples(x: Tensor, unit: float) -> Tensor:
    """The same rows with Gaussian noise as large as a typical feature's standard deviation, the same in every run."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x + unit * noise
