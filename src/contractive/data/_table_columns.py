"""Between tables and matrices of float64, by the columns of a preparation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from contractive.data._columns import Column, decoded, numbers, plain, positions
from contractive.data._errors import DataError, listed

if TYPE_CHECKING:
    from contractive.data._preparation import Preparation


def as_table(raw: Any) -> pa.Table:
    """An Arrow table of anything that is one.

    Raises:
        DataError: It is none, or has two columns of one name.
    """
    try:
        if isinstance(raw, Mapping):
            raw = pa.table({str(name): pa.array(values) for name, values in raw.items()})
        elif isinstance(raw, pa.RecordBatch):
            raw = pa.Table.from_batches([raw])
        elif not isinstance(raw, pa.Table) and hasattr(raw, "__arrow_c_stream__"):
            raw = pa.table(raw)
    except pa.ArrowException as error:
        raise DataError(f"data must be a table of plain columns, got: {error}. Mend the columns.") from error
    if not isinstance(raw, pa.Table):
        raise DataError(
            f"data must be a table with the columns of training, got {type(raw).__name__}."
            " Give .csv, .parquet or .feather, a data frame or a dict of columns."
        )
    check_unique(raw.column_names)
    return raw


def check_unique(names: Sequence[str]) -> None:
    """Refuse names given to two columns.

    Raises:
        DataError: There are some.
    """
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"columns must have names of their own, got {listed(twice)} more than once. Rename them.")


def check_columns(preparation: Preparation, table: pa.Table) -> None:
    """Refuse a table whose columns are not those of training, in any order.

    Raises:
        DataError: Columns are missing or unknown.
    """
    wanted = {column.name for column in preparation.columns}
    given = set(table.column_names)
    missing = [column.name for column in preparation.columns if column.name not in given]
    allowed = wanted | set(preparation.dropped) | {preparation.label}
    unknown = [name for name in table.column_names if name not in allowed]
    if missing or unknown:
        said = [f"missing {listed(missing)}"] if missing else []
        said += [f"unknown {listed(unknown)}"] if unknown else []
        raise DataError(f"columns must be those of training, got {' and '.join(said)}. Rename, add or remove them.")


def encode_table(columns: Sequence[Column], table: pa.Table) -> np.ndarray:
    """Features of the columns in float64 before imputation and scaling, NaN where a value is missing.

    Raises:
        DataError: Values of another kind, categories never met.
    """
    out = np.empty((len(table), sum(len(column.categories) or 1 for column in columns)))
    at = 0
    for column in columns:
        values = plain(table.column(column.name))
        if column.kind != "category":
            out[:, at] = numbers(column, values)
            at += 1
            continue
        place = positions(column, values)
        block = out[:, at : at + len(column.categories)]
        block[:] = 0
        block[np.flatnonzero(place >= 0), place[place >= 0]] = 1
        block[place < 0] = np.nan
        at += len(column.categories)
    return out


def decode_table(columns: Sequence[Column], raw: np.ndarray) -> dict[str, np.ndarray]:
    """Values of the columns in the user's units from unscaled features."""
    out, at = {}, 0
    for column in columns:
        num = len(column.categories) or 1
        out[column.name] = decoded(column, raw[:, at : at + num])
        at += num
    return out


def column_starts(preparation: Preparation) -> list[int]:
    """First feature of each column."""
    if not preparation.columns:
        return list(range(preparation.width))
    return np.cumsum([0, *(len(column.categories) or 1 for column in preparation.columns)])[:-1].tolist()
