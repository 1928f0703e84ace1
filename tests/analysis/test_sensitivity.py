"""Change of the code under noise against linear maps, whose ratios are known by hand."""

import math

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.objectives import Gaussian, Masking
from measured import gaussian, linear, seeded

EYE = torch.eye(6)


def test_sensitivity_of_an_isotropic_scaling_is_its_factor():
    moved = analysis.sensitivity(linear(3 * EYE), gaussian(400, 6), Gaussian(0.2), generator=seeded())
    torch.testing.assert_close(moved.ratios, torch.full((400,), 3.0, dtype=torch.float64))
    assert moved.mean == pytest.approx(3)
    assert moved.scale_free == pytest.approx(1)


def test_scale_free_sensitivity_ignores_the_scale_and_sees_the_direction():
    x = gaussian(5000, 2) * torch.tensor([3.0, 1.0])
    generator = seeded()
    wide, narrow, shrunk = (
        analysis.sensitivity(linear([row]), x, Gaussian(0.1), generator=generator).scale_free
        for row in ([1.0, 0.0], [0.0, 1.0], [0.01, 0.0])
    )
    # E||df||^2 / Var f = s^2 / v_i and E||e||^2 / Var x = 2 s^2 / (9 + 1): 5 / v_i
    assert wide == pytest.approx(5 / 9, rel=0.1)
    assert narrow == pytest.approx(5, rel=0.1)
    assert shrunk == pytest.approx(wide, rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])  # the mean of 0.1s is not 0.1
@pytest.mark.parametrize("rows", [3, 7, 1000])
def test_scale_free_sensitivity_of_a_constant_code_is_infinite(rows, constant, dtype):
    x = torch.rand(rows, 3, dtype=dtype)
    found = analysis.sensitivity(lambda rows: torch.full_like(rows, constant), x, Gaussian(0.1))
    assert found.scale_free == math.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_equal_rows_are_refused_whatever_their_numbers(dtype):
    with pytest.raises(ValueError, match="x must vary, got 7 equal rows"):
        analysis.sensitivity(nn.Identity(), torch.full((7, 4), 0.1, dtype=dtype), Gaussian(0.1))


def test_examples_that_noise_left_alone_have_no_ratio():
    moved = analysis.sensitivity(nn.Identity(), torch.rand(50, 1), Masking(0.5), generator=seeded())
    assert len(moved.ratios) < 50
    assert torch.isfinite(moved.ratios).all()


def test_a_profile_has_each_noise_and_level():
    profile = analysis.sensitivity_profile(linear(3 * EYE), gaussian(50, 6), num_points=40, generator=seeded())
    assert profile.levels == {
        "gaussian": (0.1, 0.25, 0.5, 1.0),
        "masking": (0.1, 0.25, 0.5),
        "salt and pepper": (0.05, 0.1, 0.25),
    }
    for kind, results in profile.sensitivities.items():
        assert len(results) == len(profile.levels[kind])
        for moved in results:
            torch.testing.assert_close(moved.ratios, torch.full_like(moved.ratios, 3.0))
            assert moved.scale_free == pytest.approx(1)


def test_noise_of_a_profile_has_the_size_it_says():
    # a code that is the feature alone: steps are the noise itself, E e^2 / Var x is the squared level
    x = 4 * gaussian(4000, 1).float()
    seen = []

    def spy(rows):
        seen.append(rows)
        return rows

    analysis.sensitivity_profile(
        spy,
        x,
        levels={"gaussian": [0.5], "masking": [0.3], "salt and pepper": [0.2]},
        num_points=4000,
        generator=seeded(),
    )
    noisy_gaussian, noisy_masked, noisy_salted = seen[1::2]
    assert float((noisy_gaussian - x).std() / x.std()) == pytest.approx(0.5, rel=0.05)
    assert float((noisy_masked == 0).double().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((noisy_salted == x.min()).double().mean()) == pytest.approx(0.1, abs=0.02)
    assert float((noisy_salted == x.max()).double().mean()) == pytest.approx(0.1, abs=0.02)


def test_the_unit_of_gaussian_noise_is_a_typical_deviation():
    x = gaussian(3000, 2) * torch.tensor([3.0, 1.0])
    assert analysis.sensitivity_profile(nn.Identity(), x).unit == pytest.approx(5**0.5, rel=0.05)
    assert analysis.sensitivity_profile(nn.Identity(), x, unit=0.3).unit == 0.3


def test_encoders_meet_the_same_noise():
    x = gaussian(60, 6)
    one, other = (analysis.sensitivity_profile(linear(s * EYE[:2]), x, generator=seeded(4)) for s in (1.0, 2.0))
    for kind in one.sensitivities:
        for plain, twice in zip(one.sensitivities[kind], other.sensitivities[kind], strict=True):
            torch.testing.assert_close(2 * plain.ratios, twice.ratios)


@pytest.mark.parametrize(
    ("measure", "match"),
    [
        (lambda: analysis.sensitivity(nn.Identity(), torch.rand(3, 2), Gaussian(0)), "corruption must change the data"),
        (lambda: analysis.sensitivity(nn.Identity(), torch.ones(3, 2), Gaussian(1)), "x must vary, got 3 equal rows"),
        (lambda: analysis.sensitivity_profile(nn.Identity(), torch.rand(1, 2)), "x must have at least 2 rows, got 1"),
        (
            lambda: analysis.sensitivity_profile(nn.Identity(), torch.rand(3, 2), levels={"hum": [1]}),
            r"levels must be for gaussian, masking, salt and pepper, got \['hum'\]",
        ),
    ],
)
def test_misuse_is_refused(measure, match):
    with pytest.raises(ValueError, match=match):
        measure()


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"x must be a floating-point tensor, got torch\.int64"):
        analysis.sensitivity_profile(nn.Identity(), torch.ones(3, 2, dtype=torch.long))


def test_one_axis_is_refused():
    with pytest.raises(ValueError, match=r"x must have the shape \(rows, \*features\), got \(3,\)"):
        analysis.sensitivity_profile(nn.Identity(), torch.ones(3))


def test_an_encoder_in_training_mode_is_refused():
    x = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="encode must be in evaluation mode, got a training Dropout"):
        analysis.sensitivity(nn.Sequential(nn.Linear(4, 3), nn.Dropout()), x, Gaussian(0.1))


def test_noise_that_touches_nothing_of_a_small_table_is_drawn_again():
    for seed in range(40):
        profile = analysis.sensitivity_profile(linear(3 * EYE[:2, :2]), gaussian(15, 2), generator=seeded(seed))
        means = [entry.mean for entries in profile.sensitivities.values() for entry in entries]
        assert means == pytest.approx([3.0] * len(means), rel=1e-5)  # the map is three times the identity


def test_masking_of_zeros_has_no_sensitivity():
    x = torch.zeros(20, 3)
    x[0, 0] = 1.0  # masking touches this entry alone, salt and pepper all that it turns to 1
    profile = analysis.sensitivity_profile(nn.Identity(), x, levels={"masking": [1e-9], "gaussian": [1.0]})
    assert profile.sensitivities["masking"][0].mean != profile.sensitivities["masking"][0].mean
    assert profile.sensitivities["gaussian"][0].mean == pytest.approx(1.0)
