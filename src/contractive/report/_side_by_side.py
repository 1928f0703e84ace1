"""Sections of an analysis of several models, from packed results to pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from contractive.report._section_pictures import Setting, section_pictures
from contractive.studies.pages import Picture
from contractive.studies.sections import unpack


def side_by_side(
    sections: Mapping[str, Mapping[str, Any]], similarity: Any, arrays: Mapping[str, np.ndarray], setting: Setting
) -> list[Picture]:
    """One set of pictures for all models.

    Args:
        sections: By model, then by section, packed.
        similarity: Of their codes, packed, or None.
        arrays: What they refer to, by `model/name`.
        setting: What pictures have to know.
    """
    found: dict[str, dict[str, Any]] = {}
    for model, packed in sections.items():
        start = f"{model}/"
        own = {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
        for section, entry in packed.items():
            found.setdefault(section, {})[model] = unpack(entry, own)
    if similarity:
        found["similarity"] = {"all": unpack(similarity, dict(arrays))}
    return [picture for made in section_pictures(found, setting).values() for picture in made]
