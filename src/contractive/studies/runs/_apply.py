"""Use a run on data of any size: codes, reconstructions and predictions, in the user's own columns and units."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from contractive import training
from contractive.core.errors import check_at_least
from contractive.data import Block, DataError, Mismatches, Options, label_texts, open_rows, writer
from contractive.studies.runs._classes import interval
from contractive.studies.runs._classifier import PREDICTED, ClassifierRun
from contractive.studies.runs._detector import FLAGGED, DetectorRun
from contractive.studies.runs._folder import RunError
from contractive.studies.runs._task import PROBLEM, RowFunction, Run, with_problems

if TYPE_CHECKING:
    from contractive.estimators import Drift

_MOST_DRIFT_ROWS = 20_000  # as many as the training rows that a detector keeps


class RowOptions(TypedDict, total=False):
    """Keyword arguments of `encode`, `reconstruct`, `predict` and `score`."""

    pass_through: Sequence[str]  # columns of the data that are copied before the others, an identifier for instance
    options: Options  # how to read the data
    device: str  # where to compute; the CPU by default
    overwrite: bool  # replace an existing file
    rules: Mismatches  # what becomes of rows that do not fit the run
    on_progress: Callable[[int], None]  # called with the number of rows done
    on_note: Callable[[str], None]  # called with sentences on what was ignored or marked


def encode(run: Run[Any, Any], data: str | Path, out: str | Path, **options: Unpack[RowOptions]) -> int:
    """Write the code of every row of `data`, and return the number of rows.

    Where rows can be marked (`rules`), a column `problem` says why, and a marked row has no results: NaN in a .npy
    file, which has no such column.

    Args:
        run: A run with a trained model.
        data: Raw rows, prepared as in training, in constant memory.
        out: File; its ending names the format (.npy, .csv, .parquet). Written whole or not at all.
        options: See `RowOptions`.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    return _write_rows(_function(run, "encode"), run, data, out, **options)[0]


def reconstruct(run: Run[Any, Any], data: str | Path, out: str | Path, **options: Unpack[RowOptions]) -> int:
    """Write the reconstruction of every row in the user's own units and columns; arguments as in `encode`."""
    return _write_rows(_function(run, "reconstruct"), run, data, out, **options)[0]


@dataclass(frozen=True)
class Predicted:
    """How many rows were predicted, and how well where the data have labels."""

    rows: int  # that were written
    labelled: int  # rows with a label
    right: int  # rows whose label is the predicted class
    marked: int = 0  # rows without a prediction, since they do not fit the run

    @property
    def accuracy(self) -> float:
        """Share of the labelled rows whose class was predicted; NaN without any."""
        return self.right / self.labelled if self.labelled else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy, by Wilson's score."""
        return interval(self.right, self.labelled)


def predict(run: ClassifierRun, data: str | Path, out: str | Path, **options: Unpack[RowOptions]) -> Predicted:
    """Write class and probabilities of every row of `data`, and compare the classes with labels where there are any.

    Columns: those passed through, `predicted`, and `p_<class>` for each class. A .npy file cannot hold texts: with
    classes that are texts choose another ending. Arguments as in `encode`; `options.label` names a column to compare
    with, by default that of training.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    asked = options.get("options", Options()).label
    source = run.document.source
    trained = source.options.label if source else None
    label = str(asked or run.preparation.label or trained or "label")  # as named sets and folders call it
    texts = np.asarray(run.classes).dtype.kind == "U"
    labelled, right = 0, 0

    def compare(block: Block, made: dict[str, np.ndarray]) -> None:
        nonlocal labelled, right
        if label in block.pass_through:
            is_known, true = label_texts(block.pass_through[label][block.usable], numbers=not texts)
            labelled += int(is_known.sum())
            right += int((true[is_known] == made[PREDICTED][is_known].astype(np.str_)).sum())
        elif asked is not None:
            remedy = "Leave it out to predict without labels."
            raise DataError(field="label", rule="name a column", got=repr(asked), remedy=remedy)

    function = _function(run, "predict")
    rows, marked = _write_rows(function, run, data, out, optional=(label,), on_block=compare, **options)
    return Predicted(rows, labelled, right, marked)


@dataclass(frozen=True)
class Scored:
    """How many rows were scored and flagged."""

    rows: int
    flagged: int
    marked: int = 0  # rows without a score, since they do not fit the run

    @property
    def share(self) -> float:
        """Share of the scored rows that was flagged; 0 without any."""
        return self.flagged / scored if (scored := self.rows - self.marked) else 0.0

    @property
    def doubtful(self) -> float:
        """Share of all rows that was flagged or has no score."""
        return (self.flagged + self.marked) / self.rows if self.rows else 0.0


def score(run: DetectorRun, data: str | Path, out: str | Path, **options: Unpack[RowOptions]) -> Scored:
    """Write score, p-value, flag and the first three reasons of every row of `data`.

    Columns: those passed through, `score` (higher is stranger), `p_value`, `flagged` (1 or 0), `reason_1` to `reason_3`
    of flagged rows; texts need .csv or .parquet. With a false-discovery rate, which depends on all rows, the data are
    read twice. Arguments as in `encode`.

    Raises:
        DataError: Data that do not fit the detector, or a file that cannot be written.
    """
    flagged, detector, scores = 0, run.detector, []
    if detector.false_discovery_rate is not None:
        given = {"options": options.get("options", Options()), "rules": options.get("rules", Mismatches())}
        blocks = (block.x[block.usable] for block in open_rows(data, run.preparation, **given))
        scores = [-detector.score_samples(x) for x in blocks if len(x)]

    def count(block: Block, made: dict[str, np.ndarray]) -> None:
        nonlocal flagged
        flagged += int(made[FLAGGED].sum())

    limit = detector.flagging_limit(np.concatenate([[], *scores]))
    rows, marked = _write_rows(run.scores(limit), run, data, out, on_block=count, **options)
    return Scored(rows, flagged, marked)


def drift(
    run: DetectorRun,
    data: str | Path,
    *,
    options: Options = Options(),  # noqa: B008
    rules: Mismatches = Mismatches(),  # noqa: B008
    on_note: Callable[[str], None] = lambda note: None,
) -> "Drift":
    """Test whether the rows of `data` come from another distribution than the training rows, and in which features.

    Of more than 20,000 rows as many are compared, drawn at random; the others are read in constant memory. Rows that
    the rules mark are left out. Stretches have the numbers of the rows, or windows, in the file.

    Raises:
        DataError: Data that do not fit the detector.
        InvalidValue: Fewer than 2 rows.
    """
    random = np.random.default_rng(0)
    kept, keys, seen = np.empty((0, run.preparation.features), np.float32), np.empty(0), 0
    numbers = np.empty(0, np.int64)
    for block in open_rows(data, run.preparation, options=options, rules=rules, on_note=on_note):
        x = block.x[block.usable]
        kept, keys = np.concatenate([kept, x]), np.concatenate([keys, random.random(len(x))])
        numbers, seen = np.concatenate([numbers, seen + block.usable]), seen + len(block.x)
        chosen = np.sort(np.argsort(keys)[:_MOST_DRIFT_ROWS])
        kept, keys, numbers = kept[chosen], keys[chosen], numbers[chosen]
    check_at_least("rows that fit the detector", len(kept), 2, "Give more rows.")
    found = run.detector.drift(kept)
    names = dict(zip((each.feature for each in found.features), run.preparation.feature_names, strict=True))
    return replace(
        found,
        features=tuple(replace(each, feature=names[each.feature]) for each in found.features),
        stretches=tuple(
            replace(
                each,
                first=int(numbers[each.first]),
                last=int(numbers[each.last]),
                feature=names[each.feature],
            )
            for each in found.stretches
        ),
    )


def _function(run: Run[Any, Any], name: str) -> RowFunction:
    """Return what the run can do with rows under this name, or refuse."""
    functions = run.row_functions(run.parts())
    if name not in functions:
        got = f"{run.folder} with the {run.task.name} of {run.task.command}"
        remedy = f"Its commands are {run.task.uses}."
        raise RunError(field="run", rule=f"hold a model that can {name} rows", got=got, remedy=remedy)
    return functions[name]


def _write_rows(
    function: RowFunction,
    run: Run[Any, Any],
    data: str | Path,
    out: str | Path,
    *,
    optional: Sequence[str] = (),
    on_block: Callable[[Block, Any], None] = lambda block, made: None,
    **options: Unpack[RowOptions],
) -> tuple[int, int]:
    """Write what a function of the run makes of the data, and return the numbers of all rows and of marked rows.

    `optional` columns are only handed to `on_block`, which gets a block and the results of its usable rows.
    """
    given: RowOptions = {"pass_through": (), "rules": Mismatches(), **options}
    device, rules, pass_through = given.get("device", "cpu"), given["rules"], given["pass_through"]
    on_progress, on_note = (given.get(name, lambda text: None) for name in ("on_progress", "on_note"))
    training.check_device(device)
    function.module.to(device)
    done, marked = 0, 0
    further = (PROBLEM,) if rules.marks and Path(out).suffix.lower() != ".npy" else ()  # which holds no texts
    if Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise DataError(field="out", rule="be another file than the data", got=out, remedy="Choose another name.")
    reading: Any = {"options": given.get("options", Options()), "rules": rules, "on_note": on_note}
    blocks = open_rows(data, run.preparation, pass_through=pass_through, optional=optional, **reading)
    place = [name for name in run.preparation.place_columns if name not in pass_through]
    columns = (*place, *pass_through, *function.columns, *further)
    with writer(out, columns, overwrite=given.get("overwrite", False)) as file:
        for block in _prefetched(blocks):
            usable = block.usable
            made = function.apply(block.x[usable], device)
            on_block(block, made)
            if pass_through or place or rules.marks:
                made = function.named(made)
            if rules.marks:
                whole = with_problems(made, usable, block.problems)
                made = {name: whole[name] for name in (*function.columns, *further)}
            if isinstance(made, dict):
                kept = {column: block.pass_through[column] for column in pass_through}
                made = {name: block.place[name] for name in place} | kept | made
            file.write(made)
            done, marked = done + len(block.x), marked + len(block.problems)
            on_progress(done)
    if marked:
        on_note(f"{marked:,} of {done:,} rows do not fit the run and have no result.")
    return done, marked


def _prefetched(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, the next one read and prepared by a thread while the network works on this one."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block
