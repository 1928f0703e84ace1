"""The pictures of the page: figures of `contractive.plots` with titles and captions that say what to see."""

from collections.abc import Callable

import numpy as np

from contractive import plots
from contractive.report._numbers import Comparison, value
from contractive.report._section_pictures import Setting
from contractive.report._side_by_side import side_by_side
from contractive.studies.pages import Picture

_MOST_FILTERS = 32


def pictures(results: Comparison) -> list[Picture]:
    """Every picture that the results allow: those of single metrics, then those of sections."""
    made = [build(results) for build in _BUILDERS]
    return [picture for picture in made if picture] + _sections(results)


def _sections(results: Comparison) -> list[Picture]:
    """Sections of an analysis of all variants side by side, where the results have them."""
    document = results.document
    classes = tuple(document["data"].get("classes") or ())
    setting = Setting("test rows", _image(results), 1, (), classes, " Seed 0.")
    sections = {variant["name"]: variant.get("sections") or {} for variant in document["variants"]}
    return side_by_side(sections, document.get("similarity"), results.arrays, setting)


def _trade_off(results: Comparison) -> Picture | None:
    variants = [
        variant
        for variant in results.document["variants"]
        if value(variant, "reconstruction_error") and value(variant, "scale_free_sensitivity")
    ]
    errors, sensitivities = (
        {v["name"]: np.array([seed["figures"][measure] for seed in v["seeds"]], dtype=float) for v in variants}
        for measure in ("reconstruction_error", "scale_free_sensitivity")
    )
    if len(variants) < 2:
        return None
    return Picture(
        "trade-off",
        "What contraction costs",
        "Each large mark is the mean of a variant, each small one a seed. Lower is a steadier code, further left a"
        " better reconstruction: between two marks at a like error, the lower one is the better bargain.",
        plots.trade_off(errors, sensitivities),
    )


def _accuracy(results: Comparison) -> Picture | None:
    curves = {"Linear probe": _arrays(results, "probe"), "Nearest neighbours": _arrays(results, "knn")}
    if not all(curves.values()):
        return None
    unit = results.document["data"]["feature_sd"]
    return Picture(
        "accuracy",
        "Accuracy under noise",
        "Classifiers were fitted to codes of clean training inputs and read codes of test inputs with Gaussian noise;"
        f" level 1 is noise as large as a typical feature's standard deviation, {unit:.3g} here. A flat line is a code"
        " that keeps its meaning under noise; bands are one standard deviation over seeds.",
        plots.accuracy_under_noise(results.document["noise_levels"], curves),
    )


def _sensitivity(results: Comparison) -> Picture | None:
    arrays = _arrays(results, "sensitivity")
    if not arrays:
        return None
    return Picture(
        "sensitivity",
        "How far the code moves, example by example",
        "Every test example was moved by Gaussian noise of level 0.5. Further left, the code moves less. This is the"
        " raw ratio, which also falls when a code merely becomes smaller: read it with the scale-free column of the"
        " table. Seed 0.",
        plots.sensitivity(arrays),
    )


def _operator_norm(results: Comparison) -> Picture | None:
    arrays = _arrays(results, "operator_norm")
    if not arrays:
        return None
    return Picture(
        "operator-norm",
        "Where the encoder contracts",
        "The largest factor by which a small step from a test example is stretched. Left of the line at 1 the encoder"
        " contracts in every direction; right of it, at least one direction is stretched. Contraction holds near the"
        " data, and may fail far from them. Seed 0.",
        plots.operator_norm(arrays),
    )


def _training(results: Comparison) -> Picture:
    histories = {
        variant["name"]: [seed["history"] for seed in variant["seeds"]] for variant in results.document["variants"]
    }
    return Picture(
        "training",
        "How training went",
        "Error: solid lines on validation data, dotted ones on training data"
        f"{' (denoising trains on noisy inputs, so its dotted line lies higher)' if 'denoising' in histories else ''}."
        " ‖J‖²: what the contractive penalty holds down, computed exactly on validation data for every variant, whether"
        " it is part of its objective or not. Thick lines are means, thin ones single seeds.",
        plots.training_curves(histories),
    )


def _reconstructions(results: Comparison) -> Picture | None:
    if "inputs" not in results.arrays or "noisy_inputs" not in results.arrays:
        return None
    clean = {"input": results.arrays["inputs"]} | _arrays(results, "reconstructions")
    noisy = {"input": results.arrays["noisy_inputs"]} | _arrays(results, "noisy_reconstructions")
    if len(clean) < 2 or len(noisy) < 2:
        return None
    return Picture(
        "reconstructions",
        "What comes out again",
        "Test examples and what each variant makes of them. A good code keeps what tells examples apart; from noisy"
        " inputs it should give back the clean one. Seed 0.",
        plots.reconstructions(clean, noisy, _image(results)),
    )


def _filters(results: Comparison) -> Picture | None:
    arrays = {name: array[:_MOST_FILTERS] for name, array in _arrays(results, "filters").items()}
    if not arrays:
        return None
    image = _image(results)
    units = len(next(iter(arrays.values())))
    what = "One small picture per unit" if image else "One line per unit, one column per feature"
    return Picture(
        "filters",
        "What the first layer looks for",
        f"{what}, the first {units} of each variant: orange weights excite, blue ones inhibit, all on one scale."
        " Smooth, local patterns follow the data's structure; grain is left from the random start. Seed 0.",
        plots.filters(arrays, image),
    )


_BUILDERS: tuple[Callable[[Comparison], Picture | None], ...] = (
    _trade_off,
    _accuracy,
    _sensitivity,
    _operator_norm,
    _training,
    _reconstructions,
    _filters,
)


def _arrays(results: Comparison, what: str) -> dict[str, np.ndarray]:
    """That array of every variant that has it."""
    names = [variant["name"] for variant in results.document["variants"]]
    return {name: results.arrays[f"{name}/{what}"] for name in names if f"{name}/{what}" in results.arrays}


def _image(results: Comparison) -> tuple[int, int] | None:
    shape = results.document["data"]["image"]
    return (shape[0], shape[1]) if shape else None
