"""An analysis as one JSON document."""

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from contractive import analysis as measures
from contractive.studies.sections._analyze import Analysis
from contractive.studies.sections._figures import figures

FORMAT = 1
_PACKAGES = ("contractive", "torch", "numpy", "scikit-learn", "plotly", "umap-learn")
_MOST_LISTED = 1024


def document(analysis: Analysis, *, run: Mapping[str, Any] | None = None, command: str = "") -> dict[str, Any]:
    """Everything an analysis found: figures with units, small arrays whole, long ones as quantiles.

    Args:
        analysis: From `analyze`.
        run: What is to be said of the run, JSON-able.
        command: That repeats it.
    """
    rows = analysis.rows
    return {
        "format": FORMAT,
        "name": analysis.name,
        "command": command,
        "run": dict(run or {}),
        "data": {
            "name": rows.name,
            "features": rows.features,
            "image_shape": list(rows.image_shape) if rows.image_shape else None,
            "feature_names": list(rows.names) or None,
            "classes": list(rows.classes) or None,
            "measured": {"part": rows.measured_name, "rows": len(rows.measured)},
            "reference": {"part": rows.reference_name, "rows": len(rows.reference)},
            "available": dict(rows.available),
            "noise_unit": rows.unit,
            "notes": list(rows.notes),
        },
        "settings": asdict(analysis.settings),
        "facts": asdict(analysis.facts),
        "versions": _versions(),
        "warnings": list(analysis.results["reconstruction"].collapsed) if "reconstruction" in analysis.results else [],
        "seconds": sum(analysis.seconds.values()),
        "sections": {name: _section(name, analysis) for name in analysis.results},
        "left_out": dict(analysis.left_out),
    }


def _section(name: str, analysis: Analysis) -> dict[str, Any]:
    result = analysis.results[name]
    return {
        "figures": {
            key: {"label": f.label, "value": finite(f.value), "unit": f.unit, "explain": f.explain}
            for key, f in figures(name, result).items()
        },
        "arrays": arrays(result),
        "seconds": round(analysis.seconds[name], 3),
    }


def arrays(result: Any) -> dict[str, Any]:
    """The small arrays of a result as lists, rounded to 5 digits; those with a value per row as quantiles."""
    found: dict[str, Any] = {}
    if isinstance(result, measures.Spectra):
        found = {"mean": result.mean} | {f"quantile {q:g}": result.quantile(q) for q in (0.05, 0.95)}
    elif isinstance(result, measures.ContractionCurve):
        found = {name: getattr(result, name) for name in ("radii", "mean", "root_mean_square", "low", "high")}
    elif isinstance(result, measures.Directions):
        found = {name: getattr(result, name) for name in ("index", "variances", "squared_sensitivities")}
    elif isinstance(result, measures.Codes):
        found = {name: getattr(result, name) for name in ("mean", "deviation", "unit_saturation", "unit_entropy")}
    elif isinstance(result, measures.Norms):
        found = {f"{name} quantiles": _quantiles(getattr(result, name)) for name in ("squared_frobenius", "operator")}
    elif isinstance(result, measures.EvaluationPoints):
        found = {f"σ max quantiles, {place}": _quantiles(norms.operator) for place, norms in result.norms.items()}
        found |= {f"distance quantiles, {place}": _quantiles(away) for place, away in result.distances.items()}
    elif hasattr(result, "feature_norms") and hasattr(result, "groups"):
        found = {f"‖∂z/∂x‖, {name}": row for name, row in zip(result.groups, result.feature_norms, strict=True)}
    return {name: _listed(values) for name, values in found.items() if values.numel() <= _MOST_LISTED}


def _quantiles(values: Tensor) -> Tensor:
    return torch.quantile(values.double(), torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64))


def _listed(values: Tensor) -> list[float | None]:
    return [None if not math.isfinite(value) else float(f"{value:.5g}") for value in values.flatten().tolist()]


def finite(value: float) -> float | None:
    """The value, or None for what JSON does not have."""
    return value if math.isfinite(value) else None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
