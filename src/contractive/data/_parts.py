"""Which rows train, validate and test."""

import numpy as np

from contractive.data._errors import DataError
from contractive.data._split import TEST, VALIDATION

LEAST_ROWS = 10
MOST_HELD_OUT = 50_000  # validation and test rows of a stream: they are held in memory
_MOST_HELD_NUMBERS, _FEWEST_HELD = 2**24, 1000
_MOST_CLASSES = 100


def most_held_out(width: int) -> int:
    """Validation and test rows of a stream of so many features: fewer where they are wide."""
    return min(MOST_HELD_OUT, max(_FEWEST_HELD, _MOST_HELD_NUMBERS // width))


def partition(
    num_rows: int,
    shares: tuple[float, float],
    *,
    seed: int,
    labels: np.ndarray | None = None,
    most: int | None = None,
) -> tuple[np.ndarray, str]:
    """Draw the parts, stratified by a categorical label where every part gets some of every class.

    Args:
        num_rows: Rows to part.
        shares: For validation and for testing; 0 where there is a test part already.
        seed: Same seed, same parts.
        labels: One per row.
        most: Rows held out for each part at most.

    Returns:
        Of each row 0, 1 or 2 (uint8), and a sentence on how they were drawn.

    Raises:
        DataError: Fewer than ten rows.
    """
    if num_rows < LEAST_ROWS:
        raise DataError(f"data must have at least {LEAST_ROWS} rows, got {num_rows}. Give more of them.")
    counts = [max(1, round(num_rows * share)) if share else 0 for share in shares]
    counts = [min(count, most) if most else count for count in counts]
    parts = np.zeros(num_rows, np.uint8)
    drawn = None
    how = f"Rows were parted at random (seed {seed})"
    if labels is not None:
        drawn, why = _stratified(labels, counts, seed)
        how += f", not stratified: {why}." if drawn is None else ", stratified by the label."
    else:
        how += "."
    if drawn is None:
        held = np.random.default_rng(seed).choice(num_rows, size=sum(counts), replace=False)
        drawn = held[: counts[0]], held[counts[0] :]
    parts[drawn[0]], parts[drawn[1]] = VALIDATION, TEST
    return parts, how


def is_categorical(labels: np.ndarray) -> bool:
    """Whether labels are classes and not amounts: text, or few whole numbers."""
    return labels.dtype.kind in "USb" or (labels.dtype.kind in "iu" and len(np.unique(labels)) <= _MOST_CLASSES)


def _stratified(labels: np.ndarray, counts: list[int], seed: int) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
    from sklearn.model_selection import train_test_split

    if not is_categorical(labels):
        return None, "the label is an amount and no class"
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    held = [count for count in counts if count]
    # every class needs a row for each part; scikit-learn refuses the rest
    if sizes.min() * min(held) < len(labels) or sizes.min() < 4 or min(held) < len(sizes):
        return None, "a class has too few rows"
    rows = np.arange(len(labels))
    rest, validation = map(np.asarray, train_test_split(rows, test_size=counts[0], stratify=codes, random_state=seed))
    if not counts[1]:
        return (validation, rest[:0]), ""
    if np.bincount(codes[rest]).min() < 2:
        return None, "a class has too few rows"
    _, test = train_test_split(rest, test_size=counts[1], stratify=codes[rest], random_state=seed)
    return (validation, np.asarray(test)), ""
