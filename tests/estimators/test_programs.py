"""The examples, the guide and the ADBench experiment run."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "experiments"))  # where the script finds what it shares with others
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_digits_pipeline_runs():
    found = module(ROOT / "examples" / "sklearn_pipeline.py").main(max_epochs=3, weights=(0.1,))
    assert found["codes"] > 0.5
    assert 0 <= found["flagged fours"] <= 1


def test_the_adult_pipeline_runs_on_a_made_up_table(tmp_path, capsys):
    found = module(ROOT / "examples" / "adult_pipeline.py").main(data_dir=tmp_path, max_epochs=20)
    assert "a made-up table takes its place" in capsys.readouterr().out
    assert found["codes"] > found["majority"] + 0.1


def test_the_adult_pipeline_runs_on_the_real_table(capsys):
    folder = os.environ.get("CONTRACTIVE_DATA")
    if not folder or not (Path(folder) / "tabular" / "adult.data").exists():
        pytest.skip("needs $CONTRACTIVE_DATA with tabular/adult.data")
    found = module(ROOT / "examples" / "adult_pipeline.py").main(data_dir=folder, max_epochs=5, rows=3000)
    assert found["codes"] > found["majority"] + 0.02


@pytest.mark.filterwarnings("ignore:An error increase of")  # three epochs are too few for the search
def test_the_code_of_the_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scikit-learn.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    known = {}
    for block in blocks:
        exec(compile(block.replace("random_state=0", "random_state=0, max_epochs=3"), "guide", "exec"), known)
    assert (tmp_path / "wine-encoder" / "estimator.json").exists()


@pytest.fixture
def adbench():
    return module(ROOT / "experiments" / "adbench.py")


def test_the_protocols_divide_the_rows_as_they_say(adbench):
    x, y = np.arange(50.0)[:, None], np.arange(50) % 5 == 0
    train, test, labels = adbench.divide(x, y.astype(int), "semi-supervised", 3)
    assert (train % 5 != 0).all()
    assert len(train) == 20
    assert sorted(np.r_[train, test][:, 0]) == list(range(50))
    assert (labels == (test[:, 0] % 5 == 0)).all()
    train, test, labels = adbench.divide(x, y.astype(int), "unsupervised", 3)
    assert sorted(train[:, 0]) == list(range(50))
    assert (labels == y[train[:, 0].astype(int)]).all()
    np.testing.assert_array_equal(train, test)
    adbench.TRAIN_ROWS = 7
    assert len(adbench.divide(x, y.astype(int), "unsupervised", 3)[0]) == 7


def test_the_experiment_writes_goes_on_and_refuses_to_mix(adbench, tmp_path, monkeypatch, capsys):
    calls = []
    method = adbench.Method
    monkeypatch.setattr(
        adbench,
        "METHODS",
        {
            "contractive": method(lambda train, test, seed: calls.append("ours") or test[:, 0], {"weight": 1}),
            "isolation forest": method(lambda train, test, seed: calls.append("theirs") or -test[:, 0]),
        },
    )
    (tmp_path / "adbench").mkdir()
    y = np.r_[np.zeros(30), np.ones(5)]
    np.savez(tmp_path / "adbench" / "99_toy.npz", X=np.c_[y, y], y=y)
    out = tmp_path / "out.json"
    adbench.run(tmp_path, [], [0, 1], out)
    assert len(calls) == 2 * 2 * 2
    adbench.run(tmp_path, [], [0, 1], out)
    assert len(calls) == 8  # nothing left to do
    found = json.loads(out.read_text())
    assert found["runs"]["99_toy | unsupervised | contractive | 1"]["auroc"] == 1.0
    line = "| contractive | isolation forest | all (1) | unsupervised | 1.000 / 0.000 | 1 / 0 / 0 | 1.000 / 0.143 |"
    assert line in adbench.summary(found)  # 5 of 35, all in one tie
    assert "| 99_toy | contractive | 2 | 1.000 | 1.000 | 1.000 | 1.000 |" in adbench.details(found)
    adbench.run(tmp_path, [], [0, 1], out, again=["contractive"])
    assert calls[8:] == ["ours"] * 4
    with monkeypatch.context() as changed:
        changed.setitem(adbench.METHODS, "contractive", method(None, {"weight": 2}))
        with pytest.raises(SystemExit, match="has contractive with other parameters"):
            adbench.run(tmp_path, [], [0, 1], out)
        adbench.run(tmp_path, [], [0, 1], out, ["isolation forest"])  # which did not change
    out.write_text(json.dumps({**found, "settings": {}}))
    with pytest.raises(SystemExit, match="was made with other settings or versions"):
        adbench.run(tmp_path, [], [0], out)
    with pytest.raises(SystemExit, match="--data-dir must hold a folder adbench"):
        adbench.run(tmp_path / "elsewhere", [], [0], out)


def toy_results(entries):
    """Results in the form of the script: {(set, method): figures per seed}."""
    return {
        "runs": {
            f"{name} | unsupervised | {method} | {seed}": {"auroc": value, "ap": value}
            for (name, method), values in entries.items()
            for seed, value in enumerate(values)
        }
    }


def test_methods_are_compared_on_the_sets_and_seeds_that_both_have(adbench):
    found = toy_results(
        {
            ("8_celeba", "contractive"): (0.8, 0.9),
            ("8_celeba", "contractive, trimmed"): (0.6, 0.9),
            ("8_celeba", "isolation forest"): (0.7, 0.7),
            ("8_celeba", "5 neighbours"): (0.9, 0.9),
            ("8_celeba", "LOF"): (0.6, 0.6),
            ("8_celeba", "ECOD"): (0.5, 0.5),
            ("8_celeba", "PyOD autoencoder"): (0.9, 0.9),
            ("4_breastw", "contractive"): (0.5, 0.5),
            ("4_breastw", "isolation forest"): (0.504, 0.504, 0.0),
            ("4_breastw", "PyOD autoencoder"): (0.1,),
        }
    )
    lines = adbench.summary(found).splitlines()
    figures = "0.675 / 0.602 | 1 / 1 / 0"
    assert f"| contractive | isolation forest | all (2) | unsupervised | {figures} | {figures} |" in lines
    figures = "0.675 / 0.500 | 1 / 0 / 1"
    assert f"| contractive | PyOD autoencoder | all (2) | unsupervised | {figures} | {figures} |" in lines
    ranks = "2.00 | 3.00 | 1.00 | 4.00 | 5.00 | 6.00"
    assert f"| all (1) | unsupervised | AUROC | {ranks} |" in adbench.rank_table(found)
    shown = adbench.details(found)
    assert "| 4_breastw | isolation forest | 3 | - | - | 0.336 | 0.336 |" in shown
    assert "| 8_celeba | contractive | 2 | - | - | 0.850 | 0.850 |" in shown


def test_a_method_that_is_better_on_every_table_ranks_first(adbench):
    table = {"a": {"x": 0.9, "y": 0.5, "z": 0.5}, "b": {"x": 0.8, "y": 0.7, "z": 0.6}}
    assert adbench.mean_ranks(table) == {"x": 1.0, "y": 2.25, "z": 2.75}


def test_pyod_trains_and_scores(adbench):
    pytest.importorskip("pyod")
    random = np.random.RandomState(0)
    train, odd = random.standard_normal((200, 3)), np.full((2, 3), 9.0)
    for method in ("PyOD autoencoder", "PyOD autoencoder, our steps"):
        scores = adbench.METHODS[method].score(train, np.r_[train[:20], odd], 0)
        assert scores[20:].min() > scores[:20].max()


def test_the_figures_in_the_guide_are_those_measured(adbench):
    found = json.loads(adbench.OUT.read_text())
    page = (ROOT / "docs" / "detection.md").read_text()
    assert adbench.summary(found) in page
    assert adbench.rank_table(found) in page
    assert adbench.details(found) in page
    drawn = (ROOT / "docs" / "images" / "adbench.svg").read_text()
    assert adbench.chart(found) == drawn
    assert adbench.hits(found) in page
    points = {tuple(key.split(" | ")[:3]) for key in found["runs"]}  # the mean over the seeds
    assert drawn.count("<circle") == len(adbench.SHOWN) + len([name for *_, name in points if name in adbench.SHOWN])


def test_the_promises_in_the_guide_are_those_measured():
    promises = module(ROOT / "experiments" / "promises.py")
    found = json.loads(promises.OUT.read_text())
    page = (ROOT / "docs" / "detection.md").read_text()
    assert all(table(found) in page for table in (promises.alarms, promises.batches, promises.changes))


def test_the_tables_of_promises_by_hand():
    promises = module(ROOT / "experiments" / "promises.py")
    alarms = {"0.01": 0, "0.05": 4, "0.1": 60}
    runs = {f"toy | {seed}": {"train_rows": 50, "normal_rows": 100, "anomalies": 10} for seed in (1, 2)}
    runs["toy | 1"] |= {"false_alarms": alarms, "discoveries": [1, 3]}
    runs["toy | 2"] |= {"false_alarms": {**alarms, "0.05": 6}, "discoveries": [0, 0]}
    five, ten = promises.alarms({"runs": runs}).splitlines()[2:]  # 50 rows can promise one in 51, not 0.01
    assert five == "| 0.05 | 1 | 2 | 0.050 | toy 0.050 | toy 0.050 | 2 |"
    assert ten == "| 0.1 | 1 | 2 | 0.600 | toy 0.600 | toy 0.600 | 0 |"
    mean, toy = promises.batches({"runs": runs}).splitlines()[2:]
    assert toy == "| toy | 2 | 0.125 | 0.150 |"
    assert mean == "| mean of the tables | 2 | 0.125 | 0.150 |"


def test_changes_are_made_and_found_by_columns():
    promises = module(ROOT / "experiments" / "promises.py")
    random = np.random.RandomState(0)
    old, new = random.standard_normal((2, 300, 3)).round(2)
    old[:, 2], new[:, 2] = old[:, 2] > 0, new[:, 2] > 0
    moved = promises.changed(new, 1, "0.5", 2.0, random)
    np.testing.assert_allclose(moved - new, [[0, 1, 0]] * 300, atol=1e-12)
    shuffled = promises.changed(new, 1, "shuffled", 2.0, random)
    assert sorted(shuffled[:, 1]) == sorted(new[:, 1])
    assert promises.by_column(old, moved)[1] < 1e-6
    assert promises.by_column(old, old)[[0, 1, 2]].min() == 1
    np.testing.assert_array_equal(promises.by_column(old, shuffled), promises.by_column(old, new))
    new[:, 2] = random.random(300) > 0.2
    assert promises.by_column(old, new)[2] < 1e-6
