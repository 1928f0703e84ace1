"""Imputation and scaling fitted on the training rows with scikit-learn, block by block where that is possible."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from contractive.core.columns import SAMPLE, is_signal
from contractive.data._errors import invalid, join_for_option
from contractive.data._options import Options
from contractive.data._preparation import Preparation, Scaler, rows_at_once
from contractive.data._reader import Source
from contractive.data._spectra import note_on_spacing
from contractive.data._split import TRAIN
from contractive.data._survey import Survey
from contractive.data._table_preparation import TablePreparation


def fit_preparation(source: Source, parts: np.ndarray, options: Options) -> tuple[Preparation, list[str]]:
    """Return the preparation, its imputation and scaling fitted on the training rows, and notes on what was decided.

    Columns of a table that never vary are left out; missing values without imputation and infinite ones are refused.
    """
    draft = source.draft
    every, train = Survey(draft.features), Survey(draft.features)
    for block, mine in _encoded(source, parts):
        every.add(block)
        train.add(block[mine])
    every.check_usable(draft.groups, draft.part)
    notes: list[str] = []
    kept = np.ones(draft.features, bool)
    if not options.spectra:  # a channel that does not vary has its place in the spectrum
        source.draft, kept, notes = draft.varying(train)
    draft, every, train = source.draft, every.only(kept), train.only(kept)
    groups = draft.groups
    if options.impute is None:
        missing = [group.name for group in groups if every.missing[group.start]]
        drop = f" (or mean), or `drop` {join_for_option(missing)}" if isinstance(draft, TablePreparation) else ""
        every.check_missing(groups, draft.part, f"Use `impute` median{drop}.")
    else:
        draft = replace(draft, fill=_fit_fill(source, parts, options.impute, train))
        filled = int(sum(every.missing[group.start] for group in groups))
        notes += [f"Filled {filled} missing values (option impute: {options.impute})."] if filled else []
    scaler: Scaler = "none" if options.scale == "auto" else options.scale
    if options.spectra:
        draft = _with_steps(draft, source, parts, options)
        scaler = "common" if options.scale == "auto" else scaler  # the steps give all channels one unit
        notes.append(f"Spectra were preprocessed: {', '.join(options.spectra)} (option spectra).")
        notes += note_on_spacing(draft.feature_names, draft.spectra)
    elif options.scale == "auto":
        signal = _is_signal(source, parts, draft)
        scaler, known, why = draft.automatic_scaler(train, source.as_bytes, source.channels, signal)
        notes.append(f"{why} (option scale).")
        if known is not None:
            span = known[1] - known[0]
            return replace(draft, scaler=scaler, offset=known[0], scale=np.where(span > 0, span, 1)), notes
    offset, scale = _fit_scaler(source, parts, scaler, draft)
    return replace(draft, scaler=scaler, offset=offset, scale=scale), notes


def _encoded(source: Source, parts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through the rows as numbers before imputation and scaling, each block with the mask of its training rows."""
    start = 0
    for raw in source.batches():
        block = source.draft.encode(raw)
        yield block, parts[start : start + len(block)] == TRAIN
        start += len(block)


def _with_steps(draft: Preparation, source: Source, parts: np.ndarray, options: Options) -> Preparation:
    """Return the draft with the steps on spectra, fitted on the training rows."""
    steps: Any = options.spectra  # checked by the options
    draft = replace(draft, spectra=steps, spectra_window=options.spectra_window)
    if "msc" not in steps:
        return draft
    before = replace(draft, spectra=steps[: steps.index("msc")])
    sums = [before.unscaled(block[mine]).sum(0) for block, mine in _encoded(source, parts)]
    mean = np.sum(sums, axis=0) / (parts == TRAIN).sum()
    if np.ptp(mean) == 0:
        raise invalid("spectra", "leave out msc where the mean spectrum is constant", ",".join(steps), "Use snv.")
    return replace(draft, reference=mean)


def _is_signal(source: Source, parts: np.ndarray, draft: Preparation) -> bool:
    """Return whether columns that are all numbers are one signal, by some of the training rows."""
    if draft.image_shape is not None or source.channels is not None or not draft.numeric:
        return False
    step = -(-int((parts == TRAIN).sum()) // min(SAMPLE, rows_at_once(8 * draft.features)))
    rows, seen = [], 0
    for block, mine in _encoded(source, parts):
        trained = block[mine]
        rows.append(draft.unscaled(trained[-seen % step :: step].copy()))  # not a view, which would hold the block
        seen += len(trained)
    return is_signal(np.concatenate(rows))


def _fit_scaler(source: Source, parts: np.ndarray, scaler: Scaler, draft: Preparation) -> tuple[np.ndarray, np.ndarray]:
    """Return offset and scale of each feature, float64, as scikit-learn's scaler finds them.

    Booleans and one-hot features stay as they are.
    """
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    offset, scale, kept = np.zeros(draft.features), np.ones(draft.features), np.zeros(draft.features, bool)
    for group in draft.groups:
        kept[group.start : group.start + group.num] = group.kind in ("number", "date")
    if scaler == "none" or not kept.any():
        return offset, scale
    rows = (draft.unscaled(block[mine])[:, kept] for block, mine in _encoded(source, parts))
    if source.channels is not None:  # the steps of a series are further rows of its channels
        order, num = np.argsort(source.channels, kind="stable"), int(source.channels.max()) + 1
        rows = (block[:, order].reshape(len(block), num, -1).swapaxes(1, 2).reshape(-1, num) for block in rows)
    if scaler == "robust":
        if source.on_disk:
            raise invalid("scale", "be minmax or standard for data larger than memory", "robust", "Choose one.")
        robust = RobustScaler().fit(np.concatenate(list(rows)))
        low, span = robust.center_, robust.scale_
    else:
        fitted = MinMaxScaler() if scaler == "minmax" else StandardScaler()
        for block in rows:
            if len(block):
                fitted.partial_fit(block)
        if isinstance(fitted, MinMaxScaler):
            low, span = fitted.data_min_, fitted.data_range_
            span = np.where(span < 10 * np.finfo(span.dtype).eps, 1, span)
        else:
            low, span = fitted.mean_, fitted.scale_
            if scaler == "common":
                variances: Any = fitted.var_
                span = np.full(len(variances), np.sqrt(variances.mean()) or 1.0)
    if source.channels is not None:
        low, span = np.asarray(low)[source.channels], np.asarray(span)[source.channels]
    offset[kept], scale[kept] = low, span
    return offset, scale


def _fit_fill(source: Source, parts: np.ndarray, how: str, seen: Survey) -> np.ndarray:
    """Return the number of each feature put where a value is missing, from the training rows.

    Numbers and dates get their mean or median, booleans and categories the most frequent value.
    """
    if how == "median" and source.on_disk:
        raise invalid("impute", "be mean for data larger than memory", "median", "Use `impute` mean.")
    total = np.zeros(len(seen.missing))
    for block, mine in _encoded(source, parts):
        total += np.nansum(block[mine], axis=0)
    means = total / np.maximum(seen.rows - seen.missing, 1)
    fill = means.copy()
    if how == "median":
        fill = np.nanmedian(np.concatenate([block[mine] for block, mine in _encoded(source, parts)]), axis=0)
    for _, start, num, kind in source.draft.groups:
        if kind == "boolean":
            fill[start] = float(means[start] >= 0.5)
        elif kind == "category":
            fill[start : start + num] = np.eye(num)[means[start : start + num].argmax()]
    return fill
