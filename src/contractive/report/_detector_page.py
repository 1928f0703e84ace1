"""A detector as one HTML file: how many rows it flags at which promise, the most unusual ones and why."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from contractive.plots import FeatureAxis, p_values, ranking_curves, unusual_curves, unusual_images
from contractive.report._html import render
from contractive.studies.pages import MINUS, Picture, Tile, described, percent, shown
from contractive.studies.runs import DetectorMetrics, DetectorRun, DetectorSettings

_CURVES = 6  # that are drawn


def detector_html(run: DetectorRun) -> str:
    """Return the whole page as text.

    Raises:
        RunError: A run that is not finished, or broken files.
    """
    metrics = run.finished_metrics()
    looks = _looks(metrics, run.preparation.feature_names)
    rate = run.settings.false_alarm_rate if run.settings.false_discovery_rate is None else None
    page = {
        "name": run.document.data.name,
        "metrics": metrics,
        "sentences": detector_sentences(run),
        "tiles": _tiles(run.settings, metrics),
        "pictures": [*_pictures(metrics, rate), *looks],
        "looks": looks,
        "largest": max((each.fall for row in metrics.unusual for each in row.reasons), default=1.0),
        "shown": shown,
        "minus": partial(re.sub, r"(?<![\w.])-(?=[\d.])", MINUS),  # of numbers, not of dates and names
        "settings": described(run.settings),
        "notes": run.document.notes,
        "versions": run.document.versions,
        "command": run.document.command,
    }
    return render(page, "detector.html.jinja")


def detector_sentences(run: DetectorRun) -> list[str]:
    """Return what the detector does to rows that it has not seen, in sentences."""
    metrics, settings = run.finished_metrics(), run.settings
    tested, kind = metrics.tested, _kind(metrics)
    share = tested.false_alarms / tested.normal if tested.normal else 0.0
    flagged = f"{tested.false_alarms:,} of {tested.normal:,} {kind} ({percent(share)})"
    if tested.ranking:
        caught = tested.flagged - tested.false_alarms
        flagged = f"{caught:,} of {tested.rows - tested.normal:,} anomalies and {flagged}"
    sentences = [f"At a {_promise(settings)} the detector flags {flagged} that it has not seen."]
    if tested.ranking:
        areas = [f"{each.score} {shown(each.auroc)} and {shown(each.average_precision)}" for each in tested.ranking]
        sentences.append(f"Area under the ROC curve and average precision: {', '.join(areas)}.")
    held = {
        "cross": "This rate was met in experiments; only split calibration guarantees it by a theorem.",
        "split": "A theorem guarantees this rate for new rows that are exchangeable with the training rows.",
    }
    sentences.append(
        f"{metrics.trained_rows:,} rows were learned from; the smallest rate they can promise is"
        f" {percent(metrics.smallest_rate, '.3g')}. {held[settings.calibration]}"
    )
    return sentences


def _kind(metrics: DetectorMetrics) -> str:
    rows = "windows" if metrics.looks and metrics.looks.kind == "windows" else "rows"
    return f"normal {rows}" if metrics.tested.ranking else rows


def _promise(settings: DetectorSettings) -> str:
    if settings.false_discovery_rate is None:
        return f"false-alarm rate of {percent(settings.false_alarm_rate, '.3g')}"
    return f"false-discovery rate of {percent(settings.false_discovery_rate, '.3g')}"


def _tiles(settings: DetectorSettings, metrics: DetectorMetrics) -> list[Tile]:
    tested = metrics.tested
    share = tested.false_alarms / tested.normal if tested.normal else 0.0
    tiles = [Tile(percent(share), f"{_kind(metrics)} flagged", f"at a {_promise(settings)}")]
    if tested.ranking:
        ours, nearest, _ = tested.ranking
        anomalies = tested.rows - tested.normal
        caught = f"{tested.flagged - tested.false_alarms:,} of {anomalies:,}"
        tiles.append(Tile(caught, "anomalies flagged", "among the held-out rows"))
        tiles.append(Tile(shown(ours.auroc), "area under the ROC curve", f"neighbours: {shown(nearest.auroc)}"))
    learned = f"smallest rate they can promise: {percent(metrics.smallest_rate, '.3g')}"
    return [*tiles, Tile(f"{metrics.trained_rows:,}", "rows learned from", learned)]


def _pictures(metrics: DetectorMetrics, rate: float | None) -> list[Picture]:
    pictures = [
        Picture(
            "p-values",
            f"p-values of {_kind(metrics)}",
            f"The p-value is about the share of training rows that are at least as unusual. Of {_kind(metrics)}"
            " that are like the training rows each bin holds about as many as the dashed line says; more in the first"
            " bin are unlike them.",
            p_values(metrics.tested.histogram, rate),
            alt="A histogram of p-values between 0 and 1; those up to the false-alarm rate are coloured.",
        )
    ]
    if metrics.tested.ranking:
        curves = {each.score: (each.false_alarms, each.found, each.precision) for each in metrics.tested.ranking}
        pictures.append(
            Picture(
                "ranking",
                "Anomalies before normal rows",
                "Each point of a curve is a threshold. Baselines learn from the same rows: the mean distance to five"
                " neighbours in standardised features, and scikit-learn's isolation forest with its defaults.",
                ranking_curves(curves),
                alt="ROC curves, and precision against recall, of the detector and the baselines.",
            )
        )
    return pictures


def _looks(metrics: DetectorMetrics, names: Sequence[str]) -> list[Picture]:
    """Return the picture of the unusual rows, where they are windows, curves or images."""
    looks = metrics.looks
    if looks is None:
        return []
    title, observed, rebuilt = "What they look like", looks.observed, looks.reconstructed
    if looks.image is not None:
        caption = (
            "In the order of the list: each image with its mean reconstruction by the networks below it; then how far"
            " each pixel differs, on one scale. Of colours the mean over the channels is shown."
        )
        figure = unusual_images(observed, rebuilt, looks.errors, looks.image)
        return [Picture("looks", title, caption, figure, alt="Images, their reconstructions and their errors.")]
    called = [row.name for row in metrics.unusual]
    shown = min(len(called), _CURVES)
    what, headings, axis = "The rows", called[:shown], FeatureAxis.of(names, observed.shape[1])
    if looks.kind == "windows":
        what = "The column that makes each window most unusual"
        headings = [f"{column}, {name}" for column, name in zip(looks.columns, headings, strict=False)]
        axis = replace(FeatureAxis.of(None, observed.shape[1]), title="row of the window")
    caption = (
        f"{what}, and the mean reconstruction by the networks. The shaded stretch is the shortest one that holds half"
        " of the squared error."
    )
    figure = unusual_curves(observed[:shown], rebuilt[:shown], looks.stretches[:shown], headings, axis)
    return [Picture("looks", title, caption, figure, alt="Curves and their reconstructions, with a stretch shaded.")]
