"""A run is what its steps are by hand, learns, and goes on where it was stopped."""

import csv
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from contractive.data import load
from contractive.models import Classifier, encoder, stack, unroll
from contractive.studies import runs
from contractive.studies.runs import ClassifierRun, ClassifierSettings, RunError, class_labels, open_run, train
from contractive.training import CollapseWarning, Regularisation, fine_tune, pretrain, tangent_files

DIGITS = load("digits")
SHIFTED = replace(DIGITS.preparation, offset=np.array([1.0]))
SMALL = ClassifierSettings(
    hidden=(12, 8), pretraining_epochs=3, max_epochs=4, labels_used=60, tangents=2, jacobian_weight=0.01, device="cpu"
)


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "run"
    return train(DIGITS, SMALL, folder, command="the command")


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """With the defaults, but for a narrower network."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    return train(
        DIGITS, ClassifierSettings(hidden=(128, 60), pretraining_epochs=8, max_epochs=30, device="cpu"), folder
    )


def test_it_learns_as_well_as_a_linear_classifier_and_better_than_single_pixels(learned):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    (train_y, _, test_y), found = DIGITS.labels, learned.metrics.test.error
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(DIGITS.train, train_y)
    tree = DecisionTreeClassifier(random_state=0).fit(DIGITS.train, train_y)
    assert learned.metrics.linear_error == pytest.approx(1 - linear.score(DIGITS.test, test_y))
    pca = PCA(60).fit(DIGITS.train)
    on_components = make_pipeline(pca, StandardScaler(), LogisticRegression(max_iter=300)).fit(DIGITS.train, train_y)
    assert learned.metrics.components_error == pytest.approx(1 - on_components.score(DIGITS.test, test_y), abs=0.01)
    assert found < learned.metrics.linear_error + 0.01
    assert found < (1 - tree.score(DIGITS.test, test_y)) / 3


def test_figures_are_those_of_the_model_on_disk(learned):
    run = open_run(learned.folder, ClassifierRun)
    net = run.model()
    metrics = run.metrics()
    for part, x, y in (
        ("test", DIGITS.test, DIGITS.labels[2]),
        ("validation", DIGITS.validation, DIGITS.labels[1]),
    ):
        with torch.no_grad():
            given = net(torch.from_numpy(x)).argmax(1).numpy()
        assert getattr(metrics, part).wrong == int((given != y).sum())
        confusion = np.zeros((10, 10), int)
        np.add.at(confusion, (y, given), 1)
        assert getattr(metrics, part).confusion == tuple(map(tuple, confusion.tolist()))
    best = run.history()[metrics.best_epoch - 1]
    assert best["val_error"] == pytest.approx(metrics.validation.error)
    assert len(run.history()) == metrics.epochs
    assert len(run.pretraining()) == 2 * run.settings.pretraining_epochs


def test_figures_of_layers_are_the_closed_form(learned):
    x = torch.from_numpy(DIGITS.validation)
    first = encoder_of_layer(learned)
    code = torch.sigmoid(x @ first.weight.T + first.bias)
    norm = ((code * (1 - code)) ** 2 @ first.weight.square().sum(1)).mean()
    saturated = ((code < 0.05) | (code > 0.95)).double().mean()
    found = learned.metrics.pretraining[0].encoder
    assert found.squared_norm == pytest.approx(float(norm), rel=1e-4)
    assert found.saturation == pytest.approx(float(saturated), abs=1e-9)
    assert found.units == 128
    assert learned.metrics.after.units == 60


def encoder_of_layer(learned):
    """The first layer as pretraining left it: trained again, alone."""
    settings = open_run(learned.folder, ClassifierRun).settings
    layers = settings.build(64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        pretrain(
            layers[:1], DIGITS.train, settings.make_objective(), validation=DIGITS.validation, seed=0,
            max_epochs=settings.pretraining_epochs, batch_size=32, learning_rate=3e-3, schedule="cosine",
            device="cpu", progress=False,
        )  # fmt: skip
    return layers[0].encoder[0].requires_grad_(False)


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.parametrize("rows", ["labelled", "all"])
def test_a_run_is_its_steps_by_hand(rows, small, tmp_path):
    labels = class_labels(DIGITS, 60)
    layers = stack(64, (12, 8), seed=0)
    settings = replace(SMALL, tangent_rows=rows)
    trained = small if rows == "labelled" else train(DIGITS, settings, tmp_path / "run")
    done, settings = trained.history, settings.completed(DIGITS)
    pretrain(
        layers, DIGITS.train, settings.make_objective(), validation=DIGITS.validation, seed=0, max_epochs=3,
        batch_size=32, learning_rate=3e-3, schedule="cosine", device="cpu", progress=False,
    )  # fmt: skip
    net = Classifier(encoder(layers), 8, 10, output="sigmoid", seed=0)
    x = torch.from_numpy(DIGITS.train[labels.labelled])
    beside = None
    if settings.tangent_rows == "all":
        beside = np.delete(DIGITS.train, labels.labelled, axis=0)
    points = x if beside is None else torch.cat([x, torch.from_numpy(beside)])
    tangents = tangent_files.write(tmp_path / "t.npy", unroll(layers), points, 2)
    found = fine_tune(
        net, x, labels.numbers[0][labels.labelled], validation=(DIGITS.validation, labels.numbers[1]), max_epochs=4,
        learning_rate=0.5, decay=0.2**0.25, regularisation=Regularisation(0.01, 0.1, tangents), unlabelled=beside,
        seed=0, device="cpu",
    )  # fmt: skip
    assert [row["train_loss"] for row in found.rows] == [row["train_loss"] for row in done.rows]
    for mine, its in zip(net.state_dict().values(), trained.model.state_dict().values(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize(
    "stop", [("layer 1 of 2", 2), ("layer 2 of 2", 1), ("directions", 60), ("fine-tuning", 2), ("fine-tuning", 4)]
)
def test_a_stopped_run_ends_at_the_same_weights(stop, small, tmp_path):
    def watch(stage, done, total):
        if (stage, done) == stop:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, SMALL, tmp_path / "run", checkpoint_seconds=0, on_progress=watch)
    run = open_run(tmp_path / "run", ClassifierRun)
    assert not run.finished
    assert run.metrics() is None
    with pytest.raises(
        RunError, match=r"interrupted before it had a model. Run contractive classify again with `resume`"
    ):
        run.model()
    again = train(DIGITS, run.settings, tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == weights(small.folder)
    timed = {"seconds", "pretraining"}
    assert {k: v for k, v in vars(again.metrics).items() if k not in timed} == {
        k: v for k, v in vars(small.metrics).items() if k not in timed
    }
    assert open_run(tmp_path / "run").finished


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tangents": 4}, "got tangents 4 instead of 2"),
        ({"hidden": (12, 9)}, r"got hidden \(12, 9\) instead of \(12, 8\)"),
        ({"learning_rate": 0.1}, "got learning_rate 0.1 instead of 0.5"),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
)
def test_a_run_does_not_go_on_with_other_settings(change, match, tmp_path):
    def watch(stage, done, total):
        if (stage, done) == ("directions", 60):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, SMALL, tmp_path / "run", on_progress=watch)
    with pytest.raises(RunError, match=f"resume must continue with the settings of the run, {match}"):
        train(DIGITS, replace(SMALL, **change), tmp_path / "run", resume=True)


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    def watch(stage, done, total):
        if (stage, done) == ("directions", 60):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, SMALL, tmp_path / "run", on_progress=watch)
    others = load("digits", seed=1), replace(DIGITS, checksum="0"), replace(DIGITS, preparation=SHIFTED)
    for other in others:
        with pytest.raises(RunError, match=r"resume must continue with the data of the run, split as they were, got"):
            train(other, SMALL, tmp_path / "run", resume=True)


@pytest.mark.parametrize("history", ["whole", "broken", "other"])
def test_a_run_stopped_twice_knows_all_its_epochs(history, small, tmp_path):
    def stops_at(epoch):
        def watch(stage, done, total):
            if (stage, done) == ("fine-tuning", epoch):
                raise KeyboardInterrupt

        return watch

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, SMALL, out, checkpoint_seconds=0, on_progress=stops_at(2))
    if history != "whole":
        (out / "history.csv").write_text("epoch\nmuch\n" if history == "broken" else "minutes\n3\n")
    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, SMALL, out, checkpoint_seconds=0, resume=True, on_progress=stops_at(3))
    assert [row["epoch"] for row in open_run(out).history()] == ([1, 2, 3] if history == "whole" else [3])
    train(DIGITS, SMALL, out, resume=True)
    assert [row["epoch"] for row in open_run(out).history()] == [1, 2, 3, 4]
    assert weights(out) == weights(small.folder)


def test_a_finished_run_keeps_no_checkpoints_and_tells_what_it_was(small):
    names = {path.relative_to(small.folder).as_posix() for path in small.folder.rglob("*") if path.is_file()}
    assert names == {
        "config.json", "history.csv", "metrics.json", "mistakes.npz", "model.safetensors", "pretraining.csv",
        "split.npz",
    }  # fmt: skip
    run = open_run(small.folder, ClassifierRun)
    assert run.document.command == "the command"
    assert run.classes == tuple(range(10))
    assert len(run.document.data.checksum) == 64
    assert run.settings.labels_used == 60
    assert small.metrics.labels_used == 60
    with open(small.folder / "pretraining.csv", newline="") as file:
        assert [row["layer"] for row in csv.DictReader(file)] == ["1"] * 3 + ["2"] * 3


def test_every_stage_is_told(tmp_path):
    seen = []
    train(DIGITS, SMALL, tmp_path / "run", on_progress=lambda *told: seen.append(told))
    assert seen == [
        *(("layer 1 of 2", epoch, 3) for epoch in (1, 2, 3)),
        *(("layer 2 of 2", epoch, 3) for epoch in (1, 2, 3)),
        ("directions", 60, 60),
        *(("fine-tuning", epoch, 4) for epoch in (1, 2, 3, 4)),
    ]


def test_the_seed_decides(small, tmp_path):
    train(DIGITS, SMALL, tmp_path / "same")
    train(DIGITS, replace(SMALL, seed=1), tmp_path / "other")
    assert weights(tmp_path / "same") == weights(small.folder)
    assert weights(tmp_path / "other") != weights(small.folder)


def test_without_pretraining_there_is_none(tmp_path):
    found = train(
        DIGITS, ClassifierSettings(objective="none", hidden=(6,), max_epochs=1, device="cpu"), tmp_path / "run"
    )
    assert found.pretraining == ()
    assert found.metrics.pretraining == ()
    assert not (tmp_path / "run" / "pretraining.csv").exists()


@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
def test_other_activations_are_read_back(activation, tmp_path):
    settings = ClassifierSettings(
        hidden=(6, 5), activation=activation, pretraining_epochs=1, max_epochs=1, learning_rate=0.01, device="cpu"
    )
    found = train(DIGITS, settings, tmp_path / "run")
    x = torch.from_numpy(DIGITS.test)
    assert torch.equal(open_run(tmp_path / "run", ClassifierRun).model()(x), found.model(x))


def test_a_folder_that_is_taken_is_refused(small, tmp_path):
    with pytest.raises(RunError, match="out must be a folder without a run, got"):
        train(DIGITS, SMALL, small.folder)
    with pytest.raises(RunError, match="resume must find a run, got"):
        train(DIGITS, SMALL, tmp_path / "none", resume=True)
    with pytest.raises(ValueError, match="checkpoint_seconds must be at least 0"):
        train(DIGITS, SMALL, tmp_path / "none", checkpoint_seconds=-1)


def test_an_autoencoder_gives_way_to_a_classifier_by_force_and_back(tmp_path):
    plain = runs.AutoencoderSettings.of(hidden=(4,), code=2, weight=0.1, max_epochs=1, device="cpu")
    out = tmp_path / "run"
    quick = replace(SMALL, tangents=0, pretraining_epochs=1, max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        runs.train(DIGITS, plain, out, progress=False)
        runs.train(DIGITS, quick, out, force=True)
        assert open_run(out).task.name == "classifier"
        assert not (out / "checkpoints" / "last.ckpt").exists()
        runs.train(DIGITS, plain, out, progress=False, force=True)
    assert open_run(out).task.name == "autoencoder"
    assert not (out / "mistakes.npz").exists()
    assert not (out / "pretraining.csv").exists()
