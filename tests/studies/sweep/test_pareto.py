"""Front and knee against brute force and against fronts worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractive.studies.sweep._results import knee, pareto_front

COARSE = st.integers(1, 6).map(float)  # few values, so that ties are met


def clouds(columns):
    return st.lists(st.tuples(*[COARSE] * columns), min_size=1, max_size=12)


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


@given(st.one_of(clouds(2), clouds(3)))
def test_the_front_is_what_no_other_dominates(points):
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert pareto_front(np.array(points)).tolist() == expected


def distance_below_the_chord(points):
    """By the cross product, in logarithmic coordinates scaled to the front."""
    logs = np.log(points)
    scaled = (logs - logs.min(0)) / np.ptp(logs, axis=0)
    first, last = scaled[scaled[:, 0].argmin()], scaled[scaled[:, 0].argmax()]
    chord, away = last - first, scaled - first
    return -(chord[0] * away[:, 1] - chord[1] * away[:, 0]) / np.hypot(*chord)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=3, max_size=15, unique=True))
def test_the_knee_is_farthest_below_the_chord(cloud):
    points = np.array(cloud)
    points = points[pareto_front(points)]
    if len(points) < 3 or (np.ptp(np.log(points), axis=0) < 1e-6).any():
        return
    distances = distance_below_the_chord(points)
    assert distances[knee(points)] == pytest.approx(max(distances.max(), 0), abs=1e-8)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1.0, 8.0), (2.0, 2.0), (4.0, 1.0)], 1),
        ([(1.0, 8.0), (3.9, 1.5), (4.0, 1.0)], 2),
        ([(1.0, 1.0)], 0),
        ([(1.0, 2.0), (1.1, 1.0)], 1),
        ([(1.0, 1.1), (2.0, 1.0)], 0),
        ([(1.0, 2.0), (2.0, 1.0)], 0),
        ([(2.0, 1.0), (1.0, 2.0)], 1),
        ([(1.0, 1.0), (1.0, 1.0)], 0),
        ([(0.0, 1.0), (1.0, 0.5)], 0),
        ([(1.0, 8.0, 0.3), (1.2, 2.0, 0.1), (4.0, 1.0, 0.2)], 1),
    ],
    ids=["bend", "outward bend", "one", "worth it", "not worth it", "even", "turned", "equal", "zero", "three columns"],
)
def test_knees_by_hand(points, expected):
    assert knee(np.array(points)) == expected


def test_a_knee_does_not_depend_on_units():
    points = np.array([(1.0, 8.0), (1.5, 3.0), (2.0, 2.0), (4.0, 1.0)])
    assert knee(points) == knee(points * [1000, 0.001])


def test_no_point_has_no_knee():
    with pytest.raises(ValueError, match="front must have at least one point, got none"):
        knee(np.empty((0, 2)))
