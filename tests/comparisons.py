"""Comparisons made up to say something known, and how to read the page that is made of them."""

import copy
from html.parser import HTMLParser

import numpy as np

from contractive.report._sentences import sentences
from contractive.studies.compare import Results

FIGURES = {
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
SEARCH = [{"strength": 0.02, "error_increase": 0.3}, {"strength": 0.01, "error_increase": 0.15}]
LEVELS = [0.0, 0.5, 1.0]


def variant(name: str, seeds: int = 3, **changes) -> dict:
    """An entry of the document whose seeds have the mean and spread asked for."""
    summary = {key: {"mean": mean, "sd": sd} for key, (mean, sd) in (FIGURES | changes).items()}
    steps = np.linspace(-1, 1, seeds) if seeds > 1 else [0.0]
    return {
        "name": name,
        "strength": None if name == "standard" else 0.01,
        "strength_is": "" if name == "standard" else "weight of something",
        "search": None if name == "standard" else copy.deepcopy(SEARCH),
        "penalty_path": "code probes" if name == "contractive" else "",
        "warnings": [],
        "summary": summary,
        "seeds": [
            {
                "seed": seed,
                "figures": {key: entry["mean"] + step * entry["sd"] for key, entry in summary.items()},
                "history": [
                    {"epoch": epoch, "train_reconstruction": 2.0, "val_reconstruction": 1.0, "val_squared_norm": 3.0}
                    for epoch in (1, 2, 3)
                ],
            }
            for seed, step in enumerate(steps)
        ],
    }


def results(*variants: dict, labelled: bool = True, image: bool = True, name: str = "toy") -> Results:
    """A comparison of these variants, with arrays of the right shapes."""
    document = {
        "format": 1,
        "data": {
            "name": name,
            "features": 16,
            "image": [4, 4] if image else None,
            "labelled": labelled,
            "rows": {"train": 1000, "validation": 200, "test": 100},
            "feature_sd": 0.25,
        },
        "settings": {
            "budget": {
                "hidden": [8],
                "code": 4,
                "epochs": 3,
                "batch_size": 32,
                "learning_rate": 0.003,
                "loss": "squared_error",
            },
            "variants": [entry["name"] for entry in variants],
            "seeds": len(variants[0]["seeds"]) if variants else 0,
            "max_error_increase": 0.2,
            "strengths": {},
            "jobs": 1,
        },
        "noise_levels": LEVELS,
        "versions": {"contractive": "0.1.0", "torch": "2", "python": "3.11"},
        "seconds": 68.4,
        "command": "contractive compare toy --out results",
        "variants": list(variants),
    }
    if not labelled:
        drop_accuracies(document)
    return Results(document, arrays(variants, labelled))


def drop_accuracies(document: dict) -> None:
    for entry in document["variants"]:
        for figures in (entry["summary"], *(seed["figures"] for seed in entry["seeds"])):
            for key in [key for key in figures if "accuracy" in key]:
                del figures[key]


def arrays(variants, labelled: bool) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    made = {"inputs": generator.random((3, 16)), "noisy_inputs": generator.random((3, 16))}
    for entry in variants:
        shapes = {"sensitivity": 50, "operator_norm": 50, "filters": (8, 16)}
        shapes |= {"reconstructions": (3, 16), "noisy_reconstructions": (3, 16)}
        if labelled:
            shapes |= {key: (len(entry["seeds"]), len(LEVELS)) for key in ("probe", "knn")}
        made |= {f"{entry['name']}/{key}": generator.random(shape) for key, shape in shapes.items()}
    return made


def usual(**changes) -> Results:
    """Standard, denoising and a contractive variant that moves less."""
    contractive = variant("contractive", **(BETTER | changes))
    return results(variant("standard"), variant("denoising"), contractive)


def said(comparison: Results) -> dict[str, str]:
    """The sentences by topic, with plain spaces."""
    return {entry["topic"]: plain(entry["text"]) for entry in sentences(comparison.document)}


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
