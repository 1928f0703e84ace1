"""Whether new rows differ from those that a detector was trained on, as one HTML file."""

from contractive.estimators import Drift
from contractive.report._html import render
from contractive.studies.pages import described, shown
from contractive.studies.runs import DetectorRun


def drift_html(run: DetectorRun, found: Drift, data: str, command: str = "") -> str:
    """Return the whole page as text; features with the smallest p-values come first."""
    page = {
        "name": run.document.data.name,
        "data": data,
        "sentence": drift_sentence(found),
        "features": sorted(found.features, key=lambda each: min(each.p_value, each.along, each.off)),
        "stretches": found.stretches,
        "shown": shown,
        "settings": described(run.settings),
        "versions": run.document.versions,
        "command": command,
    }
    return render(page, "drift.html.jinja")


def drift_sentence(found: Drift, rate: float = 0.05) -> str:
    """Return whether the rows have changed, at a corrected p-value of at most `rate`, in which features, and where."""
    first = next((each for each in found.stretches if each.p_value <= rate), None)
    differ = (
        "" if first is None else f" The first stretch that differs is that of rows {first.first:,} to {first.last:,}."
    )
    if found.p_value > rate:
        whole = " over all rows" if differ else ""
        return f"No change is found{whole}: the smallest corrected p-value is {shown(found.p_value)}.{differ}"
    names, end = found.changed(rate), f"the smallest corrected p-value is {shown(found.p_value)}.{differ}"
    if not names:
        return f"The rows have changed since training. They are stranger as a whole, in no single feature: {end}"
    where = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return f"The rows have changed since training, in {where}: {end}"
