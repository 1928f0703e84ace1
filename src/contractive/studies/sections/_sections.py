"""All sections of the analysis in the order of the page, and the analysis of a model by them."""

import math
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contractive import analysis
from contractive.core.artifacts import Artifact
from contractive.core.errors import check_choice, first_line
from contractive.models import Autoencoder
from contractive.studies.documents import version
from contractive.studies.metrics import MEASURING_ERRORS
from contractive.studies.pages import Picture, Tile, first_sentence, shown
from contractive.studies.sections import _contraction, _directions, _examples, _reconstruction, _robustness, _units
from contractive.studies.sections._analysis import KIND, Analysis, AnalysisSettings, Facts, RunSummary, SectionResult
from contractive.studies.sections._contraction import TYPICAL
from contractive.studies.sections._rows import Rows
from contractive.studies.sections._section import Context, Section, Subject

SECTIONS: dict[str, Section[Any]] = {
    section.name: section
    for section in (
        _contraction.Norms(),
        _contraction.OnAndOffTheData(),
        _contraction.ContractionCurve(),
        _contraction.ContractionByDepth(),
        _contraction.Sensitivity(),
        _directions.Spectra(),
        _directions.Directions(),
        _directions.DirectionsByClass(),
        _examples.Features(),
        _examples.Examples(),
        _directions.TangentAgreement(),
        _reconstruction.Reconstruction(),
        _reconstruction.ReconstructionNorms(),
        _reconstruction.LocalDimension(),
        _reconstruction.VectorField(),
        _units.Codes(),
        _units.Map(),
        _units.Similarity(),
        _units.Filters(),
        _robustness.Robustness(),
    )
}
_PACKAGES = ("contractive", "torch", "numpy", "scikit-learn", "plotly", "umap-learn")
_FEW_ROWS = 100
_NO_CAVEAT = "No warning sign was found. One run does not show how much the numbers depend on the seed."
ProgressCallback = Callable[[str, int, int], None]


def analyze(
    autoencoder: Autoencoder,
    rows: Rows,
    settings: AnalysisSettings = AnalysisSettings(),  # noqa: B008
    *,
    name: str = "contractive",
    only: Iterable[str] | None = None,
    run: RunSummary = RunSummary(),  # noqa: B008
    command: str = "",
    on_progress: ProgressCallback = lambda section, done, total: None,
) -> Analysis:
    """Measure every section that applies, or of those the ones named in `only`; the model is put into evaluation mode.

    The rows are from `read_rows` or `rows_of_split`, `run` from `summary_of`; `name` is that of the model in pictures,
    and `command` repeats the analysis. Before each section, and at the end, `on_progress` is called with its name, the
    number of sections done and of all. A section whose measurement fails is left out with the reason.

    Raises:
        ValueError: An unknown section.
    """
    for section in () if only is None else (only := tuple(only)):
        check_choice("only", section, SECTIONS)
    facts = facts_of(autoencoder.eval(), rows)
    reasons = left_out(facts)
    chosen = [section for section in (SECTIONS if only is None else only) if section not in reasons]
    subject, found, began = Subject(autoencoder, rows, settings), {}, time.perf_counter()
    for done, section in enumerate(chosen):
        on_progress(section, done, len(chosen))
        started = time.perf_counter()
        try:
            result = (measured := SECTIONS[section]).measure(subject)
            described, listed = measured.described(result), measured.listed(result)
        except MEASURING_ERRORS as error:  # of rows or a model for which it has no answer; the others may have one
            reasons[section] = f"its measurement failed ({first_line(error)})"
            continue
        seconds = round(time.perf_counter() - started, 3)
        found[section] = SectionResult(described, listed, seconds, result)
    on_progress("", len(chosen), len(chosen))
    return Analysis(
        name=name,
        data=rows.data,
        facts=facts,
        settings=settings,
        sections=found,
        left_out=reasons,
        warnings=tuple(text for section in found for text in SECTIONS[section].warnings(found[section].result)),
        seconds=time.perf_counter() - began,
        versions=_versions(),
        run=run,
        command=command,
    )


def read_analysis(folder: str | Path) -> Analysis:
    """Read what `Analysis.write` wrote.

    Raises:
        ArtifactError: A missing or broken file, or one of another version.
    """
    stored = Artifact.read(folder, KIND, KIND).to(Analysis, folder)
    sections = {
        name: replace(section, result=SECTIONS[name].restored(section.result))
        for name, section in stored.sections.items()
        if name in SECTIONS
    }
    return replace(stored, sections=sections)


def facts_of(autoencoder: Autoencoder, rows: Rows) -> Facts:
    """Look at model and data for what decides which sections apply."""
    code = analysis.apply(autoencoder.encoder, analysis.spread_rows(rows.measured, 2000))
    encoder = autoencoder.encoder
    layers = [module for module in encoder.modules() if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)]
    return Facts(
        features=rows.data.features,
        code=code.shape[1],
        no_classes=rows.no_classes if rows.labels is None else "",
        smallest_class=int(torch.bincount(rows.labels).min()) if rows.labels is not None else 0,
        varies=bool(code.std(0, correction=0).max() > 0),
        layers=len(layers) if isinstance(encoder, nn.Sequential) else 0,
    )


def left_out(facts: Facts) -> dict[str, str]:
    """Return why a section is left out, by section; those that apply are not among them."""
    reasons = {name: section.reason_left_out(facts) for name, section in SECTIONS.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def section_pictures(results: Mapping[str, Mapping[str, Any]], context: Context) -> dict[str, list[Picture]]:
    """Draw the results by section, then by model, which may lack a section: pictures by section."""
    return {
        name: [replace(made, caption=made.caption + context.note) for made in section.pictures(results[name], context)]
        for name, section in SECTIONS.items()
        if results.get(name)
    }


def analysis_sentences(document: Analysis) -> list[tuple[str, str]]:
    """Return (topic, text) of what an analysis found: a paragraph per topic, the last with its caveats."""
    found: dict[str, list[str]] = {}
    for name, section in SECTIONS.items():
        if name in document.sections and (text := section.sentences(document)):
            found.setdefault(section.topic or section.title, []).append(text)
    found["Caveats"] = caveats(document) or [_NO_CAVEAT]
    return [(topic, " ".join(texts)) for topic, texts in found.items()]


def analysis_verdict(document: Analysis) -> str:
    """Return the result in one sentence: how much the code keeps, and how widely the encoder contracts.

    The scale of an unbounded code is arbitrary, so that the effect of noise relative to the spreads is given.
    """
    if document.warnings:
        return document.warnings[0]
    kept = document.value("reconstruction", f"r2:{document.rows}")
    share = document.value("norms", "contractive_share")
    if kept != kept or share != share:
        return first_sentence(analysis_sentences(document)[0][1])
    where = "all" if share == 1 else "none" if share == 0 else shown(share, "%")
    units = "1 number" if document.facts.code == 1 else f"{document.facts.code} numbers"
    keeps = f"{units} per row keep {shown(max(kept, 0.0), '%')} of the variance of the {document.rows}"
    linear, noise = document.value("reconstruction", "linear"), document.value("sensitivity", TYPICAL)
    is_unbounded = math.isnan(document.value("codes", "saturation"))
    if is_unbounded and linear == linear and noise == noise:
        return (
            f"{keeps}, as many principal components {shown(max(linear, 0.0), '%')}, and noise changes these numbers"
            f" {shown(noise)} times as much as it changes the row, each relative to its own spread."
        )
    return (
        f"{keeps}, and the encoder contracts at {where} of them: no small change of such a row changes the code by"
        " more than its own length."
    )


def analysis_tiles(document: Analysis) -> list[Tile]:
    """Return the few numbers at the top of the page, those of sections that were measured."""
    made = [SECTIONS[name].tile(document) for name in SECTIONS if name in document.sections]
    return [tile for tile in made if tile and tile.number != shown(None)]


def caveats(document: Analysis) -> list[str]:
    """Return sentences on why the numbers must not be taken at face value."""
    if document.warnings:
        return [*document.warnings, "Do not read any number here as contraction."]
    found = [caveat for name in document.sections if name in SECTIONS for caveat in SECTIONS[name].caveats(document)]
    texts, rows = [caveat.text for caveat in sorted(found)], document.data.measured.rows
    if rows < _FEW_ROWS:
        texts.append(f"Only {rows} rows were measured: all numbers are rough.")
    return texts


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
