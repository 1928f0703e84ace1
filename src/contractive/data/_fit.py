"""Scaling and imputation, fitted on training rows with scikit-learn, block by block where that is possible."""

from collections.abc import Callable, Iterable

import numpy as np

from contractive.data._errors import DataError
from contractive.data._survey import Survey

Blocks = Callable[[], Iterable[np.ndarray]]


def fit_scaler(scaler: str, blocks: Blocks, kept: np.ndarray, *, streamed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale of each feature, float64, as scikit-learn's scaler finds them.

    Args:
        scaler: "none", "minmax", "standard" or "robust".
        blocks: A pass over the training rows, float64, without gaps.
        kept: Which features are scaled; the others (booleans, one-hot features) stay as they are.
        streamed: Whether the rows must not be gathered in memory.

    Raises:
        DataError: A scaler that needs all rows at once, over a stream.
    """
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    offset, scale = np.zeros(len(kept)), np.ones(len(kept))
    if scaler == "none" or not kept.any():
        return offset, scale
    if scaler == "robust":
        if streamed:
            raise DataError("--scale must be minmax or standard for data larger than memory, got robust. Choose one.")
        robust = RobustScaler().fit(np.concatenate([block[:, kept] for block in blocks()]))
        offset[kept], scale[kept] = robust.center_, robust.scale_
        return offset, scale
    fitted = MinMaxScaler() if scaler == "minmax" else StandardScaler()
    for block in blocks():
        if len(block):
            fitted.partial_fit(block[:, kept])
    if isinstance(fitted, MinMaxScaler):
        span = fitted.data_range_
        offset[kept], scale[kept] = fitted.data_min_, np.where(span < 10 * np.finfo(span.dtype).eps, 1, span)
    else:
        offset[kept], scale[kept] = fitted.mean_, fitted.scale_
    return offset, scale


def fit_fill(
    how: str, blocks: Blocks, seen: Survey, groups: list[tuple[int, int, str]], *, streamed: bool
) -> np.ndarray:
    """Of each feature the number put where a value is missing, from the training rows.

    Numbers and dates get their mean or median, booleans and categories what is most frequent.

    Args:
        how: "mean" or "median".
        blocks: A pass over the training rows, float64, NaN where a value is missing.
        seen: What a survey of these rows found.
        groups: First feature, number of features and kind of each column.
        streamed: Whether the rows must not be gathered in memory.

    Raises:
        DataError: The median over a stream.
    """
    means = _means(blocks, seen)
    fill = means if how == "mean" else _medians(blocks, streamed)
    for start, num, kind in groups:
        if kind == "boolean":
            fill[start] = float(means[start] >= 0.5)
        elif kind == "category":
            fill[start : start + num] = np.eye(num)[means[start : start + num].argmax()]
    return fill


def _means(blocks: Blocks, seen: Survey) -> np.ndarray:
    total = np.zeros(len(seen.missing))
    for block in blocks():
        total += np.nansum(block, axis=0)
    return total / np.maximum(seen.rows - seen.missing, 1)


def _medians(blocks: Blocks, streamed: bool) -> np.ndarray:
    if streamed:
        raise DataError("--impute must be mean for data larger than memory, got median. Use --impute mean.")
    return np.nanmedian(np.concatenate(list(blocks())), axis=0)
