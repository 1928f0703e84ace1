"""Which rows of a text table name its columns, hold their units or their totals, and are no rows of values."""

import re
from itertools import pairwise

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_VALUE = re.compile(rf"{_NUMBER.pattern}|\d{{4}}-\d\d-\d\d.*|true|false", re.IGNORECASE)
_GAPS = ("", "?", "na", "n/a", "#n/a", "nan", "null", "none", "inf", "-inf")
_TOTALS = re.compile(r"(grand |sub)?(totals?|sum|mean|average|count)\W*", re.IGNORECASE)
_MOST_UNITS = 3  # rows of units below a header
_MOST_ROWS = 200  # that decide what a column holds


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a point or a comma."""
    return _NUMBER.fullmatch(cell) is not None


def is_value(cell: str) -> bool:
    """Return whether a cell is a number, a date or a truth value."""
    return _VALUE.fullmatch(cell) is not None


def _columns(rows: list[list[str]], width: int) -> list[list[str]]:
    """Return what the first rows have in each column, missing values left out."""
    return [[row[i] for row in rows[:_MOST_ROWS] if i < len(row) and row[i].lower() not in _GAPS] for i in range(width)]


def has_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns of the others."""
    return names_columns(rows[0], rows[1:_MOST_ROWS])


def names_columns(first: list[str], body: list[list[str]]) -> bool:
    """Return whether a row names the columns: words over values, or what never comes again, or positions."""
    columns = _columns(body, len(first))
    named = [cell for cell in first if cell]
    numbers = [i for i, cell in enumerate(first) if is_number(cell)]
    whole = [[row[i] for i in numbers] for row in body if len(row) == len(first)]
    if first == [str(i) for i in range(len(first))] and len(first) > 2:
        return sum(map(_counts, whole)) <= 0.9 * len(whole)  # a data frame written without names of its own
    if numbers and _are_positions([first[i] for i in numbers], whole):
        rest = [i for i, cell in enumerate(first) if cell and i not in set(numbers)]
        return not any(first[i] in columns[i] for i in rest)
    for cell, column in zip(first, columns, strict=True):
        if cell and cell.lower() not in _GAPS and not is_value(cell) and column:
            if all(is_value(value) for value in column):
                return True
    if any(is_value(cell) or cell.lower() in _GAPS[1:] for cell in first):
        return False
    again = any(cell in column for cell, column in zip(first, columns, strict=True))
    return len(set(named)) == len(named) and not again


def _are_positions(cells: list[str], body: list[list[str]]) -> bool:
    """Return whether numbers over columns count or place them (0, 1, 2; years; wavelengths), unlike the rows below."""
    pattern = next((pattern for pattern in (_counts, _is_even, _ascends) if pattern(cells)), None)
    if pattern is None or not body or all(any(row[i] == cell for row in body) for i, cell in enumerate(cells)):
        return False
    return sum(pattern(row) for row in body) <= 0.1 * len(body)


def _floats(cells: list[str]) -> list[float]:
    return [float(cell.replace(",", ".")) for cell in cells] if all(map(is_number, cells)) else []


def _counts(cells: list[str]) -> bool:
    """Return whether cells are 0, 1 or 1, 2, or any three whole numbers that follow each other."""
    start = int(cells[0]) if cells[0].isdecimal() else -1
    whole = start >= 0 and cells == [str(start + i) for i in range(len(cells))]
    return whole and (len(cells) > 2 or (len(cells) == 2 and (start < 2 or 1800 < start < 2200)))


def _is_even(cells: list[str]) -> bool:
    """Return whether cells are at least four numbers at equal distances."""
    steps = [b - a for a, b in pairwise(found)] if len(found := _floats(cells)) > 3 else []
    return bool(steps) and steps[0] != 0 and all(abs(step - steps[0]) < 1e-3 * abs(steps[0]) for step in steps)


def _ascends(cells: list[str]) -> bool:
    """Return whether cells are at least eight numbers that only ascend or only descend."""
    found = _floats(cells)
    up = [b > a for a, b in pairwise(found)]
    return len(found) > 7 and (all(up) or (not any(up) and len(set(found)) == len(found)))


def num_units(cells: list[list[str]]) -> int:
    """Return how many rows below a header are words over columns of values alone, units for instance."""
    for count in range(1, _MOST_UNITS + 1):
        units, body = cells[1 : count + 1], cells[count + 1 :]
        if any(is_value(cell) or cell.lower() in _GAPS[1:] for row in units for cell in row) or len(body) < 3:
            return 0
        columns = _columns(body, len(cells[0]))
        if all(column and all(map(is_value, column)) for column in columns):
            return count if len(columns) > 1 and any(len(list(filter(None, row))) > 1 for row in units) else 0
    return 0


def is_total(last: list[str], body: list[list[str]]) -> bool:
    """Return whether a row has a word for a total where all others have a value."""
    columns = _columns([row for row in body if row != [cell.strip() for cell in last]], len(last))
    return any(
        _TOTALS.fullmatch(cell.strip()) and column and all(map(is_value, column))
        for cell, column in zip(last, columns, strict=True)
    )
