"""What every number of an analysis is: label, unit, one line with the source."""

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """Label, unit and explanation of one number."""

    label: str
    unit: str
    explain: str


_CODE = "code per input"
_RIFAI = "Rifai et al. 2011"

FIGURES: Mapping[str, Mapping[str, Words]] = {
    "reconstruction": {
        "error": Words("squared error", "squared input", "‖r(x) − x‖² per row, summed over features (scaled data)."),
        "r2": Words("R²", "none", "1 − error / variance: 1 is perfect, 0 no better than the mean."),
    },
    "norms": {
        "squared_norm": Words("‖J‖², mean", f"({_CODE})²", f"Squared Frobenius norm of the Jacobian J, {_RIFAI}."),
        "operator_norm": Words("σ max, mean", _CODE, "Largest singular value of J: how far steps stretch."),
        "operator_norm_max": Words("σ max, largest", _CODE, "The same at the worst of these rows."),
        "contractive_share": Words("rows with σ max ≤ 1", "share", "Where the encoder contracts in every direction."),
    },
    "on and off the data": {
        "operator_norm": Words("σ max, mean", _CODE, "Largest singular value of J at 500 points of this kind."),
        "contractive_share": Words("points with σ max ≤ 1", "share", "Contraction is local: it may fail off the data."),
    },
    "sensitivity": {
        "noise_unit": Words("noise of level 1", "input", "Root mean square over features of their standard deviation."),
        "ratio": Words("‖Δz‖ / ‖Δx‖, mean", _CODE, "Raw movement of the code; noises of Vincent et al. 2010."),
        "scale_free": Words(
            "scale-free", "none", "Relative to the spread of code and data; 1: the noise moves both alike."
        ),
    },
    "contraction curve": {
        "near": Words("ratio at the smallest radius", _CODE, f"‖f(x + r u) − f(x)‖ / r, {_RIFAI}, figure 1."),
        "at_median": Words("ratio at the median distance", _CODE, "At the median distance between two rows."),
        "far": Words("ratio at the largest radius", _CODE, "At 1.5 times the largest distance between two rows."),
        "distance_nearest": Words("smallest distance", "input", "Between two of up to 1000 rows."),
        "distance_median": Words("median distance", "input", "Between two of up to 1000 rows."),
        "distance_farthest": Words("largest distance", "input", "Between two of up to 1000 rows."),
    },
    "contraction by depth": {
        "at_median": Words("ratio at the median distance", _CODE, f"From the input to this layer, {_RIFAI}, figure 3."),
    },
    "spectra": {
        "code": Words("singular values", "directions", "The smaller of code and features."),
        "largest": Words("first singular value, mean", _CODE, f"{_RIFAI}, figure 2."),
        "smallest": Words("last singular value, mean", _CODE, "The direction that the code sees least."),
        "entropy_rank": Words("entropy rank, mean", "directions", "exp of the entropy of s²/Σs²; Roy, Vetterli 2007."),
        "participation_ratio": Words("participation ratio, mean", "directions", "(Σs²)² / Σs⁴."),
        "dimension_by_share": Words("values that hold 95 % of ‖J‖², mean", "directions", "A local dimension."),
        "dimension_by_gap": Words("values above the largest drop, median", "directions", "A local dimension."),
    },
    "directions": {
        "rank_correlation": Words(
            "Spearman's ρ", "none", "Of the data's variance along principal directions with E‖J u‖² there."
        ),
        "first_ten": Words("E‖J u‖², first ten directions", "none", "Relative to a random direction's."),
        "last": Words("E‖J u‖², last direction", "none", "Relative to a random direction's."),
    },
    "directions by class": {
        "rank_correlation": Words("Spearman's ρ", "none", "With the principal directions of the class's own rows."),
    },
    "features": {
        "largest": Words("largest ‖∂z/∂x‖", _CODE, "Root mean square over rows, of the strongest feature."),
        "median": Words("median ‖∂z/∂x‖", _CODE, "The same of a typical feature."),
        "num_points": Words("rows", "rows", "At which the whole Jacobian was computed."),
    },
    "examples": {"largest": Words("σ max", _CODE, "Largest singular value of J at this example.")},
    "tangent agreement": {
        "share": Words("step in the tangents, mean", "share", "Of the squared step to the five nearest rows."),
        "principal_share": Words("step in the principal directions", "share", "As many, the same for all rows."),
        "random_share": Words("step in a random subspace", "share", "Of the same dimension: the chance level."),
        "angle": Words("principal angle, median", "degrees", "Between neighbours' tangents; Björck and Golub 1973."),
        "random_angle": Words("principal angle of random subspaces", "degrees", "Of the same dimension."),
    },
    "reconstruction norms": {
        "frobenius": Words("‖Jr‖, mean", "none", "Of the reconstruction r = g∘f, Alain and Bengio 2014."),
        "operator_norm": Words("σ max of Jr, mean", "none", "Below 1 the reconstruction draws rows together."),
        "contractive_share": Words("rows with σ max of Jr ≤ 1", "share", "At up to 200 rows."),
    },
    "codes": {
        "saturation": Words("saturated activations", "share", f"Below 0.05 or above 0.95; {_RIFAI}, footnote 6."),
        "dead": Words("dead units", "share", "Standard deviation below 1 % of the liveliest unit's."),
        "duplicates": Words("duplicate units", "share", "Correlated above 0.99 in size with one before them."),
        "bit_entropy": Words("entropy of a unit's bit", "bit", "The bit: above 1/2 or not; mean over units."),
        "code_entropy": Words("entropy of the binary codes", "bit", "As counted; at most log2 of the rows."),
        "distinct": Words("distinct binary codes", "codes", "Among the rows measured."),
        "hamming": Words("Hamming distance of two codes", "share", "Of the units; 1/2 for fair coins."),
        "spread": Words("variance / (1/4)", "none", "Mean over units; 1 where units are 0 and 1 half the time."),
        "num_examples": Words("rows", "rows", "Whose codes were looked at."),
    },
    "map": {
        "first": Words("variance on the first component", "share", "Of the code's variance, by PCA."),
        "second": Words("variance on the second component", "share", "Of the code's variance, by PCA."),
    },
    "similarity": {
        "cka": Words("linear CKA", "none", "0 to 1, whatever the rotation and scale; Kornblith et al. 2019."),
        "procrustes": Words("Procrustes", "none", "1 where a rotation and a scale turn one into the other."),
        "neighbors": Words("shared nearest neighbours", "share", "Of the ten nearest."),
        "neighbors_chance": Words("shared by chance", "share", "For unrelated codes."),
    },
    "robustness": {
        "clean": Words("accuracy, clean", "share", "Of a logistic regression on the code."),
        "chance": Words("most frequent class", "share", "What guessing it would give."),
        "noise": Words("accuracy under noise", "share", "Gaussian on the input, mean of five draws."),
        "l2": Words("accuracy under attack, L2", "share", "Projected gradient, Madry et al. 2018: upper bound."),
        "linf": Words("accuracy under attack, L∞", "share", "The same, every entry bounded."),
        "no_gradient": Words("stand without any gradient", "share", "Saturation may hide the way: not robustness."),
    },
}  # fmt: skip
