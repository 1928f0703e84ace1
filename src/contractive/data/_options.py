"""How data are read, prepared and split: one set of settings for Python and the command line."""

import os
from dataclasses import dataclass, fields
from typing import Any, Literal

from contractive.core.settings import check_settings, setting
from contractive.data._errors import DataError, invalid
from contractive.data._spectra import STEPS, WINDOW

Scale = Literal["auto", "none", "minmax", "standard", "robust", "common"]
Imputation = Literal["mean", "median"]


@dataclass(frozen=True)
class Options:
    """How to read, prepare and split data. What is None is detected or decided; `Split.notes` report it.

    A value that no source could honour is refused.
    """

    key: str | None = setting(
        None,
        "Name of the array in an .npz file, the sheet in an .xlsx file, the matrix in an .h5ad file.",
        "detected",
    )
    label: str | None = setting(
        None, "Column of a table or of obs, or key in an .npz file, with the labels; never a feature."
    )
    drop: tuple[str, ...] = setting((), "Columns to leave out.")
    keep_id: bool = setting(
        False, "Keep columns that count or name the rows: an id whose values all differ, the row number."
    )
    one_hot: tuple[str, ...] | bool = setting((), "Columns to turn into 0/1 columns, one per category; or all texts.")
    impute: Imputation | None = setting(
        None,
        "Fill missing numbers with the mean or median of the training rows, missing categories with the most frequent.",
        "missing values are refused",
    )
    scale: Scale = setting(
        "auto",
        "Scaling, fitted on the training rows: auto, none, minmax, standard, robust or common (one scale for all). auto"
        " scales pixels by their range, signals such as spectra by common, and other columns as standard does.",
    )
    spectra: tuple[str, ...] = setting(
        (),
        "Preprocessing of rows that are spectra, in this order: snv, msc, detrend; sg0, sg1, sg2 (Savitzky-Golay:"
        " smoothed, first and second derivative).",
        choices=STEPS,
    )
    spectra_window: int = setting(WINDOW, "Channels in the window of Savitzky-Golay, odd.", least=3)
    size: tuple[int, int] | None = setting(None, "Height and width of images: resized to, or of flat rows.")
    rows_are: Literal["series", "images"] | None = setting(
        None, "What rows of two dimensions are: series (steps, channels) or images.", "by the ranges of the channels"
    )
    gray: bool = setting(False, "Read images in grey.")
    separator: str | None = setting(None, "Separator between the fields of a text table.", "detected")
    encoding: str | None = setting(None, "Character encoding of a text table.", "detected")
    header: bool | None = setting(None, "A text table or sheet has names in its first row.", "detected")
    skip_rows: int = setting(0, "Lines above a text table or sheet that are no part of it.", least=0)
    units_row: bool | None = setting(None, "A text table has a row of units below its header.", "detected")
    total_row: bool | None = setting(None, "The last row of a text table holds totals and is left out.", "detected")
    decimal: Literal[".", ","] | None = setting(None, "Decimal mark of a text table: . or ,", "by all its rows")
    thousands: str | None = setting(
        None, "What separates thousands in a text table: . or , or ' or a space.", "by all its rows"
    )
    keep_na_text: bool | None = setting(
        None, "The text NA is a category and no missing value.", "in one-hot columns without impute"
    )
    window: int | None = setting(
        None, "Rows that follow each other and are one example: a window of a series.", "single rows", least=2
    )
    step: int = setting(1, "Rows from the beginning of a window to that of the next one.", least=1)
    time: str | None = setting(
        None, "Column of time stamps, never a feature; no window lies across a gap.", "the order of the rows"
    )
    group: str | None = setting(
        None, "Column that tells series apart, never a feature; no window has rows of two.", "one series"
    )
    test: str | None = setting(None, "File or folder with the test rows.", "a part of the data")
    validation_share: float = setting(0.15, "Fraction of the rows for validation.")
    test_share: float = setting(0.15, "Fraction of the rows for testing, without a test file.")
    stream: bool | None = setting(
        None,
        "Leave the training rows of .npy or .parquet files on disk.",
        "if they need more than 40 % of the free memory",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", None if self.test is None else os.fspath(self.test))  # it may be a Path
        check_settings(self)
        if self.size is not None and (len(self.size) != 2 or not all(1 <= side <= 65_535 for side in self.size)):
            raise invalid("size", "be HEIGHTxWIDTH in pixels", self.size, "For instance 28x28.")
        if self.size is not None and self.rows_are == "series":
            raise invalid("size", "be left out where rows are series", self.size, "Or leave `rows_are` out.")
        if self.separator is not None and len(self.separator) != 1:
            raise invalid("separator", "be one character", repr(self.separator), "For instance ';'.")
        if self.thousands is not None and (self.thousands not in {*".,' "} or self.thousands == self.decimal):
            remedy = "For instance . with the decimal mark ,"
            raise invalid(
                "thousands", "be . or , or ' or a space, and not the decimal mark", repr(self.thousands), remedy
            )
        try:
            "".encode("utf-8" if self.encoding is None else self.encoding)
        except (LookupError, ValueError):
            got, remedy = repr(self.encoding), "For instance utf-8."
            raise invalid("encoding", "be one that Python knows", got, remedy) from None
        for name in ("time", "group"):
            if getattr(self, name) is not None and self.window is None:
                raise invalid(name, "come with `window`", getattr(self, name), "Give the number of rows of a window.")
        if self.spectra and self.window is not None:
            remedy = "Save preprocessed rows."
            raise invalid("spectra", "be left out with `window`", ",".join(self.spectra), remedy)
        if self.step > (self.window or 1):
            raise invalid("step", f"be at most {self.window or 1}, the rows of a window", self.step, "Make it smaller.")
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 1:
                raise invalid(name, "lie between 0 and 1", getattr(self, name), "For instance 0.15.")
        if self.validation_share + self.test_share > 0.9:
            raise DataError(
                "`validation_share` and `test_share` must leave a tenth to train on, got"
                f" {self.validation_share} and {self.test_share}. Make them smaller."
            )

    def given(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {entry.name: found[entry.name] for entry in fields(self) if found[entry.name] != entry.default}


DEFAULT = Options()
