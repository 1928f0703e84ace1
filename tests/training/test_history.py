"""Results of training as text, as a table and as a data frame."""

import pytest
import torch

import contractive as ct
from contractive.training import FineTuning, History, is_constant, principal_components, shortcomings, still_falling

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
ROWS = (
    {"epoch": 1, "seconds": 0.5, "val_total": 2.0},
    {"epoch": 2, "seconds": 0.25, "val_total": 1.0},
    {"epoch": 3, "seconds": 0.25, "val_total": 1.5, "weight": 0.1},
)


def test_the_repr_is_one_short_line():
    assert repr(History(ROWS, 2)) == "History(3 epochs, best 2)"
    history = History(ROWS, 2, stopped_early=True, warnings=("Collapsed: <b>",))
    assert repr(history) == "History(3 epochs, best 2, stopped early, 1 warning)"
    assert repr(FineTuning(ROWS, 3, warnings=("a", "b"))) == "FineTuning(3 epochs, best 3, 2 warnings)"


def test_notebooks_show_the_last_and_the_best_epoch_and_warnings():
    page = History(ROWS, 2, warnings=("Collapsed: <b>",))._repr_html_()
    assert "<th>last epoch</th><th>best epoch</th>" in page
    assert "<tr><th>val_total</th><td>1.5</td><td>1</td></tr>" in page
    assert "<tr><th>weight</th><td>0.1</td><td>nan</td></tr>" in page
    assert "Collapsed: &lt;b&gt;" in page
    assert History((), 0)._repr_html_() == "<p>History(0 epochs, best 0)</p>"


def test_no_epoch_is_the_best_where_the_network_is_that_from_before():
    history = History(ROWS, 0)
    assert (repr(history), history.best) == ("History(3 epochs, best 0)", None)
    page = history._repr_html_()
    assert "<th>last epoch</th></tr>" in page
    assert "best epoch" not in page
    assert "<tr><th>val_total</th><td>1.5</td></tr>" in page


def test_columns_make_a_data_frame_indexed_by_the_epoch():
    history = History(ROWS, 2)
    frame = history.to_pandas()
    assert frame.index.tolist() == [1, 2, 3]
    assert list(frame.columns) == ["seconds", "val_total", "weight"]
    assert frame["val_total"].tolist() == history["val_total"]
    assert frame["weight"].isna().tolist() == [True, True, False]
    assert history.best["val_total"] == 1.0
    assert (history.seconds, len(history)) == (1.0, 3)


def test_a_run_gives_such_a_result():
    x = ct.models.stack(4, (3,))[0].encoder[0].weight.detach()
    history = ct.fit(ct.mlp(4, code=2), x, ct.objectives.standard(), max_epochs=1, progress=False)
    assert history.to_pandas().loc[1, "train_total"] == history["train_total"][0]


def test_shortcomings_are_worse_than_principal_components_and_idle_units():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 2, 1, 1, 1, 1])
    components = principal_components(x, 2)
    plain, linear = components.autoencoder(2), components.autoencoder(2)
    assert shortcomings(plain, x, linear) == []
    left = 1 - float(components.variances[:2].sum()) / components.total
    with torch.no_grad():
        plain.decoder[0].weight.zero_()
    (worse,) = shortcomings(plain, x, linear)
    assert worse.startswith(f"Principal components of the same size leave {left:.3g} of the variance unexplained, this")
    remedy = (
        "use a smaller weight (a smaller allowed error increase), or begin as principal components where it did not."
    )
    assert f"this network 1. Train longer, {remedy}" in worse
    with torch.no_grad():
        plain.decoder[0].weight.copy_(linear.decoder[0].weight * 0.99)
    assert shortcomings(plain, x, linear) == []  # the shares are the same in the three digits of a sentence
    with torch.no_grad():
        plain.decoder[0].weight.zero_()
        plain.encoder[0].weight.mul_(1e-3)
    assert shortcomings(plain, x, None) == []  # small units of an unbounded code
    sigmoid = ct.mlp(6, code=7)
    assert shortcomings(sigmoid, x, linear) == []  # as many units as features: nothing to compare with
    with torch.no_grad():
        sigmoid.encoder[0].weight[:4] = 0.0
    advice = " Use a smaller weight or rate, or scale the rows."
    assert shortcomings(sigmoid, x, None) == ["4 of 7 units hardly vary." + advice]
    with torch.no_grad():
        sigmoid.encoder[0].bias[:4] = 100.0
    assert shortcomings(sigmoid, x, None) == ["4 of 7 units are saturated on nearly all rows." + advice]


def test_a_network_that_was_still_improving_falls_short():
    errors = [*range(20, 10, -1), 10.0, 8.0]
    assert still_falling(errors) == pytest.approx(1 - 8 / 10)  # a tenth of 12 is one epoch
    assert still_falling([4.0] * 10 + [5.0] * 10) == 0
    assert still_falling([3.0, 2.0, 1.0]) is None
    linear = principal_components(torch.eye(4), 2).autoencoder(2)
    assert shortcomings(linear, torch.eye(4), None, errors) == [
        "The error still fell by 20 % in the last tenth of the epochs. Train for more epochs."
    ]


def test_a_network_is_constant_if_its_outputs_hardly_vary_beside_the_rows():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    for share, constant in ((0.002, True), (0.009, True), (0.011, False), (1.0, False)):
        assert is_constant(lambda rows, share=share: 5 + share * rows, x) is constant
    assert is_constant(lambda rows: rows * float("nan"), x)
    assert not is_constant(lambda rows: rows, torch.ones(50, 3))  # equal rows have equal outputs
