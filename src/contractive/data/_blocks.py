"""Rows of any further source for a model, prepared, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contractive.data._arrow import ARROW_ERRORS
from contractive.data._errors import invalid, reraise_as_data_error, suggest
from contractive.data._formats import open_reader
from contractive.data._named import SETS, NamedSet
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import BLOCK, Preparation
from contractive.data._preparation import rows_at_once as most_rows


@dataclass(frozen=True)
class Block:
    """Some consecutive rows.

    Attributes:
        x: Prepared, float32 (rows, features).
        pass_through: Of each column asked for, its values as they stand in the source.
        start: Row of the source that is the first here.
    """

    x: np.ndarray
    pass_through: dict[str, np.ndarray]
    start: int


def open_rows(
    path: str | Path,
    preparation: Preparation,
    *,
    pass_through: Sequence[str] = (),
    optional: Sequence[str] = (),
    options: Options = DEFAULT,
    rows_at_once: int = BLOCK,
    data_dir: str | Path | None = None,
) -> Iterator[Block]:
    """Go through a source for a model, all rows in their order, prepared as in training.

    Text tables, .parquet, .npy and folders of images are read in blocks, in constant memory; others whole.

    Args:
        path: As for `load`; its columns may be in any order, label and dropped columns may be absent.
        preparation: Of the model.
        pass_through: Columns to hand on as they are, for instance identifiers; arrays of an .npz with a value per row;
            `file` and `label` of a folder of images; `label` of a named set.
        optional: Columns handed on likewise where the source has them.
        options: How to read a text table or which array of an .npz to take.
        rows_at_once: Rows of a block at most.
        data_dir: For a named set, as for `load`.

    Raises:
        DataError: Rows that do not fit the preparation, with the reason.
    """
    if rows_at_once < 1:
        raise invalid("rows_at_once", "be at least 1", rows_at_once, f"For instance {BLOCK}.")
    start, size = 0, min(rows_at_once, most_rows(preparation.features))
    with reraise_as_data_error(Path(path), ARROW_ERRORS):
        named = str(path) in SETS
        reader = NamedSet(str(path), preparation, data_dir) if named else open_reader(path, options, preparation)
        there = reader.column_names() if pass_through or optional else []
        for name in pass_through:
            if name not in there:
                remedy = suggest(name, there) if there else "This source has none."
                raise invalid("pass_through", "name a column", repr(name), remedy)
        names = list(dict.fromkeys((*pass_through, *(name for name in optional if name in there))))
        for raw, values in reader.batches_with(names, size):
            x = preparation.transform(raw)
            yield Block(x, values, start)
            start += len(x)
