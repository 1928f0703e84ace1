import numpy as np
import pytest
import torch

from contractive.estimators import _nearest
from contractive.estimators._nearest import Nearest


def by_hand(rows, z, count):
    distances = np.sqrt(np.square(z[:, None] - rows[None]).sum(2))
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(distances, order, 1), order


def cases():
    random = np.random.RandomState(0)
    plain = random.standard_normal((200, 5))
    few_causes = random.standard_normal((300, 2)) @ random.standard_normal((2, 12)) + 1e-3 * random.randn(300, 12)
    tight = np.sign(random.standard_normal((150, 1))) + 1e-5 * random.standard_normal((150, 3))
    return {
        "plain": plain,
        "few": plain[:7],
        "one": plain[:1],
        "one feature": plain[:, :1],
        "few causes": few_causes,
        "closer than single precision tells apart": tight,
        "a few far away": np.concatenate([plain, 1e5 * plain[:20]]),
        "too large for single precision": 1e30 * plain,
        "equal": np.repeat(plain[:3], 30, axis=0),
        "all equal": np.ones((40, 4)),
    }


@pytest.mark.parametrize("case", list(cases()))
def test_the_nearest_are_those_of_all_distances(case):
    rows, random = cases()[case], np.random.RandomState(1)
    at = rows[random.randint(len(rows), size=40)]
    z = np.concatenate([at, at + rows.std() * random.standard_normal(at.shape), 1e20 + at])
    count = min(5, len(rows))
    distances, numbers = Nearest(rows)(z, count)
    expected, _ = by_hand(rows, z, count)
    np.testing.assert_allclose(distances, expected, rtol=1e-12)
    assert all(len({*found}) == count for found in numbers.tolist())
    np.testing.assert_allclose(np.linalg.norm(z[:, None] - rows[numbers], axis=2), distances, rtol=1e-12)


def test_rows_that_rounding_leaves_open_are_searched_in_double_precision(monkeypatch):
    searched, double = [], Nearest._double.func
    monkeypatch.setattr(Nearest, "_double", property(lambda self: searched.append(self) or double(self)))
    Nearest(cases()["plain"])(cases()["plain"][:20], 5)
    assert not searched
    Nearest(cases()["closer than single precision tells apart"])(cases()["plain"][:20, :3] * 1e-5 + 1, 5)
    assert searched


def test_many_features_take_small_blocks(monkeypatch):
    sizes, block = [], Nearest._block
    monkeypatch.setattr(Nearest, "_block", lambda self, z, count: sizes.append(len(z)) or block(self, z, count))
    rows = np.random.RandomState(0).standard_normal((100, 4096))
    distances, numbers = Nearest(rows)(rows, 15)
    assert (numbers[:, 0] == np.arange(100)).all()
    assert max(sizes) * 23 * 4096 <= 2**22
    np.testing.assert_allclose(distances, by_hand(rows, rows, 15)[0], rtol=1e-9, atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    rows = cases()["few causes"]
    whole = Nearest(rows)(rows[::3], 5)
    monkeypatch.setattr(_nearest, "_NUMBERS_AT_ONCE", 1000)
    for found, expected in zip(Nearest(rows)(rows[::3], 5), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", ["plain", "few causes", "equal", "all equal"])
def test_the_others_leave_each_row_itself_out(case):
    rows = cases()[case]
    distances, numbers = Nearest(rows).others(4)
    every = np.sqrt(np.square(rows[:, None] - rows[None]).sum(2))
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :4], rtol=1e-12)
    assert (numbers != np.arange(len(rows))[:, None]).sum() >= numbers.size - len(rows)


def test_a_row_alone_has_no_others():
    distances, numbers = Nearest(np.ones((1, 2))).others(0)
    assert distances.shape == numbers.shape == (1, 0)


def test_double_precision_can_be_asked_for():
    rows = cases()["plain"]
    np.testing.assert_allclose(Nearest(rows, torch.float64)(rows, 3)[0], by_hand(rows, rows, 3)[0], rtol=1e-12)
