"""The classifier's commands as a new user calls them."""

import csv
import json
import random
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from contractive.cli._commands import app
from contractive.studies.runs import ClassifierRun, open_run
from failures.test_command_line import WRONG, complaint, opened, places, replaced

SMALL = ["--hidden", "6", "--pretraining-epochs", "2", "--max-epochs", "30", "--device", "cpu"]


def contractive(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def table(path, rows=90):
    generator = np.random.default_rng(0)
    kind = np.arange(rows) % 3
    x = np.stack([kind + 0.3 * generator.normal(size=rows), generator.normal(size=rows)], 1)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "long", "wide", "kind"])
        writer.writerows([f"n{i}", *row, "abc"[kind[i]]] for i, row in enumerate(x.tolist()))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on a table, the table, and what was said."""
    folder = tmp_path_factory.mktemp("classify")
    path = table(folder / "plants.csv")
    result = contractive("classify", path, "--label", "kind", "--drop", "id", "--out", folder / "run", *SMALL)
    assert result.exit_code == 0, result.output
    return folder / "run", path, result.output


def test_classify_says_what_came_out_and_where_it_is(made):
    folder, _, said = made
    metrics = json.loads((folder / "metrics.json").read_text())["content"]
    test = metrics["test"]
    assert f"{test['wrong']} of {test['rows']}" in said
    assert f"{test['error']:.2%}" in said
    assert "A linear classifier on the features, with the same labels" in said
    assert "Layers after pretraining" in said
    assert f"Report: {folder}/report.html" in said.replace("\n", "")
    assert (folder / "report.html").stat().st_size > 10_000
    assert test["error"] <= 0.3


def test_the_help_tells_the_defaults():
    said = contractive("classify", "--help-all").output
    for words in ("256,256, or 500,500 from 256", "enough for 2500 steps", "softmax; sigmoid with tangents", "0.03;"):
        assert words in " ".join(said.replace("│", " ").split()), words


def test_info_tells_what_it_is(made):
    folder = made[0]
    said = contractive("info", folder).output
    for words in ("classifier", "a, b, c", "2-6-3, sigmoid, output softmax", "62 train, 14 validation, 14 test"):
        assert words in said
    assert "contractive, weight 0.03, 2 epochs each" in said
    document = json.loads(contractive("info", folder, "--json").output)
    assert document["finished"] is True
    assert document["settings"]["classes"] == ["a", "b", "c"]
    assert document["metrics"]["epochs"] == 30


def test_predict_tells_the_accuracy_where_there_are_labels(made, tmp_path):
    folder, path, _ = made
    result = contractive("predict", folder, path, "-o", tmp_path / "p.csv", "--pass-through", "id,kind")
    assert result.exit_code == 0, result.output
    with open(tmp_path / "p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    right = np.mean([row["kind"] == row["predicted"] for row in rows])
    assert f"Accuracy: {right:.1%} (95 % interval" in result.output
    assert "90 labelled rows, those it was trained on among them." in result.output
    new = tmp_path / "new.csv"
    new.write_text("\n".join(path.read_text().splitlines()[:40]))
    assert "39 labelled rows." in contractive("predict", folder, new, "-o", tmp_path / "q.csv").output
    quiet = contractive("predict", folder, new, "-o", tmp_path / "q.csv", "--quiet", "--force")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_named_data_have_their_labels_with_them(tmp_path):
    few = ["--labels-used", "100", "--tangents", "3", "--objective", "higher_order", *SMALL[:4]]
    result = contractive("classify", "digits", "--out", tmp_path / "run", *few, "--max-epochs", "40", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "It learned from 100 labels of 1,077 training rows; beside them the 360 labels of" in result.output
    said = contractive("predict", tmp_path / "run", "digits", "-o", tmp_path / "p.npy").output
    assert "1,797 labelled rows, those it was trained on among them." in said
    assert "100 labels" in contractive("info", tmp_path / "run").output


def test_encode_gives_the_codes_of_the_fine_tuned_layers(made, tmp_path):
    folder, path, _ = made
    assert contractive("encode", folder, path, "-o", tmp_path / "c.npy").exit_code == 0
    run = open_run(folder, ClassifierRun)
    with open(path, newline="") as file:
        raw = list(csv.DictReader(file))
    x = run.preparation.transform({name: np.array([float(row[name]) for row in raw]) for name in ("long", "wide")})
    with torch.no_grad():
        code = run.model().encoder(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), code, atol=1e-6)
    assert contractive("projector", folder, path, "--out", tmp_path / "logs").exit_code == 0


def test_report_makes_the_page_again(made):
    folder = made[0]
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert contractive("report", folder).exit_code == 0
    assert (folder / "report.html").read_bytes() == before


def test_a_finished_run_is_left_and_gets_its_page(made):
    folder = made[0]
    (folder / "report.html").unlink()
    before = (folder / "model.safetensors").read_bytes()
    result = contractive("classify", "--resume", "--out", folder)
    assert result.exit_code == 0, result.output
    assert "finished already" in result.output
    assert (folder / "model.safetensors").read_bytes() == before
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("stage", ["layer 2 of 2", "fine-tuning"])
def test_ctrl_c_says_how_to_go_on_and_the_end_is_the_same(stage, made, tmp_path, monkeypatch):
    from contractive.studies import runs

    _, path, _ = made
    command = ["classify", path, "--label", "kind", "--drop", "id", *SMALL, "--hidden", "6,5", "--seed", "3"]
    assert contractive(*command, "--out", tmp_path / "whole", "--quiet").exit_code == 0
    plain = runs.train

    def train(*args, on_progress, **options):
        def interrupted(name, done, total):
            on_progress(name, done, total)
            if (name, done) == (stage, 2):
                signal.raise_signal(signal.SIGINT)

        return plain(*args, on_progress=interrupted, **options)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "train", train)
        result = contractive(*command, "--out", tmp_path / "run", "--checkpoint-seconds", "0")
    assert result.exit_code == 130
    out = tmp_path / "run"
    assert f"Stopped in {stage}. Resume with: contractive classify --resume --out {out}" in result.output
    assert "Not finished" in contractive("info", out).output
    said = contractive("predict", out, path, "-o", "p.csv").output
    assert "interrupted before it had a model. Run contractive classify again with `resume`." in said
    assert contractive("classify", "--resume", "--out", out, "--quiet").exit_code == 0
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("classify --out {new}", "DATA must be given for a new run, got none. For instance: contractive classify"),
        ("classify {data} --drop id --one-hot kind --out {new}", "DATA must have labels to classify, got none"),
        ("classify {data} --label sort --out {new}", "--label must name a column, got 'sort'"),
        ("classify {data} --label wide --drop id,kind --out {new}", "--label must name a column of classes, got 76"),
        ("classify digits --labels-used 5 --out {new}", "--labels-used must lie between the 10 classes and the 1077"),
        ("classify digits --objective magic --out {new}", "--objective must be one of standard,"),
        ("classify digits --tangents 65 --out {new}", "--tangents must be at most 64, the smallest number of"),
        ("classify digits --decay 2 --out {new}", "--decay must be at most 1, got 2.0"),
        ("classify digits --output tanh --out {new}", "--output must be one of softmax, sigmoid, got 'tanh'"),
        ("classify digits --hidden much --out {new}", "--hidden must be whole numbers with commas, got 'much'"),
        ("classify digits --checkpoint-seconds nan --out {new}", "--checkpoint-seconds must be at least 0, got nan"),
        ("classify digits --learning-rate 1e9 --objective none --activation relu --out {new}", "Error: loss must stay"),
        ("classify digits --out {run}", "--out must be a folder without a run, got"),
        ("classify --resume --out {new}", "--out must be a folder that contractive classify wrote, got"),
        ("classify --resume --max-epochs 9 --out {run}", "--resume must come without other settings, got --max-epochs"),
        ("train --resume --out {run}", "with the classifier of contractive classify. Its commands are"),
        ("analyze {run} {data} --out {new}", "with the classifier of contractive classify"),
        ("reconstruct {run} {data} -o {new}.csv", "with the classifier of contractive classify"),
        ("export {run} -o {new}.pt2 --part decoder", "--part must be one of encoder, classifier, got 'decoder'"),
        ("predict {new} {data} -o {new}.csv", "RUN must be a folder that contractive classify wrote, got"),
        ("predict {run} {data} -o {new}.txt", "--out must end in one of .npy .csv .parquet, got"),
        ("predict {run} {data} -o {data}", "--out must be another file than the data, got"),
        ("predict {run} digits -o {new}.csv", "data must be a table with the columns of training, got"),
        ("predict {run} {data} -o {new}.npy", ".npy must hold numbers, got"),
        ("report {new}", "DIR must be a folder that"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_exit_code_two(arguments, said, made, tmp_path):
    run, data, _ = made
    names = {"run": run, "data": data, "new": tmp_path / "new"}
    result = contractive(*(part.format(**names) for part in arguments.split()))
    assert result.exit_code == 2, result.output
    assert said in result.output.replace("\n", " ")
    assert len([line for line in result.output.splitlines() if line.startswith("Error: ")]) == 1


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("config.json", ("info run", "predict run plants.csv -o z.csv --force --quiet", "report run")),
        ("metrics.json", ("info run", "report run")),
    ],
)
def test_every_field_of_a_document_with_every_wrong_value(name, commands, made, tmp_path, monkeypatch):
    shutil.copytree(made[0], tmp_path / "run")
    shutil.copy(made[1], tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path("run", name)
    document = json.loads(path.read_text())
    every = [(place, value) for place in places(document) for value in WRONG]
    for place, value in random.Random(0).sample(every, 30):
        path.write_text(json.dumps(replaced(document, place, value)))
        opened(name, commands)
    path.write_text(json.dumps(document)[:100])
    assert re.search("got|cannot be read", complaint(contractive("info", "run")))


def test_a_training_that_collapsed_ends_with_an_error_and_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.training.is_constant", lambda network, x: True)
    path, few = table(tmp_path / "plants.csv"), ["--hidden", "2", "--pretraining-epochs", "1", "--max-epochs", "1"]
    result = contractive("classify", path, "--label", "kind", "--out", tmp_path / "run", *few)
    assert result.exit_code == 2
    assert "Error: The network must tell rows apart, got about the same output for all of them" in result.output
    assert open_run(tmp_path / "run", ClassifierRun).finished_metrics().collapsed
    again = contractive("classify", "--resume", "--out", tmp_path / "run")
    assert again.exit_code == 2
    assert "Error: The network must tell rows apart" in again.output
