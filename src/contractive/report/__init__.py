"""A comparison, an analysis, an illustration, a sweep or a classifier as one HTML file that opens offline."""

from contractive.report._analysis_page import analysis_html, write_analysis
from contractive.report._classifier_page import classifier_html, classifier_sentences, write_classifier
from contractive.report._compare_page import comparison_html, summarize, write_comparison
from contractive.report._compare_sentences import compare_sentences
from contractive.report._illustration import illustration_html, write_illustration
from contractive.report._sweep_page import sweep_html, sweep_sentences, write_sweep

__all__ = [
    # of a comparison
    "write_comparison",
    "comparison_html",
    "compare_sentences",
    "summarize",
    # of an analysis
    "write_analysis",
    "analysis_html",
    # of an illustration
    "write_illustration",
    "illustration_html",
    # of a sweep
    "write_sweep",
    "sweep_html",
    "sweep_sentences",
    # of a classifier
    "write_classifier",
    "classifier_html",
    "classifier_sentences",
]
