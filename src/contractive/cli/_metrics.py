"""Metrics of a trained model as tables."""

from typing import Any

from contractive.cli._console import Console

_PARTS = ("validation", "test")


def metrics_table(console: Console, metrics: dict[str, Any]) -> None:
    """Print the metrics of an autoencoder on validation and test rows."""
    from contractive.studies.metrics import METRICS

    parts = [part for part in _PARTS if part in metrics]
    rows = [
        (metric.heading, *(metric.text(metrics[part].get(key)) for part in parts))
        for key, metric in METRICS.items()
        if any(key in metrics[part] for part in parts)
    ]
    best = f", best {metrics['best_epoch']}" if metrics["stopped_early"] else ""
    console.table(rows, ("", *parts), title=f"{_epochs(metrics)}{best}, {metrics['seconds']:.1f} s of training")


def classifier_tables(console: Console, metrics: dict[str, Any]) -> None:
    """Print the errors of a classifier on validation and test rows, and the metrics of its pretrained layers."""
    parts = [metrics[part] for part in _PARTS]
    rows = [
        ("error ↓", *(f"{part['error']:.2%}" for part in parts)),
        ("95 % interval", *(f"{part['interval'][0]:.2%} to {part['interval'][1]:.2%}" for part in parts)),
        ("wrong rows ↓", *(f"{part['wrong']} of {part['rows']:,}" for part in parts)),
        ("negative log-likelihood, nats ↓", *(f"{part['loss']:.4g}" for part in parts)),
    ]
    title = f"{_epochs(metrics)} of fine-tuning, best {metrics['best_epoch']}; {metrics['seconds']:.1f} s of training"
    console.table(rows, ("", *_PARTS), title=title)
    if metrics["pretraining"]:
        layers = [
            (
                layer["layer"],
                layer["units"],
                f"{layer['r2']:.4g}",
                f"{layer['squared_norm']:.4g}",
                "" if layer["saturation"] is None else f"{layer['saturation']:.1%}",
                f"{layer['dead']:.1%}",
            )
            for layer in metrics["pretraining"]
        ]
        headings = ("layer", "units", "R² ↑", "‖J‖² ↓", "saturated", "dead ↓")
        console.table(layers, headings, title="Layers after pretraining, validation rows", left=())


def _epochs(metrics: dict[str, Any]) -> str:
    return f"{metrics['epochs']} epoch{'' if metrics['epochs'] == 1 else 's'}"
