"""The reproduction scripts run, go on where they were stopped, and their parts do what they say."""

import importlib
import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import contractive as ct

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "reproduce"))
pieces, data, train, render, figures = (
    importlib.import_module(name) for name in ("_pieces", "_data", "_train", "render", "figures")
)
SLICES = {
    "mnist_table1": "CAE,AE,RBM-binary",
    "cifar_table1": "DAE-b",
    "table2_like": "basic SVM,rect CAE-2,rect-img SVM",
    "figures": "mnist CAE,depth 2",
    "mtc": "knn raw with tangents,knn raw with shifts,knn two layers,100 NN,100 MTC,full MTC",
    "sampling": "training images,CAE-2",
    "further": "CAE,mixture,spiral,regularised,differences",
}


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")  # after one pass
@pytest.mark.parametrize("name", list(SLICES))
def test_a_slice_of_each_script_runs_and_is_rendered(name, tmp_path, capsys):
    script = importlib.import_module(name)
    arguments = ["--quick", "--work", str(tmp_path / "work"), "--out", str(tmp_path), "--only", SLICES[name]]
    script.main(arguments)
    path = tmp_path / f"{name}_quick.json"
    first = json.loads(path.read_text())
    assert list(first["rows"]) == SLICES[name].split(",")
    assert all(row["with"]["torch"] == torch.__version__ for row in first["rows"].values())
    capsys.readouterr()
    script.main(arguments)  # all pieces are there
    assert "fine-tune {" not in capsys.readouterr().out
    assert json.loads(path.read_text()) == first
    path.rename(tmp_path / f"{name}.json")
    page = (ROOT / "docs" / "papers.md").read_text()
    filled, empty = (render.render(page, folder).count(render.MISSING) for folder in (tmp_path, tmp_path / "nothing"))
    assert filled < empty


@pytest.mark.parametrize(
    ("paper", "mine", "kind", "found"),
    [
        (1.14, None, "error", "not tried"),
        (1.14, 1.10, "error", "reached"),
        (1.0, 1.28, "error", "within chance"),  # 2 sqrt(2 * 0.01 * 0.99 / 10,000) = 0.281 %
        (1.0, 1.29, "error", "not reached"),
        (20.0, 21.9, "error", "near"),
        (80.0, 79.0, "accuracy", "within chance"),
        (80.0, 77.9, "accuracy", "not reached"),
        (0.4, 0.37, "value", "reached"),
        (0.4, 0.31, "value", "near"),
        (0.4, 0.29, "value", "not reached"),
    ],
)
def test_a_figure_is_judged_beside_the_published_one(paper, mine, kind, found):
    assert render.verdict(paper, mine, kind, 10_000) == found


@pytest.mark.parametrize(
    ("value", "tried", "shown"),
    [(0.1, [0.1, 0.2], "0.1* of 0.1, 0.2"), (0.2, [0.1, 0.2, 0.3], "0.2 of 0.1, 0.2, 0.3"), (3.0, [3.0], "3.0 set")],
)
def test_a_setting_says_whether_it_was_searched(value, tried, shown):
    row = {"setting": {"strength": value}, "search": [{"strength": one} for one in tried] + [{"rate": 9}]}
    assert render.searched(row, "strength") == shown


def test_curves_are_drawn_where_there_are_results(tmp_path):
    sys.path.insert(0, str(ROOT / "docs"))
    drawn = importlib.import_module("papers_figures")
    assert drawn.figures(tmp_path / "none.json") == {}
    path = tmp_path / "figures.json"
    curve = {name: [0.2, 0.4] for name in ("radii", "mean", "root_mean_square", "low", "high")}
    row = curve | {"distances": [1, 2, 3], "start": 0.2, "peak": 0.4, "peak_radius": 0.4}
    path.write_text(json.dumps({"rows": {"mnist CAE": row, "depth 1": row}}))
    found = drawn.figures(path)
    assert list(found) == ["mnist-curves", "depth-curves"]
    assert next(trace["name"] for trace in found["mnist-curves"]["data"] if "name" in trace) == "contractive"
    page = render.render((ROOT / "docs" / "papers.md").read_text(), tmp_path)
    assert all(page.count(f'data-plot="{name}"') == 1 for name in found)


def test_a_row_that_is_not_in_the_table_is_refused():
    with pytest.raises(SystemExit, match="--only must name rows of CAE, AE, got RBM"):
        pieces.wanted(Namespace(only="AE,RBM"), ["CAE", "AE"])


def test_a_piece_is_done_once_for_each_setting(tmp_path):
    store, runs = pieces.Pieces(tmp_path), []

    def run(folder):
        runs.append(folder)
        return {"value": len(runs)}

    assert store.get("a", {"x": (1, 2)}, run) == ({"value": 1}, runs[0])
    assert store.get("a", {"x": [1, 2]}, run) == ({"value": 1}, runs[0])
    assert store.get("a", {"x": [1, 3]}, run)[0] == {"value": 2}
    assert store.get("b", {"x": [1, 2]}, run)[0] == {"value": 3}
    found = json.loads(next((tmp_path / "b").glob("*.json")).read_text())
    assert found["settings"] == {"x": [1, 2]}
    assert set(found["with"]) >= {"torch", "contractive", "device", "threads"}
    assert store.seconds() >= 0


def test_nothing_new_is_begun_after_the_time_is_over(tmp_path):
    store = pieces.Pieces(tmp_path, minutes=-1)
    with pytest.raises(SystemExit, match="Out of time"):
        store.get("a", {}, lambda folder: {})


def test_coordinate_search_goes_one_field_after_the_other():
    start = train.Setting("CAE", 0.1, pretrain_epochs=10)
    errors = {(0.1, 10): 3, (0.3, 10): 2, (0.3, 30): 2.5}
    chosen, log = train.search(
        start,
        [("strength", (0.1, 0.3)), ("pretrain_epochs", (10, 30))],
        lambda setting: errors[setting.strength, setting.pretrain_epochs],
    )
    assert (chosen.strength, chosen.pretrain_epochs) == (0.3, 10)
    assert [entry["validation_error"] for entry in log] == [3, 2, 2, 2.5]


def test_a_setting_that_diverges_is_wrong_everywhere(tmp_path):
    split = data.like("basic", Namespace(quick=True, data_dir=None))
    trainer = train.Trainer(pieces.Pieces(tmp_path), split)
    setting = train.Setting("NN", 0.0, widths=(5,), epochs=2, rate=1e38, output_rate=1e38)
    assert trainer.validation_error(setting) == 100


def test_the_columns_of_table_1_by_hand():
    torch.manual_seed(0)
    encoder, x = ct.mlp(6, code=4).encoder, torch.rand(9, 6)
    found, j, code = train.columns(encoder, x), ct.jacobian(encoder, x).detach(), encoder(x).detach()
    assert found["mean_squared_entry"] == pytest.approx(float(j.square().mean()), rel=1e-5)
    assert found["mean_squared_norm"] == pytest.approx(float(j.square().flatten(1).sum(1).mean()), rel=1e-5)
    share = ((code < 0.05) | (code > 0.95)).double().mean()
    assert found["saturation"] == pytest.approx(100 * float(share))


def test_labelled_rows_are_balanced():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2])
    draws = [train.balanced(labels, 6, draw) for draw in (0, 0, 1)]
    assert all(labels[rows].bincount().tolist() == [2, 2, 2] for rows in draws)
    assert draws[0].equal(draws[1])
    assert set(draws[0].tolist()) != set(draws[2].tolist())
    assert len(train.balanced(labels, None, 0)) == 9


def test_a_shifted_image_lies_along_its_shifts():
    wave = torch.sin(torch.linspace(0, 2 * torch.pi, 41)[:-1])
    image, moved = (torch.outer(wave.roll(step), wave).reshape(1, -1) for step in (0, 2))
    found = importlib.import_module("mtc").shifts(image, (40, 40))
    left, along = torch.dist(moved, image), found[0, 0] / found[0, 0].norm()
    rest = (moved - image)[0] - ((moved - image)[0] @ along) * along
    assert rest.norm() < 0.2 * left
    assert abs((moved - image)[0] @ found[0, 1]) < 1e-3


def test_units_that_hardly_vary_are_counted():
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.0, 0.05, 1.0])
    assert train.still_units(torch.nn.Identity(), x) == pytest.approx(200 / 3)


def test_images_turned_by_a_right_angle():
    x = torch.rand(3, 36)
    turned = data.turned(x, torch.full((3,), torch.pi / 2)).reshape(3, 6, 6)
    original = x.reshape(3, 6, 6)
    same = [torch.allclose(turned, original.rot90(times, (1, 2)), atol=1e-5) for times in (1, 3)]
    assert sum(same) == 1
    torch.testing.assert_close(data.turned(x, torch.zeros(3)), x)


@pytest.mark.parametrize("filled", [False, True])
def test_rectangles_are_labelled_by_their_sides(filled):
    generator = torch.Generator().manual_seed(0)
    fill = torch.cat([torch.ones(200, 28, 28), torch.zeros(200, 28, 28)]) if filled else None
    x, y = data.rectangles(200, generator, fill)
    images = x.reshape(-1, 28, 28)
    heights, widths = (images.max(axis).sum(1) for axis in (2, 1))
    assert ((widths > heights) == y).all()
    assert (np.abs(widths - heights) >= (5 if filled else 3)).all()
    assert 0.35 < y.mean() < 0.65
    area = images.sum((1, 2))
    assert np.array_equal(area, heights * widths if filled else 2 * (heights + widths) - 4)


def test_each_part_has_patches_of_its_own_images(monkeypatch):
    images = np.repeat(np.arange(60, dtype=np.uint8), 1024)  # each of one grey, so that a patch tells its image
    monkeypatch.setattr(data, "cifar_arrays", lambda _: {"x_train": images})
    counts, generator = (100, 20, 180), torch.Generator().manual_seed(0)
    found = data.patches(Namespace(quick=False), counts, generator)
    assert found.shape == (600, 28, 28)
    greys = 255 * found.flatten(1)
    torch.testing.assert_close(greys.amin(1), greys.amax(1))
    owners = [set(part.flatten().round().int().tolist()) for part in greys[:, 0].reshape(2, 300).split(counts, 1)]
    assert not owners[0] & owners[1] | owners[1] & owners[2] | owners[0] & owners[2]
    assert [len(owner) for owner in owners] == [20, 4, 36]


def test_the_second_layer_has_a_strength_of_its_own(tmp_path):
    split = data.like("basic", Namespace(quick=True, data_dir=None))
    trainer = train.Trainer(pieces.Pieces(tmp_path), split)
    setting = train.Setting("CAE", 0.0, upper_strength=1.0, widths=(6, 5), pretrain_epochs=20)
    below = setting.below()
    assert (below.widths, below.upper_strength, below.top_strength()) == ((6,), None, 0.0)
    assert setting.top_strength() == 1.0
    assert train.Setting("CAE", 0.1, widths=(6, 5)).top_strength() == 0.1
    squeezed, free = (trainer.layers(one)[0] for one in (setting, replace(setting, upper_strength=0.0)))
    norms = [float(ct.squared_norm(layers[1].encoder, torch.rand(9, 6)).detach().mean()) for layers in (squeezed, free)]
    assert norms[0] < 0.5 * norms[1], norms
    assert all(torch.equal(a, b) for a, b in zip(squeezed[0].parameters(), free[0].parameters(), strict=True))
    assert len(list(tmp_path.glob("pretrain/*.json"))) == 3  # the first layer is shared


def test_a_cell_of_table_2_says_what_was_chosen():
    search = [{"C": 2.0, "gamma": 0.1}, {"C": 8.0, "gamma": 0.1}]
    assert render.decided({"C": 2.0, "gamma": 0.1, "search": search}) == "C 2.0* of 2.0, 8.0; gamma 0.1 set"
    search = [{"strength": 0.2}, {"strength": 0.5}, {"upper_strength": 0.2}, {"upper_strength": 0.5}]
    setting = {"strength": 0.2, "upper_strength": 0.5}
    shown = "weight 0.2* of 0.2, 0.5; of the second layer 0.5* of 0.2, 0.5"
    assert render.decided({"setting": setting, "search": search}) == shown
    assert render.decided({"setting": {"strength": 0.2}, "search": search}) == "weight 0.2* of 0.2, 0.5"


@pytest.mark.parametrize("data_name", ["mnist", "cifar"])
def test_rows_beyond_the_paper_start_from_their_own_setting(data_name):
    table = importlib.import_module("_table1")
    for name, (model, otherwise, ways) in table.VARIANTS[data_name].items():
        start, searched = table.row_of(name, False, data_name)
        assert start.model == model
        assert {field: getattr(start, field) for field in otherwise} == otherwise
        assert searched == ways
    start, ways = table.row_of("CAE", False, data_name)
    assert (start.center, ways) == (False, [("strength", table.strengths("CAE", data_name))])


def test_imitations_are_repeatable_and_in_range():
    arguments = Namespace(quick=True, data_dir=None)
    for name in data.LIKE:
        a, b = data.like(name, arguments), data.like(name, arguments)
        assert np.array_equal(a.train, b.train)
        assert a.name == f"{name}-like"
        assert [len(part) for part in (a.train, a.validation, a.test)] == [200, 100, 100]
        assert a.train.min() >= 0
        assert a.train.max() <= 1
    plain, noisy = data.like("basic", arguments), data.like("bg-rand", arguments)
    assert noisy.train.mean() > plain.train.mean() + 0.1


def test_noisy_backgrounds_are_the_digits_over_uniform_noise():
    generator = torch.Generator().manual_seed(3)
    x, _ = data.digits("bg-rand", Namespace(quick=True, data_dir=None), 100, generator)
    again = torch.Generator().manual_seed(3)
    plain, _ = data.digits("basic", Namespace(quick=True, data_dir=None), 100, again)
    noise = torch.rand(plain.shape, generator=again).numpy()
    np.testing.assert_allclose(1 - x, (1 - plain) * (1 - noise), atol=1e-6)


def test_grey_cifar_is_read_and_its_absence_said(tmp_path):
    with pytest.raises(ValueError, match=r"--data-dir must hold cifar10_gray\.npz"):
        data.cifar(Namespace(quick=False, data_dir=str(tmp_path)))
    bytes_of = np.random.default_rng(0).integers(0, 256, (10020, 32, 32), dtype=np.uint8)
    labels = np.arange(10020) % 10
    np.savez(tmp_path / "cifar10_gray.npz", x_train=bytes_of, y_train=labels, x_test=bytes_of[:5], y_test=labels[:5])
    split = data.cifar(Namespace(quick=False, data_dir=str(tmp_path)))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [20, 10000, 5]
    np.testing.assert_allclose(split.test[0], bytes_of[0].ravel() / 255, rtol=1e-6)


def test_the_page_says_what_was_not_run(tmp_path):
    page = (ROOT / "docs" / "papers.md").read_text()
    assert render.render(page, tmp_path).count(render.MISSING) > 30
    row = {"test_error": 1.2, "test_error_values": [1.1, 1.3], "setting": {}}
    assert render.ours(row, "test_error") == "1.20 (1.10 to 1.30)"
    copy = tmp_path / "page.md"
    copy.write_text(page)
    render.main(["--results", str(tmp_path), "--page", str(copy)])
    assert copy.read_text() == render.render(page, tmp_path)
    with pytest.raises(SystemExit, match="must have a place for mnist_table1"):
        render.render("nothing", tmp_path)


def test_the_page_is_what_the_results_say():
    page = (ROOT / "docs" / "papers.md").read_text()
    assert render.render(page, ROOT / "reproduce" / "results") == page
