"""The commands on a user's own files, as a new user calls them."""

import csv
import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from contractive.cli._commands import app
from contractive.data import load, preprocess
from contractive.studies.compare import Results
from contractive.studies.runs import open_run

runner = CliRunner()


def contractive(*arguments):
    return runner.invoke(app, [str(argument) for argument in arguments])


def table(path, rows=120, seed=0):
    """A table with an identifier, two numbers that go together, a yes/no column and a text column."""
    generator = np.random.default_rng(seed)
    size = generator.normal(20, 5, rows)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "size", "weight", "ripe", "colour"])
        for i in range(rows):
            weight = 3 * size[i] + generator.normal()
            writer.writerow([f"n{i}", f"{size[i]:.3f}", f"{weight:.3f}", size[i] > 20, "red" if i % 3 else "green"])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the table, and the table."""
    folder = tmp_path_factory.mktemp("runs")
    path = table(folder / "apples.csv")
    options = [
        "--drop",
        "id",
        "--one-hot",
        "colour",
        "--objective",
        "contractive",
        "--weight",
        "0.01",
        "--max-epochs",
        "3",
        "--checkpoint-seconds",
        "0",
    ]
    result = contractive("train", path, "--out", folder / "run", *options)
    assert result.exit_code == 0, result.output
    return folder / "run", path


def test_train_writes_everything_that_is_promised(run):
    folder, _ = run
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"model.safetensors", "config.json", "history.csv", "metrics.json", "split.npz"} <= names
    assert "checkpoints/last.ckpt" in names
    assert any(name.startswith("logs/events.out.tfevents") for name in names)
    config = json.loads((folder / "config.json").read_text())["content"]["extra"]["run"]
    assert config["settings"]["training"]["seed"] == 0
    assert len(config["data"]["checksum"]) == 64
    assert config["versions"]["torch"]
    parts = np.load(folder / "split.npz", allow_pickle=False)["parts"]
    assert np.bincount(parts).tolist() == [84, 18, 18]


def test_info_tells_what_it_is(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "contractive.estimators", None)  # it takes twice as long to import as all the rest
    folder, _ = run
    said = contractive("info", folder)
    assert said.exit_code == 0
    assert "contractive, weight 0.01" in said.stdout
    assert "84 train, 18 validation, 18 test" in said.stdout
    document = json.loads(contractive("info", folder, "--json").stdout)
    assert document["finished"] is True
    assert document["metrics"]["epochs"] == 3


def test_encode_keeps_identifiers_and_equals_the_model(run, tmp_path):
    from contractive.studies import runs

    folder, path = run
    out = tmp_path / "codes.csv"
    assert contractive("encode", folder, path, "-o", out, "--pass-through", "id").exit_code == 0
    with open(out, newline="") as file:
        rows = list(csv.reader(file))
    opened = runs.open_run(folder)
    assert rows[0] == ["id", *(f"code_{i}" for i in range(opened.settings.network.code))]
    assert [row[0] for row in rows[1:]] == [f"n{i}" for i in range(120)]
    with open(path, newline="") as file:
        raw = list(csv.DictReader(file))
    columns = {"size": np.array([float(row["size"]) for row in raw])}
    columns["weight"] = np.array([float(row["weight"]) for row in raw])
    columns["ripe"] = np.array([row["ripe"] == "True" for row in raw])
    columns["colour"] = np.array([row["colour"] for row in raw])
    import torch

    x = torch.from_numpy(opened.preparation.transform(columns))
    code = opened.model().encode(x).detach().numpy()
    np.testing.assert_allclose(np.array([row[1:] for row in rows[1:]], dtype=float), code, atol=1e-5)


def test_preprocessed_spectra_are_reconstructed_as_such_and_said_so(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 20)).cumsum(1)
    names = ",".join(f"wl_{1100 + 2 * i}" for i in range(20))
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", header=names, comments="")
    options = ["--spectra", "snv,sg1", "--spectra-window", "7", "--code", "3", "--weight", "0", "--max-epochs", "1"]
    result = contractive("train", tmp_path / "x.csv", "--out", tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    assert "Spectra were preprocessed: snv, sg1" in " ".join(result.output.split())
    preparation = open_run(tmp_path / "run").preparation
    assert (preparation.spectra, preparation.spectra_window) == (("snv", "sg1"), 7)
    assert "spectra after snv, sg1" in " ".join(contractive("info", tmp_path / "run").output.replace("│", " ").split())
    result = contractive("reconstruct", tmp_path / "run", tmp_path / "x.csv", "--out", tmp_path / "y.csv")
    assert "They are spectra after snv, sg1, which cannot be taken back." in " ".join(result.output.split())
    made = np.loadtxt(tmp_path / "y.csv", delimiter=",", skiprows=1)
    wanted = preprocess(rows, ["snv", "sg1"], 7)
    assert np.abs(made - wanted).mean() < 0.5 * wanted.std()  # and not near the raw rows


def test_reconstruct_gives_the_columns_and_units_of_the_table(run, tmp_path):
    folder, path = run
    out = tmp_path / "again.csv"
    assert contractive("reconstruct", folder, path, "-o", out).exit_code == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["size", "weight", "ripe", "colour"]
    assert {row["colour"] for row in rows} <= {"red", "green"}
    assert np.mean([float(row["weight"]) for row in rows]) == pytest.approx(60, abs=6)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_codes_come_in_other_formats(run, tmp_path, ending):
    folder, path = run
    out = tmp_path / f"codes.{ending}"
    assert contractive("encode", folder, path, "-o", out).exit_code == 0
    again = contractive("encode", folder, path, "-o", out)
    assert again.exit_code == 2
    assert "--force" in again.output
    assert contractive("encode", folder, path, "-o", out, "--force").exit_code == 0


def test_a_run_is_not_overwritten_without_force(run):
    folder, path = run
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    result = contractive("train", path, "--out", folder, "--drop", "id,colour")
    assert result.exit_code == 2
    assert "resume the run with --resume, or replace it with --force" in result.output
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_resume_of_a_finished_run_leaves_it(run):
    folder, _ = run
    before = (folder / "model.safetensors").read_bytes()
    result = contractive("train", "--resume", "--out", folder)
    assert result.exit_code == 0
    assert "finished already" in result.output
    assert (folder / "model.safetensors").read_bytes() == before


def test_resume_has_its_own_settings(run):
    folder, _ = run
    result = contractive("train", "--resume", "--out", folder, "--max-epochs", "9")
    assert result.exit_code == 2
    assert "--resume must come without other settings, got --max-epochs" in result.output


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_weight_is_found_by_its_error_increase(loss, tmp_path):
    result = contractive("train", "digits", "--out", tmp_path / "run", "--max-epochs", "8", "--loss", loss)
    assert result.exit_code == 0, result.output
    assert "Weight found" in result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["content"]
    assert metrics["error_increase"] == pytest.approx(0.1, abs=0.03)
    x = np.clip(load("digits").validation.astype(float), 1e-12, 1 - 1e-12)
    least = {"squared_error": 0.0, "cross_entropy": -(x * np.log(x) + (1 - x) * np.log(1 - x)).sum(1).mean()}[loss]
    last, without = open_run(tmp_path / "run").history()[-1], metrics["reference"]
    paid = (last["val_reconstruction"] - least) / (without["val_reconstruction"] - least) - 1
    # from components on, learned rows count, too (tests/studies/runs/test_start.py)
    near = {"squared_error": 0.05, "cross_entropy": 1e-3}[loss]
    assert metrics["error_increase"] == pytest.approx(paid, abs=near)
    assert metrics["weight"] > 0
    assert metrics["validation"]["squared_norm"] < metrics["reference"]["val_squared_norm"]


def test_compare_takes_a_table(tmp_path):
    path = table(tmp_path / "apples.csv", 200)
    options = [
        "--drop",
        "id",
        "--label",
        "colour",
        "--seeds",
        "1",
        "--max-epochs",
        "3",
        "--jobs",
        "1",
        "--weight",
        "0.01",
    ]
    options += ["--objectives", "contractive", "--test-share", "0.3", "--quiet"]
    result = contractive("compare", path, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    found = Results.read(tmp_path / "out")
    assert found.settings.network.output == "linear"
    assert found.data.labelled is True
    assert found.data.rows["test"] == 60


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--out", "{out}"], "DATA must be given for a new run, got none"),
        (["train", "digits", "--out", "{out}", "--objective", "magic"], "objective must be one of standard, denoising"),
        (["train", "digits", "--out", "{out}", "--weight", "much"], "--weight must be a number or auto, got 'much'"),
        (
            ["train", "digits", "--out", "{out}", "--weight", "0.1", "--max-error-increase", "0.1"],
            "--max-error-increase must come with a weight that is found",
        ),
        (
            ["train", "digits", "--out", "{out}", "--patience", "2"],
            "--patience must be left out where the weight is found",
        ),
        (
            ["train", "digits", "--out", "{out}", "--objective", "contractive", "--max-epochs", "1"],
            "--max-epochs must be at least 2 where the weight is found in training, got 1",
        ),
        (["train", "digits", "--out", "{out}", "--size", "big"], "--size must be HEIGHTxWIDTH, got 'big'"),
        (["train", "digits", "--out", "{out}", "--device", "tpu"], "device must be one of auto, cpu, cuda, mps"),
        (["train", "--resume", "--out", "{out}"], "--out must be a folder that contractive train wrote, got"),
        (
            ["info", "{out}"],
            "RUN must be a folder that contractive train, contractive classify or contractive detect wrote",
        ),
        (
            ["encode", "{out}", "digits", "-o", "codes.npy"],
            "RUN must be a folder that contractive train or contractive classify wrote, got",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_two(arguments, said, tmp_path):
    result = contractive(*(argument.format(out=tmp_path / "none") for argument in arguments))
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")
    assert len([line for line in result.output.splitlines() if line.startswith("Error: ")]) == 1
    assert not (tmp_path / "none").exists()  # so that the corrected command finds its place free


def test_a_page_in_which_the_model_runs(run, tmp_path):
    folder, path = run
    page = tmp_path / "page.html"
    done = contractive("explore", folder, path, "--out", page, "--examples", 20)
    assert done.exit_code == 0, done.output
    assert "18 test rows" in " ".join(done.output.split())
    text = page.read_text(encoding="utf-8")
    assert 'id="exploration"' in text
    assert "plotly" not in text
    text = contractive("explore", folder, path, "--out", page.with_suffix(".txt"))
    assert (text.exit_code, "--out must end in .html" in text.output) == (2, True)
    refused = contractive("explore", folder, path, "--out", page)
    assert refused.exit_code == 2
    assert "--out must be a new file" in refused.output
    assert "Choose another or give --force." in refused.output
    assert contractive("explore", folder, path, "--out", page, "--force", "--quiet").output == ""
