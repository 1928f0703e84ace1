"""Pictures of single rows, pixels and features of one model: images as images, tables as bars with names."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from contractive import plots
from contractive.analysis import ExampleJacobians
from contractive.report._section_pictures import Setting
from contractive.studies.pages import Picture

_UNITS = 32
_UNIT_EXAMPLES = 2
_TANGENT_EXAMPLES = 4
_WALKS = 4
_BAR_EXAMPLES = 4
_MOST_BARS = 20


def example_pictures(name: str, results: dict[str, Any], setting: Setting) -> dict[str, list[Picture]]:
    """Pictures by section of one model, where the results have them."""
    return {
        section: build(name, results[section], setting) for section, build in _BUILDERS.items() if section in results
    }


def _examples(name: str, found: Any, setting: Setting) -> list[Picture]:
    jacobians, headings = _one_channel_jacobians(found.jacobians, setting), list(found.headings)
    made = []
    if setting.image:
        figure = plots.jacobian_pictures(
            _one_channel(found.inputs, setting).numpy(), jacobians, headings, setting.image
        )
        caption = (
            "Beside the input: how much each pixel moves the code (white: most). Then the input directions that move"
            " the code most and, of those it sees at all, least: orange adds, blue takes away. In a model that has"
            " found how the data vary, what moves it most looks like another way to draw the same, and what moves it"
            " least like noise."
        )
        made.append(Picture("pixels", "What the code sees of single rows", caption, figure))
    else:
        few = replace(jacobians, matrices=jacobians.matrices[:_BAR_EXAMPLES])
        figure, which = _by_feature(name, few, headings[:_BAR_EXAMPLES], setting)
        caption = f"‖∂z/∂x‖ at single rows: how much each feature moves the code there{which}."
        made.append(Picture("pixels", "Which features move the code, row by row", caption, figure))
    return [*made, *_units(jacobians, headings, setting), *_tangents(found, setting), *_walks(found, setting)]


def _units(jacobians: ExampleJacobians, headings: list[str], setting: Setting) -> list[Picture]:
    """The rows of J of a few examples, the most sensitive units first."""
    order = jacobians.unit_norms[:_UNIT_EXAMPLES].mean(0).argsort(descending=True)[:_UNITS]
    some = replace(jacobians, matrices=jacobians.matrices[:_UNIT_EXAMPLES, order])
    what = "One small picture per unit: which pixels" if setting.image else "One line per unit: which features"
    caption = (
        f"{what} push it up (orange) or down (blue) at this row, all on one scale, the {len(order)} units that move"
        " most of all first. Faint units hardly move here: they are saturated, or contracted."
    )
    figure = plots.jacobian_rows(some, headings[:_UNIT_EXAMPLES], setting.image, setting.named())
    return [Picture("units", "What moves each unit", caption, figure)]


def _tangents(found: Any, setting: Setting) -> list[Picture]:
    basis = found.tangents.basis[:_TANGENT_EXAMPLES]
    some = replace(found.tangents, basis=_one_channel(basis, setting))
    caption = (
        "The directions in the input along which the code moves, most first, at single rows: what the model takes for"
        " directions along the data (orange adds, blue takes away; Rifai et al. 2011, The manifold tangent classifier)."
    )
    figure = plots.tangents(some, list(found.headings)[:_TANGENT_EXAMPLES], setting.image, setting.named())
    return [Picture("tangents", "Tangents of the data, as the model sees them", caption, figure)]


def _walks(found: Any, setting: Setting) -> list[Picture]:
    walks = found.walks
    if setting.image:
        walks = replace(
            walks,
            inputs=_one_channel(walks.inputs, setting),
            reconstructions=_one_channel(walks.reconstructions, setting),
        )
        what = "Above the input x + t v, below what the autoencoder makes of it."
    else:
        what = "How much each feature of the reconstruction grows (orange) or falls (blue) by the step t."
    some = replace(walks, inputs=walks.inputs[:_WALKS], reconstructions=walks.reconstructions[:_WALKS])
    caption = (
        f"Steps along the first tangent v, the direction that moves the code most, up to half the median distance"
        f" between two rows. {what} On a tangent the output should stay a believable row."
    )
    figure = plots.walks(some, list(found.headings)[:_WALKS], setting.image, setting.named())
    return [Picture("walks", "Walks along the first tangent", caption, figure)]


def _features(name: str, found: Any, setting: Setting) -> list[Picture]:
    if setting.image:
        tiles = _one_channel(found.feature_norms, setting).numpy()
        then = f", then by class: {', '.join(found.groups[1:])}" if len(found.groups) > 1 else ""
        caption = (
            f"‖∂z/∂x‖ of every pixel, root mean square: over all rows first{then}."
            " Orange pixels move the code; what the others are it hardly sees."
        )
        figure = plots.filters({name: tiles}, setting.image)
        return [Picture("features", "Which pixels move the code", caption, figure)]
    whole = replace(found, feature_norms=found.feature_norms[:1])
    figure, which = _by_feature(name, whole, [f"all {setting.part}"], setting)
    caption = (
        f"‖∂z/∂x‖ of every feature, root mean square over {found.num_points:,} {setting.part}, in code per unit of the"
        f" scaled feature{which}. A feature with a short bar or a low line is one that the code ignores."
    )
    return [Picture("features", "Which features move the code", caption, figure)]


def _by_feature(name: str, found: Any, headings: list[str], setting: Setting) -> tuple[Any, str]:
    """Bars with names, or a line over many features that have none; and what to add to the caption."""
    if setting.names or found.feature_norms.shape[1] <= _MOST_BARS:
        most = "; the twenty largest" if found.feature_norms.shape[1] > _MOST_BARS else ""
        return plots.jacobian_features({name: found}, headings, setting.named()), most
    return plots.feature_lines({name: found}, headings), ""


def _reconstruction(name: str, found: Any, setting: Setting) -> list[Picture]:
    clean = {"input": found.inputs, name: found.outputs}
    noisy = {"input": found.noisy, name: found.noisy_outputs}
    shown = [{key: _one_channel(rows, setting).numpy() for key, rows in part.items()} for part in (clean, noisy)]
    caption = (
        "The noise has level 1: it is as large as a typical feature's standard deviation. From noisy inputs a"
        " contractive code should give back something close to the clean row."
    )
    figure = plots.reconstructions(shown[0], shown[1], setting.image)
    made = Picture("reconstructions", "A few rows, and what comes out", caption, figure)
    return [made, *_errors(name, found, setting)]


def _errors(name: str, found: Any, setting: Setting) -> list[Picture]:
    if setting.part not in found.parts:
        return []
    errors = found.parts[setting.part].errors.numpy()
    caption = (
        f"‖r(x) − x‖² of {len(errors):,} {setting.part}, summed over features. A long right tail is made of rows that"
        " the code cannot hold: rare kinds, or rows that do not belong."
    )
    figure = plots.reconstruction_error({name: errors})
    return [Picture("errors", "How the error is spread", caption, figure)]


def _reconstruction_norms(name: str, found: Any, setting: Setting) -> list[Picture]:
    caption = (
        "The largest singular value of the Jacobian of the reconstruction r = g∘f (Alain and Bengio 2014). Below 1 it"
        " draws nearby points together in every direction; along the data it should be near 1, across them near 0."
    )
    figure = plots.operator_norm({name: found.operator.numpy()})
    return [Picture("reconstruction-norms", "How the reconstruction stretches", caption, figure)]


def _filters(name: str, found: Tensor, setting: Setting) -> list[Picture]:
    dense = found.ndim == 2
    if dense and setting.image:
        weights, image, what = _one_channel(found, setting).numpy(), setting.image, "One small picture per unit"
    elif dense:
        weights, image, what = found.numpy(), None, "One line per unit, one column per feature"
    else:
        image = (int(found.shape[1]), int(found.shape[2]))
        weights, what = found.flatten(1).numpy(), "One small picture per kernel"
    caption = f"{what}, the first {len(weights)}: orange weights excite, blue ones inhibit, all on one scale."
    figure = plots.filters({name: weights}, image)
    return [Picture("filters", "What the first layer looks for", caption, figure)]


def _one_channel(rows: Tensor, setting: Setting) -> Tensor:
    """Rows of an image's features as one channel, the mean of all; others as they are."""
    if setting.image is None or setting.channels == 1:
        return rows
    height, width = setting.image
    return rows.reshape(*rows.shape[:-1], setting.channels, height * width).mean(-2)


def _one_channel_jacobians(jacobians: ExampleJacobians, setting: Setting) -> ExampleJacobians:
    """The same for Jacobians and their directions."""
    if setting.image is None or setting.channels == 1:
        return jacobians
    return replace(
        jacobians,
        matrices=_one_channel(jacobians.matrices, setting),
        directions=_one_channel(jacobians.directions, setting),
    )


_BUILDERS: dict[str, Callable[[str, Any, Setting], list[Picture]]] = {
    "examples": _examples,
    "features": _features,
    "reconstruction": _reconstruction,
    "reconstruction norms": _reconstruction_norms,
    "filters": _filters,
}
