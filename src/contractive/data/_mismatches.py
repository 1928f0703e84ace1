"""What becomes of new rows that do not fit those of training: columns more or less, categories never met, gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from contractive.core.settings import check_settings, setting
from contractive.data._errors import DataError, join_names


@dataclass(frozen=True)
class Mismatches:
    """What becomes of new rows that do not fit those of training.

    A marked row stays in its place without results, and a sentence names its problem. All other rows are as they would
    be without it.
    """

    extra_columns: Literal["ignore", "refuse"] = setting(
        "ignore", "Columns that training did not have: ignore them, or refuse the data."
    )
    missing_columns: Literal["refuse", "ignore", "mark"] = setting(
        "refuse",
        "Columns of training that the data lack: refuse the data, ignore it and fill them as missing values (after"
        " training with `impute`), or mark the rows.",
    )
    unknown_categories: Literal["refuse", "ignore", "mark"] = setting(
        "refuse",
        "Categories that training did not have: refuse the data, ignore it so that none of the known ones is set, or"
        " mark the rows.",
    )
    missing_values: Literal["refuse", "mark"] = setting(
        "refuse", "Missing values, after training without `impute`: refuse the data, or mark the rows."
    )

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def marks(self) -> bool:
        """Rows can be marked."""
        return any(getattr(self, each.name) == "mark" for each in fields(self))

    def check_names(self, missing: Sequence[str], unknown: Sequence[str]) -> None:
        """Refuse columns that are missing or unknown where the rules do."""
        if (missing and self.missing_columns == "refuse") or (unknown and self.extra_columns == "refuse"):
            got = [f"missing {join_names(missing)}"] if missing else []
            got += [f"unknown {join_names(unknown)}"] if unknown else []
            raise DataError(f"columns must be those of training, got {' and '.join(got)}. Rename, add or remove them.")


DEFAULT_RULES = Mismatches()
