"""An analysis as one HTML file: sentences, pictures, all numbers with units, settings."""

from typing import Any

from contractive.plots import color
from contractive.report._compare_sentences import label
from contractive.report._html import render
from contractive.studies.pages import Picture, described, shown
from contractive.studies.sections import (
    SECTIONS,
    Analysis,
    Context,
    Group,
    analysis_sentences,
    analysis_tiles,
    analysis_verdict,
    caveats,
    section_pictures,
)

_LARGEST = 3_000_000  # characters of a page that holds the model as well


def analysis_html(analysis: Analysis, explorer: str = "") -> str:
    """Return the whole page as text.

    Args:
        analysis: What was measured.
        explorer: The page of `explore_html`, which is shown in a frame if both together stay below 3 MB, and else is
            linked as `explore.html` beside the page.
    """
    content = _content(analysis)
    page = render(content, "analysis.html.jinja")
    if not explorer:
        return page
    room = len(page) + len(explorer) <= _LARGEST
    return render(content | ({"explorer": explorer} if room else {"beside": True}), "analysis.html.jinja")


def _content(analysis: Analysis) -> dict[str, Any]:
    data = analysis.data
    height_and_width = data.image_shape[1:] if data.image_shape else None
    channels = data.image_shape[0] if data.image_shape else 1
    context = Context(analysis.rows, height_and_width, channels, data.feature_names or None, data.classes)
    results = {section: {analysis.name: result} for section, result in analysis.results.items()}
    pictures = section_pictures(results, context)
    groups: dict[Group, list[str]] = {}
    for name, section in SECTIONS.items():
        if name in analysis.sections:
            groups.setdefault(section.group, []).append(name)
    sentences = analysis_sentences(analysis)
    every = [picture for drawn in pictures.values() for picture in drawn]
    lead = next(iter(every), None)
    shown_below: dict[str, list[Picture]] = {
        group.title: [each for name in sections for each in pictures.get(name, []) if each is not lead]
        for group, sections in groups.items()
    }
    return {
        "analysis": analysis,
        "label": label(analysis.name),
        "color": color(analysis.name),
        "sentences": sentences,
        "verdict": analysis_verdict(analysis),
        "tiles": analysis_tiles(analysis),
        "groups": groups,
        "titles": {name: section.title for name, section in SECTIONS.items()},
        "measured": [name for name, found in analysis.sections.items() if found.metrics],
        "lead": lead,
        "pictures_of": shown_below,
        "pictures": every,
        "explorer": "",
        "beside": False,
        "warnings": caveats(analysis),
        "settings": _settings(analysis),
        "versions": analysis.versions,
        "command": analysis.command,
        "shown": shown,
    }


def _settings(analysis: Analysis) -> dict[str, str]:
    data, run = analysis.data, analysis.run
    rows = {
        "run": run.folder,
        "objective": run.objective,
        "network": run.network,
        "data": f"{data.name}, {data.features} features",
        "measured": f"{data.measured.rows:,} {data.measured.name}",
        "reference": f"{data.reference.rows:,} {data.reference.name}",
        "available": ", ".join(f"{split.rows:,} {split.name}" for split in data.available),
        "noise of level 1": f"{data.noise_unit:.4g}",
        **described(analysis.settings),
        "time": f"{analysis.seconds:.0f} s",
    }
    return {words: text for words, text in rows.items() if text}
