import numpy as np
import pytest
import torch

import contractive as ct
from contractive.estimators._crossfit import SAFEGUARD, STRUCTURED, TABLE, TRIMMED, CrossFit, Member

PARTS = tuple(dict.fromkeys((*TABLE, *TRIMMED)))


@pytest.fixture(scope="module")
def member():
    torch.manual_seed(0)
    rows = np.random.RandomState(0).standard_normal((30, 4))
    return Member(ct.mlp(4, code=6, output="linear"), rows, PARTS, np.arange(30) % 3 > 0)


def by_hand(member, x):
    """The parts of the score of one row, each from its definition."""
    network, rows = member.network, member.rows

    def five(values, but=None):
        order = [i for i in np.argsort(values) if i != but][:5]
        return order, values[order]

    near, distances = five(np.sqrt(((rows - x) ** 2).sum(1)))
    spacing = [five(np.sqrt(((rows - row) ** 2).sum(1)), but=i)[1].mean() for i, row in enumerate(rows)]
    steps = x - rows[near]

    def leaving(place, step):
        jacobian = torch.autograd.functional.jacobian(lambda z: network(z[None])[0], torch.from_numpy(place)).numpy()
        return np.linalg.norm(step - jacobian @ step)

    codes = network.encode(torch.from_numpy(rows)).detach().numpy()
    code = network.encode(torch.from_numpy(x[None])).detach().numpy()
    return {
        "nearest": distances[0],
        "distance": distances.mean(),
        "density": distances.mean() / (np.mean([spacing[i] for i in near]) + 0.3 * np.mean(spacing)),
        "off_manifold": np.mean([leaving(x, step) for step in steps]),
        "off_neighbour": np.mean([leaving(rows[i], step) for i, step in zip(near, steps, strict=True)]),
        "inner": five(np.sqrt(((rows[member.inner] - x) ** 2).sum(1)))[1].mean(),
        "code": five(np.linalg.norm(codes - code, axis=1))[1].mean(),
        "residual": np.linalg.norm(x - network(torch.from_numpy(x[None])).detach().numpy()),
    }


def test_every_part_is_what_its_definition_gives(member):
    x = np.random.RandomState(1).standard_normal((3, 4))
    found = member.numbers(x)
    for i, row in enumerate(x):
        for part, value in by_hand(member, row).items():
            assert found[part][i] == pytest.approx(value, rel=1e-9), part


def test_rows_in_blocks_have_the_same_numbers(member, monkeypatch):
    x = np.random.RandomState(2).standard_normal((11, 4))
    whole = member.numbers(x)
    monkeypatch.setattr("contractive.estimators._crossfit._NUMBERS_AT_ONCE", 50)
    for part, values in member.numbers(x).items():
        np.testing.assert_allclose(values, whole[part], rtol=1e-12)


@pytest.fixture(scope="module")
def fit():
    torch.manual_seed(1)
    rows = np.random.RandomState(3).standard_normal((40, 4))
    rows[7] = rows[0]
    folds = np.arange(40) % 3  # the equal rows 0 and 7 are in folds 0 and 1
    networks = [ct.mlp(4, code=5, output="linear") for _ in range(3)]
    return CrossFit.of(networks, rows, folds, TABLE, inner=np.arange(40) % 4 > 0)


def test_training_rows_are_judged_without_themselves(fit):
    for fold, member in enumerate(fit.members):
        own = fit.folds == fold
        for part, values in member.numbers(fit.rows[own]).items():
            np.testing.assert_allclose(fit.numbers[part][own], values)
    assert (fit.numbers["nearest"][[i for i in range(40) if i not in (0, 7)]] > 0).all()
    np.testing.assert_allclose(fit.score(fit.rows), fit.training_scores(), rtol=1e-9)


def test_a_new_row_is_judged_by_all_members(fit):
    x = np.random.RandomState(4).standard_normal((2, 4))
    together = np.mean([fit._together(member.numbers(x)) for member in fit.members], axis=0)
    residual = np.mean([member.numbers(x)["residual"] for member in fit.members], axis=0)
    score = fit.ranks["together"].surprise(together)
    expected = np.maximum(score, np.minimum(fit.residuals.surprise(residual) - SAFEGUARD, fit.ceiling)) + 1e-3 * score
    np.testing.assert_allclose(fit.score(x), expected)


def test_the_neighbours_of_all_members_are_found_by_one_search(fit, monkeypatch):
    x = np.concatenate([np.random.RandomState(7).standard_normal((6, 4)), fit.rows[:3]])
    monkeypatch.setattr("contractive.estimators._crossfit._SHARED", 6)  # too few for some: these are searched for again
    for member, found in zip(fit.members, fit._nearest(x), strict=True):
        for among, (lengths, near) in found.items():
            expected, numbers = member.nearest(x, among)
            np.testing.assert_allclose(lengths, expected, rtol=1e-12)
            np.testing.assert_array_equal(near, numbers)
        assert {*found} == {"all", "inner"}
    whole = fit.score(x)
    monkeypatch.setattr("contractive.estimators._crossfit._ROWS_AT_ONCE", 4)
    np.testing.assert_allclose(fit.score(x), whole, rtol=1e-12)


def test_the_parts_together_are_mean_plus_largest_surprise(fit):
    numbers = {part: values[:5] for part, values in fit.numbers.items()}
    surprises = np.array([fit.ranks[part].surprise(numbers[part]) for part in TABLE])
    np.testing.assert_allclose(fit._together(numbers), surprises.mean(0) + surprises.max(0))


def test_the_evidence_is_a_mean_over_parts_and_half_the_residual(fit):
    x = np.random.RandomState(5).standard_normal((6, 4))
    expected = np.zeros(6)
    for member in fit.members:
        surprise = {part: fit.ranks[part].surprise(values) for part, values in member.numbers(x).items()}
        parts = surprise["nearest"] + surprise["density"] + surprise["off_manifold"] + surprise["code"]
        expected += ((parts + 0.1 * surprise["inner"]) / 4.1 + 0.5 * surprise["residual"]) / 3
    score, evidence = fit.judge(x)
    np.testing.assert_allclose(evidence, expected)
    np.testing.assert_array_equal(score, fit.score(x))


def test_the_distance_to_the_inner_rows_is_ranked_among_these(fit):
    inner = np.sort(fit.numbers["inner"][fit.inner])
    assert len(inner) == 30
    at_least = [(inner >= value).sum() for value in inner]
    np.testing.assert_allclose(fit.ranks["inner"].surprise(inner), -np.log((1 + np.array(at_least)) / 31))


def test_stranger_rows_have_higher_scores_beyond_all_training_rows(fit):
    direction = np.array([1.0, -1, 0.5, 2])
    scores = fit.score(np.array([10.0, 20, 40, 80])[:, None] * direction)
    assert (np.diff(scores) > 0).all()
    assert scores[0] > fit.training_scores().max()


def test_the_residual_alone_lifts_a_row_above_all_training_rows():
    torch.manual_seed(2)
    rows = np.random.RandomState(5).standard_normal((200, 3))
    folds = np.arange(200) % 2
    members = [Member(ct.mlp(3, code=4, output="linear"), rows[folds != fold], STRUCTURED) for fold in range(2)]
    fit = CrossFit(tuple(members), rows, folds, STRUCTURED)
    far = np.array([[1e3, 1e3, 1e3]])
    assert fit.score(far)[0] > fit.training_scores().max()


def test_errors_and_reconstruction_are_means_over_the_members(fit):
    x = np.random.RandomState(6).standard_normal((3, 4))
    each = np.array([member.reconstruct(x) for member in fit.members])
    np.testing.assert_allclose(fit.reconstruct(x), each.mean(0))
    np.testing.assert_allclose(fit.errors(x), np.square(each - x).mean(0))


def test_a_single_row_beside_it_has_no_spacing():
    torch.manual_seed(3)
    member = Member(ct.mlp(2, code=2, output="linear"), np.zeros((1, 2)), PARTS, np.ones(1, bool))
    assert all(np.isfinite(values).all() for values in member.numbers(np.ones((2, 2))).values())
