"""Comparisons made up to say something known, and how to read the page that is made of them."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from contractive.models import NetworkSettings
from contractive.report import compare_sentences
from contractive.studies.compare import CompareSettings, Fit, ObjectiveResult, Results, SearchTrial
from contractive.studies.documents import DataFacts
from contractive.training import TrainingSettings

METRICS = {
    "reconstruction_error": (0.65, 0.03),
    "r2": (0.86, 0.01),
    "squared_norm": (14.0, 0.7),
    "operator_norm": (1.4, 0.03),
    "operator_norm_max": (1.75, 0.08),
    "contractive_share": (0.125, 0.01),
    "sensitivity": (0.44, 0.01),
    "scale_free_sensitivity": (0.56, 0.02),
    "saturation": (0.03, 0.01),
    "dead": (0.0, 0.0),
    "probe_accuracy": (0.95, 0.01),
    "knn_accuracy": (0.96, 0.01),
    "probe_accuracy_noisy": (0.78, 0.02),
    "knn_accuracy_noisy": (0.87, 0.01),
    "seconds_per_epoch": (0.1, 0.02),
}
BETTER = {"sensitivity": (0.22, 0.01), "scale_free_sensitivity": (0.14, 0.01), "squared_norm": (3.5, 0.1)}
SEARCH = (SearchTrial(0.02, 0.3), SearchTrial(0.01, 0.15))
LEVELS = (0.0, 0.5, 1.0)
STEPS = {"contractive": (0.0, -1.0, 1.0), "denoising": (1.0, -1.0, 0.0)}  # others grow: seeds agree on nothing


def objective(name: str, seeds: int = 3, **changes) -> ObjectiveResult:
    """The result of an objective whose seeds have the mean and spread asked for, with arrays of the right shapes."""
    metrics, generator = METRICS | changes, np.random.default_rng(0)
    row = {"train_reconstruction": 2.0, "val_reconstruction": 1.0, "val_squared_norm": 3.0}
    shapes = {"sensitivity": 50, "operator_norm": 50, "filters": (8, 16), "probe": len(LEVELS), "knn": len(LEVELS)}
    shapes |= {"reconstructions": (3, 16), "noisy_reconstructions": (3, 16)}
    fits = [
        Fit(
            name,
            0.0 if name == "standard" else 0.01,
            seed,
            metrics={key: mean + step * sd for key, (mean, sd) in metrics.items()},
            history=tuple({"epoch": epoch, **row} for epoch in (1, 2, 3)),
            penalty_path="code probes" if name == "contractive" else "",
            arrays={key: generator.random(shape) for key, shape in shapes.items()},
        )
        for seed, step in enumerate(STEPS.get(name, (-1.0, 0.0, 1.0)) if seeds == 3 else [0.0] * seeds)
    ]
    return ObjectiveResult(name, tuple(fits), () if name == "standard" else SEARCH)


def results(*objectives: ObjectiveResult, labelled: bool = True, image: bool = True, name: str = "toy") -> Results:
    """A comparison of these objectives."""
    if not labelled:
        objectives = tuple(map(without_accuracies, objectives))
    generator, rows = np.random.default_rng(0), {"train": 1000, "validation": 200, "test": 100}
    return Results(
        data=DataFacts(name, 16, rows, 0.25, labelled, (4, 4) if image else None),
        settings=CompareSettings(
            network=NetworkSettings(hidden=(8,), code=4),
            training=TrainingSettings(max_epochs=3, batch_size=32, learning_rate=0.003),
            seeds=len(objectives[0].seeds) if objectives else 1,
        ),
        objectives=objectives,
        noise_levels=LEVELS,
        versions={"contractive": "0.1.0", "torch": "2", "python": "3.11"},
        seconds=68.4,
        command="contractive compare toy --out results",
        examples={"inputs": generator.random((3, 16)), "noisy_inputs": generator.random((3, 16))},
    )


def without_accuracies(entry: ObjectiveResult) -> ObjectiveResult:
    fits = (
        replace(
            fit,
            metrics={key: value for key, value in fit.metrics.items() if "accuracy" not in key},
            arrays={key: array for key, array in fit.arrays.items() if key not in ("probe", "knn")},
        )
        for fit in entry.seeds
    )
    return replace(entry, seeds=tuple(fits))


def changed(comparison: Results, name: str, search=None, **changes) -> Results:
    """The comparison with other fits of one objective."""
    entry = comparison[name]
    seeds = tuple(replace(fit, **changes) for fit in entry.seeds)
    entry = replace(entry, seeds=seeds, search=entry.search if search is None else search)
    return replace(comparison, objectives=tuple(entry if o.name == name else o for o in comparison.objectives))


def usual(**changes) -> Results:
    """Standard, denoising and a contractive objective whose code is less sensitive."""
    contractive = objective("contractive", **(BETTER | changes))
    return results(objective("standard"), objective("denoising"), contractive)


def said(comparison: Results) -> dict[str, str]:
    """The sentences by topic, with plain spaces."""
    return {topic: plain(text) for topic, text in compare_sentences(comparison).items()}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


class Page(HTMLParser):
    """What the tests look at: cells by figure, visible text, attributes that load something, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: dict[str, dict[str, str]] = {}
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._cell: dict[str, str] | None = None
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.loads += [values[key] for key in ("src", "href", "action", "data", "poster") if key in values]
        self._hidden = self._hidden or tag in ("script", "style")
        if "data-figure" in values:
            self._cell = {**values, "text": ""}
            self.cells[values["data-figure"]] = self._cell

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._hidden = False
        if tag == "td":
            self._cell = None

    def handle_data(self, data):
        if not self._hidden:
            self.text += data
        if self._cell is not None:
            self._cell["text"] += data
