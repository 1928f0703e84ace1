import numpy as np
import pytest

import contractive as ct
from contractive.estimators._reasons import Explainer
from contractive.estimators._scaling import learn
from contractive.estimators._surprise import Ranks

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def explainer(rows, score, names=None, groups=None, evidence=None):
    def judge(x):
        return score(x), (evidence or score)(x)

    return Explainer(judge, lambda row: np.square(row), rows, learn("standard", rows), names, groups)


@pytest.fixture(scope="module")
def rows():
    return np.random.RandomState(0).standard_normal((200, 3)) * [1, 10, 0.1]


def distance(x):
    """Sum of distances from 0 in standard deviations: every feature falls by what it has."""
    return np.abs(x / [1, 10, 0.1]).sum(1)


def test_features_are_ranked_by_the_fall_of_the_score_with_the_value_that_makes_it_fall_most(rows):
    ranks = Ranks.of(distance(rows))
    row = np.array([4.0, 90.0, 0.1])
    found = explainer(rows, distance).explain(row[None], ranks, 3)[0]
    assert found.score == pytest.approx(14)
    assert found.p_value == ranks.p_values(np.array([14.0]))[0]
    assert [change.feature for change in found.ranking] == ["x1", "x0", "x2"]
    best = found.ranking[0]
    tried = np.quantile(rows[:, 1], (np.arange(15) + 0.5) / 15, method="nearest")
    assert (best.observed, best.usual) == (90.0, pytest.approx(np.quantile(rows[:, 1], 0.5, method="nearest")))
    assert abs(best.repaired) <= np.abs(tried).min()
    assert best.fall == pytest.approx(9 - abs(best.repaired) / 10)
    assert best.p_value == ranks.p_values(np.array([14 - best.fall]))[0]


def test_features_are_compared_by_the_evidence_and_p_values_are_those_of_the_score(rows):
    ranks = Ranks.of(distance(rows))
    row = np.array([[4.0, 90.0, 0.1]])

    def evidence(x):
        return np.abs(x[:, 0]) / 2

    found = explainer(rows, distance, evidence=evidence).explain(row, ranks, 1)[0]
    best = found.ranking[0]
    assert (best.feature, found.score) == ("x0", pytest.approx(14))
    assert best.fall == pytest.approx(2 - abs(best.repaired) / 2)
    assert best.p_value == ranks.p_values(np.array([10 + abs(best.repaired)]))[0]
    assert all(change.fall == 0 for change in found.ranking[1:])


def test_repairs_follow_each_other_until_the_row_is_usual(rows):
    ranks = Ranks.of(distance(rows))
    found = explainer(rows, distance).explain(np.array([[4.0, 90.0, 0.1]]), ranks, 3)[0]
    assert [change.feature for change in found.repairs] == ["x1", "x0"]  # then it is usual
    assert found.repairs[1].p_value >= 0.5
    assert found.repairs[0].p_value < 0.5
    assert sum(change.fall for change in found.repairs) == pytest.approx(
        14 - distance(np.array([[found.repairs[1].repaired, found.repairs[0].repaired, 0.1]]))[0]
    )
    assert len(explainer(rows, distance).explain(np.array([[4.0, 90.0, 0.1]]), ranks, 1)[0].repairs) == 1


def test_a_row_that_nothing_makes_more_usual_has_no_repairs(rows):
    found = explainer(rows, lambda x: np.zeros(len(x))).explain(rows[:1], Ranks.of(np.ones(9)), 3)[0]
    assert not found.repairs
    assert all(change.fall == 0 for change in found.ranking)


def test_neighbours_are_those_in_the_other_features():
    # the second column is the square of the first: only its neighbours know the value that fits
    first = np.linspace(-3, 3, 301)
    rows = np.c_[first, first**2]

    def score(x):
        return np.abs(x[:, 1] - x[:, 0] ** 2)

    found = explainer(rows, score).explain(np.array([[1.234, 8.0]]), Ranks.of(score(rows)), 1)[0]
    assert found.ranking[0].feature == "x1"
    assert found.ranking[0].repaired == pytest.approx(1.234**2, abs=0.05)


def test_groups_of_columns_count_as_one_feature_with_values_that_occur():
    random = np.random.RandomState(1)
    colour = np.eye(3)[random.randint(3, size=90)]
    rows = np.c_[random.standard_normal(90), colour]

    def score(x):
        return 5 * np.abs(x[:, 1:] - [0, 1, 0]).sum(1)

    ranks = Ranks.of(score(rows))
    row = np.array([[0.0, 1, 0, 0]])
    found = explainer(rows, score, ("size", "red", "green", "blue"), {"colour": [1, 2, 3]}).explain(row, ranks, 3)[0]
    assert found.ranking[0].feature == "colour"
    assert found.ranking[0].observed == (1, 0, 0)
    assert found.ranking[0].usual == tuple(np.eye(3)[colour.sum(0).argmax()])
    assert found.ranking[0].repaired == (0, 1, 0)
    assert [change.feature for change in found.ranking] == ["colour", "size"]
    named = explainer(rows, score, ("size", "red", "green", "blue"), [[1, 2, 3]]).explain(row, ranks, 3)[0]
    assert named.ranking[0].feature == "red + green + blue"


def test_of_many_features_those_with_the_largest_error_are_tried():
    rows = np.random.RandomState(2).standard_normal((50, 70))
    row = np.zeros((1, 70))
    row[0, 66], row[0, :66] = 5, 0.01
    found = explainer(rows, lambda x: np.abs(x).max(1)).explain(row, Ranks.of(np.ones(3)), 1)[0]
    assert len(found.ranking) == 64
    assert found.ranking[0].feature == "x66"


def test_a_repair_is_of_its_own_columns_though_two_features_share_a_name(rows):
    def score(x):
        return np.abs(x[:, 2]) + (np.abs(x[:, :2]) > 50).any(1)

    found = explainer(rows, score, groups={"x2": [0, 1]}).explain(np.array([[1.0, 2.0, 9.0]]), Ranks.of(np.ones(9)), 2)
    (repair,) = found[0].repairs[:1]
    assert (repair.feature, repair.observed) == ("x2", 9.0)
    assert isinstance(repair.repaired, float)


def test_near_rows_are_found_beside_a_feature_that_is_far_off():
    # the third column is a billion off, beside whose square the first two would be lost in rounding
    first = np.linspace(-3, 3, 301)
    rows = np.c_[first, first**2, np.sin(first)]

    def score(x):
        return np.abs(x[:, 2] - np.sin(x[:, 0]))

    found = explainer(rows, score).explain(np.array([[1.2, 1.44, 1e9]]), Ranks.of(score(rows)), 1)[0]
    assert found.ranking[0].feature == "x2"
    assert found.ranking[0].repaired == pytest.approx(np.sin(1.2), abs=1e-3)


@pytest.mark.parametrize("groups", [[[0, 1], [1, 2]], [[0, 3]], [[]], {"a": [-1]}], ids=str)
def test_groups_must_be_disjoint_columns(rows, groups):
    with pytest.raises(ValueError, match="groups must be disjoint lists of column numbers from 0 to 2"):
        explainer(rows, distance, groups=groups)


def test_at_least_one_repair_is_asked_for(rows):
    with pytest.raises(ValueError, match="num_repairs must be at least 1, got 0"):
        explainer(rows, distance).explain(rows[:1], Ranks.of(np.ones(3)), 0)


def test_an_injected_fault_is_named_and_its_repair_is_in_the_unit_of_the_table():
    random = np.random.RandomState(3)
    hidden = random.standard_normal((260, 2))
    mixed = np.c_[hidden, hidden @ random.standard_normal((2, 4))] + 0.05 * random.standard_normal((260, 6))
    units, offsets = np.array([1, 100, 0.01, 1, 5, 1]), np.array([0, 1e4, 0, 3, 0, 0])
    x = mixed * units + offsets
    detector = ct.ContractiveOutlierDetector(max_epochs=40, n_components=32, random_state=0).fit(x[:200])
    faulty, columns = x[200:220].copy(), np.arange(20) % 6
    faulty[np.arange(20), columns] += 3 * units[columns] * mixed[:, columns].std(0)
    found = detector.explain(faulty, num_repairs=1)
    first = np.array([each.ranking[0].feature == f"x{column}" for each, column in zip(found, columns, strict=True)])
    assert first.mean() >= 0.8
    errors = [
        abs(each.ranking[0].repaired - x[200 + i, columns[i]]) / (units[columns[i]] * mixed[:, columns[i]].std())
        for i, each in enumerate(found)
        if first[i]
    ]
    assert np.median(errors) < 0.5
    np.testing.assert_allclose([each.score for each in found], -detector.score_samples(faulty))
