"""Those sections of an analysis that comparisons and sweeps show of their models side by side: cheap ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from contractive import analysis
from contractive.data import Split
from contractive.models import Autoencoder
from contractive.studies.sections import AnalysisSettings, analyze, pack, rows_of_split

SHOWN = ("sensitivity", "contraction curve", "spectra", "codes", "map", "robustness")
SWEPT = ("norms", "sensitivity", "contraction curve", "spectra", "codes")
_ROWS = 10_000
_SETTINGS = AnalysisSettings(num_points=600, map_points=500, attack_points=200, umap=False)
_CODES = "codes of the same rows"
_LEAST = 12  # rows that can be measured


def sections_of(
    autoencoder: Autoencoder,
    split: Split,
    arrays: dict[str, np.ndarray],
    *,
    shown: tuple[str, ...] = SHOWN,
    limit: int = _ROWS,
) -> dict[str, Any]:
    """The packed results by section; what is long goes to `arrays`. Empty with fewer than 12 test rows."""
    if len(split.test) < _LEAST:
        return {}
    rows = rows_of_split(split, limit)
    found = dict(analyze(autoencoder, rows, _SETTINGS, only=shown).results)
    if "map" in found:
        found["map"] = replace(found["map"], inputs=rows.measured[:0])  # the same for all models
    arrays[_CODES] = analysis.apply(autoencoder.encoder, analysis.spread_rows(rows.measured, 1000)).numpy()
    return {name: pack(result, f"sections/{name}", arrays) for name, result in found.items()}


def similarities(arrays: dict[str, np.ndarray], names: tuple[str, ...], into: dict[str, np.ndarray]) -> Any:
    """The packed similarity of all models' codes, taken out of `arrays`; None with less than two that vary."""
    codes = {name: torch.from_numpy(arrays.pop(f"{name}/{_CODES}")) for name in names if f"{name}/{_CODES}" in arrays}
    varying = {name: code for name, code in codes.items() if float(code.std(0).max()) > 0}
    if len(varying) < 2:
        return None
    neighbours = min(10, len(next(iter(varying.values()))) - 1)
    return pack(analysis.similarities(varying, num_neighbors=neighbours), "similarity", into)


def class_names(split: Split) -> list[str] | None:
    """Names of the classes in the order of their numbers, None where there are none."""
    return list(rows_of_split(split, _ROWS).classes) or None if len(split.test) >= _LEAST else None
