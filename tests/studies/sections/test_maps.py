"""UMAP: shape, seed, and what is said where it is missing."""

import sys

import numpy as np
import pytest

from contractive.studies.sections import umap_map


@pytest.mark.filterwarnings("ignore")
def test_clusters_stay_apart():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    generator = np.random.default_rng(0)
    codes = np.concatenate([generator.normal(size=(12, 5)), 50 + generator.normal(size=(12, 5))]).astype(np.float32)
    one, other = (umap_map(codes, num_neighbors=5, seed=1) for _ in range(2))
    assert one.shape == (24, 2)
    np.testing.assert_array_equal(one, other)
    means = one.reshape(2, 12, 2).mean(1)
    from_own, from_other = (np.linalg.norm(one - each.repeat(12, axis=0), axis=1) for each in (means, means[::-1]))
    assert from_other.min() > 2 * from_own.max()


def test_its_absence_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"umap_map needs umap-learn. Install it: pip install 'contractive\[umap\]'"):
        umap_map(np.zeros((30, 3)))


def test_too_few_rows_are_refused(monkeypatch):
    pytest.importorskip("umap", reason="umap-learn is not installed")
    with pytest.raises(ValueError, match="codes must have more than 15 rows, got 15"):
        umap_map(np.zeros((15, 3)))
