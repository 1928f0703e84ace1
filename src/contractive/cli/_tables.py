"""Figures as tables in the terminal."""

from typing import Any

from rich.table import Table

_ROWS = {
    "reconstruction_error": "reconstruction error, summed over features ↓",
    "r2": "R² ↑",
    "squared_norm": "‖J‖², exact ↓",
    "operator_norm": "largest singular value of J, mean ↓",
    "contractive_share": "points where it is at most 1 ↑",
    "sensitivity": "‖dz‖/‖dx‖ under noise of level 0.5 ↓",
    "scale_free_sensitivity": "the same, scale-free ↓",
    "saturation": "saturated activations",
    "dead": "dead units ↓",
}


def figures_table(metrics: dict[str, Any]) -> Table:
    """Validation and test figures side by side."""
    parts = [part for part in ("validation", "test") if part in metrics]
    number = metrics["epochs"]
    epochs = f"{number} epoch{'' if number == 1 else 's'}" + (
        f", best {metrics['best_epoch']}" if metrics["stopped_early"] else ""
    )
    table = Table(title=f"{epochs}, {metrics['seconds']:.1f} s of training", title_justify="left")
    table.add_column("")
    for part in parts:
        table.add_column(part, justify="right")
    for name, words in _ROWS.items():
        table.add_row(words, *(f"{metrics[part][name]:.4g}" for part in parts))
    return table
