"""A comparison, an analysis, an illustration, a sweep or a classifier as one HTML file that opens offline."""

from pathlib import Path

from contractive.core.files import write_text
from contractive.report._analysis_page import analysis_html, analysis_summary, write_analysis
from contractive.report._analysis_sentences import analysis_sentences
from contractive.report._classifier_page import classifier_html, write_classifier
from contractive.report._classifier_sentences import classifier_sentences
from contractive.report._html import render
from contractive.report._illustration import illustration_html, write_illustration
from contractive.report._numbers import Comparison
from contractive.report._summary import summarize
from contractive.report._sweep_page import sweep_html, sweep_sentences, write_sweep_report

__all__ = [
    # of a comparison
    "write_report",
    "html",
    "summarize",
    "Comparison",
    # of an analysis
    "write_analysis",
    "analysis_html",
    "analysis_summary",
    "analysis_sentences",
    # of an illustration
    "write_illustration",
    "illustration_html",
    # of a sweep
    "write_sweep_report",
    "sweep_html",
    "sweep_sentences",
    # of a classifier
    "write_classifier",
    "classifier_html",
    "classifier_sentences",
]


def html(results: Comparison) -> str:
    """The whole page as text.

    Raises:
        ValueError: Results without a variant.
    """
    return render(summarize(results))


def write_report(results: Comparison, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all, and return its path.

    Args:
        results: What `experiments.compare` returned or `experiments.read` read.
        path: Of the HTML file; its folder is made if missing.

    Raises:
        ValueError: Results without a variant, or a path that is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"path must name a file, got the folder {path}. Try {path / 'report.html'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, html(results))
    return path
