"""Rows that are taken evenly, of very many too."""

import pytest
import torch

from contractive import analysis


def test_very_many_rows_are_taken_evenly():
    x = torch.zeros(2**24 + 4, 1, dtype=torch.uint8)  # single precision rounds the last index up to the length
    x[-1] = 1
    assert analysis.spread_rows(x, 4).flatten().tolist() == [0, 0, 0, 1]


def test_no_row_is_refused():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        analysis.spread_rows(torch.zeros(3, 1), 0)
