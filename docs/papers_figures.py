"""Draws the pictures of papers.md from the results in reproduce/results; used by the hook that builds the site."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from contractive import plots
from contractive.analysis import ContractionCurve

RESULTS = Path(__file__).parents[1] / "reproduce" / "results" / "figures.json"
NETS = {"AE": "standard", "CAE": "contractive", "DAE-g": "denoising", "DAE-b": "masking", "AE+wd": "weight decay"}


def figures(path: Path = RESULTS) -> dict[str, Any]:
    """{name: figure as plotly reads it} of every picture for which there are results."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}
    found = {}
    for data in ("mnist", "cifar"):
        if curves := {word: curve(rows[f"{data} {net}"]) for net, word in NETS.items() if f"{data} {net}" in rows}:
            with plots.in_order(list(curves)):
                found[f"{data}-curves"] = plots.contraction_curves(curves)
    if depths := [curve(rows[name]) for name in ("depth 1", "depth 2", "depth 3") if name in rows]:
        found["depth-curves"] = plots.contraction_by_depth({"contractive": depths})
    return {name: json.loads(figure.to_json() or "{}") for name, figure in found.items()}


def curve(row: Mapping[str, Any]) -> ContractionCurve:
    """The curve that `analysis.contraction_curve` has measured."""
    parts = {name: torch.tensor(row[name]) for name in ("radii", "mean", "root_mean_square", "low", "high")}
    return ContractionCurve(**parts, distances=tuple(row["distances"]))
