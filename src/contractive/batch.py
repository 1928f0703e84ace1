"""Runs as callables over batches of rows, for engines that spread work over processes and machines.

A callable is pickled as the path of its run, which every machine must see; each process opens the run once.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from contractive.core.errors import InvalidValue
from contractive.data import Block, Mismatches, arrow_column, as_table
from contractive.studies.runs import DetectorRun, RowFunction, Run, open_run, with_problems


class OnBatches(ABC):
    """What a run makes of a batch of raw rows; see `Scorer` and `Encoder`.

    Args:
        run: Folder of the run.
        pass_through: Columns that are copied before the others, and are no features.
        rules: What becomes of rows that do not fit the run; where some can be marked, a column `problem` says why.
    """

    def __init__(
        self,
        run: str | Path,
        pass_through: Sequence[str] = (),
        rules: Mismatches = Mismatches(),  # noqa: B008
    ) -> None:
        self.folder, self.pass_through, self.rules = Path(run).resolve(), tuple(pass_through), rules
        if place := self._run.preparation.place_columns:
            raise InvalidValue("run", "be of single rows", f"one of windows with {place[0]}", "Use `score` on a file.")
        self._function  # noqa: B018  (refuses at once what is no run of the kind)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "pass_through": self.pass_through, "rules": self.rules}

    def __call__(self, batch: Any) -> Any:
        """Return the results as the batch is: a data frame, an Arrow table or record batch, or a mapping of arrays.

        Raises:
            DataError: Rows that do not fit the run.
            InvalidValue: A column to pass through that the batch lacks.
        """
        table = as_table(batch)
        for name in self.pass_through:
            if name not in table.column_names:
                raise InvalidValue("pass_through", "name a column", repr(name), "Leave it out.")
        x, problems = self._run.preparation.checked(table.drop_columns([*self.pass_through]), self.rules)
        block = Block(x, {}, 0, problems)
        made = self._function.named(self._function.apply(x[block.usable]))
        if self.rules.marks:
            made = with_problems(made, block.usable, problems)
        kept = {name: table.column(name) for name in self.pass_through}
        found = pa.table({**kept, **{name: arrow_column(values) for name, values in made.items()}})
        if isinstance(batch, pa.Table):
            return found
        if isinstance(batch, pa.RecordBatch):
            return pa.RecordBatch.from_arrays([each.combine_chunks() for each in found.columns], schema=found.schema)
        if isinstance(batch, dict):
            return {name: found.column(name).to_numpy() for name in found.column_names}
        return found.to_pandas()

    @cached_property
    def _run(self) -> Run[Any, Any]:
        return open_run(self.folder, self._kind)

    @cached_property
    def _function(self) -> RowFunction:
        return self._made(self._run)

    _kind: type[Run[Any, Any]] = Run

    @abstractmethod
    def _made(self, run: Any) -> RowFunction: ...


class Scorer(OnBatches):
    """Score, p-value, flag and reasons of rows by a detector, as `contractive score` writes them.

    Args:
        run: Folder of a detector.
        pass_through: Columns that are copied before the others, and are no features.
        rules: What becomes of rows that do not fit the run.

    Raises:
        InvalidValue: A detector with a false-discovery rate, which depends on all rows together.
    """

    _kind = DetectorRun

    def _made(self, run: DetectorRun) -> RowFunction:
        rate = run.detector.false_discovery_rate
        if rate is not None:
            rule = "be None for single batches, since it depends on all rows together"
            raise InvalidValue("false_discovery_rate", rule, rate, "Train with a `false_alarm_rate`.")
        return run.scores(run.detector.flagging_limit(()))


class Encoder(OnBatches):
    """Codes of rows by an autoencoder or a classifier, as `contractive encode` writes them.

    Args:
        run: Folder of the run.
        pass_through: Columns that are copied before the others, and are no features.
        rules: What becomes of rows that do not fit the run.
    """

    def _made(self, run: Run[Any, Any]) -> RowFunction:
        return run.row_functions(run.parts())["encode"]
