"""Attacks on linear models, whose worst case has a closed form. Accuracy under noise against the error function."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.analysis import LinearProbe
from contractive.analysis._robustness import Attack
from measured import gaussian, layer, linear, rotation, seeded

EPSILONS = [0.0, 0.1, 0.3, 0.6, 1.0, 2.0]


def problem(classes, rows=200, features=5):
    """A linear encoder and probe, and labels that the model itself gives with a few wrong."""
    encoder = linear(rotation(features)[:4])
    probe = LinearProbe(gaussian(classes, 4, seed=4), gaussian(classes, seed=5))
    x = gaussian(rows, features, seed=6)
    labels = probe.scores(encoder(x)).argmax(1)
    labels[:10] = (labels[:10] + 1) % classes
    return encoder, probe, x, labels


def distance_to_mistake(encoder, probe, x, labels, dual):
    """min over other classes of (score - other score) / ||w - w_other||_*; negative where it is one already."""
    weight = probe.weight @ encoder.weight.detach()
    scores = (x @ weight.T + probe.bias).detach()
    margins = scores.gather(1, labels[:, None]) - scores
    sizes = torch.stack([(weight[labels] - row).norm(p=dual, dim=1) for row in weight], 1)
    return torch.where(sizes > 0, margins / sizes, torch.inf).amin(1)


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_linear_model_falls_exactly_in_its_worst_case(norm, dual, classes):
    encoder, probe, x, labels = problem(classes)
    found = analysis.accuracy_under_attack(encoder, probe, x, labels, EPSILONS, norm=norm, generator=seeded())
    away = distance_to_mistake(encoder, probe, x, labels, dual)
    expected = [float((away > epsilon).double().mean()) for epsilon in EPSILONS]
    tolerance = 1e-9 if classes == 2 else 0.021  # with several classes the climb may leave for another one
    assert found.accuracies == pytest.approx(expected, abs=tolerance)
    assert all(a >= b - 1e-9 for a, b in zip(found.accuracies, expected, strict=True))
    assert found.accuracies[0] == pytest.approx(0.95)
    assert found.no_gradient == 0


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_larger_ball_never_raises_accuracy(norm):
    torch.manual_seed(0)
    encoder = ct.mlp(6, hidden=(8,), code=4).encoder
    x = torch.rand(100, 6)
    weight = torch.randn(3, 4)
    probe = LinearProbe(weight, -weight @ encoder(x).mean(0).detach())  # boundaries in the middle of the data
    labels = probe.scores(encoder(x)).argmax(1)
    epsilons = [0.02 * at for at in range(12)]
    found = analysis.accuracy_under_attack(encoder, probe, x, labels, epsilons[::-1], norm=norm, generator=seeded())
    assert found.sizes == tuple(epsilons)
    assert found.accuracies[0] == 1
    assert all(one >= other for one, other in zip(found.accuracies[:-1], found.accuracies[1:], strict=True))
    assert found.accuracies[-1] < 0.9


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_attacked_points_stay_in_ball_and_bounds(norm):
    seen = []

    def spy(rows):
        seen.append(rows.detach())
        return rows.flatten(1)

    x = torch.rand(40, 2, 3, generator=seeded())
    probe = LinearProbe(torch.randn(2, 6, generator=seeded()), torch.tensor([0.0, 50.0]))  # nothing reaches class 0
    analysis.accuracy_under_attack(
        spy, probe, x, torch.ones(40).long(), [0.3], norm=norm, bounds=(0, 1), num_starts=3, generator=seeded()
    )
    assert len(seen) == 1 + 3 * 21
    for rows in seen:
        change = (rows - x).flatten(1)
        size = change.norm(dim=1) if norm == "l2" else change.abs().amax(1)
        assert size.max() <= 0.3 + 1e-6
        assert rows.min() >= 0
        assert rows.max() <= 1
    starts = (seen[1 + 21] - x).flatten(1)
    assert starts.abs().max() > 0.05
    assert not torch.equal(seen[1 + 21], seen[1 + 42])


def test_random_starts_fill_the_ball():
    ball = Attack("l2", 1, 1.0, 1, None)
    x = torch.zeros(4000, 3)
    radii = ball.start(x, 2.0, seeded()).norm(dim=1)
    # the volume within half the radius is an eighth
    assert float((radii < 1).double().mean()) == pytest.approx(1 / 8, abs=0.02)
    assert radii.max() <= 2
    square = Attack("linf", 1, 1.0, 1, None).start(x, 2.0, seeded())
    assert float(square.abs().mean()) == pytest.approx(1, abs=0.03)
    assert square.abs().max() <= 2


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool], ids=str)
def test_labels_are_whole_numbers_of_any_kind(dtype):
    encoder, probe, x, labels = problem(2)
    expected = analysis.accuracy_under_attack(encoder, probe, x, labels, EPSILONS, num_starts=1)
    assert analysis.accuracy_under_attack(encoder, probe, x, labels.to(dtype), EPSILONS, num_starts=1) == expected


def test_a_saturated_code_is_reported():
    encoder = layer([[1000.0, 0.0]], [0.0])
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).double()
    probe = LinearProbe(torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.5, -0.5]).double())
    found = analysis.accuracy_under_attack(encoder, probe, x, torch.tensor([1, 0]), [0.1, 0.2])
    assert found.accuracies == (1.0, 1.0)
    assert found.no_gradient == 1.0


def test_tiny_gradients_are_followed():
    # slopes near 1e-25, squares of which underflow in single precision
    encoder = nn.Sequential(nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        encoder[0].weight.copy_(1e-25 * torch.tensor([[3.0, 4.0]]))
    probe = LinearProbe(torch.tensor([[-1.0], [1.0]]), torch.zeros(2))
    x = torch.tensor([[3.0, 4.0]])  # at distance 5 from the boundary
    accuracies = analysis.accuracy_under_attack(
        encoder, probe, x, torch.tensor([1]), [4.9, 5.1], num_starts=1
    ).accuracies
    assert accuracies == (1.0, 0.0)


def test_parameters_get_no_gradient_and_grad_mode_does_not_matter():
    encoder, probe, x, labels = problem(3)
    expected = analysis.accuracy_under_attack(encoder, probe, x, labels, [0.5], generator=seeded())
    with torch.no_grad():
        assert analysis.accuracy_under_attack(encoder, probe, x, labels, [0.5], generator=seeded()) == expected
    assert encoder.weight.grad is None
    encoder.requires_grad_(False)
    assert analysis.accuracy_under_attack(encoder, probe, x, labels, [0.5], generator=seeded()) == expected


def test_batch_statistics_are_those_of_evaluation():
    encoder = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()
    with torch.no_grad():
        encoder[1].running_var.fill_(4.0)
        encoder[1].running_mean.fill_(1.0)
    probe = LinearProbe(torch.randn(2, 2, generator=seeded()), torch.zeros(2))
    x = torch.randn(60, 3, generator=seeded())
    labels = probe.scores(encoder(x)).argmax(1)
    folded = linear((encoder[0].weight / torch.sqrt(encoder[1].running_var + 1e-5)[:, None]).detach())
    shift = encoder(torch.zeros(1, 3)).detach()
    plain = LinearProbe(probe.weight.double(), (probe.bias + probe.weight @ shift[0]).double())
    away = distance_to_mistake(folded, plain, x.double(), labels, 2)
    found = analysis.accuracy_under_attack(encoder, probe, x, labels, [0.2, 0.5], generator=seeded())
    assert found.accuracies == pytest.approx([float((away > e).double().mean()) for e in (0.2, 0.5)])


def test_nothing_is_left_to_attack_once_all_have_fallen():
    encoder, probe, x, labels = problem(2)
    found = analysis.accuracy_under_attack(encoder, probe, x, labels, [1e3, 1e4], num_starts=2, generator=seeded())
    assert found.accuracies == (0.0, 0.0)


def test_no_attack_finds_nothing():
    encoder, probe, x, labels = problem(3)
    found = analysis.accuracy_under_attack(encoder, probe, x, labels, [0.0], num_points=100)
    assert found.no_gradient == 0
    assert len(found.accuracies) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"norm": "l1"}, "norm must be one of l2, linf, got 'l1'"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"num_starts": 0}, "num_starts must be at least 1"),
        ({"step": 0.0}, r"step must be above 0 and finite, got 0\.0"),
        ({"bounds": (0, 0.1)}, r"x must lie within the bounds \(0, 0\.1\)"),
        ({"epsilons": [-0.1]}, "epsilons must be at least one number from 0"),
    ],
)
def test_misuse_of_the_attack_is_refused(options, match):
    encoder, probe, x, labels = problem(2)
    usual = {"encode": encoder, "probe": probe, "x": x, "labels": labels, "epsilons": [0.1]}
    with pytest.raises(ValueError, match=match):
        analysis.accuracy_under_attack(**(usual | options))


SIGNS = LinearProbe(torch.tensor([[-1.0], [1.0]]).double(), torch.zeros(2).double())


def test_accuracy_of_a_threshold_under_gaussian_noise():
    # x = 1 of class 1 and x = -1 of class 0: wrong where the noise is beyond 1, Phi(1 / sigma) right
    labels = torch.arange(2).repeat(5000)
    x = (2.0 * labels - 1).double().unsqueeze(1)
    found = analysis.accuracy_under_noise(nn.Identity(), SIGNS, x, labels, [2.0, 0.0, 0.5], generator=seeded())
    assert found.sizes == (0.0, 0.5, 2.0)
    expected = [1.0, *(0.5 * (1 + math.erf(1 / sigma / 2**0.5)) for sigma in (0.5, 2.0))]
    assert found.accuracies == pytest.approx(expected, abs=0.01)


def test_scores_are_those_of_the_code():
    probe = LinearProbe(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5, -0.5]))
    assert probe.scores(torch.tensor([[1.0, 10.0]])).tolist() == [[21.5, 42.5]]


def test_two_rows_make_a_probe():
    with pytest.raises(ValueError, match=r"weight must have the shape \(classes, code\) for at least two classes"):
        LinearProbe(torch.zeros(1, 3), torch.zeros(1))
    with pytest.raises(ValueError, match="weight must have the shape"):
        LinearProbe(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"labels": torch.zeros(2).long()}, "labels must be one per row"),
        ({"labels": torch.zeros(3)}, r"labels must be whole numbers, got torch\.float32"),
        ({"labels": torch.tensor([0, 1, 2])}, "labels must lie between 0 and 1, got 0 to 2"),
        ({"labels": torch.tensor([0, 1, -1])}, "labels must lie between 0 and 1, got -1 to 1"),
        ({"sigmas": []}, "sigmas must be at least one number from 0"),
        ({"sigmas": [-1.0]}, "sigmas must be at least one number from 0"),
        ({"num_draws": 0}, "num_draws must be at least 1"),
        ({"encode": nn.Dropout()}, "encode must be in evaluation mode, got a training Dropout"),
        ({"encode": nn.Sequential(nn.BatchNorm1d(1))}, "got a training BatchNorm1d"),
    ],
)
def test_a_task_that_is_none_is_refused(options, match):
    usual = {"encode": linear([[1.0]]), "probe": SIGNS, "x": gaussian(3, 1), "labels": torch.tensor([0, 1, 1])}
    with pytest.raises(ValueError, match=match):
        analysis.accuracy_under_noise(**(usual | {"sigmas": [0.1]} | options))
