"""The scripts behind the pages run, go on where they were, and the pages show what they found."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "experiments"))  # where the scripts find what they share
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def few_labels():
    return script("few_labels")


def test_labelled_rows_are_as_many_of_every_class_and_nested(few_labels):
    y = np.random.RandomState(0).randint(0, 10, 500)
    few, more = (few_labels.labelled(y, count, 3) for count in (50, 100))
    assert np.bincount(y[few]).tolist() == [5] * 10
    assert set(few) < set(more)
    assert len(set(more)) == 100
    assert set(few) != set(few_labels.labelled(y, 50, 4))


def test_the_probe_separates_what_can_be_separated(few_labels):
    random = np.random.RandomState(0)
    y = np.arange(300) % 3
    x = np.eye(3, 5)[y] + 0.1 * random.randn(300, 5)
    assert few_labels.probe(x[:60], y[:60], x[60:], y[60:])["accuracy"] == 1.0
    assert few_labels.probe(x[:60], (y[:60] + 1) % 3, x[60:], y[60:])["accuracy"] == 0.0


def small(few_labels, monkeypatch):
    random = np.random.RandomState(0)
    y = np.arange(120) % 10
    x = (np.eye(10, 12)[y] * 0.8 + 0.2 * random.rand(120, 12)).astype(np.float32)
    monkeypatch.setattr(few_labels, "CODE", 15)
    monkeypatch.setattr(few_labels, "COMPONENTS", 3)
    monkeypatch.setattr(few_labels, "LABELS", (30, 60))
    monkeypatch.setitem(few_labels.BUDGET, "max_epochs", 2)
    return SimpleNamespace(train=x, validation=x[:40], test=x[:50], labels=(y, y[:40], y[:50]))


def test_it_writes_goes_on_and_refuses_to_mix(few_labels, monkeypatch, tmp_path):
    split, out = small(few_labels, monkeypatch), tmp_path / "out.json"
    few_labels.run(split, [0, 1], out)
    found = json.loads(out.read_text())
    assert len(found["runs"]) == 2 * 2 * 5
    assert found["fits"]["contractive | 0"]["weight"] > 0
    del found["runs"]["PCA | 60 | 1"]
    out.write_text(json.dumps(found))
    monkeypatch.setattr(few_labels, "trained", None)  # would be called were anything else missing
    few_labels.run(split, [0, 1], out)
    assert len(json.loads(out.read_text())["runs"]) == 20
    out.write_text(json.dumps({**found, "settings": {}}))
    with pytest.raises(SystemExit, match="was made with other settings or versions"):
        few_labels.run(split, [0], out)


def test_the_table_has_mean_and_spread_of_the_seeds_that_are_whole(few_labels, monkeypatch):
    names = few_labels.REPRESENTATIONS
    monkeypatch.setattr(few_labels, "LABELS", (100,))
    runs = {f"{name} | 100 | {seed}": {"accuracy": 0.9 + 0.02 * seed} for name in names for seed in (0, 1)}
    runs["pixels | 100 | 2"] = {"accuracy": 0.1}
    fits = {f"contractive | {seed}": {"weight": 0.25 + seed} for seed in (0, 1)}
    made = few_labels.table({"runs": runs, "fits": fits})
    assert "| pixels | 9.00 ± 1.41 |" in made
    assert "over 2 seeds; weights found: 0.25, 1.25." in made


def test_a_table_is_put_between_its_markers(tmp_path):
    page, put = tmp_path / "page.md", script("_ledger").put
    page.write_text("a\n<!-- one -->\n<!-- end -->\nb\n<!-- two -->\nx\n<!-- end -->\n")  # empty at first
    put(page, "one", "new")
    put(page, "one", "newer")
    assert page.read_text() == "a\n<!-- one -->\nnewer\n<!-- end -->\nb\n<!-- two -->\nx\n<!-- end -->\n"
    with pytest.raises(SystemExit, match="must have the marker <!-- other -->"):
        put(page, "other", "x")


def test_the_page_shows_what_was_measured(few_labels):
    if not few_labels.OUT.exists():
        pytest.skip("experiments/results/few_labels.json is not there")
    page = (ROOT / "docs" / "experiments.md").read_text()
    assert few_labels.table(json.loads(few_labels.OUT.read_text())) in page


def test_the_price_page_shows_what_was_measured():
    page = script("error_increase")
    results = json.loads(page.OUT.read_text())["results"]
    assert page.table(results) in (ROOT / "docs" / "choosing-the-weight.md").read_text()
    assert sorted((row["set"], row["seed"]) for row in results) == sorted((s, n) for s in page.SETS for n in range(3))


def test_prices_are_measured_written_and_gone_on_with(tmp_path, monkeypatch):
    page, out = script("error_increase"), tmp_path / "out" / "error_increase.json"
    sets = {"digits": page.SETS["digits"]}
    monkeypatch.setattr(page, "SETS", sets)
    real, calls = page.AutoencoderSettings, []

    class Short:
        @staticmethod
        def of(**given):
            calls.append(given)
            return real.of(**given, max_epochs=3)

    monkeypatch.setattr(page, "AutoencoderSettings", Short)
    page.run(tmp_path, ["digits"], 1, out)
    (row,) = json.loads(out.read_text())["results"]
    assert row["weight"] > 0
    assert row["squared_norm_ratio"] < 1
    assert [given.get("objective") for given in calls] == ["contractive", "standard"]
    page.run(tmp_path, ["digits"], 1, out)
    assert len(calls) == 2  # nothing left to do
    other = {
        **row,
        "weight": 7.0,
        "error_increase_validation": 0.3,
        "error_increase_test": 0.1,
        "squared_norm_ratio": 0.5,
    }
    mine = {
        **row,
        "weight": 12.0,
        "error_increase_validation": 0.1,
        "error_increase_test": 0.1,
        "squared_norm_ratio": 0.25,
    }
    assert "| digits | 7, 12 | 20.0 % (10.0 to 30.0) | 10.0 % (10.0 to 10.0) | 0.38 |" in page.table([mine, other])


def test_weights_of_the_scaling_table_are_those_of_fit_with_max_error_increase():
    scaling = script("weight_scaling")
    made = scaling.table(seeds=(0,), epochs=3, cases=scaling.CASES[:2])
    weight, _, increase = scaling.found(scaling.CASES[0], 0, 3)
    line = made.splitlines()[2]
    assert line.startswith(f"| 64 features, 32 units | {weight:.2g} | 1 | 1 |")
    assert line.endswith(f"| {increase:.1%} |")
    assert len(made.splitlines()) == 4


def test_the_code_of_the_guide_to_weights_runs():
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "choosing-the-weight.md").read_text(), re.DOTALL)
    known = {}
    exec(compile(block, "guide", "exec"), known)
    assert known["estimator"].weight_ > 0
    assert known["history"]["weight"][-1] > 0


def test_the_code_of_the_ways_out_runs(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)
    known = {}
    exec(compile(block, "guide", "exec"), known)
    assert known["model"].extra == {"scaled": "to [0, 1]"}
