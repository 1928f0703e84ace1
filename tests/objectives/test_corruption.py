import pytest
import torch

from contractive.objectives import Gaussian, Masking, SaltAndPepper


def within(count, probability, total):
    """Whether a binomial count is within 4 standard deviations."""
    return abs(count - probability * total) < 4 * (total * probability * (1 - probability)) ** 0.5


def test_gaussian_has_the_stated_standard_deviation():
    x = torch.full((200, 500), 2.0)
    noise = Gaussian(0.3)(x, torch.Generator().manual_seed(0)) - x
    assert abs(float(noise.std()) - 0.3) < 4 * 0.3 / (2 * noise.numel()) ** 0.5
    assert abs(float(noise.mean())) < 4 * 0.3 / noise.numel() ** 0.5


def test_masking_sets_the_stated_fraction_to_zero():
    x = torch.ones(200, 500)
    masked = Masking(0.25)(x, torch.Generator().manual_seed(0))
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    assert within(int((masked == 0).sum()), 0.25, x.numel())


def test_salt_and_pepper_sets_half_of_the_fraction_to_each_end():
    x = torch.full((200, 500), 0.5)
    noisy = SaltAndPepper(0.2, low=-1, high=3)(x, torch.Generator().manual_seed(0))
    for value, share in ((-1.0, 0.1), (3.0, 0.1), (0.5, 0.8)):
        assert within(int((noisy == value).sum()), share, x.numel())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("corruption", [Gaussian(0.3), Masking(0.3), SaltAndPepper(0.3)])
def test_the_precision_of_the_data_is_kept(corruption, dtype):
    assert corruption(torch.rand(5, 4, dtype=dtype)).dtype == dtype


def test_salt_and_pepper_sets_double_precision_numbers():
    noisy = SaltAndPepper(1.0, low=0.1, high=0.9)(torch.zeros(20, 5, dtype=torch.float64))
    assert set(noisy.unique().tolist()) == {0.1, 0.9}


@pytest.mark.parametrize("corruption", [Gaussian(0.3), Masking(0.3), SaltAndPepper(0.3)])
def test_same_seed_same_noise(corruption):
    x = torch.rand(5, 4)
    draws = [corruption(x, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], corruption(x, torch.Generator().manual_seed(8)))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Gaussian(-1), "sigma must be at least 0, got -1"),
        (lambda: Gaussian(float("nan")), "sigma must be at least 0, got nan"),
        (lambda: Masking(1.5), "fraction must lie between 0 and 1, got 1.5"),
        (lambda: SaltAndPepper(-0.1), "fraction must lie between 0 and 1, got -0.1"),
    ],
)
def test_misuse_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
