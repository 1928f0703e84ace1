"""From the rows of a table to the network's numbers and back, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from msgspec import Meta

from contractive.data._columns import Column, as_table, index_columns, plain
from contractive.data._errors import DataError, invalid, join_names
from contractive.data._mismatches import Mismatches
from contractive.data._preparation import MOST_FEATURES, Names, Preparation
from contractive.data._survey import Group, Survey


@dataclass(frozen=True, eq=False, kw_only=True)
class TablePreparation(Preparation):
    """Preparation of a table. Booleans and one-hot features keep their 0 and 1.

    Attributes:
        columns: Those that become features, in order.
        dropped: Columns left out; they may be absent later.
    """

    kind = "table"
    part = "column"
    numbers_at_once = 2**40  # rows count here: columns are encoded one by one
    columns: Annotated[tuple[Column, ...], Meta(max_length=MOST_FEATURES)]
    dropped: Names = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        count, names = sum(group.num for group in self.groups), {column.name for column in self.columns}
        if count != self.features or len(names) != len(self.columns):
            raise DataError(f"columns must have unique names and {self.features} features, got {count}")

    @property
    def given_names(self) -> tuple[str, ...]:
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def groups(self) -> list[Group]:
        sizes = [len(column.categories) or 1 for column in self.columns]
        starts = np.cumsum([0, *sizes])[:-1].tolist()
        return [Group(c.name, at, num, c.kind) for c, at, num in zip(self.columns, starts, sizes, strict=True)]

    def varying(self, seen: Survey) -> tuple["Preparation", np.ndarray, list[str]]:
        # a category may be absent from the training rows; a single one carries no information
        flat = [g for g in self.groups if (g.num == 1 if g.kind == "category" else seen.constant[g.start])]
        if not flat:
            return self, np.ones(self.features, bool), []
        names = [group.name for group in flat]
        if len(flat) == len(self.columns):
            raise DataError(f"columns must vary among training rows, got one value in {join_names(names)}.")
        word = "a column that has" if len(flat) == 1 else f"{len(flat)} columns that have"
        return *self.without(names), [f"Left out {word} one value in the training rows: {join_names(names)}."]

    def without(self, names: Sequence[str]) -> tuple["Preparation", np.ndarray]:
        """Return the preparation without some columns, and which features are kept."""
        kept = np.ones(self.features, bool)
        for group in self.groups:
            kept[group.start : group.start + group.num] = group.name not in names
        numbers: Any = {name: getattr(self, name) for name in ("offset", "scale", "fill")}
        numbers = {name: v[kept] for name, v in numbers.items() if v is not None and v.size == self.features}
        columns = tuple(column for column in self.columns if column.name not in names)
        dropped = (*self.dropped, *names)
        return replace(self, features=int(kept.sum()), columns=columns, dropped=dropped, **numbers), kept

    def _rows(self, raw: Any, rules: Mismatches) -> pa.Table:
        table = as_table(raw)
        self.check_columns(table.column_names, index_columns(table.schema), rules)
        return table

    def check_columns(self, names: Sequence[str], further: Sequence[str], rules: Mismatches) -> list[str]:
        """Return the columns that a table has beside those of training and `further` ones.

        Raises:
            DataError: The rules refuse them.
        """
        given, known = set(names), {column.name for column in self.columns}
        missing = [column.name for column in self.columns if column.name not in given]
        known |= {*self.dropped, self.label, *further}
        unknown = [name for name in names if name not in known]
        rules.check_names(missing, unknown)
        if missing and rules.missing_columns == "ignore" and self.fill is None:
            rule, remedy = "be refuse or mark after training without `impute`", f"{join_names(missing)} has no fill."
            raise invalid("missing_columns", rule, "ignore", remedy)
        return unknown

    def _encoded(self, rows: pa.Table, rules: Mismatches) -> tuple[np.ndarray, dict[int, str]]:
        out, problems, given = np.empty((len(rows), self.features)), {}, set(rows.column_names)
        for column, group in zip(self.columns, self.groups, strict=True):
            if column.name not in given:
                out[:, group.start : group.start + group.num] = np.nan
                if rules.missing_columns == "mark":
                    problems = dict.fromkeys(range(len(rows)), f"column {column.name} is missing") | problems
                continue
            values = plain(rows.column(column.name), column.categories)
            unseen = column.encode(values, out[:, group.start : group.start + group.num])
            if unseen and rules.unknown_categories == "refuse":
                raise column.unseen(unseen.values())
            if rules.unknown_categories == "mark":
                new = {row: f"{column.name} has the unknown category {value!r}" for row, value in unseen.items()}
                problems = new | problems
        return out, problems

    def _decoded(self, raw: np.ndarray) -> dict[str, np.ndarray]:
        pairs = zip(self.columns, self.groups, strict=True)
        return {column.name: column.decode(raw[:, at : at + num]) for column, (_, at, num, _) in pairs}
