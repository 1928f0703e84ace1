"""A sweep over the weight as one HTML file, and the sentences that its numbers make."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from contractive import plots
from contractive.core.files import write_text
from contractive.objectives import OBJECTIVES
from contractive.report._html import render
from contractive.report._numbers import MINUS, NBSP
from contractive.report._section_pictures import Setting
from contractive.report._side_by_side import side_by_side
from contractive.studies.pages import Picture
from contractive.studies.sweep import Sweep, SweepTrial

_EVEN = 0.005  # a change that rounds to 0 %
_COLUMNS = {"error": "error ↓", "sensitivity": "sensitivity ↓", "accuracy": "accuracy ↑", "squared_norm": "‖J‖² ↓"}
_TITLES = {"error": "Reconstruction error", "sensitivity": "Scale-free sensitivity", "accuracy": "Accuracy"}
_TESTED = ("error", "sensitivity", "accuracy")


def sweep_html(sweep: Sweep) -> str:
    """The whole page as text."""
    return render(_summary(sweep), "sweep.html.jinja")


def write_sweep_report(sweep: Sweep, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all, and return its path."""
    path = Path(path)
    write_text(path, sweep_html(sweep))
    return path


def sweep_sentences(sweep: Sweep) -> list[str]:
    """What came out, in words made from the numbers; the knee first."""
    return [text for text in (_knee(sweep), _test(sweep), _range(sweep), _front(sweep), _pruned(sweep)) if text]


def _knee(sweep: Sweep) -> str:
    if not sweep.best.weight:
        if len(sweep.complete) == 1:
            return "No weight came to its end: every penalised trial was pruned. Try smaller weights."
        return "The model without a penalty is the knee: no weight tried is worth its error. Try smaller weights."
    said = _against(sweep, sweep.best.figures, sweep.yardstick.figures)
    place = ""
    if len(sweep.front) > 1 and sweep.knee == sweep.front[-1]:
        place = " It is the end of the front, so that larger weights may be worth a try."
    return f"Weight {_number(sweep.best.weight)} is the knee: {said} than without a penalty.{place}"


def _against(sweep: Sweep, mine: dict[str, float], other: dict[str, float]) -> str:
    words = [
        _change(mine["sensitivity"] / other["sensitivity"] - 1, "less sensitive", "more sensitive"),
        _change(mine["error"] / other["error"] - 1, "less error", "more error"),
    ]
    said = " at ".join(words)
    if "accuracy" in mine:
        points = 100 * (mine["accuracy"] - other["accuracy"])
        said += f" and {abs(points):.1f} points {'more' if points >= 0 else 'less'} accuracy"
    return said


def _change(relative: float, fewer: str, more: str) -> str:
    if abs(relative) < _EVEN:
        return f"0{NBSP}% {more}"
    return f"{100 * abs(relative):.0f}{NBSP}% {fewer if relative < 0 else more}"


def _test(sweep: Sweep) -> str:
    if not sweep.best.weight or not sweep.best.test:
        return ""
    return f"On test rows, which chose nothing: {_against(sweep, sweep.best.test, sweep.yardstick.test)}."


def _range(sweep: Sweep) -> str:
    weights = [trial.weight for trial in sweep.complete if trial.weight]
    if len(weights) < 2:
        return ""
    first, last = sweep.trial(_at(sweep, weights[0])), sweep.trial(_at(sweep, weights[-1]))
    return (
        f"From weight {_number(first.weight)} to {_number(last.weight)} the sensitivity goes from"
        f" {first.figures['sensitivity']:.3g} to {last.figures['sensitivity']:.3g} and the error from"
        f" {first.figures['error']:.4g} to {last.figures['error']:.4g}."
    )


def _at(sweep: Sweep, weight: float) -> int:
    return next(trial.number for trial in sweep.complete if trial.weight == weight)


def _front(sweep: Sweep) -> str:
    beaten = len(sweep.complete) - len(sweep.front)
    none = "none is beaten by another" if not beaten else f"{beaten} {'is' if beaten == 1 else 'are'} beaten by another"
    return f"Of {len(sweep.complete)} trials that came to their end, {none} in every objective."


def _pruned(sweep: Sweep) -> str:
    if not sweep.pruned:
        return ""
    count, least = len(sweep.pruned), sweep.pruned[0].weight
    if count == 1:
        return f"One trial was pruned, weight {_number(least)}."
    if least > sweep.complete[-1].weight:
        return f"{count} trials were pruned, all that were at weights from {_number(least)} on."
    return f"{count} trials were pruned, at weights {', '.join(_number(trial.weight) for trial in sweep.pruned)}."


def _summary(sweep: Sweep) -> dict[str, Any]:
    objective = sweep.settings["run"]["objective"]
    trials, models = _pictures(sweep, objective), _models(sweep)
    return {
        "data": sweep.data,
        "objective": objective,
        "color": plots.color(objective),
        "strength": OBJECTIVES[objective].weight_help,
        "explain": OBJECTIVES[objective].help,
        "sentences": sweep_sentences(sweep),
        "warnings": sweep.yardstick.warnings,
        "tiles": _tiles(sweep),
        "pictures": trials + models,
        "trial_pictures": trials,
        "model_pictures": models,
        "headings": _headings(sweep),
        "rows": [_row(sweep, trial) for trial in sweep.complete],
        "pruned": [{"weight": _number(trial.weight), "reason": trial.reason} for trial in sweep.pruned],
        "seeds": sweep.settings["seeds"],
        "accuracy": "accuracy" in sweep.yardstick.figures,
        "settings": _settings(sweep),
        "versions": sweep.versions,
        "command": sweep.command,
    }


def _tiles(sweep: Sweep) -> list[dict[str, str]]:
    best, yardstick = sweep.best, sweep.yardstick
    tiles = [{"number": _number(best.weight), "label": "weight at the knee", "figures": f"trial {best.number}"}]
    for name, label in (("sensitivity", "scale-free sensitivity"), ("error", "reconstruction error")):
        mine, other = best.figures[name], yardstick.figures[name]
        text = f"{100 * (mine / other - 1):+.0f}{NBSP}%".replace("-", MINUS)
        tiles.append({"number": text, "label": label, "figures": f"{mine:.4g} against {other:.4g}"})
    if "accuracy" in best.figures:
        mine, other = best.figures["accuracy"], yardstick.figures["accuracy"]
        text = f"{100 * (mine - other):+.1f}{NBSP}points".replace("-", MINUS)
        tiles.append({"number": text, "label": "linear probe", "figures": f"{mine:.1%} against {other:.1%}"})
    return tiles


def _pictures(sweep: Sweep, objective: str) -> list[Picture]:
    complete = sweep.complete
    numbers = [trial.number for trial in complete]
    figures = {name: [trial.figures[name] for trial in complete] for name in ("error", "sensitivity")}
    front = [numbers.index(number) for number in sweep.front]
    drawn = plots.pareto(
        [trial.weight for trial in complete],
        figures["error"],
        figures["sensitivity"],
        front,
        numbers.index(sweep.knee),
        objective=objective,
    )
    three = " A point above the line is on the front for its accuracy." if len(_objectives(sweep)) > 2 else ""
    caption = (
        "Every point is a weight; further left is a better reconstruction, lower a steadier code. The ring marks the"
        " knee: the point of the front farthest below the dotted line between its ends, both axes logarithmic."
        f"{three}"
    )
    made = [Picture("front", "What each weight costs and buys", caption, drawn)]
    penalised = [trial for trial in complete if trial.weight]
    if penalised:
        made.append(Picture("weights", "Objective by objective", _CURVES, _curves(sweep, penalised, objective)))
    return made


def _models(sweep: Sweep) -> list[Picture]:
    """Sections of an analysis of some of the models, side by side."""
    end = " First seed of each weight." if sweep.settings["seeds"] > 1 else ""
    with plots.in_order(list(sweep.sections)):
        return side_by_side(sweep.sections, sweep.similarity, sweep.arrays, Setting("test rows", end=end))


_CURVES = (
    "The same trials against their weight, on validation rows. The dashed horizontal line is the model without a"
    " penalty, the vertical one the knee. Bars are one standard deviation over seeds, where there are several."
)


def _curves(sweep: Sweep, penalised: list[SweepTrial], objective: str) -> go.Figure:
    factor = {"accuracy": 100.0}
    titles = {name: _TITLES[name] + (", %" if name in factor else "") for name in _objectives(sweep)}
    several = sweep.settings["seeds"] > 1
    return plots.weight_curves(
        [trial.weight for trial in penalised],
        {title: [factor.get(n, 1) * trial.figures[n] for trial in penalised] for n, title in titles.items()},
        spreads={title: [factor.get(n, 1) * trial.spread[n] for trial in penalised] for n, title in titles.items()}
        if several
        else None,
        without={title: factor.get(n, 1) * sweep.yardstick.figures[n] for n, title in titles.items()},
        knee=sweep.best.weight or None,
        objective=objective,
        axis="sigma" if objective == "denoising" else "weight",
    )


def _objectives(sweep: Sweep) -> list[str]:
    return [name for name in ("error", "sensitivity", "accuracy") if name in sweep.yardstick.figures]


def _headings(sweep: Sweep) -> list[str]:
    shown = [words for name, words in _COLUMNS.items() if name in sweep.yardstick.figures]
    tested = [f"test {_COLUMNS[name]}" for name in _TESTED if name in sweep.yardstick.test]
    return [*shown, *tested, "seconds"]


def _row(sweep: Sweep, trial: SweepTrial) -> dict[str, Any]:
    cells = [
        {"text": _cell(name, trial.figures[name]), "spread": _cell(name, trial.spread[name]) if trial.spread else ""}
        for name in _COLUMNS
        if name in trial.figures
    ]
    tested = [_cell(name, trial.test[name]) for name in _TESTED if name in trial.test]
    return {
        "weight": _number(trial.weight) if trial.weight else "none",
        "trial": trial.number,
        "front": trial.number in sweep.front,
        "knee": trial.number == sweep.knee,
        "cells": cells + [{"text": text, "spread": ""} for text in (*tested, f"{trial.seconds:.1f}")],
    }


def _cell(name: str, figure: float) -> str:
    return f"{100 * figure:.1f}{NBSP}%" if name == "accuracy" else f"{figure:.4g}"


def _number(weight: float) -> str:
    return f"{weight:.3g}"


def _settings(sweep: Sweep) -> list[tuple[str, str]]:
    run = sweep.settings["run"]
    searched = sweep.settings["weights"] is None
    shown = {"weights": "searched" if searched else "a grid", "trials": sweep.settings["trials"]}
    names = ("model", "hidden", "code", "activation", "loss", "epochs", "batch_size", "learning_rate", "schedule")
    shown |= {"seeds per trial": sweep.settings["seeds"], "first seed": run["seed"]}
    shown |= {name.replace("_", " "): run[name] for name in names}
    return [(name, _text(value)) for name, value in shown.items()]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
