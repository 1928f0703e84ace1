"""The presets: objectives made of a loss, a corruption and weighted penalties."""

from dataclasses import replace

from contractive.jacobian import BatchStatistics, Method
from contractive.objectives._corruption import Corruption, Gaussian
from contractive.objectives._objective import Loss, Objective, Term, squared_error
from contractive.objectives._penalties import (
    GainWeightedNorm,
    HigherOrder,
    JacobianNorm,
    KLSparsity,
    PenaltyRows,
    code_l1,
)


def standard(*, loss: Loss = squared_error) -> Objective:
    """Reconstruction error only."""
    return Objective("standard", loss)


def weight_decay(weight: float = 1e-4, *, loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * sum of squared weights."""
    return Objective("weight_decay", loss, weight_decay=weight)


def denoising(corruption: Corruption | float = 0.3, *, loss: Loss = squared_error) -> Objective:
    """Reconstruction error of the clean input from a corrupted one; a number is Gaussian (Vincent et al. 2008)."""
    return Objective("denoising", loss, corruption if callable(corruption) else Gaussian(float(corruption)))


def sparse(weight: float = 0.1, *, target: float = 0.05, loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * KL divergence of mean unit activations from `target`."""
    return Objective("sparse", loss, terms=(Term("kl_sparsity", weight, KLSparsity(target)),))


def l1(weight: float = 0.01, *, loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * sum of absolute code values."""
    return Objective("l1", loss, terms=(Term("code_l1", weight, code_l1),))


def contractive(
    weight: float = 0.1,
    *,
    method: Method = "auto",
    num_probes: int | None = None,
    penalty_rows: PenaltyRows = "auto",
    batch_statistics: BatchStatistics = "refuse",
    loss: Loss = squared_error,
) -> Objective:
    """Reconstruction error plus weight * ||J_f(x)||_F^2 (Rifai et al., ICML 2011).

    Args:
        weight: The paper's lambda, for a reconstruction error summed over features.
        method: How the norm is computed in training; validation is always exact.
        num_probes: Probe vectors per example where an estimate is taken.
        penalty_rows: Rows of each batch that the norm is computed on: a share such as 0.25 or 1.0, a count, or `auto`:
            as few as raise the variance of the gradient by at most 10 %, decided in training. All others pass the
            encoder only, and the estimate stays unbiased.
        batch_statistics: `constant` takes a batch norm in training mode, with mean and variance held fixed in J.
        loss: Reconstruction loss.
    """
    penalty = JacobianNorm(method, num_probes, penalty_rows, batch_statistics)
    return Objective("contractive", loss, terms=(Term("contractive", weight, penalty),))


def higher_order(
    weight: float = 0.1,
    *,
    ratio: float = 1.0,
    sigma: float = 0.1,
    copies: int = 4,
    method: Method = "auto",
    penalty_rows: PenaltyRows = "auto",
    loss: Loss = squared_error,
) -> Objective:
    """Reconstruction error plus weight * `HigherOrder`: CAE+H (Rifai et al., ECML 2011)."""
    penalty = HigherOrder(ratio, sigma, copies, method, penalty_rows)
    return Objective("higher_order", loss, terms=(Term("higher_order", weight, penalty),))


def reconstruction_contractive(
    weight: float = 0.01,
    *,
    method: Method = "auto",
    num_probes: int | None = None,
    penalty_rows: PenaltyRows = "auto",
    batch_statistics: BatchStatistics = "refuse",
    loss: Loss = squared_error,
) -> Objective:
    """Reconstruction error plus weight * ||J_{g o f}(x)||_F^2: the whole map is contracted (Alain and Bengio 2014)."""
    penalty = JacobianNorm(method, num_probes, penalty_rows, batch_statistics)
    term = Term("reconstruction_contractive", weight, penalty, of="reconstruction")
    return Objective("reconstruction_contractive", loss, terms=(term,))


def gain_weighted(weight: float = 0.01, *, method: Method = "auto", loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * sum_j gamma_j^2 ||grad f_j(x)||^2, gamma_j the decoder's gain of unit j.

    The norm of the encoder's Jacobian as the decoder sees it: scaling the code does not change it. Arguments as in
    `contractive`.
    """
    term = Term("gain_weighted", weight, GainWeightedNorm(method), of="reconstruction")
    return Objective("gain_weighted", loss, terms=(term,))


def largest_singular_value(weight: float = 0.1, *, method: Method = "auto", loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * sigma_max(J_f(x))^2 (Yoshida and Miyato 2017; Cui et al. 2022)."""
    term = Term("largest_singular_value", weight, JacobianNorm(method, norm="largest"))
    return Objective("largest_singular_value", loss, terms=(term,))


def jacobian_l1(
    weight: float = 0.01, *, method: Method = "auto", num_probes: int | None = None, loss: Loss = squared_error
) -> Objective:
    """Reconstruction error plus weight * sum_ij |J_ij|: a sparse Jacobian (Farnik et al. 2025)."""
    term = Term("jacobian_l1", weight, JacobianNorm(method, num_probes, norm="entries"))
    return Objective("jacobian_l1", loss, terms=(term,))


def isometric(
    weight: float = 0.1,
    *,
    at: Corruption | None = None,
    method: Method = "auto",
    num_probes: int | None = None,
    loss: Loss = squared_error,
) -> Objective:
    """Reconstruction error plus weight * relaxed distortion of the decoder: a code that keeps angles and ratios.

    The distortion of Lee et al. (2022) is 0 where the decoder is a scaled isometry. They take it between codes,
    which is `at=Interpolation(-0.2, 1.2)`; at the codes if omitted.
    """
    term = Term("distortion", weight, JacobianNorm(method, num_probes, norm="distortion"), of="decoder", at=at)
    return Objective("isometric", loss, terms=(term,))


def nuclear(weight: float = 0.01, *, method: Method = "auto", loss: Loss = squared_error) -> Objective:
    """Reconstruction error plus weight * (||J_f(x)||_F^2 + ||J_g(f(x))||_F^2), at least twice ||J_{g o f}(x)||_*.

    The least of half the sum over all pairs f, g with the same reconstruction is its nuclear norm (Scarvelis and
    Solomon 2024): the reconstruction's Jacobian gets low rank.
    """
    terms = (
        Term("encoder_norm", weight, JacobianNorm(method)),
        Term("decoder_norm", weight, JacobianNorm(method), of="decoder"),
    )
    return Objective("nuclear", loss, terms=terms)


def contractive_denoising(
    weight: float = 0.1, corruption: Corruption | float = 0.3, *, loss: Loss = squared_error
) -> Objective:
    """Denoising with the contractive penalty at the corrupted input (Chen et al. 2013)."""
    corrupted = denoising(corruption, loss=loss)
    return replace(corrupted, name="contractive_denoising", terms=contractive(weight).terms)
