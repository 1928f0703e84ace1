"""A preparation as a JSON-able document, and back with everything checked."""

from typing import Any

import numpy as np

from contractive.data._columns import KINDS, MOST_CATEGORIES, Column
from contractive.data._errors import DataError
from contractive.data._preparation import Preparation

VERSION = 1
MOST_FEATURES = 2**22
SOURCE_KINDS = ("table", "array", "images")
SCALERS = ("none", "minmax", "standard", "robust", "range")


def to_dict(preparation: Preparation) -> dict[str, Any]:
    """The document of a preparation; JSON keeps float64 exactly."""
    fill = preparation.fill
    return {
        "version": VERSION,
        "kind": preparation.kind,
        "features": preparation.width,
        "columns": [
            {"name": column.name, "kind": column.kind, "categories": list(column.categories), "days": column.days}
            for column in preparation.columns
        ],
        "dropped": list(preparation.dropped),
        "label": preparation.label,
        "fill": None if fill is None else fill.tolist(),
        "scaler": preparation.scaler,
        "offset": preparation.offset.tolist(),
        "scale": preparation.scale.tolist(),
        "image_shape": list(preparation.image_shape) if preparation.image_shape else None,
        "whole": preparation.whole,
        "names": list(preparation.names),
    }


def from_dict(document: Any) -> Preparation:
    """The preparation of a document.

    Raises:
        DataError: A document that `to_dict` never writes.
    """
    _need(isinstance(document, dict), "document", "an object", document)
    version = document.get("version")
    _need(type(version) is int and version == VERSION, "version", str(VERSION), version)
    kind, scaler = document.get("kind"), document.get("scaler")
    _need(kind in SOURCE_KINDS if isinstance(kind, str) else False, "kind", f"one of {', '.join(SOURCE_KINDS)}", kind)
    _need(scaler in SCALERS if isinstance(scaler, str) else False, "scaler", f"one of {', '.join(SCALERS)}", scaler)
    width = _count(document.get("features"), "features")
    columns = tuple(_column(entry) for entry in _list(document.get("columns"), "columns"))
    num = sum(len(column.categories) or 1 for column in columns)
    _need(num == (width if kind == "table" else 0), "columns", "as many as features", num)
    names = _texts(document.get("names"), "names")
    _need(len(names) in ((0,) if kind == "table" else (0, width)), "names", "one per feature", len(names))
    _need(len({column.name for column in columns}) == len(columns), "columns", "unique", len(columns))
    label, whole, fill = document.get("label"), document.get("whole"), document.get("fill")
    _need(label is None or _is_text(label), "label", "a text", label)
    _need(isinstance(whole, bool), "whole", "true or false", whole)
    scale = _floats(document.get("scale"), "scale", width, one=True)
    _need(bool((scale > 0).all()), "scale", "positive", "others")
    return Preparation(
        kind=kind,
        width=width,
        scaler=scaler,
        offset=_floats(document.get("offset"), "offset", width, one=True),
        scale=scale,
        columns=columns,
        dropped=_texts(document.get("dropped"), "dropped"),
        label=label,
        fill=None if fill is None else _floats(fill, "fill", width, one=False),
        image_shape=_image_shape(document.get("image_shape"), kind, width),
        whole=whole,
        names=names,
    )


def _need(holds: bool, what: str, rule: str, got: Any) -> None:
    if not holds:
        said = repr(got) if isinstance(got, str | int | float | bool | None) else type(got).__name__
        raise DataError(
            f"{what} of the preparation must be {rule}, got {said[:80]}. The file was changed; train again."
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 100_000


def _list(value: Any, what: str) -> list[Any]:
    _need(isinstance(value, list) and len(value) <= MOST_FEATURES, what, "a list of bounded length", value)
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    entries = _list(value, what)
    _need(all(_is_text(entry) for entry in entries), what, "texts", value)
    return tuple(entries)


def _count(value: Any, what: str) -> int:
    holds = type(value) is int and 1 <= value <= MOST_FEATURES
    _need(holds, what, f"a whole number from 1 to {MOST_FEATURES}", value)
    return value


def _floats(value: Any, what: str, width: int, *, one: bool) -> np.ndarray:
    entries = _list(value, what)
    _need(len(entries) == width or (one and len(entries) == 1), what, "one number per feature", len(entries))
    _need(all(type(entry) in (int, float) for entry in entries), what, "numbers", value)
    _need(all(-1e300 <= entry <= 1e300 for entry in entries), what, "finite", value)  # exact for huge integers, too
    return np.array(entries, np.float64)


def _column(entry: Any) -> Column:
    _need(isinstance(entry, dict), "column", "an object", entry)
    name, kind, days = entry.get("name"), entry.get("kind"), entry.get("days")
    _need(_is_text(name), "column name", "a text", name)
    _need(kind in KINDS if isinstance(kind, str) else False, "column kind", f"one of {', '.join(KINDS)}", kind)
    _need(isinstance(days, bool), "days", "true or false", days)
    categories = _texts(entry.get("categories"), "categories")
    holds = (0 < len(categories) <= MOST_CATEGORIES) == (kind == "category") and len(set(categories)) == len(categories)
    _need(holds and (kind == "category" or not categories), "categories", "unique ones of a category", len(categories))
    return Column(name, kind, categories, days)


def _image_shape(value: Any, kind: str, width: int) -> tuple[int, int, int] | None:
    if value is None:
        _need(kind != "images", "image_shape", "given for images", None)
        return None
    sides = _list(value, "image_shape")
    _need(len(sides) == 3, "image_shape", "channels, height and width", len(sides))
    channels, height, width_ = (_count(side, "image_shape") for side in sides)
    _need(
        kind == "images" and channels * height * width_ == width, "image_shape", f"of {width} numbers", str(sides[:3])
    )
    return channels, height, width_
