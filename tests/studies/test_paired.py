"""Differences over seeds against a hand computation."""

from math import inf, sqrt

import pytest

from contractive.studies.paired import paired_difference


def test_the_interval_of_three_seeds_by_hand():
    # differences -1, -2, -3: mean -2, standard deviation 1, and Student's t of 2 degrees of freedom is 4.302653
    found = paired_difference((1.0, 5.0, 9.0), (2.0, 7.0, 12.0))
    assert found.mean == -2
    assert found.low == pytest.approx(-2 - 4.302653 / sqrt(3), rel=1e-6)
    assert found.high == pytest.approx(-2 + 4.302653 / sqrt(3), rel=1e-6)
    assert not found.is_clear  # 0.48 above zero


def test_what_seeds_have_in_common_cancels():
    mine, other = (1.0, 5.0, 9.0, 3.0), (1.3, 5.2, 9.3, 3.2)  # seeds differ by much more than the models
    found = paired_difference(mine, other)
    assert found.is_clear
    assert paired_difference(other, mine).low == pytest.approx(-found.high)
    assert not paired_difference(mine, other, confidence=0.9999).is_clear


def test_equal_models_and_one_seed_are_not_clear():
    assert not paired_difference((1.0, 2.0), (1.0, 2.0)).is_clear
    assert not paired_difference((1.0,), (2.0,)).is_clear
    assert (paired_difference((1.0,), (2.0,)).low, paired_difference((1.0,), (2.0,)).high) == (-inf, inf)


def test_the_three_seeds_that_were_called_clear_are_not():
    # 0.350 +- 0.012 against 0.362 +- 0.008, whichever way the seeds are paired up
    assert not paired_difference((0.338, 0.350, 0.362), (0.362, 0.354, 0.370)).is_clear
