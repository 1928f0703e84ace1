"""What is exported gives torch's numbers, on raw numbers, for any batch size."""

import json
import sys
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import contractive as ct
from contractive import data
from contractive.cli._commands import app
from contractive.studies import runs
from contractive.studies.export import PrecisionWarning, export, module_of

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytestmark = [
    pytest.mark.filterwarnings("ignore::contractive.CollapseWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # torch.export on what it itself uses
]
UNITS = np.array([1.0, 100.0, 1e-3, 7.0])


@pytest.fixture(scope="module", autouse=True)
def _operators_are_registered_once():
    """For each export the exporter makes the same registry of 2,000 operators anew, which takes most of its time."""
    registry = pytest.importorskip("torch.onnx._internal.exporter._registration").ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "from_torchlib", staticmethod(cache(registry.from_torchlib)))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs by (model, scaling), each made once."""
    folder = tmp_path_factory.mktemp("runs")
    random = np.random.RandomState(0)
    (folder / "table.csv").write_text(
        "\n".join(["a,b,c,d", *(",".join(map(repr, row)) for row in (random.rand(60, 4) * UNITS + UNITS).tolist())])
    )
    runs_made = {}

    def make(model, scale):
        if (model, scale) not in runs_made:
            hidden = {"mlp": (5,), "tied": (), "conv": (2,)}[model]
            own = data.Options(scale="auto" if scale == "range" else scale)
            split = data.load("digits") if model == "conv" else data.load(folder / "table.csv", options=own)
            settings = runs.AutoencoderSettings.of(
                objective="contractive",
                model=model,
                hidden=hidden,
                code=3,
                weight=0.01,
                max_epochs=1,
                device="cpu",
            )
            out = folder / f"{model}-{scale}"
            runs.train(split, settings, out, progress=False)
            runs_made[model, scale] = runs.open_run(out)
        return runs_made[model, scale]

    return make


PARTS = ("encoder", "decoder", "autoencoder")
CASES = [
    *((model, scale, part) for part in PARTS for model, scale in (("mlp", "standard"), ("tied", "minmax"))),
    *(("conv", "range", part) for part in PARTS),
    ("mlp", "minmax", "autoencoder"),
    ("tied", "standard", "autoencoder"),
]


def inputs(run, part, batch):
    """Raw rows, or codes."""
    random = np.random.RandomState(batch)
    if part == "decoder":
        return random.rand(batch, 3).astype(np.float32)
    if run.preparation.kind == "table":
        return (random.rand(batch, 4) * UNITS + UNITS).astype(np.float32)
    return (random.rand(batch, 64) * 16).round().astype(np.float32)


def expected(run, part, x):
    """By the run's own preparation and network, step by step."""
    net, preparation = run.model(), run.preparation
    with torch.no_grad():
        if part == "decoder":
            z = net.decode(torch.from_numpy(x)).numpy()
        else:
            rows = {name: x[:, i] for i, name in enumerate("abcd")} if preparation.kind == "table" else x
            code = net.encode(torch.from_numpy(preparation.transform(rows)))
            if part == "encoder":
                return code.numpy()
            z = net.decode(code).numpy()
    return z.astype(np.float64) * preparation.scale + preparation.offset


@pytest.mark.parametrize(("model", "scale", "part"), CASES, ids=["-".join(case) for case in CASES])
@pytest.mark.parametrize("ending", [".onnx", ".pt2"])
def test_the_file_gives_the_same_numbers(made, tmp_path, model, scale, part, ending):
    run = made(model, scale)
    path = export(run, tmp_path / f"model{ending}", part=part)
    if ending == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        apply = lambda x: session.run(["y"], {"x": x})[0]  # noqa: E731
    else:
        program = torch.export.load(path).module()
        apply = lambda x: program(torch.from_numpy(x)).detach().numpy()  # noqa: E731
    for batch in (1, 7):
        x = inputs(run, part, batch)
        right = expected(run, part, x)
        unit = 1.0 if part == "encoder" else run.preparation.scale
        np.testing.assert_allclose(apply(x) / unit, right / unit, rtol=1e-5, atol=1e-5)


def far_from_zero(tmp_path, offset, spread):
    """A run on a column of numbers that single precision holds, whose mean it does not."""
    random = np.random.RandomState(0)
    step = float(np.spacing(np.float32(offset)))
    rows = np.column_stack([offset + step * np.round(spread * random.rand(80) / step), random.rand(80)])
    (tmp_path / "far.csv").write_text("\n".join(["t,v", *(",".join(map(repr, row)) for row in rows.tolist())]))
    settings = runs.AutoencoderSettings.of(
        objective="contractive", hidden=(5,), code=3, weight=0.01, max_epochs=1, device="cpu"
    )
    runs.train(data.load(tmp_path / "far.csv"), settings, tmp_path / "run", progress=False)
    return runs.open_run(tmp_path / "run"), rows


def test_an_export_preprocesses_spectra(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 20)).cumsum(1).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    split = data.load(tmp_path / "x.npy", options=data.Options(spectra=("msc", "snv", "sg1")))
    settings = runs.AutoencoderSettings.of(code=3, weight=0.0, max_epochs=1, device="cpu")
    runs.train(split, settings, tmp_path / "run", progress=False)
    run = runs.open_run(tmp_path / "run")
    session = onnxruntime.InferenceSession(export(run, tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = run.model().encode(torch.from_numpy(run.preparation.transform(rows))).numpy()
    np.testing.assert_allclose(session.run(None, {"x": rows})[0], wanted, atol=2e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("part", ["encoder", "autoencoder"])
def test_large_offsets_are_taken_off_in_full(tmp_path, part):
    run, rows = far_from_zero(tmp_path, 5_400_000.0, 20_000.0)
    path = export(run, tmp_path / "model.onnx", part=part)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    z = torch.from_numpy(run.preparation.transform({"t": rows[:, 0], "v": rows[:, 1]}))
    with torch.no_grad():
        code = run.model().encode(z)
        right = code if part == "encoder" else run.model().decode(code)
    found = session.run(["y"], {"x": rows.astype(np.float32)})[0]
    if part == "autoencoder":
        found = (found - run.preparation.offset) / run.preparation.scale
    np.testing.assert_allclose(found, right.numpy(), atol=1e-5 if part == "encoder" else 1e-4)


def test_numbers_that_single_precision_merges_are_told(tmp_path):
    run, _ = far_from_zero(tmp_path, 1.7e9, 600.0)
    with pytest.warns(
        PrecisionWarning, match=r"in single precision, in which neighbours of feature t are 0\.\d+ of its scale"
    ):
        export(run, tmp_path / "model.pt2")


def test_an_existing_file_is_replaced_only_when_asked(made, tmp_path):
    run = made("tied", "standard")
    path = tmp_path / "model.pt2"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"out must be a new file, got .*model.pt2. Choose another one"):
        export(run, path)
    assert path.read_text() == "mine"
    export(run, path, overwrite=True)
    assert torch.export.load(path).module()(torch.zeros(2, 4)).shape == (2, 3)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]


@pytest.mark.parametrize(
    ("name", "part", "match"),
    [
        ("model.onnx", "heart", r"part must be one of encoder, decoder, autoencoder, got 'heart'. Check the spelling."),
        ("model.pkl", "encoder", r"out must end in one of .onnx, .pt2, got model.pkl. Rename it."),
        ("none/model.onnx", "encoder", r"out must lie in a folder that exists, got .*model.onnx. Make the folder"),
    ],
    ids=["part", "ending", "folder"],
)
def test_misuse_is_refused(made, tmp_path, name, part, match):
    with pytest.raises(ValueError, match=match):
        export(made("tied", "standard"), tmp_path / name, part=part)


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_the_command_says_how_to_run_what_it_wrote_and_that_runs(made, tmp_path, monkeypatch, name):
    run = made("tied", "standard")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", str(run.folder), "-o", name])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert said.startswith(f"Encoder of {run.folder}: {name} To run it in Python, on rows in single precision: ")
    assert said.endswith("Its 4 input numbers are, in this order: a, b, c, d")
    code = said.split("single precision: ")[1].split(" Its 4")[0]
    rows = np.zeros((2, 4), np.float32)
    if name == "model.onnx":
        (codes,) = eval(code, {"onnxruntime": onnxruntime, "rows": rows})
    else:
        codes = eval(code, {"torch": torch, "rows": torch.from_numpy(rows)})
    assert codes.shape == (2, 3)


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(made, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=rf"ONNX export needs {missing}. Run: pip install 'contractive\[exp"):
        export(made("tied", "standard"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_without_warnings(made, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(made("tied", "standard"), tmp_path / "model.onnx")
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_a_classifier_goes_out_with_its_probabilities(output, name, tmp_path):
    split = data.load("digits")
    settings = runs.ClassifierSettings(hidden=(6,), pretraining_epochs=1, max_epochs=1, output=output, device="cpu")
    runs.train(split, settings, tmp_path / "run")
    done = CliRunner().invoke(
        app, ["export", str(tmp_path / "run"), "-o", str(tmp_path / name), "--part", "classifier"]
    )
    assert done.exit_code == 0, done.output
    assert "Its outputs are the probabilities of: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in " ".join(done.output.split())
    raw = np.random.RandomState(0).randint(0, 17, (5, 64)).astype(np.float32)
    if name == "model.onnx":
        session = onnxruntime.InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"])
        found = session.run(None, {"x": raw})[0]
    else:
        found = torch.export.load(tmp_path / name).module()(torch.from_numpy(raw)).detach().numpy()
    run = runs.open_run(tmp_path / "run")
    with torch.no_grad():
        logits = run.model()(torch.from_numpy(raw / 16))
    p = torch.softmax(logits, 1) if output == "softmax" else torch.sigmoid(logits)
    np.testing.assert_allclose(found, (p / p.sum(1, keepdim=True)).numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="part must be one of encoder, classifier, got 'autoencoder'"):
        export(run, tmp_path / "other.pt2", part="autoencoder")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of fitted estimators, and raw rows."""
    folder = tmp_path_factory.mktemp("saved")
    rows = np.random.RandomState(0).standard_normal((40, 4)) * UNITS + UNITS
    few = {"max_epochs": 1, "n_components": 3, "random_state": 0}
    estimators = {
        "autoencoder": ct.ContractiveAutoencoder(scale="log", **few),
        "structured": ct.ContractiveOutlierDetector(score_by="structured", **few),
        "table": ct.ContractiveOutlierDetector(**few),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("contractive.estimators._folds._FOLDS", 2)
        for name, estimator in estimators.items():
            estimator.fit(pd.DataFrame(rows, columns=list("abcd"))).save(folder / name)
    return folder, rows


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_score_and_flag_of_a_saved_detector_are_exported(saved, tmp_path):
    folder, rows = saved
    x = np.r_[rows[::2] + 0.1 * UNITS, rows[:3] * 100].astype(np.float32)
    path = tmp_path / "score.pt2"
    done = CliRunner().invoke(app, ["export", str(folder / "structured"), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "4 input numbers are, in this order: a, b, c, d" in done.output
    score, flagged = torch.export.load(path).module()(torch.from_numpy(x))
    detector = ct.ContractiveOutlierDetector.load(folder / "structured")
    np.testing.assert_allclose(score, -detector.score_samples(x), rtol=1e-4)
    np.testing.assert_array_equal(flagged, detector.predict(x) == -1)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_reconstruction_of_an_estimator_is_in_its_units(saved):
    folder, rows = saved
    encoder = ct.ContractiveAutoencoder.load(folder / "autoencoder")
    with torch.no_grad():
        found = module_of(encoder, "autoencoder")(torch.from_numpy(rows.astype(np.float32))).numpy()
    right = encoder.inverse_transform(encoder.transform(rows))
    np.testing.assert_allclose(found / UNITS, right / UNITS, rtol=1e-3, atol=1e-4)


def test_a_score_of_distances_is_refused(saved, tmp_path):
    done = CliRunner().invoke(app, ["export", str(saved[0] / "table"), "-o", str(tmp_path / "table.onnx")])
    assert done.exit_code == 2
    assert "got table, which needs the training rows" in " ".join(done.output.split())
    assert not (tmp_path / "table.onnx").exists()


def test_saved_estimators_are_described(saved):
    for name, words in {"autoencoder": "scale='log'", "structured": "smallest false-alarm rate"}.items():
        found = CliRunner().invoke(app, ["info", str(saved[0] / name)])
        assert found.exit_code == 0, found.output
        assert words in found.output
    document = json.loads(CliRunner().invoke(app, ["info", str(saved[0] / "table"), "--json"]).output)
    assert (document["score"], document["features"], document["parameters"]["n_components"]) == ("table", 4, 3)
