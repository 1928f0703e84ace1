"""The page in which a model runs: what it computes is what torch computes with the same rounded weights."""

import json
import re
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from browser import evaluate, evaluate_all, faults, needs_browser
from comparisons import Page
from contractive.data import ArrayPreparation, Column, ImagesPreparation, TablePreparation
from contractive.jacobian import Center, jacobian
from contractive.models import Autoencoder, conv, mlp, residual, tied
from contractive.report import explore_html, write_page
from contractive.studies.explore import Exploration, layers_of

ROWS = 100


def normed():
    """Convolutions with groups, dilation and padding, batch norms with statistics of their own, and a dropout."""
    encoder = nn.Sequential(
        nn.Unflatten(1, (2, 6, 5)),
        nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.Softplus(beta=2),
        nn.Flatten(),
        nn.Linear(4 * 6 * 3, 7, bias=False),
        nn.BatchNorm1d(7),
        nn.Tanh(),
    )
    decoder = nn.Sequential(
        nn.Linear(7, 24),
        nn.ELU(0.7),
        nn.Unflatten(1, (4, 3, 2)),
        nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=(1, 0), groups=2),
        nn.Flatten(),
        nn.Linear(2 * 6 * 3, 60),
    )
    for module in encoder:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return Autoencoder(encoder, decoder)


def centred(features, code):
    """A tied autoencoder that subtracts a mean."""
    autoencoder = tied(features, code, center=True)
    nn.init.uniform_(autoencoder.encoder[0].mean)
    return autoencoder


MODELS = {
    "sigmoid": (20, lambda: mlp(20, hidden=(12,), code=5)),
    "tanh": (20, lambda: mlp(20, hidden=(12,), code=5, activation="tanh", decoder_activation="leaky_relu")),
    "elu": (20, lambda: mlp(20, hidden=(12,), code=5, activation="elu", decoder_activation="softplus")),
    "silu": (20, lambda: mlp(20, hidden=(12,), code=5, activation="silu", decoder_activation="gelu", output="linear")),
    "residual": (6, lambda: residual(6, code=3, hidden=5)),
    "wide code": (4, lambda: mlp(4, hidden=(8,), code=9, activation="gelu", output="linear")),
    "tied": (20, lambda: tied(20, 5, hidden=(9,))),
    "centred": (20, lambda: centred(20, 5)),
    "conv": (7 * 9, lambda: conv((1, 7, 9), code=6, channels=(3, 5), flat=True)),
    "normed": (60, normed),
}


def made(name):
    features, build = MODELS[name]
    torch.manual_seed(1)
    autoencoder = build().eval()
    rows = torch.rand(ROWS, features, generator=torch.Generator().manual_seed(2))
    return autoencoder, rows


def exploration(autoencoder, rows, preparation=None, **changes):
    with torch.no_grad():
        codes = autoencoder.encode(rows)
        rebuilt = autoencoder.decode(codes)
        encoder, decoder = layers_of(autoencoder.encoder, rows[:1]), layers_of(autoencoder.decoder, codes[:1])
    settings = SimpleNamespace(objective=SimpleNamespace(objective="contractive"))
    document = SimpleNamespace(versions={"contractive": "1"}, command="contractive train")
    kept = preparation or ArrayPreparation(features=rows.shape[1])
    run = SimpleNamespace(preparation=kept, settings=settings, document=document, folder="run")
    errors = (rebuilt - rows).square().sum(1).numpy()
    given = {
        **{"run": run, "name": "rows", "what": "rows", "rows": rows.numpy(), "numbers": np.arange(len(rows)) * 3},
        **{"labels": tuple("ab"[i % 2] for i in range(len(rows))), "codes": codes.numpy()},
        **{"reconstructions": rebuilt.numpy(), "errors": errors, "limit": float(np.quantile(errors, 0.9))},
        **{"limit_of": "validation rows", "encoder": encoder, "decoder": decoder},
    }
    return Exploration(**{**given, **changes})


def rounded(autoencoder):
    """The model with the weights of the page, in double precision: half precision, batch norms folded before it."""
    copy = deepcopy(autoencoder).double()
    for module in copy.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            scale = module.weight / (module.running_var + module.eps).sqrt()
            bias = module.bias - module.running_mean * scale
            module.weight.data, module.bias.data = scale.half().double(), bias.half().double()
            module.running_mean.zero_()
            module.running_var.fill_(1 - module.eps)
        elif isinstance(module, Center):
            module.mean = module.mean.half().double()
        else:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.half().double()
    return copy


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """What the page of each model computes."""
    folder = tmp_path_factory.mktemp("pages")
    pages = [
        write_page(explore_html(exploration(*made(name))), folder / f"{number}.html")
        for number, name in enumerate(MODELS)
    ]
    script = (
        "(() => { const { model, rows, codes } = exploration, list = (vectors) => vectors.map((each) => [...each]);"
        " const found = Model.tangents(model, rows[0], 3);"
        " const least = Model.leastSensitive(model, rows[0], rows.slice(1, 4), 3);"
        " return { codes: list(codes), rebuilt: list(codes.map(model.decoder.apply)),"
        " values: found.map((each) => each.value), vectors: list(found.map((each) => each.vector)),"
        " least: least.map((each) => each.value), ignored: list(least.map((each) => each.vector)) }; })()"
    )
    return dict(zip(MODELS, evaluate_all(pages, folder, script), strict=True))


@pytest.mark.parametrize("name", MODELS)
@needs_browser
@torch.no_grad()
def test_the_page_computes_what_torch_computes(name, computed):
    autoencoder, rows = made(name)
    found = {key: torch.tensor(each, dtype=torch.float64) for key, each in computed[name].items()}
    reference, x = rounded(autoencoder), rows.double()
    codes, rebuilt = reference.encode(x), reference(x)
    assert ((found["codes"] - codes).abs() <= 1e-3 * codes.std(0) + 1e-12).all()
    assert ((found["rebuilt"] - rebuilt).abs() <= 1e-3 * rebuilt.std(0) + 1e-12).all()

    matrix = jacobian(reference, x[:1])[0]
    values = torch.linalg.svdvals(matrix)
    num = min(3, rows.shape[1])
    torch.testing.assert_close(found["values"], values[:num], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found["vectors"] @ found["vectors"].T, torch.eye(num).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close((found["vectors"] @ matrix.T).norm(dim=1), values[:num], rtol=1e-3, atol=1e-6)

    basis = torch.linalg.qr((x[1:4] - x[0]).T)[0]
    torch.testing.assert_close(found["least"], torch.linalg.svdvals(matrix @ basis).flip(0), rtol=1e-3, atol=1e-6)
    outside = found["ignored"] - found["ignored"] @ basis @ basis.T
    assert float(outside.abs().max()) < 1e-6


@needs_browser
def test_moving_editing_and_interpolating(tmp_path):
    autoencoder, rows = made("sigmoid")
    page = write_page(explore_html(exploration(autoencoder, rows, limit=1e9)), tmp_path / "page.html")
    script = """(async () => {
      const $ = (id) => document.getElementById(id), found = {};
      const slide = (input, value) => {
        input.value = value;
        input.dispatchEvent(new Event("input"));
        exploration.draw();
      };
      const wait = (ms) => new Promise((done) => setTimeout(done, ms));
      await wait(200);
      const start = exploration.state();
      slide($("directions").querySelector("input"), 1);
      const { x, directions } = exploration.state();
      found.step = Math.sqrt(x.reduce((sum, each, i) => sum + (each - start.x[i]) ** 2, 0)) / directions[0].spread;
      const { vector, spread } = directions[0];
      found.along = x.reduce((sum, each, i) => sum + (each - start.x[i]) * vector[i], 0) / spread;
      $("back").click();
      $("other").selectedIndex = 7;
      slide($("share"), 1);
      const { z } = exploration.state();
      found.end = Math.max(...z.map((each, i) => Math.abs(each - exploration.codes[7][i])));
      const unit = $("units").querySelectorAll("input")[2];
      slide(unit, unit.max);
      found.unit = exploration.state().z[2] / Number(unit.max);
      found.said = ["aria-label", "aria-valuetext"].map((each) => unit.getAttribute(each));
      found.shown = unit.nextElementSibling.textContent;
      await wait(800);
      found.spoken = $("spoken").textContent;
      found.roles = Object.fromEntries([unit, $("examples"), $("other"), $("share"), $("map"), $("spoken")].map(
        (each) => [each.computedName || each.id, each.computedRole]));
      const first = document.querySelector("#neighbours button");
      first.focus();
      first.click();
      found.focus = document.activeElement.parentNode.parentNode.id;
      $("search").value = "15";
      $("find").requestSubmit();
      found.row = $("examples").value;
      $("search").value = "16";
      $("find").requestSubmit();
      found.missing = $("found").textContent;
      found.map = $("map").computedName;
      found.neighbours = [...document.querySelectorAll("#neighbours button")].length;
      found.within = $("verdict").textContent;
      exploration.data.limit = 0;
      exploration.draw();
      found.away = $("verdict").textContent;
      return found;
    })()"""
    found = evaluate(page, tmp_path, script)
    assert found["step"] == pytest.approx(1, abs=1e-6)
    assert found["along"] == pytest.approx(1, abs=1e-6)
    assert found["end"] < 1e-9
    assert found["unit"] == pytest.approx(1)
    assert found["said"] == ["code unit 2", found["shown"]]
    assert re.fullmatch(
        r"row 0, class a\. Reconstruction error [\d.]+\. Within the data: .*\."
        r" The other example nearest in the code: row \d+, class [ab]\.",
        found["spoken"],
    )
    assert found["roles"] == {
        **{"code unit 2": "slider", "100 rows": "listbox", "Other example": "combobox", "spoken": "status"},
        **{"Share of the other example": "slider", found["map"]: "image"},
    }
    assert found["focus"] == "neighbours"  # the keyboard does not lose its place
    assert found["row"].startswith("row 15, class b, error")
    assert found["missing"] == "row 16 is not in this page; the nearest is 15."
    assert found["neighbours"] == 5
    assert found["within"] == "Within the data: 99\xa0% of validation rows have an error below 1.00·10⁹."
    assert found["away"].startswith(
        "Outside the data: the error is above 0, which 99\xa0% of validation rows stay below."
    )


@needs_browser
def test_values_of_a_table_are_in_its_units(tmp_path):
    columns = (
        Column("height", "number"),
        Column("kind", "category", ("cat", "dog")),
        Column("old", "boolean"),
        Column("day", "date", days=True),
    )
    offset, scale = np.array([170.0, 0, 0, 0, 20_000.0]), np.array([10.0, 1, 1, 1, 100.0])
    preparation = TablePreparation(features=5, columns=columns, scaler="standard", offset=offset, scale=scale)
    rows = torch.rand(ROWS, 5, generator=torch.Generator().manual_seed(0))
    rows[0] = torch.tensor([1.5, 0, 1, 1, 0.5])
    torch.manual_seed(0)
    autoencoder = mlp(5, hidden=(8,), code=3, output="linear").eval()
    page = write_page(explore_html(exploration(autoencoder, rows, preparation)), tmp_path / "page.html")
    script = """(() => {
      const cells = () => [...document.querySelectorAll("#values tr")]
        .map(({ cells: [name, given] }) => [name.textContent, given.firstChild.value]);
      exploration.draw();
      const before = cells(), first = document.querySelector("#values input");
      first.value = "190";
      first.dispatchEvent(new Event("change"));
      return { before, edited: exploration.state().x[0] };
    })()"""
    found = evaluate(page, tmp_path, script)
    assert found["before"] == [["height", "185"], ["kind", "dog"], ["old", "yes"], ["day", "2024-11-23"]]
    assert found["edited"] == pytest.approx(2)


IMAGES = ImagesPreparation(features=7 * 9, shape=(1, 7, 9))
KINDS = {
    "image": (IMAGES, {}),
    "spectrum": (ArrayPreparation(features=63, names=tuple(str(900 + 2.5 * i) for i in range(63))), {}),
    "table": (ArrayPreparation(features=63, names=tuple(f"column {i}" for i in range(63))), {}),
}


@pytest.mark.parametrize("kind", KINDS)
@needs_browser
def test_a_browser_draws_it_on_a_laptop_and_a_phone(kind, tmp_path):
    autoencoder, rows = made("conv")
    page = write_page(explore_html(exploration(autoencoder, rows, KINDS[kind][0])), tmp_path / "page.html")
    assert faults(page, tmp_path, []) == []


@needs_browser
def test_a_model_that_the_page_cannot_compute_is_shown_from_what_was_computed(tmp_path):
    autoencoder, rows = made("conv")
    walks = np.random.default_rng(0).random((ROWS, 3, 4, 63)).astype(np.float32)
    fixed = {
        "encoder": None,
        "decoder": None,
        "walks": walks,
        "why_fixed": "it has layers that the page cannot compute",
    }
    html = explore_html(exploration(autoencoder, rows, IMAGES, **fixed))
    assert (
        "The model itself is not in this page, because it has layers that the page cannot compute." in Page(html).text
    )
    page = write_page(html, tmp_path / "page.html")
    assert faults(page, tmp_path, []) == []
    script = """(async () => {
      await new Promise((done) => setTimeout(done, 200));
      exploration.choose(2);
      const input = document.querySelectorAll("#directions input")[1];
      input.value = 2;
      input.dispatchEvent(new Event("input"));
      return [...exploration.state().y];
    })()"""
    found = evaluate(page, tmp_path, script)
    np.testing.assert_allclose(found, walks[2, 1, 3], atol=1e-3)


def test_a_page_needs_nothing_from_outside_and_words_are_text():
    autoencoder, rows = made("sigmoid")
    text = explore_html(exploration(autoencoder, rows, name="</script><b>", labels=("<i>",) * ROWS))
    assert "default-src 'none'" in text
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "<b>" not in text
    assert "<i>" not in text


def test_a_large_net_with_300_images_takes_less_than_three_megabytes():
    autoencoder = mlp(784, hidden=(256, 128), code=64).eval()
    rows = torch.rand(300, 784)
    preparation = ImagesPreparation(features=784, shape=(1, 28, 28))
    text = explore_html(exploration(autoencoder, rows, preparation))
    assert len(text.encode()) < 3e6


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (tuple(f"{900 + 2.5 * i:g}" for i in range(30)), [900 + 2.5 * i for i in range(30)]),
        (tuple(f"c{i}" for i in range(30)), list(range(30))),
        ((), list(range(1, 31))),
        (tuple(f"c{i}" for i in range(29, -1, -1)), None),
        (tuple(str(-i) for i in range(30)), None),
        (tuple(f"c{i}" for i in range(12)), None),
        (("1.5", "2.5"), None),
    ],
)
def test_features_lie_on_a_line_by_growing_names_or_many_positions(names, places):
    features = len(names) or 30
    preparation = ArrayPreparation(features=features, names=names)
    torch.manual_seed(0)
    text = explore_html(exploration(mlp(features, code=2).eval(), torch.rand(4, features), preparation))
    found = json.loads(re.search(r'id="exploration">(.*?)</script>', text).group(1))
    assert found["axis"] == places
    assert bool(found["columns"]) == (places is None)
