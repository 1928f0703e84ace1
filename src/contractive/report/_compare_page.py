"""A comparison as one HTML file: what the page says, apart from how it looks."""

from dataclasses import dataclass

from contractive.core.errors import ContractiveError
from contractive.objectives import OBJECTIVES
from contractive.plots import color
from contractive.report._compare_pictures import compare_pictures
from contractive.report._compare_sentences import compare_sentences, compare_verdict, label, roles, value
from contractive.report._html import render
from contractive.report._numbers import MetricTable, Row, Value, cells, clear, signed, tile
from contractive.studies.compare import ObjectiveResult, Results
from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import Picture, Tile, described

_TILES = (
    "scale_free_sensitivity", "squared_norm", "reconstruction_error", "probe_accuracy", "probe_accuracy_noisy",
)  # fmt: skip


@dataclass(frozen=True)
class ComparePage:
    """What the page of a comparison shows, section by section, beside the results themselves."""

    results: Results
    tiles: list[Tile]
    sentences: dict[str, str]
    table: MetricTable
    pictures: list[Picture]
    settings: dict[str, str]


def summarize(results: Results) -> ComparePage:
    """Return what the page shows.

    Raises:
        ContractiveError: Results without an objective.
    """
    if not results.objectives:
        raise ContractiveError("There is nothing to show: the results hold no objective. Run the comparison again.")
    sentences, pictures = compare_sentences(results), compare_pictures(results)
    return ComparePage(results, _tiles(results), sentences, _table(results), pictures, _settings(results))


def comparison_html(results: Results) -> str:
    """Return the whole page as text.

    Raises:
        ContractiveError: Results without an objective.
    """
    page = vars(summarize(results))
    words = {"label": label, "color": color, "signed": signed, "records": OBJECTIVES}
    versions = {"versions": results.versions, "command": results.command}
    words["verdict"] = compare_verdict(results)
    return render({**page, **words, **versions}, "compare.html.jinja")


def _tiles(results: Results) -> list[Tile]:
    """The focus against the standard objective; none after a warning, as a collapse would look like a success."""
    found = roles(results)
    if found.focus is None or found.baseline is None or found.focus.warnings:
        return []
    made = [tile(METRICS[key], value(found.focus, key), value(found.baseline, key)) for key in _TILES]
    return [each for each in made if each]


def _table(results: Results) -> MetricTable:
    objectives = results.objectives
    groups: dict[str, list[Metric]] = {}
    for key in results.keys:
        groups.setdefault(METRICS[key].group, []).append(METRICS[key])
    columns = []
    for metric in (each for group in groups.values() for each in group):
        values = [value(result, metric.key) for result in objectives]
        best = _best(objectives, values, metric.better)
        values.append(Value.of(metric.key, results.components.get(metric.key), None))
        names = [f"{name}/{metric.key}" for name in (*(result.name for result in objectives), "pca")]
        columns.append(cells(values, names, best))
    rows = []
    for at, result in enumerate(objectives):
        record = OBJECTIVES.get(result.name)
        note = f"{record.weight_name} {result.weight:.3g}" if record and result.weight is not None else ""
        found = [column[at] for column in columns]
        rows.append(Row(label(result.name), found, color(result.name), note, warned=bool(result.warnings)))
    if results.components:
        rows.append(Row("PCA", [column[-1] for column in columns], note="as many principal components"))
    return MetricTable(groups, rows)


def _best(objectives: tuple[ObjectiveResult, ...], values: list[Value | None], better: str) -> int | None:
    """The row of the best mean if it is clear of all others; None with one seed, whose spread is unknown.

    Objectives with warnings are left out.
    """
    sound = {at: number for at, number in enumerate(values) if number and not objectives[at].warnings}
    if not better or len(sound) < 2 or any(number.sd is None for number in sound.values()):
        return None
    first = (min if better == "lower" else max)(sound, key=lambda at: sound[at].mean)
    return first if all(clear(sound[first], number) for at, number in sound.items() if at != first) else None


def _settings(results: Results) -> dict[str, str]:
    data, settings = results.data, results.settings
    shown = {
        "data": f"{data.name}, {data.features} features",
        **{f"{part} rows": f"{count:,}" for part, count in data.rows.items()},
        "typical standard deviation of a feature": f"{data.noise_unit:.4g}",
        **described(settings.network, settings.training),
        "reconstruction loss": settings.loss.replace("_", " "),
        "seeds": str(settings.seeds),
        "allowed increase of the reconstruction error": f"{100 * settings.max_error_increase:.3g} %",
        "parallel fits": str(settings.jobs),
        "time in all": _duration(results.seconds),
    }
    paths = {f"Jacobian norm in training, {label(o.name)}": o.first.penalty_path for o in results.objectives}
    return shown | {words: path for words, path in paths.items() if path}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "under a second"
