"""Results of sections as plain JSON and arrays, and back; only classes known here are made."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive import analysis
from contractive.studies.sections._results import Examples, FeatureSensitivity, Map, Reconstructions, RobustCode

_CLASSES = {
    kind.__name__: kind
    for kind in (
        analysis.Codes,
        analysis.ContractionCurve,
        analysis.Directions,
        analysis.ExampleJacobians,
        analysis.Norms,
        analysis.EvaluationPoints,
        analysis.PrincipalComponents,
        analysis.Reconstruction,
        analysis.Robustness,
        analysis.Sensitivity,
        analysis.SensitivityProfile,
        analysis.SimilarityTable,
        analysis.Spectra,
        analysis.TangentAgreement,
        analysis.Tangents,
        analysis.VectorField,
        analysis.Walks,
        Examples,
        FeatureSensitivity,
        Map,
        Reconstructions,
        RobustCode,
    )
}


class PackError(ValueError):
    """What cannot be packed or unpacked."""


def pack(value: Any, at: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value as plain JSON; its tensors go to `arrays` under names that begin with `at`.

    Raises:
        PackError: A value of a kind that is not stored.
    """
    if isinstance(value, Tensor):
        arrays[at] = value.float().numpy() if value.is_floating_point() else value.numpy()
        return {"array": at}
    if is_dataclass(value) and type(value).__name__ in _CLASSES:
        packed = {field.name: pack(getattr(value, field.name), f"{at}/{field.name}", arrays) for field in fields(value)}
        return {"class": type(value).__name__, "fields": packed}
    if isinstance(value, Mapping):
        return {"map": [[key, pack(entry, f"{at}/{key}", arrays)] for key, entry in value.items()]}
    if isinstance(value, tuple | list):
        return [pack(entry, f"{at}/{number}", arrays) for number, entry in enumerate(value)]
    if isinstance(value, float) and not isfinite(value):
        return {"number": str(value)}  # JSON has none
    if value is None or isinstance(value, str | int | float):
        return value
    raise PackError(f"value must be a known result, a tensor, a mapping, a tuple or plain, got {type(value).__name__}.")


def unpack(packed: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `pack` was given: tuples for lists, float32 for other floating-point tensors.

    Raises:
        PackError: An unknown class, missing fields or a missing array: the file was changed.
    """
    if isinstance(packed, list):
        return tuple(unpack(entry, arrays) for entry in packed)
    if not isinstance(packed, dict):
        return packed
    if "array" in packed:
        if packed["array"] not in arrays:
            raise PackError(f"arrays must hold {packed['array']!r}, got none of that name. Run it again.")
        return torch.from_numpy(np.ascontiguousarray(arrays[packed["array"]]))
    if "number" in packed:
        return float(packed["number"])
    if "map" in packed:
        return {key: unpack(entry, arrays) for key, entry in packed["map"]}
    kind = _CLASSES.get(packed.get("class", ""))
    if kind is None:
        raise PackError(f"class must be one of {', '.join(_CLASSES)}, got {packed.get('class')!r}. Run it again.")
    try:
        return kind(**{name: unpack(entry, arrays) for name, entry in packed["fields"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{packed['class']} must have its fields, got: {error}. Run it again.") from error
