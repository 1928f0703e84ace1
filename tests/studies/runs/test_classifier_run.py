"""What a folder must hold to be opened as a classifier."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from contractive.data import load
from contractive.models import StorageError
from contractive.studies import runs
from contractive.studies.runs import AutoencoderRun, ClassifierRun, ClassifierSettings, Run, RunError, open_run, train

DIGITS = load("digits")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "run"
    train(DIGITS, ClassifierSettings(hidden=(6, 4), pretraining_epochs=1, max_epochs=2, device="cpu"), folder)
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def change(folder, name, *keys_and_value):
    *keys, value = keys_and_value
    document = json.loads((folder / name).read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / name).write_text(json.dumps(document))


def test_parts_are_the_encoder_and_the_probabilities(run):
    opened = open_run(run, ClassifierRun)
    parts, net, x = opened.parts(), opened.model(), torch.from_numpy(DIGITS.test)
    with torch.no_grad():
        assert torch.equal(parts["encoder"](x), net.encoder(x))
        torch.testing.assert_close(parts["classifier"](x), torch.softmax(net(x), 1))
    assert opened.num_units == parts["encoder"](x).shape[1] == 4
    assert not parts["classifier"].training


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_each_kind_of_run_is_opened_as_what_it_is(run, tmp_path):
    runs.train(
        DIGITS,
        runs.AutoencoderSettings.of(hidden=(), code=2, weight=0.1, max_epochs=1, device="cpu"),
        tmp_path / "plain",
        progress=False,
    )
    assert type(open_run(run)) is ClassifierRun
    assert type(open_run(tmp_path / "plain")) is AutoencoderRun
    with pytest.raises(RunError, match=r"contractive train wrote, got .* with the classifier of"):
        open_run(run, AutoencoderRun)
    with pytest.raises(RunError, match=r"contractive classify wrote, got .* with the autoencoder of"):
        open_run(tmp_path / "plain", ClassifierRun)
    for kind in (Run, ClassifierRun):
        with pytest.raises(RunError, match=r"run must be a folder that contractive .* wrote, got .*none\. Check"):
            open_run(tmp_path / "none", kind)


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_broken_weights_are_refused(run, content):
    (run / "model.safetensors").write_bytes(content)
    with pytest.raises(StorageError, match=r"model.safetensors cannot be read: "):
        open_run(run, ClassifierRun).model()


@pytest.mark.parametrize("how", ["shape", "name", "settings"])
def test_weights_of_another_network_are_refused(run, how):
    weights = load_file(run / "model.safetensors")
    if how == "shape":
        weights["linear.weight"] = weights["linear.weight"][:, :3].contiguous()
    elif how == "name":
        weights["more"] = weights.pop("linear.bias")
    else:
        change(run, "config.json", "content", "extra", "run", "settings", "hidden", [2**40])
    save_file(weights, run / "model.safetensors")
    with pytest.raises(StorageError, match=r"does not hold the weights that config.json describes"):
        open_run(run, ClassifierRun).model()


@pytest.mark.parametrize("classes", [None, [1], [1, 2.5], [True, False], "no"])
def test_classes_must_be_listed(run, classes):
    change(run, "config.json", "content", "extra", "run", "settings", "classes", classes)
    with pytest.raises(RunError, match=r"config.json does not (hold the settings of a run|describe a run: .*classes)"):
        open_run(run, ClassifierRun).names  # noqa: B018


@pytest.mark.parametrize("name", ["hidden", "output", "decoder"])
def test_layers_must_be_said(run, name):
    change(run, "config.json", "content", "extra", "run", "settings", name, None)
    with pytest.raises(RunError, match=r"config.json does not hold the settings of a run as this version writes them"):
        open_run(run, ClassifierRun).num_units  # noqa: B018


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("test",), "test"),
        (("linear_error",), "linear_error"),
        (("linear_labels",), "linear_labels"),
        (("warnings", 0), None),
        (("warnings",), "warnings"),
        (("pretraining", 0, "r2"), "pretraining[0].r2"),
        (("before",), "before"),
        (("after", "saturation"), "after.saturation"),
        (("validation", "error"), "validation.error"),
        (("test", "interval"), "test.interval"),
        (("test", "class_error", 3), "test.class_error[3]"),
        (("test", "confusion", 2), "test.confusion[2]"),
        (("test", "confusion", 2, 5), "test.confusion[2][5]"),
    ],
)
def test_changed_figures_are_refused(run, keys, said):
    if said is None:
        change(run, "metrics.json", "content", "warnings", [3])
        said = "warnings[0]"
    else:
        change(run, "metrics.json", "content", *keys, "changed")
    with pytest.raises(
        RunError, match=rf"metrics.json does not hold a set of metrics: .* at `\$\.{re.escape(said)}`. It"
    ):
        open_run(run, ClassifierRun).metrics()


def test_metrics_that_are_no_document_are_refused(run):
    (run / "metrics.json").write_text("[]")
    with pytest.raises(RunError, match=r"metrics.json was written before the first release"):
        open_run(run, ClassifierRun).metrics()
    (run / "metrics.json").write_text("{")
    with pytest.raises(RunError, match=r"metrics.json cannot be read: "):
        open_run(run, ClassifierRun).metrics()


def test_broken_mistakes_are_refused(run):
    opened = open_run(run, ClassifierRun)
    whole = vars(opened.mistakes())
    assert len(whole["rows"]) <= 24
    for changed in ({"rows": whole["rows"][:, :5]}, {"true": whole["true"] + 20}, {"given": whole["given"][:1]}):
        np.savez(run / "mistakes.npz", **(whole | changed))
        with pytest.raises(RunError, match=r"mistakes.npz does not hold rows of the data"):
            opened.mistakes()
    np.savez(run / "mistakes.npz", rows=whole["rows"])
    with pytest.raises(RunError, match=r"mistakes.npz does not hold what training writes there"):
        opened.mistakes()


@pytest.mark.parametrize("seed", range(5))
def test_flipped_bytes_in_the_mistakes_are_refused(run, seed):
    raw = bytearray((run / "mistakes.npz").read_bytes())
    for at in np.random.default_rng(seed).integers(0, 400, 8):
        raw[at] ^= 0xFF
    (run / "mistakes.npz").write_bytes(raw)
    with pytest.raises(RunError, match=r"mistakes.npz (cannot be read|does not hold)"):
        open_run(run, ClassifierRun).mistakes()


def test_a_broken_history_is_refused(run):
    (run / "pretraining.csv").write_text("layer,epoch\n1,much\n")
    with pytest.raises(RunError, match=r"pretraining.csv is not a table of numbers: "):
        open_run(run, ClassifierRun).pretraining()
