"""What is measured of a trained autoencoder: one record per metric, from which tables, files and pages are made.

A new metric is a function, usually in `contractive.analysis`, and its record here.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from contractive import analysis
from contractive.core.errors import first_line
from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import Gaussian
from contractive.training import principal_components

NOISE_LEVELS = (0.25, 0.5, 1.0, 1.5)
_SENSITIVITY_LEVEL = 0.5
_NORM_ROWS = 1000
_PROBE_ROWS = 10_000
_COMPONENT_ROWS = 20_000
# what measurements raise on rows and models for which they have no answer, those of linear algebra included
MEASURING_ERRORS = (ValueError, RuntimeError, ArithmeticError, LookupError)
Labelled = tuple[np.ndarray, np.ndarray, np.ndarray]
logger = logging.getLogger(__name__)


@dataclass
class Subject:
    """A trained autoencoder and rows to measure it on; what several metrics need is computed once, when first used."""

    autoencoder: Autoencoder  # in evaluation mode
    x: Tensor  # prepared rows, (rows, features)
    noise_unit: float  # standard deviation of noise of level 1 (`noise_unit`)
    generator: torch.Generator  # source of the noise
    labelled: Labelled | None = None  # training rows, their labels, and those of `x`

    @cached_property
    def reconstruction(self) -> analysis.Reconstruction:
        """Reconstruction error of every row."""
        return analysis.reconstruction(self.autoencoder, self.x)

    @cached_property
    def norms(self) -> analysis.Norms:
        """Exact norms of the Jacobian at up to 1000 rows."""
        return analysis.norms(self.autoencoder.encoder, analysis.spread_rows(self.x, _NORM_ROWS))

    @cached_property
    def sensitivity(self) -> analysis.Sensitivity:
        """Change of the code under Gaussian noise of level 0.5."""
        noise = Gaussian(_SENSITIVITY_LEVEL * self.noise_unit)
        return analysis.sensitivity(self.autoencoder.encoder, self.x, noise, generator=self.generator)

    @cached_property
    def codes(self) -> analysis.Codes:
        """Activations of the units."""
        return analysis.codes(self.autoencoder.encoder, self.x)

    @cached_property
    def accuracies(self) -> dict[str, np.ndarray]:
        """Accuracy without noise and at each of `NOISE_LEVELS`, by classifier fitted to clean training codes."""
        from sklearn.neighbors import KNeighborsClassifier

        if self.labelled is None:
            return {}
        rows, labels, expected = self.labelled
        train, labels = _codes(self.autoencoder, rows[:_PROBE_ROWS]), labels[:_PROBE_ROWS]
        classifiers = {"probe": linear_probe(train, labels), "knn": KNeighborsClassifier(5).fit(train, labels)}
        curves: dict[str, list[float]] = {name: [] for name in classifiers}
        for level in (0.0, *NOISE_LEVELS):
            noisy = Gaussian(level * self.noise_unit)(self.x, self.generator)
            codes = analysis.apply(self.autoencoder.encoder, noisy).numpy()
            for name, classifier in classifiers.items():
                curves[name].append(float(classifier.score(codes, expected)))
        return {name: np.array(curve) for name, curve in curves.items()}

    def accuracy(self, classifier: str, level: float) -> float | None:
        """Accuracy of one of the classifiers at a noise level; None without classes."""
        curve = self.accuracies.get(classifier)
        return None if curve is None else float(curve[(0.0, *NOISE_LEVELS).index(level)])


@dataclass(frozen=True)
class Metric:
    """One number of a trained autoencoder."""

    key: str  # its name in Python and in files
    label: str  # its name in tables and on pages
    unit: str = ""  # `%` for a share, stored as a fraction; otherwise what is counted; empty for a pure number
    better: Literal["", "lower", "higher"] = ""  # `lower`, `higher`, or empty where neither is
    group: str = "Other"  # metrics of one group stand together in tables
    help: str = ""  # one or two sentences: definition and source
    function: Callable[[Subject], float | None] | None = None  # None where a study measures it

    @property
    def heading(self) -> str:
        """The label with an arrow in the direction that is better."""
        return self.label + {"lower": " ↓", "higher": " ↑", "": ""}[self.better]

    def text(self, value: float | None, sd: float | None = None) -> str:
        """Return a value with its standard deviation as a cell of a table; shares in per cent, a dash if missing."""
        if value is None or not math.isfinite(value):
            return "–"
        if self.unit == "%":
            return f"{100 * value:.1f}" + (f" ± {100 * sd:.1f}" if sd is not None else "") + "\N{NO-BREAK SPACE}%"
        return f"{value:.4g}" + (f" ± {sd:.1g}" if sd is not None else "")


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "reconstruction_error", "error", "", "lower", "Reconstruction",
            "Squared reconstruction error per example, summed over features (scaled data).",
            lambda subject: subject.reconstruction.mean,
        ),
        Metric(
            "r2", "R²", "", "higher", "Reconstruction",
            "Share of the variance of the rows that is reconstructed; 0 is no better than their mean.",
            lambda subject: subject.reconstruction.r2,
        ),
        Metric(
            "squared_norm", "‖J‖²", "", "lower", "Jacobian",
            "Mean squared Frobenius norm of the encoder's Jacobian, exact, at up to 1000 rows.",
            lambda subject: float(subject.norms.squared_frobenius.mean()),
        ),
        Metric(
            "operator_norm", "σ max, mean", "", "lower", "Jacobian",
            "Mean largest singular value of the Jacobian: how much a small step is stretched at most.",
            lambda subject: float(subject.norms.operator.mean()),
        ),
        Metric(
            "operator_norm_max", "σ max, largest", "", "lower", "Jacobian",
            "Largest singular value of the Jacobian over these rows.",
            lambda subject: float(subject.norms.operator.max()),
        ),
        Metric(
            "contractive_share", "σ max ≤ 1", "%", "higher", "Jacobian",
            "Share of these rows where the encoder stretches no direction.",
            lambda subject: subject.norms.contractive_share,
        ),
        Metric(
            "sensitivity", "raw sensitivity", "", "lower", "Sensitivity to noise",
            "Mean of ‖dz‖ / ‖dx‖, the change of the code per change of the input, under Gaussian noise of level 0.5."
            " It also falls when a code is merely rescaled.",
            lambda subject: subject.sensitivity.mean,
        ),
        Metric(
            "scale_free_sensitivity", "scale-free sensitivity", "", "lower", "Sensitivity to noise",
            "Change of the code per change of the input, under Gaussian noise of level 0.5, each relative to the spread"
            " of code and data: it is the same when a code is rescaled. At 1, the code changes as much as the data.",
            lambda subject: subject.sensitivity.scale_free,
        ),
        Metric(
            "saturation", "saturated", "%", "", "Code",
            "Share of activations below 0.05 or above 0.95 (Rifai et al. 2011); for codes between 0 and 1.",
            lambda subject: subject.codes.saturation,
        ),
        Metric(
            "dead", "dead units", "%", "lower", "Code",
            "Share of code units that hardly vary: their standard deviation is below 1 % of the largest unit's.",
            lambda subject: subject.codes.dead,
        ),
        Metric(
            "probe_accuracy", "linear probe", "%", "higher", "Accuracy",
            "Accuracy of logistic regression on the codes, fitted to codes of training rows.",
            lambda subject: subject.accuracy("probe", 0.0),
        ),
        Metric(
            "knn_accuracy", "nearest neighbours", "%", "higher", "Accuracy",
            "Accuracy of the 5 nearest neighbours among the codes of training rows.",
            lambda subject: subject.accuracy("knn", 0.0),
        ),
        Metric(
            "probe_accuracy_noisy", "linear probe, noisy", "%", "higher", "Accuracy",
            "Accuracy of the same linear probe on codes of inputs with Gaussian noise of level 1.",
            lambda subject: subject.accuracy("probe", 1.0),
        ),
        Metric(
            "knn_accuracy_noisy", "nearest neighbours, noisy", "%", "higher", "Accuracy",
            "Accuracy of the nearest neighbours on codes of inputs with Gaussian noise of level 1.",
            lambda subject: subject.accuracy("knn", 1.0),
        ),
        Metric(
            "seconds_per_epoch", "seconds per epoch", "s", "", "Time",
            "Median wall-clock time of an epoch while other fits ran at the same time: a hint, no benchmark.",
        ),
    )
}  # fmt: skip


def measure(subject: Subject) -> dict[str, float]:
    """Return the metrics that apply to the subject, by key; one whose measurement fails is left out with a warning.

    They are measured in the order of `METRICS`: those that draw noise share one generator, so a new one goes last.
    """
    found = {}
    for key, metric in METRICS.items():
        try:
            value = metric.function(subject) if metric.function else None
        except MEASURING_ERRORS as error:
            logger.warning("Not measured: %s (%s).", metric.label, first_line(error))
            continue
        if value is not None:
            found[key] = value
    return found


def components_of(split: Split, code: int) -> Autoencoder:
    """Return principal components of the training rows, as many as a code has numbers: the baseline of every table.

    A linear autoencoder, whose code are the scores, of `first_rows`.
    """
    return principal_components(first_rows(split), code).autoencoder(code)


def first_rows(split: Split) -> Tensor:
    """Return all training rows in memory; of streamed ones the first 20,000."""
    rows = split.train if isinstance(split.train, np.ndarray) else split.train[: min(_COMPONENT_ROWS, len(split.train))]
    return torch.from_numpy(np.asarray(rows))


def measure_components(
    linear: Autoencoder, split: Split, rows: np.ndarray, *, seed: int = 0, labelled: Labelled | None = None
) -> dict[str, float]:
    """Return the metrics of `components_of` on validation or test rows; none of fewer than two rows.

    Those that do not exist of an unbounded code are left out. `labelled` is as in `Subject`.
    """
    if len(rows) < 2:
        return {}
    generator = torch.Generator().manual_seed(seed)
    found = measure(Subject(linear, torch.from_numpy(rows), noise_unit(split), generator, labelled))
    return {key: value for key, value in found.items() if not math.isnan(value)}


def noise_unit(split: Split) -> float:
    """Root mean square over features of their standard deviation in the training data: noise of level 1.

    Of streamed training data the validation rows are taken.
    """
    rows = split.train if isinstance(split.train, np.ndarray) else split.validation
    return float(np.sqrt(rows.reshape(len(rows), -1).var(0).mean()))


def linear_probe(codes: np.ndarray, labels: np.ndarray) -> Any:
    """Return a logistic regression fitted to standardised codes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(codes, labels)


def probe_accuracies(autoencoder: Autoencoder, split: Split) -> tuple[float, float]:
    """Return the accuracy of a linear probe, fitted to training codes, on validation and on test codes."""
    assert split.labels is not None
    train, validation, test = (
        _codes(autoencoder, x) for x in (split.train[:_PROBE_ROWS], split.validation, split.test)
    )
    probe = linear_probe(train, split.labels[0][:_PROBE_ROWS])
    return float(probe.score(validation, split.labels[1])), float(probe.score(test, split.labels[2]))


def _codes(autoencoder: Autoencoder, rows: np.ndarray) -> np.ndarray:
    return analysis.apply(autoencoder.encoder, torch.from_numpy(rows)).numpy()
