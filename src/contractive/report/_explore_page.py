"""A trained model that runs in one HTML file: choose an example, move it, see what the model makes of it."""

import base64

import numpy as np
from torch import Tensor

from contractive.plots import FeatureAxis
from contractive.report._html import render, script
from contractive.studies.explore import Exploration, Layer
from contractive.studies.pages import percent

_EXACT = 100_000  # numbers of examples that are written in single precision


def explore_html(exploration: Exploration) -> str:
    """Return the whole page as text."""
    run, rows = exploration.run, exploration.rows
    preparation, live = run.preparation, exploration.encoder is not None
    features = FeatureAxis.of(preparation.given_names, rows.shape[1])
    axis = features.places.tolist() if features.line and not preparation.image_shape else None
    exact = rows.size <= _EXACT or float(np.abs(rows).max()) > np.finfo(np.float16).max
    centred = exploration.codes - exploration.codes.mean(0)
    axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)[2][:2]
    layers = {"encoder": exploration.encoder or (), "decoder": exploration.decoder or ()}
    arrays = [array for chain in layers.values() for layer in chain for array in _arrays(layer)]
    content = {
        "model": {name: [_document(layer) for layer in chain] for name, chain in layers.items()} if live else None,
        "weights": _encoded(np.concatenate(arrays)) if live else "",
        "rows": _encoded(rows, np.float32 if exact else np.float16),
        "bytes": 4 if exact else 2,
        "features": rows.shape[1],
        "units": exploration.codes.shape[1],
        "row": "test row" if exploration.what == "test rows" else "row",
        "numbers": exploration.numbers.tolist(),
        "labels": list(exploration.labels),
        "limit": exploration.limit,
        "limit_of": exploration.limit_of,
        "image": preparation.image_shape,
        "axis": axis,
        "columns": [] if preparation.image_shape or axis else _columns(exploration),
        "scale": preparation.scale.tolist(),
        "offset": preparation.offset.tolist(),
        "projection": {"mean": exploration.codes.mean(0).tolist(), "axes": axes.tolist()},
        "fixed": None if live else _fixed(exploration),
    }
    page = {
        "name": exploration.name,
        "objective": run.settings.objective.objective.replace("_", " "),
        "verdict": explore_verdict(exploration),
        "live": live,
        "why_fixed": exploration.why_fixed,
        "count": len(rows),
        "what": exploration.what,
        "image": preparation.image_shape,
        "axis": axis,
        "across": "the features" if features.title == "feature" else f"the {features.title}",
        "units": exploration.codes.shape[1],
        "weights": f"{sum(array.size for array in arrays):,}" if live else "no",
        "exploration": content,
        "settings": {
            "run": str(run.folder),
            "data": exploration.name,
            "limit of the error": f"{exploration.limit:.4g}",
        },
        "versions": run.document.versions,
        "command": run.document.command,
        "model_script": script("model.js"),
        "explore_script": script("explore.js"),
    }
    return render(page, "explore.html.jinja", "report.css", "explore.css")


def explore_verdict(exploration: Exploration) -> str:
    """Return how much of the examples the code keeps, in one sentence."""
    return (
        f"{exploration.codes.shape[1]} numbers per row keep {percent(max(exploration.explained, 0.0))} of the variance"
        f" of these {len(exploration.rows)} {exploration.what} of {exploration.rows.shape[1]} features each."
    )


def _encoded(array: np.ndarray, kind: type[np.floating] = np.float16) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def _arrays(layer: Layer) -> list[np.ndarray]:
    """Weight and bias, flat; a bias that is missing is zero."""
    if layer.weight is None:
        return []
    bias = np.zeros(layer.outputs[0]) if layer.bias is None else _flat(layer.bias)
    return [_flat(layer.weight), bias]


def _flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().flatten().numpy()


def _document(layer: Layer) -> dict[str, object]:
    weight, bias = [array.size for array in _arrays(layer)] or (0, 0)
    shapes = {"inputs": layer.inputs, "outputs": layer.outputs}
    return {
        "kind": layer.kind,
        **shapes,
        "numbers": layer.numbers,
        "sizes": layer.sizes,
        "weight": weight,
        "bias": bias,
    }


def _columns(exploration: Exploration) -> list[dict[str, object]]:
    preparation = exploration.run.preparation
    known = {column.name: column for column in getattr(preparation, "columns", ())}
    found = []
    for name, at, num, kind, *_ in preparation.groups:
        column = known.get(name)
        more = {"categories": column.categories, "days": column.days} if column else {"categories": (), "days": False}
        found.append({"name": name, "at": at, "num": num, "kind": kind, **more})
    return found


def _fixed(exploration: Exploration) -> dict[str, object]:
    assert exploration.walks is not None
    return {
        "codes": _encoded(exploration.codes),
        "reconstructions": _encoded(exploration.reconstructions),
        "errors": exploration.errors.tolist(),
        "walks": _encoded(exploration.walks),
        "directions": exploration.walks.shape[1],
        "steps": list(exploration.steps),
    }
