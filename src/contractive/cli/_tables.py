"""Figures as tables in the terminal, and the warnings that go with them."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contractive.studies.metrics import METRICS

_JUDGED = ("validation", "test")


def classifier_table(metrics: dict[str, Any]) -> Table:
    """Errors on validation and test rows, and what each layer was after pretraining."""
    number = metrics["epochs"]
    title = f"{_epochs(number)} of fine-tuning, best {metrics['best_epoch']}; {metrics['seconds']:.1f} s of training"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for part in _JUDGED:
        table.add_column(part, justify="right")
    parts = [metrics[part] for part in _JUDGED]
    table.add_row("error ↓", *(f"{part['error']:.2%}" for part in parts))
    table.add_row("95 % interval", *(f"{part['interval'][0]:.2%} to {part['interval'][1]:.2%}" for part in parts))
    table.add_row("wrong rows ↓", *(f"{part['wrong']} of {part['rows']:,}" for part in parts))
    table.add_row("negative log-likelihood, nats ↓", *(f"{part['loss']:.4g}" for part in parts))
    return table


def layers_table(metrics: dict[str, Any]) -> Table:
    """Each pretrained layer, on validation rows."""
    table = Table(title="Layers after pretraining, validation rows", title_justify="left")
    for column in ("layer", "units", "R² ↑", "‖J‖² ↓", "saturated", "dead ↓"):
        table.add_column(column, justify="right")
    for layer in metrics["pretraining"]:
        saturated = layer["saturation"]
        table.add_row(
            f"{layer['layer']}",
            f"{layer['units']}",
            f"{layer['r2']:.4g}",
            f"{layer['squared_norm']:.4g}",
            "" if saturated is None else f"{saturated:.1%}",
            f"{layer['dead']:.1%}",
        )
    return table


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"


def figures_table(metrics: dict[str, Any]) -> Table:
    """Validation and test figures side by side."""
    parts = [part for part in ("validation", "test") if part in metrics]
    epochs = _epochs(metrics["epochs"]) + (f", best {metrics['best_epoch']}" if metrics["stopped_early"] else "")
    table = Table(title=f"{epochs}, {metrics['seconds']:.1f} s of training", title_justify="left")
    table.add_column("")
    for part in parts:
        table.add_column(part, justify="right")
    for key, metric in METRICS.items():
        if any(key in metrics[part] for part in parts):
            table.add_row(metric.heading, *(metric.text(metrics[part].get(key)) for part in parts))
    return table


def say_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Each on a line of its own."""
    for warning in warnings:
        console.print(f"[bold yellow]Warning[/]: {escape(warning)}", soft_wrap=True)
