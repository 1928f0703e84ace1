"""All sections of one model."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contractive.models import Autoencoder
from contractive.studies.sections._applies import Facts, facts_of, left_out
from contractive.studies.sections._measure import MEASURES, AnalysisSettings, Subject
from contractive.studies.sections._rows import Rows

Watcher = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Analysis:
    """What was measured of one model.

    Attributes:
        name: Kind of autoencoder, or any name; it decides on the colour.
        rows: What it was measured on.
        facts: What decided on the sections.
        settings: How much was measured.
        results: By section, the dataclass that its measure returned.
        left_out: By section, why it does not apply.
        seconds: By section.
    """

    name: str
    rows: Rows
    facts: Facts
    settings: AnalysisSettings
    results: Mapping[str, Any]
    left_out: Mapping[str, str]
    seconds: Mapping[str, float]


def analyze(
    autoencoder: Autoencoder,
    rows: Rows,
    settings: AnalysisSettings = AnalysisSettings(),  # noqa: B008
    *,
    name: str = "contractive",
    only: Iterable[str] | None = None,
    watch: Watcher = lambda section, done, total: None,
) -> Analysis:
    """Measure every section that applies, or of those the ones named in `only`.

    Args:
        autoencoder: In evaluation mode.
        rows: Prepared rows, from `read_rows` or `rows_of_split`.
        settings: How much.
        name: Of the model in pictures.
        only: Names from `MEASURES`.
        watch: Called before each section with its name, the number of sections done and of all; and at the end.

    Raises:
        ValueError: An unknown section, or rows that a measure refuses.
    """
    wanted = list(MEASURES) if only is None else list(only)
    unknown = [section for section in wanted if section not in MEASURES]
    if unknown:
        raise ValueError(f"only must name sections among {', '.join(MEASURES)}, got {unknown[0]!r}. Check it.")
    autoencoder.eval()
    facts = facts_of(autoencoder, rows)
    reasons = left_out(facts)
    chosen = [section for section in wanted if section not in reasons]
    subject, results, seconds = Subject(autoencoder, rows, settings), {}, {}
    for done, section in enumerate(chosen):
        watch(section, done, len(chosen))
        began = time.perf_counter()
        results[section] = MEASURES[section](subject)
        seconds[section] = time.perf_counter() - began
    watch("", len(chosen), len(chosen))
    return Analysis(name, rows, facts, settings, results, reasons, seconds)
