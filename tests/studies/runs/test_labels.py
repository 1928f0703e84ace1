"""Classes as numbers, and the draw of few labels."""

from dataclasses import replace

import numpy as np
import pytest

from contractive.data import DataError, load
from contractive.studies.runs import class_labels
from contractive.studies.runs._classes import balanced

DIGITS = load("digits")


def labelled(train, validation, test):
    return replace(DIGITS, labels=tuple(np.asarray(part) for part in (train, validation, test)))


@pytest.mark.parametrize(
    ("sizes", "count", "wanted"),
    [
        ((50, 50, 50), 30, (10, 10, 10)),
        ((50, 3, 50), 31, (14, 3, 14)),
        ((2, 50, 1), 53, (2, 50, 1)),
        ((5, 5), 2, (1, 1)),
    ],
    ids=["even", "a small class gives all", "all", "one of each"],
)
def test_every_class_gives_the_same_as_far_as_it_can(sizes, count, wanted):
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    chosen = balanced(labels, count, generator)
    assert len(set(chosen.tolist())) == count
    assert (np.diff(chosen) > 0).all()
    assert tuple(np.bincount(labels[chosen], minlength=len(sizes))) == wanted


def test_what_is_left_over_goes_to_a_class_at_random():
    labels = np.repeat([0, 1, 2], 20)
    generator = np.random.default_rng(0)
    draws = np.array([np.bincount(labels[balanced(labels, 10, generator)]) for _ in range(600)])
    assert (draws.sum(1) == 10).all()
    assert set(draws.ravel()) == {3, 4}
    share = (draws == 4).mean(0)
    assert np.abs((share - 1 / 3) / np.sqrt(2 / 9 / 600)).max() < 4


def test_every_row_of_a_class_is_as_likely():
    labels = np.repeat([0, 1], [8, 30])
    generator = np.random.default_rng(1)
    drawn = np.zeros(len(labels))
    for _ in range(1000):
        drawn[balanced(labels, 8, generator)] += 1
    wanted = np.repeat([4 / 8, 4 / 30], [8, 30])
    assert np.abs((drawn / 1000 - wanted) / np.sqrt(wanted * (1 - wanted) / 1000)).max() < 4.5


@pytest.mark.parametrize("names", [(3, 7, 9), ("no", "perhaps", "yes")], ids=["numbers", "texts"])
def test_classes_are_numbered_in_order(names):
    split = labelled(
        np.array(names)[[2, 0, 1, 0] * 5], np.array(names)[[1, 2]], np.array([*names[:2], type(names[0])(99)])
    )
    found = class_labels(split)
    assert found.classes == names
    assert found.names == tuple(map(str, names))
    assert found.numbers[0].tolist() == [2, 0, 1, 0] * 5
    assert found.numbers[1].tolist() == [1, 2]
    assert found.numbers[2].tolist() == [0, 1, -1]
    assert found.labelled.tolist() == list(range(20))


def test_the_draw_is_that_of_the_seed():
    a, b, c = (class_labels(DIGITS, 50, seed=seed).labelled for seed in (0, 0, 1))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert np.bincount(DIGITS.labels[0][a]).tolist() == [5] * 10


def test_data_without_classes_are_refused():
    with pytest.raises(DataError, match="data must have labels to classify, got none in digits"):
        class_labels(replace(DIGITS, labels=None))
    match = r"label must name a column of classes, got 4 different numbers, not all of them whole"
    with pytest.raises(DataError, match=match):
        class_labels(labelled([0.5, 1.5, 3.5], [2.5], [0.5]))
    with pytest.raises(DataError, match="label must name a column of at least two classes, got 1 alone"):
        class_labels(labelled([1, 1], [1, 2], [1]))


@pytest.mark.parametrize("count", [9, 1078])
def test_a_number_of_labels_out_of_range_is_refused(count):
    with pytest.raises(ValueError, match=f"labels_used must lie between the 10 classes and the 1077 .*, got {count}"):
        class_labels(DIGITS, count)


def test_only_rows_that_have_a_label_are_drawn():
    split = labelled([3, 5, 0, 5, 0, 3], [3], [5])
    there = np.array([True, True, False, True, False, True])
    found = class_labels(replace(split, labels=None, partial_labels=(split.labels, there)))
    assert found.classes == (3, 5)
    assert found.labelled.tolist() == [0, 1, 3, 5]
    assert found.numbers[0].tolist() == [0, 1, -1, 1, -1, 0]
    with pytest.raises(ValueError, match=r"between the 2 classes and the 4 training rows that have a label, got 5"):
        class_labels(replace(split, labels=None, partial_labels=(split.labels, there)), 5)
