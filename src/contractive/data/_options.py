"""What a user can say about a data source."""

from dataclasses import dataclass
from pathlib import Path

from contractive.data._errors import DataError, listed

SCALES = ("auto", "none", "minmax", "standard", "robust")
IMPUTATIONS = ("mean", "median")


@dataclass(frozen=True)
class Options:
    """How to read a source; every field has a default, None meaning that it is detected and said in `Split.notes`.

    Attributes:
        key: Array in an .npz.
        label: Column of a table, or key of an .npz, that is the label; never a feature.
        drop: Columns of a table left out.
        one_hot: Columns to one-hot encode; True for all text columns.
        impute: "mean" or "median" of the training rows for missing numbers (the most frequent value for categories).
        scale: "auto", "none", "minmax", "standard" or "robust".
        size: (height, width) to which images are resized; for a flat array, the image that a row is.
        gray: Read images as grey ones.
        separator: Between the fields of a text table.
        encoding: Of a text table.
        header: Whether the first row of a text table holds names.
        test: A file or folder of its own for the test part.
        validation_share: Part of the rows for validation.
        test_share: Part of the rows for testing, where there is no test file.
        stream: Leave the training rows on disk; None decides by the size of the file against the memory.
    """

    key: str | None = None
    label: str | None = None
    drop: tuple[str, ...] = ()
    one_hot: tuple[str, ...] | bool = ()
    impute: str | None = None
    scale: str = "auto"
    size: tuple[int, int] | None = None
    gray: bool = False
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    test: str | Path | None = None
    validation_share: float = 0.15
    test_share: float = 0.15
    stream: bool | None = None

    def __post_init__(self) -> None:
        """Refuse values that no source could honour."""
        if self.scale not in SCALES:
            raise DataError(f"--scale must be one of {', '.join(SCALES)}, got {self.scale!r}.")
        if self.impute is not None and self.impute not in IMPUTATIONS:
            raise DataError(f"--impute must be mean or median, got {self.impute!r}.")
        if self.size is not None and (len(self.size) != 2 or not all(1 <= side <= 65_535 for side in self.size)):
            raise DataError(f"--size must be HEIGHTxWIDTH in pixels, got {self.size}. For instance 28x28.")
        if self.separator is not None and len(self.separator) != 1:
            raise DataError(f"--separator must be one character, got {self.separator!r}. For instance ';'.")
        if self.encoding is not None and not _known_encoding(self.encoding):
            raise DataError(f"--encoding must be one that Python knows, got {self.encoding!r}. For instance utf-8.")
        _check_shares(self.validation_share, self.test_share)


def _known_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _check_shares(validation: float, test: float) -> None:
    for option, share in (("--validation-share", validation), ("--test-share", test)):
        if not 0 < share < 1:
            raise DataError(f"{option} must lie between 0 and 1, got {share}. For instance 0.15.")
    if validation + test > 0.9:
        raise DataError(
            f"--validation-share and --test-share must leave a tenth to train on, got {validation} and {test}."
            " Make them smaller."
        )


DEFAULT = Options()


def check_columns_exist(options: Options, names: list[str]) -> None:
    """Refuse a label, a dropped or an encoded column that the table does not have, naming its neighbours.

    Raises:
        DataError: Such a column.
    """
    encoded = options.one_hot if isinstance(options.one_hot, tuple) else ()
    wanted = {"--label": (options.label,) if options.label else (), "--drop": options.drop, "--one-hot": encoded}
    for option, columns in wanted.items():
        for column in columns:
            if column not in names:
                raise DataError(f"{option} must name a column, got {column!r}. {near(column, names)}")
    if options.label is not None and options.label in encoded:
        raise DataError(f"--one-hot must name features, got the label {options.label!r}. Leave it out there.")


def near(name: str, names: list[str]) -> str:
    """A sentence with the names most like `name`, else with all."""
    import difflib

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    lowered = {other.lower(): other for other in names}
    if name.lower() in lowered and lowered[name.lower()] not in close:
        close = [lowered[name.lower()], *close]
    return f"Did you mean {' or '.join(close)}?" if close else f"There are {listed(names, 12)}."
