"""`load`: a named set, or your own file or folder, split and prepared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data._arrow import ARROW_ERRORS
from contractive.data._errors import DataError, invalid, join_names, reraise_as_data_error
from contractive.data._fit import fit_preparation
from contractive.data._formats import open_reader
from contractive.data._labels import with_test_labels
from contractive.data._memory import fits
from contractive.data._named import SETS
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import Preparation
from contractive.data._reader import OnDisk, Reader, RowsOnDisk, Source, TestRows
from contractive.data._split import TEST, TRAIN, VALIDATION, DataSource, Split, most_held_out, partition


def load(data: str | Path, *, data_dir: str | Path | None = None, seed: int = 0, options: Options = DEFAULT) -> Split:
    """Load a data set, split and scaled; scaling and imputation are fitted on the training rows.

    Args:
        data: One of `SETS`; or a table (.csv, .tsv, .parquet, .feather), an array (.npy, .npz) or a folder of images.
        data_dir: For a named set: folder with its IDX files (or with a folder of its name that holds them);
            $CONTRACTIVE_DATA if omitted, then a download into the user's cache.
        seed: Of the split, where the source has none of its own.
        options: How to read the source.

    Raises:
        DataError: Data that cannot be used as it is, with the option that helps.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise invalid("seed", f"be a whole number from 0 to {2**32 - 1}", repr(seed), "For instance 0.")
    folder = str(_absolute(data_dir)) if data_dir else None
    if str(data) in SETS:
        if given := options.given():
            got = join_names(f"`{name}`" for name in given)
            raise DataError(f"options on data must be for your own files, got {got} with {data}. Leave them out.")
        return replace(SETS[str(data)](data_dir, seed), source=DataSource(str(data), folder, seed, options))
    test = str(_absolute(options.test)) if options.test else None
    with reraise_as_data_error(Path(data), ARROW_ERRORS):
        split = _split_source(data, options, seed)
    return replace(split, source=DataSource(str(_absolute(data)), folder, seed, replace(options, test=test)))


def _split_source(data: str | Path, options: Options, seed: int) -> Split:
    reader = open_reader(data, options)
    source = reader.source(_stays_on_disk(reader, options))
    test = _test_rows(source, options) or reader.test_rows()
    on_disk, features = source.on_disk, source.draft.features
    parts, how = partition(
        source.num_rows,
        (options.validation_share, 0.0 if test else options.test_share),
        seed=seed,
        labels=None if on_disk else source.labels,
        most=most_held_out(features) if on_disk else None,
    )
    preparation, notes = fit_preparation(source, parts, options)
    arrays = _gather(source, preparation, parts)
    labels = None
    if source.labels is not None:
        labels = source.labels[parts == TRAIN], source.labels[parts == VALIDATION], source.labels[parts == TEST]
    if test is not None:
        arrays[TEST] = np.concatenate([arrays[TEST], *(preparation.transform(raw) for raw in test.batches)])
        if not len(arrays[TEST]):
            raise DataError(f"{test.name} must hold rows for testing, got none. Give at least one.")
        notes += test.notes
        if labels is not None:
            labels, more = with_test_labels(labels, test.labels)
            notes += more
    if on_disk:
        notes.append("Training rows stay on disk (option stream).")
    shape = preparation.image_shape
    return Split(
        reader.path.stem,
        RowsOnDisk(source, preparation, np.flatnonzero(parts)) if on_disk else arrays[TRAIN],
        arrays[VALIDATION],
        arrays[TEST],
        labels,
        shape[1:] if shape is not None and shape[0] == 1 else None,
        shape,
        preparation,
        parts,
        reader.checksum(),
        preparation.feature_names,
        (*source.notes, how, *notes),
    )


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def _stays_on_disk(reader: Reader[Any, Any], options: Options) -> bool:
    if not isinstance(reader, OnDisk) or options.stream is not None:
        return bool(options.stream)
    rows, columns = reader.size()
    return not fits(4 * rows * columns)


def _test_rows(source: Source, options: Options) -> TestRows | None:
    """Return the rows of a separate test file, read as the training file was."""
    if options.test is None:
        return None
    as_read = replace(options, header=source.reader.header)
    reader = open_reader(options.test, as_read, source.draft, field="test")
    batches = (raw for raw, _ in reader.batches_with(()))
    return TestRows(str(reader.path), batches, reader.labels(), [f"Test file: {note}" for note in reader.notes()])


def _gather(source: Source, preparation: Preparation, parts: np.ndarray) -> list[np.ndarray]:
    """Return the prepared rows of each subset; of a stream those of validation and test only."""
    wanted = [part for part in (TRAIN, VALIDATION, TEST) if part != TRAIN or not source.on_disk]
    counts = np.bincount(parts, minlength=3)
    out = [np.empty((counts[part] if part in wanted else 0, preparation.features), np.float32) for part in range(3)]
    done, start = [0, 0, 0], 0
    for raw in source.batches():
        mine = parts[start : start + len(raw)]
        start += len(raw)
        if source.on_disk and not mine.any():
            continue
        x = preparation.transform(raw)
        for part in wanted:
            rows = x[mine == part]
            out[part][done[part] : done[part] + len(rows)] = rows
            done[part] += len(rows)
    return out
