"""Sweeps: what is tried, what is found, going on after a break, several processes on one folder."""

import builtins
import csv
import json
import shutil
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

import processes
import sweeps
from browser import faults, needs_browser
from contractive.cli._commands import app
from contractive.core.artifacts import ArtifactError
from contractive.core.errors import InvalidValue
from contractive.jacobian import jacobian
from contractive.objectives import Reference
from contractive.studies import runs
from contractive.studies.sweep import Sweep, SweepSettings, sweep
from contractive.studies.sweep._pruning import Pruned, PruneEarly
from contractive.studies.sweep._results import front_and_knee
from contractive.studies.sweep._sweep import TrialStore
from contractive.studies.sweep._trial import error_of_the_mean
from contractive.training import TrainingDiverged
from sweeps import FITS, trial

GRID = (0.001, 0.01, 0.1, 500.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return sweeps.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def split(source):
    return sweeps.split_of(source)


@pytest.fixture(scope="module")
def swept(split, tmp_path_factory):
    out = tmp_path_factory.mktemp("swept") / "sweep"
    return out, sweep(split, SweepSettings(FITS, GRID, accuracy=True), out)


def test_a_grid_is_exactly_its_weights_after_the_baseline(swept):
    assert [trial.weight for trial in swept[1].trials] == [0.0, *GRID]
    assert [trial.number for trial in swept[1].trials] == list(range(5))


def test_what_collapses_is_pruned_with_the_reason(swept, split):
    last = swept[1].trials[-1]
    assert last.metrics == {}
    assert swept[1].pruned == (last,)
    mean = split.validation.mean(0)
    error = float(((split.validation - mean) ** 2).sum(1).mean())
    assert last.reason.startswith("collapsed: after epoch 2 the validation error")
    assert f"the mean's, {error:.4g}" in last.reason


def test_every_trial_is_the_run_that_train_gives(swept, split, tmp_path):
    out, found = swept
    run = FITS.changed(objective="contractive", weight=GRID[1])
    figures = runs.train(split, run, tmp_path / "run", progress=False).metrics
    assert found.trials[2].metrics["reconstruction_error"] == figures.validation["reconstruction_error"]
    assert found.trials[2].metrics["scale_free_sensitivity"] == figures.validation["scale_free_sensitivity"]
    assert found.trials[2].test["reconstruction_error"] == figures.test["reconstruction_error"]
    assert runs.open_run(out / "trials" / "0002").metrics().validation == figures.validation


def test_the_accuracy_is_that_of_a_linear_probe(swept, split):
    out, found = swept
    encoder = runs.open_run(out / "trials" / "0001").model().encoder
    with torch.no_grad():
        train, validation = (encoder(torch.from_numpy(rows)).numpy() for rows in (split.train, split.validation))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(train, split.labels[0])
    assert found.trials[1].metrics["probe_accuracy"] == pytest.approx(probe.score(validation, split.labels[1]))


def test_the_best_run_is_that_of_the_knee(swept):
    out, found = swept
    best = runs.open_run(out / "best")
    assert best.finished
    assert best.settings.objective.weight == found.best.weight
    same = runs.open_run(out / found.best.folder).model().state_dict()
    for name, value in best.model().state_dict().items():
        torch.testing.assert_close(value, same[name], rtol=0, atol=0)
    assert not list(out.glob(".best*"))


def test_files_hold_what_was_found(swept):
    out, found = swept
    assert Sweep.read(out) == found
    with open(out / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = rows[:-1]  # the last is that of principal components
    assert [float(row["weight"]) for row in rows] == [0.0, *GRID]
    assert [int(row["trial"]) for row in rows if row["knee"] == "1"] == [found.knee]
    assert [float(row["reconstruction_error"]) for row in rows[:4]] == [
        trial.metrics["reconstruction_error"] for trial in found.trials[:4]
    ]


def test_principal_components_of_the_same_size_are_the_last_row(swept, split):
    out, found = swept
    with open(out / "sweep.csv", newline="") as file:
        *_, linear = csv.DictReader(file)
    assert linear["trial"] == "pca"
    pca = PCA(3).fit(split.train)
    for part, prefix in (("validation", ""), ("test", "test_")):
        rows = getattr(split, part)
        wrong = np.square(pca.inverse_transform(pca.transform(rows)) - rows).sum(1).mean()
        assert found.components[part]["reconstruction_error"] == pytest.approx(wrong, rel=1e-4)
        assert float(linear[f"{prefix}reconstruction_error"]) == found.components[part]["reconstruction_error"]
    probe = make_pipeline(pca, StandardScaler(), LogisticRegression(max_iter=300)).fit(split.train, split.labels[0])
    assert found.components["test"]["probe_accuracy"] == pytest.approx(probe.score(split.test, split.labels[2]))


def test_models_are_measured_side_by_side(swept, split):
    out, found = swept
    stored = Sweep.read(out)
    assert [name.removesuffix(" (knee)") for name in stored.sections] == [
        f"weight {trial.weight:.3g}" if trial.weight else "without penalty" for trial in found.complete
    ]
    assert sum(name.endswith("(knee)") for name in stored.sections) == 1
    for name, each in zip(stored.sections, found.complete, strict=True):
        encoder = runs.open_run(out / each.folder).model().encoder
        norms = stored.sections[name].norms
        expected = torch.linalg.matrix_norm(jacobian(encoder, torch.from_numpy(split.test)), ord=2)
        torch.testing.assert_close(norms.operator.sort().values, expected.sort().values, rtol=1e-4, atol=1e-6)
    assert stored.similarity.names == tuple(stored.sections)


def test_the_same_again_trains_nothing(swept, split):
    out, found = swept
    before = {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("*.safetensors")}
    again = sweep(split, SweepSettings(FITS, GRID, accuracy=True), out)
    assert replace(again, command=found.command) == found
    assert {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("*.safetensors")} == before


def test_other_settings_of_the_machine_are_the_same_sweep_and_those_of_training_another(swept, split, tmp_path):
    out, found = tmp_path / "sweep", swept[1]
    shutil.copytree(swept[0], out)
    other = FITS.changed(threads=2, precision="bf16")
    assert sweep(split, SweepSettings(other, GRID, accuracy=True), out).trials == found.trials
    with pytest.raises(
        InvalidValue, match=r"out must be a new folder or one of the same .* batch size 16 instead of 8"
    ):
        sweep(split, SweepSettings(FITS.changed(batch_size=8), GRID, accuracy=True), out)


def test_front_and_knee_take_the_accuracy_as_larger_is_better():
    trials = (
        trial(0, 0.0, 1.0, 1.0, accuracy=0.5),
        trial(1, 0.1, 2.0, 0.5, accuracy=0.9),
        trial(2, 0.2, 2.5, 0.6, accuracy=0.8),
        trial(3, 0.3, 2.5, 0.6, accuracy=0.95),
    )
    assert front_and_knee(trials, SweepSettings(accuracy=True).judged)[0] == (0, 1, 3)


def test_pruned_trials_are_not_on_the_front():
    trials = (trial(0, 0.0, 1.0, 1.0), trial(1, 0.1, 0.5, 0.5, reason="pruned"))
    assert front_and_knee(trials, SweepSettings().judged) == ((0,), 0)


@pytest.mark.parametrize(("objective", "factor"), [("contractive", 30), ("denoising", 30**0.5)])
def test_the_range_lies_around_the_guess(objective, factor):
    settings = SweepSettings(FITS.changed(objective=objective))
    guess = {"contractive": 0.2 * 3.0 / 5.0, "denoising": 0.3 * 0.7}[objective]
    low, high = settings.bounds(Reference(3.0, 5.0, 0.7))
    assert (low, high) == (pytest.approx(guess / factor), pytest.approx(guess * factor))
    starts = settings.starts(low, high)
    assert starts[0] == pytest.approx(guess)
    assert sorted(starts)[0] == pytest.approx(low)
    assert sorted(starts)[-1] == pytest.approx(high)


def test_means_and_spread_are_over_seeds(split, tmp_path):
    found = sweep(split, SweepSettings(FITS, (0.01,), seeds=2), tmp_path / "out").trials[1]
    errors = []
    for seed in (0, 1):
        run = FITS.changed(weight=0.01, seed=seed)
        metrics = runs.train(split, run, tmp_path / str(seed), progress=False).metrics
        errors.append(metrics.validation["reconstruction_error"])
    assert found.metrics["reconstruction_error"] == pytest.approx(np.mean(errors))
    assert found.spread["reconstruction_error"] == pytest.approx(np.std(errors, ddof=1))


class Stop(Exception):
    pass


def test_after_a_break_it_goes_on_to_the_same_trials(split, tmp_path):
    settings = SweepSettings(FITS, trials=5)
    whole = sweep(split, settings, tmp_path / "whole")

    def stop(what, done, total):
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        sweep(split, settings, tmp_path / "broken", on_progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").rglob("model.safetensors")}
    assert len(kept) + 1 >= 4 - len(whole.pruned)
    found = sweep(split, settings, tmp_path / "broken")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [t.weight for t in found.trials] == [t.weight for t in whole.trials]
    assert [t.metrics for t in found.trials] == [t.metrics for t in whole.trials]
    assert len({t.weight for t in found.trials}) == 5


def start(split, out, trials):
    return processes.start(sweep, split, SweepSettings(FITS, trials=trials), out)


def test_what_a_killed_process_had_begun_is_done_again(split, tmp_path):
    out = tmp_path / "out"
    process = start(split, out, 5)
    limit = time.monotonic() + 60
    while not list(out.glob("trials/0002/config.json")) and process.is_alive() and time.monotonic() < limit:
        time.sleep(0.005)
    process.kill()
    process.join()
    finished = {path.parent for path in out.glob("trials/*/metrics.json")}
    found = sweep(split, SweepSettings(FITS, trials=5), out)
    assert len(found.trials) == 5
    assert len({trial.weight for trial in found.trials}) == 5
    assert finished <= {out / trial.folder for trial in found.trials} | {out / "trials" / "0002"}
    assert not (out / "workers").exists()


def test_two_processes_share_a_folder(split, tmp_path):
    out, turn, mine = tmp_path / "out", tmp_path / "turn", []

    def note(what, done, total):
        if what.startswith("weight "):
            mine.append(what)
            turn.touch()

    settings = SweepSettings(FITS, trials=8)
    # after a trial the other one waits for one of mine: both take part
    other = processes.start(partial(sweep, on_progress=processes.Waiting(turn)), split, settings, out)
    try:
        while not list(out.glob("trials/0000/config.json")) and other.is_alive():
            time.sleep(0.01)
        found = sweep(split, settings, out, on_progress=note)
    finally:
        turn.touch()
        other.join(300)
    assert other.exitcode == 0
    assert found == Sweep.read(out)
    assert [trial.number for trial in found.trials] == list(range(8))
    assert len({trial.weight for trial in found.trials}) == 8
    assert sorted(path.name for path in (out / "trials").iterdir()) == [f"{n:04d}" for n in range(8)]
    assert 0 < len(mine) < 8


def test_trials_of_a_process_that_is_gone_are_taken_over_and_its_late_results_ignored(split, tmp_path):
    settings = SweepSettings(FITS, (0.01,)).completed(split)
    far, near = (TrialStore(tmp_path, settings, split) for _ in range(2))
    with near.ledger.at_work():
        with far.ledger.at_work():
            task = far.claim()
            assert (task.number, task.weight) == (0, 0.0)
            assert near.claim() is None
            assert sorted(path.name for path in (tmp_path / "workers").iterdir()) == sorted(
                [far.ledger.worker, near.ledger.worker]
            )
        again = near.claim()
        assert (again.number, again.weight) == (1, 0.0)
        far.ledger.finish(task.number, trial(task.number, 0.0, 1.0, 1.0))
        assert near.trials() == ()
        assert not near.is_finished()
    assert not (tmp_path / "workers").exists()


def test_a_half_written_file_of_a_killed_process_changes_nothing(split, tmp_path):
    settings = SweepSettings(FITS, (0.01,))
    found = sweep(split, settings, tmp_path)
    (tmp_path / ".writing-trials.json.abc").write_text('{"kind":')
    assert sweep(split, settings, tmp_path) == found


def test_pruning_waits_for_its_epoch():
    class Module:
        rows: tuple = ({"val_reconstruction": 9.0},)

    hook = PruneEarly(2, 5.0)
    hook.on_train_epoch_start(None, Module)
    Module.rows = ({"val_reconstruction": 9.0}, {"val_reconstruction": 4.9})
    hook.on_train_epoch_start(None, Module)
    for error in (5.0, float("nan")):
        Module.rows = ({"val_reconstruction": 9.0}, {"val_reconstruction": error})
        with pytest.raises(Pruned, match="collapsed: after epoch 2"):
            hook.on_train_epoch_start(None, Module)


def test_the_error_of_the_mean_by_hand(split):
    x = split.validation
    assert error_of_the_mean(split, "squared_error") == pytest.approx(x.var(0).sum(), rel=1e-5)
    mean = x.mean(0)
    entropy = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)).sum()
    scaled = replace(split, validation=np.clip(x, 0, 1)) if x.min() < 0 or x.max() > 1 else split
    if scaled is split:
        assert error_of_the_mean(split, "cross_entropy") == pytest.approx(entropy, rel=1e-4)


def test_metrics_that_are_no_numbers_are_a_divergence(split, tmp_path, monkeypatch):
    real = runs.train

    def train(rows, settings, out, **more):
        trained = real(rows, settings, out, **more)
        if settings.objective.weight == broken:
            trained.metrics.validation["scale_free_sensitivity"] = float("nan")
        return trained

    broken = 0.1
    monkeypatch.setattr("contractive.studies.sweep._trial.train", train)
    found = sweep(split, SweepSettings(FITS, (0.1,)), tmp_path / "one")
    assert found.trials[1].reason == "diverged: its scale-free sensitivity is nan"
    broken = 0.0
    with pytest.raises(
        TrainingDiverged, match="The model without a penalty diverged: its scale-free sensitivity is nan"
    ):
        sweep(split, SweepSettings(FITS, (0.1,)), tmp_path / "two")


def test_what_diverges_is_pruned_but_for_the_baseline(split, tmp_path, monkeypatch):
    real = runs.train

    def train(rows, settings, out, **more):
        if settings.objective.weight == monkey["at"]:
            raise TrainingDiverged("loss must stay finite.")
        return real(rows, settings, out, **more)

    monkey = {"at": 0.1}
    monkeypatch.setattr("contractive.studies.sweep._trial.train", train)
    found = sweep(split, SweepSettings(FITS, (0.01, 0.1)), tmp_path / "one")
    assert found.trials[2].reason == "diverged: loss must stay finite."
    monkey["at"] = 0.0
    with pytest.raises(TrainingDiverged, match="The model without a penalty diverged: loss must stay finite"):
        sweep(split, SweepSettings(FITS, (0.01, 0.1)), tmp_path / "two")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"run": FITS.changed(objective="standard")}, "objective must be one of denoising, sparse, contractive"),
        ({"run": FITS.changed(weight=0.1)}, "weight must be left to the sweep"),
        ({"trials": 1}, "trials must be at least 2, got 1"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"weights": (0.1, -1.0)}, "weights must be finite and above 0, got -1.0"),
        ({"weights": (float("nan"),)}, "weights must be finite and above 0, got nan"),
        ({"weights": (0.1, 0.1)}, "weights must be different numbers"),
        ({"weights": ()}, "weights must be different numbers"),
    ],
)
def test_settings_that_make_no_sweep(settings, said):
    with pytest.raises(ValueError, match=said):
        SweepSettings(**settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": None}, "label must name classes for the `accuracy`, got none"),
        (
            {"labels": (np.zeros(3, float),) * 3},
            "label must name .*, got numbers with fractions",
        ),
        ({"labels": (np.zeros(3, int),) * 3}, "label must name .*, got one class"),
        ({"validation": np.zeros((1, 6), np.float32)}, "data must have at least two validation rows, got 1"),
    ],
)
def test_data_that_do_not_do(split, tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        sweep(replace(split, **changes), SweepSettings(FITS, accuracy=True), tmp_path)


def test_a_baseline_without_a_slope_gives_no_guess():
    with pytest.raises(ValueError, match="be enough for the unpenalised model to learn something, got an error of 1"):
        SweepSettings(FITS).bounds(Reference(1.0, 0.0, 1.0))


def test_another_sweep_is_refused_unless_forced(split, tmp_path):
    sweep(split, SweepSettings(FITS, (0.01,)), tmp_path)
    other = SweepSettings(FITS.changed(objective="sparse"), (0.01,))
    words = r"one of the same settings, got .* with objective contractive instead of sparse"
    with pytest.raises(ValueError, match=words):
        sweep(split, other, tmp_path)
    assert sweep(split, other, tmp_path, force=True).settings.objective == "sparse"


def test_folders_that_are_none(split, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="out must be a folder, got the file"):
        sweep(split, SweepSettings(FITS), tmp_path / "file")
    with pytest.raises(ValueError, match=r"out must be a new or empty folder, got .* with other files"):
        sweep(split, SweepSettings(FITS), tmp_path, force=True)
    (tmp_path / "broken" / "trials").mkdir(parents=True)
    (tmp_path / "broken" / "trials.json").write_text("nonsense\nmore\n")
    with pytest.raises(ValueError, match=r"trials\.json cannot be read: .* Make it again"):
        sweep(split, SweepSettings(FITS), tmp_path / "broken")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("missing", "cannot be read"),
        ("version", "was written before the first release"),
        ("knee", "does not hold a sweep: The front and the knee"),
        ("nonsense", "cannot be read"),
        ("no arrays", "does not hold a sweep"),
        ("broken arrays", "cannot be read"),
    ],
)
def test_a_broken_document_is_said(swept, tmp_path, change, said):
    document = json.loads((swept[0] / "sweep.json").read_text())
    if change == "knee":
        document["content"]["knee"] = 99
    if change == "version":
        del document["version"]
    if change == "broken arrays":
        (tmp_path / "sweep.npz").write_bytes(b"PK nothing")
    elif change != "no arrays":
        shutil.copy(swept[0] / "sweep.npz", tmp_path)
    if change != "missing":
        (tmp_path / "sweep.json").write_text("{" if change == "nonsense" else json.dumps(document))
    with pytest.raises(ArtifactError, match=rf"sweep\.(json|npz) {said}"):
        Sweep.read(tmp_path)


def test_a_sweep_is_a_table_in_a_notebook_and_a_data_frame(swept):
    found = swept[1]
    frame = found.to_pandas()
    assert list(frame["weight"])[:-1] == [0.0, *GRID]
    assert frame["scale_free_sensitivity"][1] == found.trials[1].metrics["scale_free_sensitivity"]
    assert found._repr_html_().count("<tr>") == 6  # the last is that of principal components
    assert len(repr(found)) < 120


# the command


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


SMALL = [
    "--objective",
    "contractive",
    "--label",
    "y",
    "--hidden",
    "8",
    "--code",
    "3",
    "--max-epochs",
    "8",
    "--batch-size",
    "16",
]
SMALL += ["--learning-rate", "0.02", "--jobs", "1"]


@pytest.fixture(scope="module")
def told(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("told") / "sweep"
    return out, run("sweep", source, "--out", out, "--weights", "0,0.001,0.02,900", *SMALL)


def test_the_command_says_and_writes_what_was_found(told):
    out, result = told
    assert result.exit_code == 0, result.output
    found = Sweep.read(out)
    assert [trial.weight for trial in found.trials] == [0.0, 0.001, 0.02, 900.0]
    for each in found.complete:
        assert f"{each.metrics['reconstruction_error']:.4g}" in result.output
    assert "Pruned: weight 900, collapsed" in result.output
    assert "knee" in result.output
    assert f"Best run: {out / 'best'}" in result.output
    assert (out / "report.html").stat().st_size > 100_000


@needs_browser
def test_a_browser_draws_trials_and_models_on_any_screen(told, tmp_path):
    models = ["norms", "profile", "curve", "spectra", "histograms", "activity", "similarity"]
    assert faults(told[0] / "report.html", tmp_path, ["front", "weights", *models]) == []


def test_the_best_run_is_usable(told, source, tmp_path):
    out, _ = told
    assert run("info", out / "best").exit_code == 0
    encoded = run("encode", out / "best", source, "-o", tmp_path / "codes.npy", "--quiet")
    assert encoded.exit_code == 0, encoded.output
    assert np.load(tmp_path / "codes.npy").shape == (160, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weights", "a"], "--weights must be numbers with commas, got 'a'"),
        (["--weights", "0.1", "--trials", "4"], "--trials must be left out with --weights"),
        (["--weights", "-1"], "weights must be finite and above 0, got -1"),
        (["--objective", "standard"], "objective must be one of"),
        (["--objective", "odd"], "objective must be one of"),
        (["--trials", "1"], "trials must be at least 2, got 1"),
        (["--learning-rate", "1e30", "--weights", "0.1"], "Error: The model without a penalty diverged"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_two(arguments, said, source, tmp_path):
    result = run("sweep", source, "--out", tmp_path / "out", "--quiet", *SMALL, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_optuna_it_says_how_to_install(source, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("optuna"):
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("sweep", source, "--out", tmp_path / "out", "--quiet", *SMALL)
    assert result.exit_code == 2
    assert "optuna must be installed for a sweep, got none. Run: pip install 'contractive[search]'" in result.stderr


def test_the_command_says_it_with_one_article(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise TrainingDiverged("The model without a penalty diverged.")

    monkeypatch.setattr("contractive.studies.sweep.sweep", fails)
    result = CliRunner().invoke(app, ["sweep", "digits", "--out", str(tmp_path / "new"), "--quiet"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The model without a penalty diverged")
