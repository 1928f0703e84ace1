"""Results, and a model that runs, as one HTML file each that opens offline."""

from contractive.report._analysis_page import analysis_html
from contractive.report._classifier_page import classifier_html, classifier_sentences
from contractive.report._compare_page import comparison_html, summarize
from contractive.report._compare_sentences import compare_sentences, compare_verdict
from contractive.report._detector_page import detector_html, detector_sentences
from contractive.report._drift_page import drift_html, drift_sentence
from contractive.report._explore_page import explore_html, explore_verdict
from contractive.report._html import write_page
from contractive.report._illustration import illustration_html
from contractive.report._sweep_page import sweep_html, sweep_sentences

# the file
__all__ = ["write_page"]
# of a comparison
__all__ += ["comparison_html", "compare_sentences", "compare_verdict", "summarize"]
# of an analysis, an illustration
__all__ += ["analysis_html", "illustration_html"]
# of a model that runs in the page
__all__ += ["explore_html", "explore_verdict"]
# of a sweep
__all__ += ["sweep_html", "sweep_sentences"]
# of a classifier
__all__ += ["classifier_html", "classifier_sentences"]
# of a detector
__all__ += ["detector_html", "detector_sentences", "drift_html", "drift_sentence"]
