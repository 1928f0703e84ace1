"""Tables (.csv .tsv .txt .data .parquet .arrow .feather): read, check, name the columns that become features."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from pyarrow import ipc

from contractive.data._checksum import file_checksum
from contractive.data._columns import MOST_CATEGORIES, Column, guess, kind_of_type, plain, texts
from contractive.data._csv import points_for_commas, read_csv
from contractive.data._dialect import Dialect, detect
from contractive.data._errors import DataError, first_line, listed, together
from contractive.data._labels import label_values
from contractive.data._memory import check_fits
from contractive.data._options import Options, check_columns_exist
from contractive.data._preparation import Preparation, blocks
from contractive.data._source import Source, unscaled
from contractive.data._table_columns import check_unique

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers

TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".test", ".dat")
ARROW_ENDINGS = (".arrow", ".feather", ".ipc")
TABLE_ENDINGS = (*TEXT_ENDINGS, ".parquet", *ARROW_ENDINGS)


def table_source(path: Path, options: Options) -> Source:
    """A table in memory, its columns typed and chosen.

    Raises:
        DataError: A table that cannot be read, or whose columns cannot become features.
    """
    table, dialect = read_table(path, options)
    columns, typed, notes = choose_columns(table, options, dialect)
    label = options.label
    labels = None if label is None else label_values(label, plain(table.column(label)))
    draft = draft_of(columns, options)
    return Source(
        path, draft, len(typed), lambda: blocks(typed), labels, checksum=file_checksum(path),
        notes=[*(dialect.notes if dialect else []), *notes], header=dialect.header if dialect else None,
    )  # fmt: skip


def table_like(path: Path, options: Options, preparation: Preparation) -> Source:
    """A further table for a preparation, its columns left as they are for `transform` to check."""
    table, dialect = read_table(path, options)
    if dialect is not None:
        table = points_for_commas(table, dialect)
    label = preparation.label
    labels = None
    if label is not None and label in table.column_names:
        labels = label_values(label, plain(table.column(label)))
    return Source(
        path, preparation, len(table), lambda: blocks(table), labels, checksum=file_checksum(path),
        notes=[f"Test file: {note}" for note in dialect.notes] if dialect else [],
    )  # fmt: skip


def read_table(path: Path, options: Options) -> tuple[pa.Table, Dialect | None]:
    """Any table whole; text tables with every column as text, and how they are written.

    Raises:
        DataError: It cannot be read, is too large or has two columns of one name.
    """
    if path.suffix.lower() in TEXT_ENDINGS:
        dialect = detect(path, text_options(path, options))
        return read_csv(path, dialect), dialect
    check_fits(str(path), 2 * path.stat().st_size, "Save it as .parquet in row groups, which is read in parts.")
    with damage_told(path, OSError):
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                # a column of one value is packed into a few bytes, whatever its length
                claimed = 8 * file.metadata.num_rows * file.metadata.num_columns
                check_fits(str(path), claimed, "Leave out --no-stream.")
                table = file.read(use_threads=False)
        else:
            table = _read_arrow(path)
    check_unique(table.column_names)
    return table, None


def text_options(path: Path, options: Options) -> Options:
    """The options for a text table, the separator of a .tsv being the tab."""
    tab = path.suffix.lower() == ".tsv" and options.separator is None
    return replace(options, separator="\t") if tab else options


def _read_arrow(path: Path) -> pa.Table:
    """Arrow files and streams; Feather version 2 is an Arrow file."""
    with pa.OSFile(str(path)) as file:
        try:
            table = ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            table = ipc.open_stream(file).read_all()
    table.validate(full=True)  # Arrow itself believes lengths and indices of broken files until it crashes
    return table


@contextmanager
def damage_told(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Say which file is broken: where Arrow notices it, now or later while it works with what was read, or at `more`.

    Names in a file that are no text come as UnicodeDecodeError.
    """
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, *more) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    """What to say of a broken binary table."""
    kind = path.suffix.lower()
    return DataError(f"{path} must be a whole {kind} file, got: {first_line(error)}. Write or copy it again.")


def choose_columns(
    table: pa.Table, options: Options, dialect: Dialect | None
) -> tuple[tuple[Column, ...], pa.Table, list[str]]:
    """The columns that become features, the table with these columns typed, and notes.

    Raises:
        DataError: Text without a word on what to do with it, columns of no use, none left.
    """
    names = table.column_names
    check_columns_exist(options, names)
    kept = [name for name in names if name not in options.drop and name != options.label]
    if not kept:
        raise DataError(f"data must have a column beside label and dropped ones, got {listed(names)}. Keep one.")
    kinds, typed = {}, {}
    for name in kept:
        values = plain(table.column(name))
        kinds[name], typed[name] = kind_of_type(values.type), values
        if isinstance(options.one_hot, tuple) and name in options.one_hot:
            kinds[name] = "text"
        elif dialect is not None:  # a typed table means its types: "01234" is a text there
            kinds[name], typed[name] = guess(values, decimal_comma=dialect.separator != ",")
    nameless = dialect is not None and not dialect.header and options.header is None
    said = " The first row looks like values, so columns go by their number (--header, if it has names)."
    types = {name: values.type for name, values in typed.items()}
    check_kinds(kinds, types, options, typed, said if nameless else "")
    columns = tuple(column_of(name, kinds[name], typed[name]) for name in kept)
    return columns, pa.table(typed), kind_notes(kinds)


def check_kinds(
    kinds: dict[str, str],
    types: dict[str, pa.DataType],
    options: Options,
    values: dict[str, pa.ChunkedArray],
    remark: str = "",
) -> None:
    """Refuse columns of no kind that can be used, with the options that help, and a remark on their names.

    Raises:
        DataError: There are some.
    """
    other = [name for name, kind in kinds.items() if kind == "other"]
    if other:
        said = listed(f"{name} ({types[name]})" for name in other)
        raise DataError(f"columns must hold numbers, dates or text, got {said}. Use --drop {together(other)}.")
    chosen = options.one_hot if isinstance(options.one_hot, tuple) else None
    text = [name for name, kind in kinds.items() if kind == "text" and chosen is not None and name not in chosen]
    if text:
        given = together(text)
        hint = next((_hint(name, values[name]) for name in text if _hint(name, values[name])), "")
        use = f"--drop {given} or --one-hot {given}"
        if len(text) > 1:
            use = f"--one-hot all, or --drop {given}, or --label if one is the label"
        raise DataError(f"columns must hold numbers, got text in {listed(text)}. Use {use}.{hint}{remark}")


def _hint(name: str, values: pa.ChunkedArray) -> str:
    """What is most likely wrong with a column of text."""
    filled = values.drop_null()
    if pc.any(pc.match_substring(filled, "\n")).as_py():
        return f" {name} has values over several lines: is a quote left open?"
    if len(filled) and pc.all(pc.match_substring_regex(filled, r"^[\d.eE+-]+( +[\d.eE+-]+)+$")).as_py():
        return f" {name} holds several numbers: give --separator ' ' if a space separates them."
    commas = pc.match_substring_regex(filled, r"^[+-]?[\d.]*\d,\d+$")
    if len(filled) and pc.all(commas).as_py():
        return f" {name} seems to have decimal or thousands commas: write 1234.5 instead."
    like = pc.match_substring_regex(filled, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    share = pc.mean(like.cast(pa.float64())).as_py() if len(filled) else 0
    if share == 1:
        return f" {name} holds numbers written as text: make it a column of numbers if they are amounts."
    if share > 0.5:
        first = pc.filter(filled, pc.invert(like))[0].as_py()
        return f" {name} is mostly numbers: {first[:40]!r} is not."
    return ""


def column_of(name: str, kind: str, values: pa.ChunkedArray) -> Column:
    """The column of a kind, with the categories of all its rows (they are its vocabulary and no statistics).

    Raises:
        DataError: Too many categories, or none.
    """
    if kind == "text":
        return category(name, pc.unique(texts(values)).drop_null().to_pylist())
    if kind == "date":
        return Column(name, "date", days=whole_days(values))
    return Column(name, "number" if kind == "comma" else kind)


def category(name: str, categories: list[str]) -> Column:
    """A column of categories in order of their names.

    Raises:
        DataError: Too many of them, or none.
    """
    if not 1 <= len(categories) <= MOST_CATEGORIES:
        raise DataError(
            f"column {name} must have 1 to {MOST_CATEGORIES} categories to be encoded, got {len(categories)}."
            f" Use --drop {name}."
        )
    return Column(name, "category", tuple(sorted(categories)))


def whole_days(values: pa.ChunkedArray) -> bool:
    """Whether all dates are at midnight."""
    stamps = values.cast(pa.timestamp("us"), safe=False)
    return bool(pc.all(pc.equal(pc.floor_temporal(stamps, unit="day"), stamps), min_count=0).as_py())


def kind_notes(kinds: dict[str, str]) -> list[str]:
    """Sentences on the kinds found."""
    by_kind: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        by_kind.setdefault(kind, []).append(name)
    words = {
        "date": "Dates became days since 1970-01-01",
        "boolean": "True and false became 1 and 0",
        "comma": "Decimal commas were read",
        "text": "Texts were one-hot encoded",
    }
    return [f"{said} in {listed(by_kind[kind])}." for kind, said in words.items() if kind in by_kind]


def draft_of(columns: tuple[Column, ...], options: Options) -> Preparation:
    """The preparation of chosen columns, yet without imputation and scaling."""
    width = sum(len(column.feature_names) for column in columns)
    return unscaled("table", width, columns=columns, dropped=options.drop, label=options.label)
