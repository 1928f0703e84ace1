import numpy as np
import pytest
from scipy.stats import betabinom

from contractive.estimators._surprise import Ranks


def test_p_values_count_calibration_numbers_that_are_at_least_as_large():
    ranks = Ranks.of(np.array([1.0, 2, 2, 5]))
    np.testing.assert_allclose(ranks.p_values(np.array([0, 1, 1.5, 2, 3, 5, 9])) * 5, [5, 5, 4, 4, 2, 2, 1])


def test_p_values_of_exchangeable_rows_are_uniform():
    random = np.random.RandomState(0)
    drawn = random.standard_normal((4000, 20))
    p_values = np.array([Ranks.of(np.exp(row[1:])).p_values(np.exp(row[:1]))[0] for row in drawn])
    counts = np.bincount(np.rint(20 * p_values).astype(int), minlength=21)[1:]
    # each of 20 values with probability 1/20
    z = (counts - 200) / np.sqrt(4000 * 0.05 * 0.95)
    assert np.abs(z).max() < 4
    assert counts.sum() == 4000


def test_the_limit_flags_what_its_p_value_flags_and_the_count_is_beta_binomial():
    random = np.random.RandomState(1)
    ranks = Ranks.of(random.exponential(size=99))
    new = random.exponential(size=5000)
    flagged = new > ranks.limit(0.1)
    np.testing.assert_array_equal(flagged, ranks.p_values(new) <= 0.1)
    low, high = betabinom.interval(0.9999, 5000, 10, 90)
    assert low <= flagged.sum() <= high


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.5])
def test_the_limit_flags_what_its_p_value_flags_where_numbers_are_equal(rate):
    random = np.random.RandomState(2)
    ranks = Ranks.of(random.randint(0, 6, 60).astype(float), random.uniform(1, 3, 60))
    new = np.arange(-1, 8, 0.5)
    np.testing.assert_array_equal(new > ranks.limit(rate), ranks.p_values(new) <= rate)


def test_no_number_is_flagged_where_the_rows_are_too_few():
    assert Ranks.of(np.arange(18.0)).limit(0.05) == np.inf
    assert Ranks.of(np.arange(19.0)).limit(0.05) == 18.0


def test_weights_count_as_repeated_rows():
    numbers, times = np.array([3.0, 1, 4, 1.5]), np.array([1, 2, 3, 2])
    weighted, repeated = Ranks.of(numbers, times / 2), Ranks.of(np.repeat(numbers, times))
    # the same shares, of 4 instead of 8 rows
    np.testing.assert_allclose(weighted.above / weighted.rows, repeated.above / repeated.rows)
    assert (weighted.rows, repeated.rows) == (4, 8)


def test_surprise_is_minus_log_p_at_calibration_numbers_and_rises_beyond():
    numbers = np.array([1.0, 2, 2, 5, 7])
    ranks = Ranks.of(numbers)
    np.testing.assert_allclose(ranks.surprise(numbers), -np.log(ranks.p_values(numbers)))
    far = ranks.surprise(np.array([0, 1.5, 7, 7.1, 70, 700]))
    assert (np.diff(far) > 0).all()
    np.testing.assert_allclose(np.diff(far[-2:]), np.log(10) / ranks.index)


def test_the_tail_of_a_pareto_sample_is_that_of_its_law():
    # log of a Pareto number is exponential with mean 1/3: so is its excess over any order statistic
    random = np.random.RandomState(3)
    found = [Ranks.of(random.pareto(3.0, 400) + 1).index for _ in range(300)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 1 / 3) < 4 * error


def test_the_inverse_finds_the_number_of_a_surprise():
    ranks = Ranks.of(np.random.RandomState(4).exponential(size=50))
    for surprise in (0.01, 0.7, 2.0, 3.9, 9.0):
        assert ranks.surprise(np.array([ranks.inverse(surprise)])) == pytest.approx(surprise)


def test_numbers_that_are_all_zero_have_an_order_beyond():
    ranks = Ranks.of(np.zeros(6))
    found = ranks.surprise(np.array([0.0, 1e-3, 1.0]))
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    assert ranks.surprise(np.array([ranks.inverse(found[2])])) == pytest.approx(found[2])
