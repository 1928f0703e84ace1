"""The pictures of a comparison, with titles and captions that say what to see."""

from collections.abc import Mapping

import numpy as np

from contractive import plots
from contractive.analysis import SimilarityTable
from contractive.report._compare_sentences import label
from contractive.report._numbers import Value
from contractive.studies.compare import Results
from contractive.studies.pages import Picture, percent, shows_something
from contractive.studies.sections import Context, section_pictures
from contractive.studies.side_by_side import ShownSections

_FIRST = " First seed."
_ROWS = "Rows of examples: the inputs, and below them what each objective makes of them, without and with noise."
_WEIGHTS = "Small coloured pictures, one per unit, in a block for each objective."


def side_by_side(
    models: Mapping[str, ShownSections], similarity: SimilarityTable | None, context: Context
) -> list[Picture]:
    """Return the pictures of all sections, one set for all models.

    Args:
        models: Sections by name of the model.
        similarity: Of their codes.
        context: What pictures have to know.
    """
    found: dict[str, dict[str, object]] = {}
    for model, sections in models.items():
        for section, result in sections.by_name().items():
            found.setdefault(section, {})[model] = result
    if similarity is not None:
        found["similarity"] = {"all": similarity}
    return [picture for made in section_pictures(found, context).values() for picture in made]


def compare_pictures(results: Results) -> list[Picture]:
    """Return every picture that the results allow: those of metrics, then those of sections."""
    sections = {result.name: result.first.sections for result in results.objectives}
    classes = next((each.classes for each in sections.values() if each.classes), ())
    context = Context("test rows", results.data.image, 1, results.data.names or None, classes, _FIRST)
    return [
        *_scores(results),
        *_distributions(results),
        *_examples(results),
        *side_by_side(sections, results.similarity, context),
    ]


def _scores(results: Results) -> list[Picture]:
    """Error against sensitivity, accuracy under noise, and the history."""
    made = []
    axes = ("reconstruction_error", "scale_free_sensitivity")
    shown = [o for o in results.objectives if all(Value.of(key, o.mean(key), None) for key in axes)]
    if len(shown) > 1:
        errors, sensitivities = (
            {o.name: np.array([seed.metrics[key] for seed in o.seeds], dtype=float) for o in shown} for key in axes
        )
        caption = (
            "Each large mark is the mean of an objective, each small one a seed. Lower: the code is less sensitive to"
            " noise. Further left: reconstruction is better. Of two marks at a similar error, the lower one is the"
            " better trade-off."
        )
        drawn = plots.trade_off(errors, sensitivities)
        places = (f"{label(name)} at {errors[name].mean():.3g} and {sensitivities[name].mean():.3g}" for name in errors)
        alt = f"Marks in the plane of error and sensitivity: {'; '.join(places)}."
        made.append(Picture("trade-off", "Reconstruction error against sensitivity", caption, drawn, alt))
    classifiers = {"Linear probe": "probe", "Nearest neighbours": "knn"}
    curves = {
        title: {
            o.name: np.stack([fit.arrays[key] for fit in o.seeds]) for o in results.objectives if key in o.first.arrays
        }
        for title, key in classifiers.items()
    }
    if all(curves.values()):
        caption = (
            "Classifiers were fitted to codes of training inputs without noise, and tested on codes of test inputs with"
            " Gaussian noise. Noise of level 1 is as large as a typical feature's standard deviation, here"
            f" {results.data.noise_unit:.3g}. Where a line stays flat, noise does not mislead the classifier. Bands are"
            " one standard deviation over seeds."
        )
        drawn = plots.accuracy_under_noise(results.noise_levels, curves)
        falls = (
            f"{label(name)} from {percent(each[:, 0].mean())} to {percent(each[:, -1].mean())}"
            for name, each in curves["Linear probe"].items()
        )
        alt = f"Lines that fall with the noise; of the linear probe: {'; '.join(falls)}."
        made.append(Picture("accuracy", "Accuracy under noise", caption, drawn, alt))
    histories = {o.name: [seed.history for seed in o.seeds] for o in results.objectives}
    noisy = (
        " Denoising trains on noisy inputs, so that its dotted line lies higher." if "denoising" in histories else ""
    )
    caption = (
        f"Error: solid lines on validation data, dotted ones on training data.{noisy} ‖J‖²: the squared Jacobian norm,"
        " computed exactly on validation data for every objective, whether its penalty contains it or not. Thick lines"
        " are means, thin ones single seeds."
    )
    alt = "Lines over the epochs, one colour per objective: left the reconstruction error, right the Jacobian norm."
    return [*made, Picture("training", "Training history", caption, plots.training_curves(histories), alt)]


def _distributions(results: Results) -> list[Picture]:
    """Sensitivity and largest singular value over the test rows."""
    made = []
    if ratios := _arrays(results, "sensitivity"):
        caption = (
            "Gaussian noise of level 0.5 was added to every test example. Further left, the code changes less. This is"
            " the raw ratio, which is also small where the code is merely small: compare it with the scale-free"
            f" sensitivity in the table.{_FIRST}"
        )
        drawn = plots.sensitivity(ratios)
        made.append(
            Picture("sensitivity", "Sensitivity of single examples to noise", caption, drawn, _histogram(ratios))
        )
    if norms := _arrays(results, "operator_norm"):
        caption = (
            "The largest factor by which a small step from a test example is stretched. Left of the line at 1 the"
            " encoder contracts in every direction; right of it, at least one direction is stretched. Contraction is"
            f" trained near the data, and may fail far from them.{_FIRST}"
        )
        drawn = plots.operator_norm(norms)
        made.append(Picture("operator-norm", "Where the encoder contracts", caption, drawn, _histogram(norms)))
    return made


def _examples(results: Results) -> list[Picture]:
    """Reconstructions of a few rows, and the filters of the first layer."""
    made, image, names = [], results.data.image, results.data.names or None
    clean, noisy = _arrays(results, "reconstructions"), _arrays(results, "noisy_reconstructions")
    if results.examples and clean and noisy:
        caption = (
            "Test examples and their reconstruction by each objective. From a noisy input, a robust autoencoder"
            f" reconstructs the clean one.{_FIRST}"
        )
        inputs = results.examples["inputs"], results.examples["noisy_inputs"]
        drawn = plots.reconstructions({"input": inputs[0]} | clean, {"input": inputs[1]} | noisy, image, names)
        made.append(Picture("reconstructions", "Reconstructions", caption, drawn, _ROWS))
    filters = _arrays(results, "filters")
    if any(shows_something(weights, image) for weights in filters.values()):
        what = "One small picture per unit" if image else "One line per unit, one column per feature"
        units = len(next(iter(filters.values())))
        caption = (
            f"{what}, the first {units} units of each objective: orange weights excite, blue ones inhibit, all on one"
            " scale. Smooth, local patterns follow the structure of the data; fine grain is left from the random"
            f" initial weights.{_FIRST}"
        )
        drawn = plots.filters(filters, image, names)
        made.append(Picture("filters", "Weights of the first layer", caption, drawn, _WEIGHTS))
    return made


def _histogram(values: Mapping[str, np.ndarray]) -> str:
    medians = (f"{label(name)} {np.nanmedian(each):.3g}" for name, each in values.items() if np.isfinite(each).any())
    return f"Histograms and boxes, one colour per objective; medians: {', '.join(medians)}."


def _arrays(results: Results, what: str) -> dict[str, np.ndarray]:
    """Return that array of every objective that has it."""
    return {result.name: result.first.arrays[what] for result in results.objectives if what in result.first.arrays}
