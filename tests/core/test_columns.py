"""Columns that are one signal: by their numbers (tests/estimators/test_start.py) and by their names."""

import pytest

from contractive.core.columns import numbers_of, places_of

NM = [1100.0, 1102.5, 1105.0]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["1100", "1102.5", "1105"], NM),
        (["1100nm", "1102.5nm", "1105nm"], NM),
        (["wl_1100 nm", "wl_1102.5 nm", "wl_1105 nm"], NM),
        ([f"X{1100 + i}" for i in range(16)], [1100.0 + i for i in range(16)]),
        (["4000cm-1", "3998cm-1", "3996cm-1"], [4000.0, 3998.0, 3996.0]),
        ([f"X{1100 + i}" for i in range(15)], None),
        (["1100", "1105", "1102"], None),
        (["1100", "1100", "1105"], None),
        (["x1100", "y1105", "x1110"], None),
        (["1100nm", "1105", "1110nm"], None),
        ([f"x{i}" for i in range(40)], None),
        ([f"c{i}" for i in range(1, 40)], None),
        (["height", "1100", "1105"], None),
        (["1", "2"], None),
        ([], None),
    ],
)
def test_wavelengths_are_read_from_names(names, places):
    assert places_of(names) == places


def test_numbers_in_names_keep_their_order():
    assert numbers_of(["a_3", "a_1", "a_2"]) == [3, 1, 2]
    assert numbers_of(["3", "b"]) is None
