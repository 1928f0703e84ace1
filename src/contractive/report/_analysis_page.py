"""An analysis as one HTML file: sentences, pictures, all numbers with units, settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contractive.core.files import write_text
from contractive.plots import color
from contractive.report._analysis_figures import Document, figure, shown
from contractive.report._analysis_sentences import analysis_sentences
from contractive.report._example_pictures import example_pictures
from contractive.report._html import render
from contractive.report._section_pictures import Setting, section_pictures
from contractive.report._words import ANALYSIS_SOURCES, ANALYSIS_WORDS
from contractive.studies.pages import Picture

Results = Mapping[str, Any]  # by section, what its measure returned


@dataclass(frozen=True)
class _Group:
    title: str
    lead: str
    sections: tuple[str, ...]


_GROUPS = (
    _Group(
        "Contraction: how much, and where",
        "A contractive autoencoder is trained to be flat around its data. Is it, and how far does that reach? J is the"
        " Jacobian of its encoder at a row, x the input, z the code; lengths are Euclidean.",
        ("norms", "on and off the data", "contraction curve", "contraction by depth", "sensitivity"),
    ),
    _Group(
        "Directions: what it keeps",
        "It cannot be flat in all directions and still tell rows apart: along the data it has to move.",
        ("spectra", "directions", "directions by class", "features", "examples", "tangent agreement"),
    ),
    _Group(
        "Reconstruction: what comes out again",
        "Contraction is paid for here: a code that moved nowhere could not be decoded.",
        ("reconstruction", "reconstruction norms", "vector field"),
    ),
    _Group("The code itself", "What the units do, and where rows end up.", ("codes", "map", "similarity", "filters")),
    _Group("A classifier on the code", "Does the code keep its meaning when the input is disturbed?", ("robustness",)),
)
_TITLES = {
    "norms": "The Jacobian at single rows",
    "on and off the data": "On and off the data",
    "contraction curve": "Contraction by distance",
    "contraction by depth": "Contraction by depth",
    "sensitivity": "Movement under noise",
    "spectra": "Singular values",
    "directions": "Principal directions",
    "directions by class": "Principal directions by class",
    "features": "Features",
    "examples": "Single rows",
    "tangent agreement": "Tangents and neighbours",
    "reconstruction": "Reconstruction",
    "reconstruction norms": "The Jacobian of the reconstruction",
    "codes": "Activations",
    "map": "Principal components of the code",
    "similarity": "Similarity",
    "robustness": "A linear probe",
}


def write_analysis(results: Results, document: Document, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all, and return its path; folders are made if missing.

    Args:
        results: By section, as an `Analysis` has them, or as `studies.sections.read_analysis` read them.
        document: Of the same analysis, from `studies.sections.document`.
        path: Of the HTML file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, analysis_html(results, document))
    return path


def analysis_html(results: Results, document: Document) -> str:
    """The whole page as text."""
    return render(analysis_summary(results, document), "analysis.html.jinja")


def analysis_summary(results: Results, document: Document) -> dict[str, Any]:
    """What the page shows, nothing about how it looks."""
    pictures = _pictures(results, document)
    groups = [_group(group, pictures, document) for group in _GROUPS]
    return {
        "document": document,
        "name": document["name"],
        "color": color(document["name"]),
        "sentences": analysis_sentences(document),
        "warnings": document["warnings"],
        "tiles": _tiles(document),
        "groups": [group for group in groups if group["pictures"] or group["tables"]],
        "pictures": [entry for made in pictures.values() for entry in made],
        "glossary": ANALYSIS_WORDS,
        "sources": ANALYSIS_SOURCES,
        "left_out": list(document["left_out"].items()),
        "settings": _settings(document),
        "shown": shown,
    }


def _pictures(results: Results, document: Document) -> dict[str, list[Picture]]:
    data, name = document["data"], document["name"]
    shape = data["image_shape"]
    setting = Setting(
        data["measured"]["part"],
        (shape[1], shape[2]) if shape else None,
        shape[0] if shape else 1,
        tuple(data["feature_names"] or ()),
        tuple(data["classes"] or ()),
    )
    several = {section: {name: result} for section, result in results.items()}
    return section_pictures(several, setting) | example_pictures(name, dict(results), setting)


def _group(group: _Group, pictures: dict[str, list[Picture]], document: Document) -> dict[str, Any]:
    found = document["sections"]
    tables = [
        {
            "title": _TITLES.get(section, section),
            "section": section,
            "figures": document["sections"][section]["figures"],
        }
        for section in group.sections
        if found.get(section, {}).get("figures")
    ]
    shown_here = [entry for section in group.sections for entry in pictures.get(section, [])]
    return {"title": group.title, "lead": group.lead, "pictures": shown_here, "tables": tables}


def _tiles(document: Document) -> list[dict[str, str]]:
    part = document["data"]["measured"]["part"]
    wanted = [
        ("norms", "operator_norm", "largest singular value of J", f"mean over the {part}; below 1 it contracts"),
        ("sensitivity", "scale_free:gaussian 0.5", "movement under noise, scale-free", "1: as much as the data"),
        ("spectra", "dimension_by_share", "directions hold 95 % of ‖J‖²", f"of {_of(document)} at a typical row"),
        ("reconstruction", f"r2:{part}", "of the variance reconstructed", f"R², {part}"),
    ]
    if figure(document, "robustness", "clean") is not None:
        clean = shown(figure(document, "robustness", "clean"), "share")
        wanted.append(("robustness", "noise:level 1", "linear probe, noise of level 1", f"clean {clean}"))
    elif figure(document, "codes", "saturation") is not None:
        wanted.append(("codes", "saturation", "of the activations saturated", "below 0.05 or above 0.95"))
    return [
        {
            "figure": f"{section}/{key}",
            "number": shown(
                value, "share" if key.startswith("r2") else document["sections"][section]["figures"][key]["unit"]
            ),
            "label": label,
            "figures": note,
        }
        for section, key, label, note in wanted
        if (value := figure(document, section, key)) is not None
    ]


def _unit(document: Document, section: str, key: str) -> str:
    return document["sections"][section]["figures"][key]["unit"]


def _of(document: Document) -> str:
    return shown(figure(document, "spectra", "code"))


def _settings(document: Document) -> list[tuple[str, str]]:
    data, run = document["data"], document["run"]
    rows = [
        ("run", str(run.get("folder", ""))),
        ("objective", str(run.get("objective", ""))),
        ("network", str(run.get("network", ""))),
        ("data", f"{data['name']}, {data['features']} features"),
        ("measured", f"{data['measured']['rows']:,} {data['measured']['part']}"),
        ("known rows", f"{data['reference']['rows']:,} {data['reference']['part']}"),
        ("rows there are", ", ".join(f"{count:,} {part}" for part, count in data["available"].items())),
        ("noise of level 1", f"{data['noise_unit']:.4g}"),
        *((name.replace("_", " "), str(value)) for name, value in document["settings"].items()),
        ("time", f"{document['seconds']:.0f} s"),
    ]
    return [(words, text) for words, text in rows if text]
