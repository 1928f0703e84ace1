"""A sweep over the weight as one HTML file, and the sentences that its numbers make."""

from contractive import plots
from contractive.objectives import OBJECTIVES
from contractive.report._compare_pictures import side_by_side
from contractive.report._html import render
from contractive.report._numbers import Cell, MetricTable, Row, Value, cells, tile
from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import NBSP, Picture, Tile, capital, described, shown
from contractive.studies.sections import Context
from contractive.studies.sweep import Sweep, SweepTrial

_ERROR, _SENSITIVITY, _ACCURACY = "reconstruction_error", "scale_free_sensitivity", "probe_accuracy"
_EVEN = 0.005  # a change that rounds to 0 %
_SECONDS = Metric("seconds", "training time", "s", group="Time", help="Of all seeds, while other fits ran beside it.")


def sweep_html(sweep: Sweep) -> str:
    """Return the whole page as text."""
    record = OBJECTIVES[sweep.settings.objective]
    trials = _pictures(sweep)
    with plots.in_order(list(sweep.sections)):
        end = " First seed of each weight." if sweep.settings.seeds > 1 else ""
        models = side_by_side(sweep.sections, sweep.similarity, Context("test rows", note=end))
    page = {
        "sweep": sweep,
        "label": record.label,
        "weight_help": f"{capital(record.weight_help)}. {record.help}",
        "sentences": sweep_sentences(sweep),
        "tiles": _tiles(sweep),
        "pictures": trials + models,
        "num_trial_pictures": len(trials),
        "table": _table(sweep),
        "settings": _settings(sweep),
        "versions": sweep.versions,
        "command": sweep.command,
    }
    return render(page, "sweep.html.jinja")


def sweep_sentences(sweep: Sweep) -> list[str]:
    """Return what was found, in words made from the numbers; the knee first."""
    best, base, complete = sweep.best, sweep.baseline, sweep.complete
    texts = [_knee(sweep)]
    if best.weight and best.test:
        texts.append(f"On test rows, which chose nothing: {_against(best.test, base.test)}.")
    penalised = [trial for trial in complete if trial.weight]
    if len(penalised) > 1:
        first, last = penalised[0], penalised[-1]
        ranges = (
            f"{METRICS[key].label} goes from {shown(first.metrics[key])} to {shown(last.metrics[key])}"
            for key in (_SENSITIVITY, _ERROR)
        )
        texts.append(f"From weight {first.weight:.3g} to {last.weight:.3g}, {' and '.join(ranges)}.")
    beaten = len(complete) - len(sweep.front)
    none = "none is beaten by another" if not beaten else f"{beaten} {'is' if beaten == 1 else 'are'} beaten by another"
    texts.append(f"Of {len(complete)} trials that were completed, {none} in every metric that is judged.")
    return texts + [text for text in [_pruned(sweep)] if text]


def _knee(sweep: Sweep) -> str:
    if not sweep.best.weight:
        if len(sweep.complete) == 1:
            return "No weight was completed: every penalised trial was pruned. Try smaller weights."
        return "The model without a penalty is the knee: no weight tried is worth its error. Try smaller weights."
    end = ""
    if len(sweep.front) > 1 and sweep.knee == sweep.front[-1]:
        end = " It is the end of the Pareto front, so that larger weights may be better."
    change = _against(sweep.best.metrics, sweep.baseline.metrics)
    return f"Weight {sweep.best.weight:.3g} is the knee: {change} than without a penalty.{end}"


def _against(mine: dict[str, float], other: dict[str, float]) -> str:
    changes = []
    for key, word in ((_SENSITIVITY, "sensitive"), (_ERROR, "error")):
        relative = mine[key] / other[key] - 1
        more = "more" if relative > -_EVEN else "less"
        changes.append(f"{100 * abs(relative) if abs(relative) >= _EVEN else 0:.0f}{NBSP}% {more} {word}")
    text = " at ".join(changes)
    if _ACCURACY in mine:
        points = 100 * (mine[_ACCURACY] - other[_ACCURACY])
        text += f" and {abs(points):.1f} points {'more' if points >= 0 else 'less'} accuracy"
    return text


def _pruned(sweep: Sweep) -> str:
    weights = [f"{trial.weight:.3g}" for trial in sweep.pruned]
    if len(weights) < 2:
        return f"One trial was pruned, weight {weights[0]}." if weights else ""
    if sweep.pruned[0].weight > sweep.complete[-1].weight:
        return f"{len(weights)} trials were pruned: all at weights from {weights[0]} on."
    return f"{len(weights)} trials were pruned, at weights {', '.join(weights)}."


def _value(trial: SweepTrial, key: str) -> Value | None:
    return Value.of(key, trial.metrics.get(key), trial.spread.get(key), trial.by_seed.get(key, ()))


def _tiles(sweep: Sweep) -> list[Tile]:
    best, base = sweep.best, sweep.baseline
    order = (_SENSITIVITY, _ERROR, _ACCURACY)
    made = (tile(METRICS[key], _value(best, key), _value(base, key)) for key in order if key in sweep.settings.judged)
    return [Tile(f"{best.weight:.3g}", "weight at the knee", f"trial {best.number}"), *(each for each in made if each)]


def _pictures(sweep: Sweep) -> list[Picture]:
    """The Pareto front, and each judged metric over the weight."""
    complete, objective = sweep.complete, sweep.settings.objective
    judged, weight_name = sweep.settings.judged, OBJECTIVES[objective].weight_name
    numbers = [trial.number for trial in complete]
    drawn = plots.pareto(
        [trial.weight for trial in complete],
        [trial.metrics[_ERROR] for trial in complete],
        [trial.metrics[_SENSITIVITY] for trial in complete],
        [numbers.index(number) for number in sweep.front],
        numbers.index(sweep.knee),
        objective=objective,
    )
    third = " A point above the line is on the front for its accuracy." if _ACCURACY in judged else ""
    caption = (
        f"Every point is a {weight_name}. Further left: reconstruction is better. Lower: the code is less sensitive."
        " The ring marks the knee: the point of the Pareto front farthest below the dotted line between its ends, both"
        f" axes logarithmic.{third}"
    )
    ends = (sweep.trial(sweep.front[0]), sweep.trial(sweep.front[-1]))
    steps = (f"error {each.metrics[_ERROR]:.3g} and sensitivity {each.metrics[_SENSITIVITY]:.3g}" for each in ends)
    alt = f"A line that falls from {' to '.join(steps)}; the ring is at weight {sweep.best.weight:.3g}."
    made = [Picture("front", "Reconstruction error against sensitivity", caption, drawn, alt)]
    penalised = [trial for trial in complete if trial.weight]
    if penalised:
        scale = {key: 100.0 if METRICS[key].unit == "%" else 1.0 for key in judged}
        titles = {key: capital(METRICS[key].label) + (", %" if scale[key] > 1 else "") for key in judged}
        drawn = plots.weight_curves(
            [trial.weight for trial in penalised],
            {titles[key]: [scale[key] * trial.metrics[key] for trial in penalised] for key in judged},
            spreads={titles[key]: [scale[key] * trial.spread[key] for trial in penalised] for key in judged}
            if sweep.settings.seeds > 1
            else None,
            without={titles[key]: scale[key] * sweep.baseline.metrics[key] for key in judged},
            knee=sweep.best.weight or None,
            objective=objective,
            axis=weight_name,
        )
        caption = (
            f"The same trials against their {weight_name}, on validation rows. The dashed horizontal line is the model"
            " without a penalty, the vertical one the knee. Bars are one standard deviation over seeds, where there are"
            " several."
        )
        made.append(
            Picture(
                "weights",
                "Each metric over the weight",
                caption,
                drawn,
                f"Lines over the weight: {', '.join(titles.values())}.",
            )
        )
    return made


def _table(sweep: Sweep) -> MetricTable:
    trials, names = sweep.complete, [str(trial.number) for trial in sweep.complete]
    best = [trial.number for trial in trials].index(sweep.knee)
    shown = [METRICS[key] for key in (*sweep.settings.judged, "squared_norm") if key in sweep.baseline.metrics]
    tested = [metric for metric in shown if metric.key in sweep.baseline.test and metric.key != "squared_norm"]
    linear, names = sweep.components, [*names, "pca"]
    tests = {
        m.key: [Value.of(m.key, values.get(m.key), None) for values in (*(t.test for t in trials), linear["test"])]
        for m in tested
    }
    columns = [
        *(
            cells(
                [*(_value(t, m.key) for t in trials), Value.of(m.key, linear["validation"].get(m.key), None)],
                [f"{n}/{m.key}" for n in names],
                best,
            )
            for m in shown
        ),
        *(cells(values, [f"{n}/test_{key}" for n in names], best) for key, values in tests.items()),
        [*(Cell(f"{trial.seconds:.1f}", best=at == best) for at, trial in enumerate(trials)), Cell("–")],
    ]
    color = plots.color(sweep.settings.objective)
    rows = []
    for at, trial in enumerate(trials):
        on_front, knee = trial.number in sweep.front, trial.number == sweep.knee
        rows.append(
            Row(
                f"{trial.weight:.3g}" if trial.weight else "none",
                [column[at] for column in columns],
                (color if trial.weight else plots.color("standard")) if on_front else "",
                f"trial {trial.number}{', knee' if knee else ', front' if on_front else ''}",
                style="knee" if knee else "",
            )
        )
    if linear["validation"]:
        rows.append(Row("PCA", [column[-1] for column in columns], note="as many principal components"))
    groups = {"Validation rows": shown, "Test rows": tested, "Time": [_SECONDS]}
    return MetricTable({title: group for title, group in groups.items() if group}, rows)


def _settings(sweep: Sweep) -> dict[str, str]:
    run, seeds = sweep.settings.run, sweep.settings.seeds
    grid = "searched" if sweep.settings.weights is None else "a grid"
    return {
        "weights": grid,
        "trials": str(sweep.settings.trials),
        "seeds per trial": str(seeds),
        **described(run.network, run.objective, run.training),
    }
