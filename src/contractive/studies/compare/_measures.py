"""What is measured of each trained model, on test data only, with the words and units the tables show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from contractive import analysis
from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import Gaussian
from contractive.studies.runs import measured

NOISE_LEVELS = (0.25, 0.5, 1.0, 1.5)
_NORM_ROWS = 1000
_PROBE_ROWS = 10_000


@dataclass(frozen=True)
class Measure:
    """One column of the table.

    Attributes:
        label: Column heading.
        better: `lower`, `higher`, or empty where neither is.
        explain: One line with unit and source.
    """

    label: str
    better: str
    explain: str


MEASURES: dict[str, Measure] = {
    "reconstruction_error": Measure(
        "error", "lower", "Squared reconstruction error per example, summed over features (scaled data)."
    ),
    "r2": Measure("R²", "higher", "Share of the test data's variance reconstructed; 0 is no better than the mean."),
    "squared_norm": Measure(
        "‖J‖²", "lower", "Mean squared Frobenius norm of the encoder's Jacobian, exact, at up to 1000 test points."
    ),
    "operator_norm": Measure("σ mean", "lower", "Mean largest singular value of the Jacobian."),
    "operator_norm_max": Measure("σ max", "lower", "Largest singular value of the Jacobian over these points."),
    "contractive_share": Measure("σ ≤ 1", "higher", "Share of these points where the encoder stretches no direction."),
    "sensitivity": Measure(
        "‖dz‖/‖dx‖", "lower", "Mean movement of the code per movement of the input, Gaussian noise of level 0.5."
    ),
    "scale_free_sensitivity": Measure(
        "scale-free",
        "lower",
        "The same relative to the spread of code and data: does not change when a code is merely rescaled."
        " 1: noise moves the code as much as it moves the data.",
    ),
    "saturation": Measure("saturated", "", "Share of activations below 0.05 or above 0.95 (Rifai et al. 2011)."),
    "dead": Measure("dead", "lower", "Share of code units that hardly vary (under 1 % of the liveliest)."),
    "probe_accuracy": Measure("linear", "higher", "Test accuracy of logistic regression on the codes."),
    "knn_accuracy": Measure("kNN", "higher", "Test accuracy of the 5 nearest neighbours among the codes."),
    "probe_accuracy_noisy": Measure(
        "linear, noisy", "higher", "The same classifier on codes of test inputs with Gaussian noise of level 1."
    ),
    "knn_accuracy_noisy": Measure("kNN, noisy", "higher", "Nearest neighbours under Gaussian noise of level 1."),
    "seconds_per_epoch": Measure(
        "s/epoch", "", "Median wall-clock time of an epoch while other fits ran beside it: a hint, no benchmark."
    ),
}


def feature_sd(train: np.ndarray) -> float:
    """Root mean square over features of their standard deviation: the unit of the noise levels."""
    return float(np.sqrt(train.reshape(len(train), -1).var(0).mean()))


def measure(autoencoder: Autoencoder, split: Split, seed: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """All figures of one model, and the arrays that pictures are made of. Test rows are used here and nowhere else."""
    autoencoder.eval()
    test = torch.from_numpy(split.test)
    unit = feature_sd(split.train)
    generator = torch.Generator().manual_seed(seed)
    figures, moved, norms = measured(autoencoder, test, unit, generator)
    arrays = {"sensitivity": moved.ratios[:_NORM_ROWS].numpy(), "operator_norm": norms.operator.numpy()}
    if split.labels is not None:
        accuracies = accuracy_under_noise(autoencoder, split, unit, generator)
        arrays |= accuracies
        figures |= {f"{name}_accuracy": float(curve[0]) for name, curve in accuracies.items()}
        at_one = 1 + NOISE_LEVELS.index(1.0)
        figures |= {f"{name}_accuracy_noisy": float(curve[at_one]) for name, curve in accuracies.items()}
    return figures, arrays


def accuracy_under_noise(
    autoencoder: Autoencoder, split: Split, unit: float, generator: torch.Generator
) -> dict[str, np.ndarray]:
    """Accuracy on clean test inputs and at each noise level, of classifiers fitted to clean training codes."""
    from sklearn.neighbors import KNeighborsClassifier

    assert split.labels is not None
    train = analysis.apply(autoencoder.encoder, torch.from_numpy(split.train[:_PROBE_ROWS])).numpy()
    labels = split.labels[0][:_PROBE_ROWS]
    classifiers = {
        "probe": linear_probe(train, labels),
        "knn": KNeighborsClassifier(5).fit(train, labels),
    }
    curves: dict[str, list[float]] = {name: [] for name in classifiers}
    test = torch.from_numpy(split.test)
    for level in (0.0, *NOISE_LEVELS):
        codes = analysis.apply(autoencoder.encoder, Gaussian(level * unit)(test, generator)).numpy()
        for name, classifier in classifiers.items():
            curves[name].append(float(classifier.score(codes, split.labels[2])))
    return {name: np.array(curve) for name, curve in curves.items()}


def linear_probe(codes: np.ndarray, labels: np.ndarray) -> Any:
    """Logistic regression on standardised codes, fitted."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(codes, labels)


def probe_accuracies(autoencoder: Autoencoder, split: Split) -> tuple[float, float]:
    """Accuracy on validation and on test codes of a linear probe fitted to training codes."""
    assert split.labels is not None
    train, validation, test = (
        analysis.apply(autoencoder.encoder, torch.from_numpy(rows)).flatten(1).numpy()
        for rows in (split.train[:_PROBE_ROWS], split.validation, split.test)
    )
    probe = linear_probe(train, split.labels[0][:_PROBE_ROWS])
    return float(probe.score(validation, split.labels[1])), float(probe.score(test, split.labels[2]))
