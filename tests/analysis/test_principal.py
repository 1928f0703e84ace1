"""Principal components against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from contractive import analysis
from measured import gaussian


@pytest.mark.parametrize("shape", [(50, 6), (5, 9)], ids=["tall", "wide"])
def test_components_are_sklearns(shape, monkeypatch):
    monkeypatch.setattr("contractive.analysis._evaluate.MEMORY_BUDGET", 1)
    x = gaussian(*shape) @ torch.diag(torch.arange(1.0, shape[1] + 1).double()) + 3
    expected = PCA(3).fit(x.numpy())
    found = analysis.principal_components(nn.Identity(), x, 3)
    np.testing.assert_allclose(found.explained, expected.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=1e-10)
    signs = np.sign((found.axes.numpy() * expected.components_).sum(1))
    np.testing.assert_allclose(found.axes.numpy() * signs[:, None], expected.components_, atol=1e-8)
    np.testing.assert_allclose(found.coordinates.numpy() * signs, expected.transform(x.numpy()), atol=1e-8)
    assert (found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_the_map_is_of_the_code():
    x = gaussian(20, 2, 2)
    found = analysis.principal_components(lambda rows: rows.flatten(1)[:, :2], x)
    expected = analysis.principal_components(nn.Identity(), x.flatten(1)[:, :2].contiguous())
    torch.testing.assert_close(found.coordinates, expected.coordinates)


@pytest.mark.parametrize("rows", [3, 7], ids=["wide", "tall"])
def test_equal_rows_explain_nothing(rows):
    x = torch.full((rows, 4), 0.1, dtype=torch.float64)  # their mean is not exactly 0.1
    assert torch.isnan(analysis.principal_components(nn.Identity(), x).explained).all()
    with pytest.raises(ValueError, match="x must vary"):
        analysis.directions(nn.Identity(), x)


@pytest.mark.parametrize(
    ("rows", "components", "match"),
    [(1, 1, "x must have at least 2 rows"), (5, 0, "num_components must be at least 1"), (5, 4, "must be at most 3")],
)
def test_misuse_is_refused(rows, components, match):
    with pytest.raises(ValueError, match=match):
        analysis.principal_components(nn.Identity(), torch.rand(rows, 3), components)
