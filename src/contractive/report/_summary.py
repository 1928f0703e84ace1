"""A comparison as a plain dict: everything the page says, nothing about how it looks."""

from typing import Any

from contractive.objectives import OBJECTIVES
from contractive.plots import color
from contractive.report._figures import pictures
from contractive.report._numbers import NBSP, PERCENT, Comparison, Value, clear, decimals, value
from contractive.report._sentences import Variant, sentences
from contractive.report._tiles import tiles
from contractive.report._words import SETTINGS, SOURCES
from contractive.studies.metrics import METRICS

Document = dict[str, Any]


def summarize(results: Comparison) -> dict[str, Any]:
    """What the page shows; the keys are the page's sections.

    Raises:
        ValueError: Results without a variant.
    """
    document = results.document
    if not document["variants"]:
        raise ValueError("results must hold at least one variant, got none. Run the comparison again.")
    return {
        "data": document["data"],
        "kinds": [
            {"name": variant["name"], "color": color(variant["name"]), "text": _help(variant["name"])}
            for variant in document["variants"]
        ],
        "num_seeds": _num_seeds(document),
        "network": _network(document),
        "noise_levels": [level for level in document["noise_levels"] if level],
        "warnings": _warnings(document),
        "tiles": tiles(document),
        "sentences": sentences(document),
        "table": _table(document),
        "pictures": pictures(results),
        "glossary": _glossary(document),
        "sources": SOURCES,
        "settings": _settings(document),
        "trials": _trials(document),
        "paths": [(v["name"], v["penalty_path"]) for v in document["variants"] if v["penalty_path"]],
        "versions": document["versions"],
        "command": document.get("command", ""),
    }


def _num_seeds(document: Document) -> int:
    return len(document["variants"][0]["seeds"])


def _network(document: Document) -> str:
    budget = document["settings"]["budget"]
    return " – ".join(map(str, (document["data"]["features"], *budget["hidden"], budget["code"])))


def _warnings(document: Document) -> list[dict[str, Any]]:
    return [
        {"name": variant["name"], "color": color(variant["name"]), "texts": variant["warnings"]}
        for variant in document["variants"]
        if variant["warnings"]
    ]


def _table(document: Document) -> dict[str, Any]:
    """Column groups, columns, and a row of cells per variant."""
    variants = document["variants"]
    groups = {title: _present(document, names) for title, names in _grouped(document).items()}
    groups = {title: names for title, names in groups.items() if names}
    columns = [name for names in groups.values() for name in names]
    starts = {names[0] for names in groups.values()}
    cells = {name: _column(variants, name, METRICS[name].better) for name in columns}
    return {
        "groups": [{"title": title, "span": len(names)} for title, names in groups.items()],
        "columns": [
            {"name": name, "first": name in starts, "percent": name in PERCENT, **_measure(document, name)}
            for name in columns
        ],
        "rows": [
            {
                "name": variant["name"],
                "color": color(variant["name"]),
                "warned": bool(variant["warnings"]),
                "strength": "" if variant["strength"] is None else f"{variant['strength']:.3g}",
                "strength_is": variant["strength_is"],
                "cells": [cells[name][at] for name in columns],
            }
            for at, variant in enumerate(variants)
        ],
    }


def _grouped(document: Document) -> dict[str, tuple[str, ...]]:
    titles = dict.fromkeys(metric.group for metric in METRICS.values())
    return {title: tuple(key for key, metric in METRICS.items() if metric.group == title) for title in titles}


def _present(document: Document, names: tuple[str, ...]) -> list[str]:
    """Those that were measured of some variant."""
    measured = {name for variant in document["variants"] for name in variant["summary"]}
    return [name for name in names if name in measured]


def _column(variants: list[Variant], measure: str, better: str) -> list[dict[str, Any]]:
    """One cell per variant, with the same number of places in all."""
    values = [value(variant, measure) for variant in variants]
    places = decimals(values)
    best = _best(variants, values, better)
    return [
        {
            "figure": f"{variant['name']}/{measure}",
            "mean": None if entry is None else entry.mean,
            "sd": None if entry is None else entry.sd,
            "text": "–" if entry is None else entry.bare(places),
            "spread": "" if entry is None else entry.spread(places),
            "best": entry is not None and entry is best,
        }
        for variant, entry in zip(variants, values, strict=True)
    ]


def _best(variants: list[Variant], values: list[Value | None], better: str) -> Value | None:
    """The best mean if it is clear of all others; None with one seed, whose spread is unknown, or after warnings."""
    sound = [entry for variant, entry in zip(variants, values, strict=True) if entry and not variant["warnings"]]
    if not better or len(sound) < 2 or any(entry.sd is None for entry in sound):
        return None
    first = (min if better == "lower" else max)(sound, key=lambda entry: entry.mean)
    return first if all(clear(first, entry) for entry in sound if entry is not first) else None


def _glossary(document: Document) -> list[dict[str, str]]:
    names = [name for group in _grouped(document).values() for name in _present(document, group)]
    return [{"name": name, **_measure(document, name)} for name in names]


def _measure(document: Document, name: str) -> dict[str, str]:
    """Label, better, explain; a relation in the label is not broken over lines."""
    metric = METRICS[name]
    label = metric.label.replace(" ≤ ", f"{NBSP}≤{NBSP}")
    return {"label": label, "better": metric.better, "explain": metric.help}


def _settings(document: Document) -> list[tuple[str, str]]:
    data, settings = document["data"], document["settings"]
    rows = [
        ("data", f"{data['name']}, {data['features']} features"),
        *((f"{part} rows", f"{count:,}") for part, count in data["rows"].items()),
        ("typical standard deviation of a feature", f"{data['feature_sd']:.4g}"),
        *((words, _plain(settings["budget"][key])) for key, words in SETTINGS.items()),
        ("seeds", str(settings["seeds"])),
        ("allowed error increase", f"{100 * settings['max_error_increase']:.3g} %"),
        ("processes", str(settings["jobs"])),
        ("time in all", _duration(document["seconds"])),
    ]
    return rows


def _plain(setting: Any) -> str:
    text = ", ".join(map(str, setting)) if isinstance(setting, list | tuple) else str(setting)
    return text.replace("_", " ") or "none"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "under a second"


def _paid(increase: float | None) -> str:
    return "collapsed" if increase is None else f"{100 * increase:+.1f} %".replace("-", "−")


def _trials(document: Document) -> list[dict[str, Any]]:
    return [
        {
            "name": variant["name"],
            "strength_is": variant["strength_is"],
            "rows": [
                {
                    "strength": f"{trial['strength']:.4g}",
                    "error_increase": _paid(trial["error_increase"]),
                    "chosen": trial["strength"] == variant["strength"],
                }
                for trial in variant["search"]
            ],
        }
        for variant in document["variants"]
        if variant["search"]
    ]


def _help(name: str) -> str:
    return OBJECTIVES[name].help if name in OBJECTIVES else ""
