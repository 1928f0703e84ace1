"""Numbers as people write them: decimal mark and thousands separator, decided by the evidence of a whole file."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from contractive.data._errors import DataError, join_names

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers

SPACES = "'\u2019 \u00a0\u202f"  # thousands separators that are no decimal mark anywhere
_EXPONENT = r"([eE][+-]?\d+)?$"
_NUMBER = rf"^[+-]?(\d+|\d{{1,3}}([.,{SPACES}]\d{{3}})+)?([.,]\d*)?{_EXPONENT}"


@dataclass(frozen=True)
class Marks:
    """The decimal mark, and what may separate thousands beside apostrophes and spaces."""

    decimal: str = "."
    thousands: str = ","

    def plain(self, values: Any) -> Any:
        """Return texts as numbers, which have no mark but a decimal point; `ArrowInvalid` for others."""
        if self.decimal == "," and pc.any(pc.match_substring_regex(values, "[.,]"), min_count=0).as_py():
            raise pa.ArrowInvalid("marks are to be read")
        return pc.cast(values, pa.float64())

    def marked(self, values: Any) -> Any:
        """Return texts as numbers by these marks; `ArrowInvalid` for others."""
        thousands = f"[{self.thousands}{SPACES}]"
        number = rf"^[+-]?(\d+|\d{{1,3}}({thousands}\d{{3}})+)?([{self.decimal}]\d*)?{_EXPONENT}"
        if not pc.all(pc.match_substring_regex(values, number), min_count=0).as_py():
            raise pa.ArrowInvalid("no numbers with these marks")
        bare = pc.replace_substring_regex(values, thousands, "")
        return pc.cast(pc.replace_substring(bare, self.decimal, "."), pa.float64())

    def numbers(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the texts of a column as numbers; `DataError` with the first that is none."""
        for parse in self.parsers().values():
            with suppress(pa.ArrowInvalid):
                return parse(values)
        for value in values.drop_null().to_pylist():
            try:
                self.marked(pa.chunked_array([[value]]))
            except pa.ArrowInvalid:
                kind = f"number as in training, got {value[:40]!r}"
                raise DataError(f"column {name} must hold values of kind {kind}. Correct the column.") from None
        return values

    def parsers(self) -> dict[str, Callable[[Any], Any]]:
        """Return how texts are read as numbers, by the kind of column that they make."""
        if self.decimal == ".":
            return {"number": self.plain, "thousands": self.marked}
        return {"number": self.plain, "thousands": self._grouped, "comma": self.marked}

    def _grouped(self, values: Any) -> Any:
        if pc.any(pc.match_substring(values, self.decimal), min_count=0).as_py():
            raise pa.ArrowInvalid("fractions among them")
        return self.marked(values)


def _decides(mark: str, other: str) -> str:
    """Return the pattern of numbers in which `mark` can only be the decimal mark, so that `other` is none."""
    return "|".join((
        rf"^[+-]?(0\d*)?[{mark}]",  # no group of thousands begins with zero
        rf"^[+-]?\d{{4,}}[{mark}]",  # nor has it four digits
        rf"[{mark}](\d{{0,2}}|\d{{4,}}){_EXPONENT}",  # nor less or more than three
        rf"[{mark}]\d+[eE]",
        rf"[{other}{SPACES}]\d{{3}}[{mark}]",
        rf"^[^{mark}]*[{other}]\d{{3}}[{other}]",
    ))  # fmt: skip


_PATTERNS = {
    ",": _decides(",", "."),
    ".": _decides(".", ","),
    "either": r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$",
    "either comma": r"^[+-]?[1-9]\d{0,2},\d{3}$",
}


class Evidence:
    """What the columns of a file, seen block by block, say about its marks."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str]] = {}  # an example of each pattern, by column
        self._other: set[str] = set()  # columns of other things than numbers

    def add(self, name: str, values: pa.ChunkedArray) -> None:
        """Take texts of a column into account, missing ones left out."""
        values = values.drop_null()
        if name in self._other:
            return
        if not pc.all(pc.match_substring_regex(values, _NUMBER), min_count=0).as_py():
            self._other.add(name)
            return
        with_marks = values.filter(pc.match_substring_regex(values, "[.,]"))
        found = self._found.setdefault(name, {})
        for pattern, regex in _PATTERNS.items():
            if len(with_marks) and pattern not in found:
                where = pc.index(pc.match_substring_regex(with_marks, regex), True).as_py()
                if where >= 0:
                    found[pattern] = with_marks[where].as_py()

    def marks(self, path: object, separator: str, used: Iterable[str]) -> Marks:
        """Return the marks; `DataError` where used columns contradict each other or nothing decides."""
        used = set(used)
        for names in ([n for n in self._found if n in used], [n for n in self._found if n not in used]):
            comma, point = self._with(",", names), self._with(".", names)
            if comma and point and used.issuperset(names):
                raise DataError(
                    f"numbers of {path} must have one decimal mark, got {self._example(comma, ',')} and"
                    f" {self._example(point, '.')}. Give `decimal` and `thousands`, for instance , and . for"
                    " 1.234,5, or correct the columns."
                )
            if comma or point:
                return Marks(",", ".") if comma else Marks()
        doubt = "either" if separator in ";\t" else "either comma"
        if unclear := self._with(doubt, [name for name in self._found if name in used]):
            example = self._found[unclear[0]][doubt]
            mark = "," if "," in example else "."
            raise DataError(
                f"numbers of {path} can be read in two ways, got {example} in {join_names(unclear)} and no number that"
                f" decides. Give `decimal` {mark} if it is a fraction, or `thousands` {mark} if it is above 1000."
            )
        return Marks()

    def _with(self, pattern: str, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self._other and pattern in self._found[name]]

    def _example(self, names: Sequence[str], pattern: str) -> str:
        return f"{self._found[names[0]][pattern]} in {names[0]}"
