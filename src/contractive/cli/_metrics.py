"""Metrics of a trained model as tables."""

from typing import TYPE_CHECKING

from contractive.cli._console import Console

if TYPE_CHECKING:
    from contractive.studies.runs import AutoencoderMetrics, ClassifierMetrics

_PARTS = ("validation", "test")


def metrics_table(console: Console, metrics: "AutoencoderMetrics") -> None:
    """Print the metrics of an autoencoder on validation and test rows."""
    from contractive.studies.metrics import METRICS

    parts = {name: found for name in _PARTS if (found := getattr(metrics, name)) is not None}
    rows = [
        (metric.heading, *(metric.text(found.get(key)) for found in parts.values()))
        for key, metric in METRICS.items()
        if any(key in found for found in parts.values())
    ]
    best = f", best {metrics.best_epoch}" if metrics.stopped_early else ""
    console.table(rows, ("", *parts), title=f"{_epochs(metrics.epochs)}{best}, {metrics.seconds:.1f} s of training")


def classifier_tables(console: Console, metrics: "ClassifierMetrics") -> None:
    """Print the errors of a classifier on validation and test rows, and the metrics of its pretrained layers."""
    parts = (metrics.validation, metrics.test)
    rows = [
        ("error ↓", *(f"{part.error:.2%}" for part in parts)),
        ("95 % interval", *(f"{part.interval[0]:.2%} to {part.interval[1]:.2%}" for part in parts)),
        ("wrong rows ↓", *(f"{part.wrong} of {part.rows:,}" for part in parts)),
        ("negative log-likelihood, nats ↓", *(f"{part.loss:.4g}" for part in parts)),
    ]
    title = f"{_epochs(metrics.epochs)} of fine-tuning, best {metrics.best_epoch}; {metrics.seconds:.1f} s of training"
    console.table(rows, ("", *_PARTS), title=title)
    if metrics.pretraining:
        layers = [
            (
                layer.layer,
                layer.encoder.units,
                f"{layer.r2:.4g}",
                f"{layer.encoder.squared_norm:.4g}",
                "" if layer.encoder.saturation is None else f"{layer.encoder.saturation:.1%}",
                f"{layer.encoder.dead:.1%}",
            )
            for layer in metrics.pretraining
        ]
        headings = ("layer", "units", "R² ↑", "‖J‖² ↓", "saturated", "dead ↓")
        console.table(layers, headings, title="Layers after pretraining, validation rows", left=())


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"
