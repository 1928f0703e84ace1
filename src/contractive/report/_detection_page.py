"""A detector as one HTML file: how many rows it flags at which promise, the most unusual ones and why."""

from contractive.plots import p_values, reason_bars
from contractive.report._html import render
from contractive.studies.detection import Detection, DetectionSettings
from contractive.studies.pages import Picture, Tile, described, percent, shown


def detection_html(detection: Detection) -> str:
    """Return the whole page as text."""
    pictures = _pictures(detection)
    page = {
        "detection": detection,
        "sentences": detection_sentences(detection),
        "tiles": _tiles(detection),
        "pictures": pictures,
        "shown": shown,
        "settings": described(detection.settings),
        "versions": detection.versions,
        "command": detection.command,
    }
    return render(page, "detection.html.jinja")


def detection_sentences(detection: Detection) -> list[str]:
    """Return what the detector does to rows that it has not seen, in sentences."""
    settings, tested = detection.settings, detection.tested
    share = tested.false_alarms / tested.normal if tested.normal else 0.0
    kind = "normal rows" if detection.label else "rows"
    sentences = [
        f"{tested.flagged:,} of {tested.rows:,} rows kept apart are flagged at a {_promise(settings)}:"
        f" {tested.false_alarms:,} of {tested.normal:,} {kind} ({percent(share)})."
    ]
    found = tested.flagged - tested.false_alarms
    if tested.auroc is not None and tested.average_precision is not None:
        sentences.append(f"{found:,} of {tested.rows - tested.normal:,} anomalies are flagged.")
        sentences.append(
            f"Area under the ROC curve {shown(tested.auroc)} and average precision {shown(tested.average_precision)};"
            f" the distance to 5 neighbours has {shown(tested.nearest_auroc)} and"
            f" {shown(tested.nearest_average_precision)}."
        )
    held = {
        "cross": "The rate held in trials; no theorem says so. Split calibration has one.",
        "split": "The rate is a theorem for new rows that are exchangeable with the training rows.",
    }
    sentences.append(
        f"{detection.trained_rows:,} rows were learned from; the smallest rate they can promise is"
        f" {percent(detection.smallest_rate, '.3g')}. {held[settings.calibration]}"
    )
    return sentences


def _promise(settings: DetectionSettings) -> str:
    if settings.false_discovery_rate is None:
        return f"false-alarm rate of {percent(settings.false_alarm_rate, '.3g')}"
    return f"false-discovery rate of {percent(settings.false_discovery_rate, '.3g')}"


def _tiles(detection: Detection) -> list[Tile]:
    tested, settings = detection.tested, detection.settings
    share = tested.false_alarms / tested.normal if tested.normal else 0.0
    kind = "normal rows flagged" if detection.label else "rows flagged"
    tiles = [Tile(percent(share), kind, f"at a {_promise(settings)}")]
    if tested.auroc is not None:
        anomalies = tested.rows - tested.normal
        caught = f"{tested.flagged - tested.false_alarms:,} of {anomalies:,}"
        tiles.append(Tile(caught, "anomalies flagged", "among the rows kept apart"))
        tiles.append(
            Tile(shown(tested.auroc), "area under the ROC curve", f"neighbours: {shown(tested.nearest_auroc)}")
        )
    return tiles


def _pictures(detection: Detection) -> list[Picture]:
    reasons = [
        (f"row {row.number}", [(reason.text, reason.fall) for reason in row.reasons])
        for row in detection.unusual
        if row.reasons
    ]
    pictures = []
    if reasons:
        pictures.append(
            Picture(
                "reasons",
                "Why the most unusual rows are unusual",
                "Each bar is one column of a row, with its value and, in brackets, the value that would make the row"
                " most usual; its length is how far the score would fall. The score is about minus the logarithm of the"
                " share of training rows that are at least as strange.",
                reason_bars(reasons),
                alt="Bars of the columns that make rows unusual.",
            )
        )
    pictures.append(
        Picture(
            "p-values",
            "p-values of normal rows" if detection.label else "p-values",
            "Of normal rows that are like the training rows each bin holds about the same number (dashed line). More"
            " rows in the first bin are unlike the training rows.",
            p_values(detection.tested.histogram),
            alt="A histogram of p-values between 0 and 1.",
        )
    )
    return pictures
