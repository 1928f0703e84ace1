"""Whether new rows differ from those that a detector was trained on, as one HTML file."""

from collections.abc import Sequence

from contractive.estimators import Drift
from contractive.report._html import render
from contractive.report._numbers import listing
from contractive.studies.pages import NBSP, Tile, described, shown
from contractive.studies.runs import DetectorRun

_RATE = 0.05  # of corrected p-values
_LEAST = 1e-16


def drift_html(run: DetectorRun, found: Drift, data: str, command: str = "") -> str:
    """Return the whole page as text; features with the smallest p-values come first."""
    num = len(found.features)
    values = sum(each.p_value <= _RATE for each in found.features)
    page = {
        "name": run.document.data.name,
        "data": data,
        "sentence": drift_sentence(found),
        "tiles": [
            Tile(f"{values} of {num}", "features with other values", f"corrected p-value at most {_RATE:g}"),
            Tile(f"{len(found.changed(_RATE))} of {num}", "features changed in any way", "values, along or off"),
            Tile(p_text(found.score), "p-value of the score", "how strange rows are as a whole"),
        ],
        "features": sorted(found.features, key=lambda each: (each.p_value, min(each.along, each.off))),
        "stretches": found.stretches,
        "rate": _RATE,
        "p_text": p_text,
        "settings": described(run.settings),
        "versions": run.document.versions,
        "command": command,
    }
    return render(page, "drift.html.jinja")


def drift_sentence(found: Drift, rate: float = _RATE) -> str:
    """Return whether the rows have changed, at a corrected p-value of at most `rate`, in which features, and where."""
    first = next((each for each in found.stretches if each.p_value <= rate), None)
    where = f" The first stretch that differs is that of rows {first.first:,} to {first.last:,}." if first else ""
    least = f"the smallest corrected p-value is {p_text(found.p_value).replace('<', 'below')}."
    if found.p_value > rate:
        return f"No change is found{' over all rows' if first else ''}: {least}{where}"
    values = [each.feature for each in found.features if each.p_value <= rate]
    related = [name for name in found.changed(rate) if name not in values]
    if values:
        others = f" The values of {_listed(related)} show no change, but how they go with the others does."
        return f"The rows have changed since training, in {_listed(values)}: {least}{others if related else ''}{where}"
    what = f"in how {_listed(related)} go with other features" if related else "as a whole and in no single feature"
    return f"The rows have changed since training, {what}: {least}{where}"


def _listed(names: Sequence[str]) -> str:
    return listing([*names[:10], *([f"{len(names) - 10} more"] if len(names) > 10 else [])])


def p_text(p_value: float) -> str:
    """Return a p-value as text; of one that floating-point numbers hardly hold, the bound that is sure."""
    return shown(p_value) if p_value >= _LEAST else f"<{NBSP}{shown(_LEAST)}"
