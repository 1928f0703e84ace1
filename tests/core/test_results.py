"""A result shows its shapes, not its numbers, and a table of it is a data frame."""

import sys
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from analyses import results
from contractive import analysis
from contractive.core.results import Result, TableResult


@dataclass(frozen=True, repr=False)
class Pair(Result):
    one: object
    other: object


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (torch.zeros(3, 4), "<3x4>"),
        (torch.tensor(0.5), "0.5"),
        (1 / 3, "0.3333"),
        ({"a": torch.zeros(2), "b": (1, 2.0)}, "{'a': <2>, 'b': (1, 2)}"),
        ((7,), "(7,)"),
        (tuple(range(20)), "(0, 1, 2, 3, 4, 5, 6, 7, ...)"),
        ({at: at for at in range(9)}, "{0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, ...}"),
        ("text", "'text'"),
        (Pair(1, None), "Pair(one=1, other=None)"),
    ],
)
def test_a_repr_is_short(value, shown):
    assert repr(Pair(value, 0)) == f"Pair(one={shown}, other=0)"


@dataclass(frozen=True, repr=False)
class Curve(TableResult):
    x: Tensor
    y: tuple[float, ...]
    more: Tensor
    count: int
    _table = ("x", "y")


def test_columns_are_the_fields_named():
    curve = Curve(torch.tensor([1.0, 2.0]), (3.0, 4.0), torch.zeros(2, 5), 7)
    frame = curve.to_pandas()
    assert frame.to_dict("list") == {"x": [1.0, 2.0], "y": [3.0, 4.0]}
    assert "<table" in curve._repr_html_()


def test_without_pandas_a_notebook_shows_the_repr(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert Curve(torch.ones(1), (1.0,), torch.ones(1, 1), 1)._repr_html_() is None


NAME = "contractive"
TABLES = {  # where it stands in `results()`, its rows and its columns
    "profile": (lambda r: r.profiles[NAME], 3, {"noise", "level", "sensitivity", "scale_free_sensitivity"}),
    "curve": (lambda r: r.curves[NAME], 3, {"radii", "mean", "root_mean_square", "low", "high"}),
    "points": (
        lambda r: r.evaluation_points[NAME],
        7,
        {"points", "operator", "contractive_share", "distance", "frobenius"},
    ),
    "spectra": (lambda r: r.spectra[NAME], 4, {"index", "mean", "quantile_5", "quantile_95"}),
    "directions": (lambda r: r.directions[NAME], 9, {"index", "variances", "squared_sensitivities"}),
    "agreement": (
        lambda r: r.agreement[NAME],
        60 * 5,
        {"point", "neighbor", "share", "principal_share", "random_share", "mean_angle"},
    ),
    "codes": (lambda r: r.codes[NAME], 4, {"mean", "deviation", "unit_saturation", "unit_entropy"}),
    "similarity": (lambda r: r.similarities, 1, {"one", "other", "cka", "procrustes", "neighbors"}),
    "robustness": (lambda r: r.robustness["Noise"][NAME], 2, {"sizes", "accuracies"}),
}


@pytest.mark.parametrize("which", TABLES)
def test_results_that_are_tables_have_rows_and_columns(which):
    find, rows, columns = TABLES[which]
    found = find(results())
    frame = found.to_pandas()
    assert len(frame) == rows
    assert set(frame.columns) == columns
    assert len(repr(found)) < 1000


def test_a_table_holds_the_numbers_of_the_result():
    r = results()
    frame = r.profiles["contractive"].to_pandas()
    entry = r.profiles["contractive"].sensitivities["gaussian"][1]
    assert frame.loc[1].to_list() == ["gaussian", 0.5, entry.mean, entry.scale_free]
    pair = r.similarities.to_pandas().loc[0]
    assert (pair["one"], pair["other"], pair["cka"]) == (*r.similarities.names, float(r.similarities.cka[0, 1]))
    codes = analysis.codes(nn.Identity(), torch.tensor([[0.5, 0.0], [0.5, 1.0]]))
    assert codes.to_pandas()["deviation"].to_list() == [0, 0.5]
    agreement = r.agreement["contractive"]
    assert agreement.to_pandas()["share"][7] == float(agreement.shares[1, 2])
