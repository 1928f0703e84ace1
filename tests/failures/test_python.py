"""What people do wrong in Python: a TypeError or ValueError in one line that says what to do."""

# ruff: noqa: E501 -- one case is one line

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import contractive as ct
from contractive import data
from contractive.data import Options, Preparation
from contractive.objectives import Gaussian
from contractive.studies import runs
from contractive.studies.compare import Results

X = torch.rand(20, 4, generator=torch.Generator().manual_seed(0))
QUICK = {"max_epochs": 1, "progress": False}

pytestmark = pytest.mark.filterwarnings("ignore::contractive.training.CollapseWarning")


def net(**settings):
    return ct.mlp(4, **({"code": 2} | settings))


def fit(x=X, objective=None, autoencoder=None, **settings):
    return ct.fit(autoencoder or net(), x, objective or ct.objectives.contractive(0.1), **(QUICK | settings))


def holed(value):
    x = X.clone()
    x[3, 1] = value
    return x


def split(tmp):
    np.save(tmp / "x.npy", X.numpy() * 7)
    return data.load(tmp / "x.npy")


def run_of(tmp, **settings):
    chosen = runs.AutoencoderSettings.of(
        **({"weight": 0.1, "max_epochs": 1, "device": "cpu", "hidden": (3,), "code": 2} | settings)
    )
    return runs.train(split(tmp), chosen, tmp / "run", progress=False).folder


def saved(tmp, name, content):
    (tmp / name).write_bytes(content)
    return tmp / name


def prepared(tmp):
    return split(tmp).preparation


CASES = {
    # data.load
    "no file": (lambda tmp: data.load(tmp / "no.csv"), "data must be one of digits"),
    "no ending": (lambda tmp: data.load(saved(tmp, "x", b"1")), "data must end in one of"),
    "a negative seed": (lambda tmp: data.load("digits", seed=-1), "seed must be a whole number from 0 to .*, got -1"),
    "a seed of half": (lambda tmp: data.load("digits", seed=0.5), "seed must be a whole number .*, got 0.5"),
    "options on digits": (lambda tmp: data.load("digits", options=Options(drop=("x",))), "options on data must be for your own"),
    "an empty file": (lambda tmp: data.load(saved(tmp, "x.csv", b"")), "must hold rows, got an empty file"),
    "a share of 2": (lambda tmp: Options(test_share=2), "test_share must lie between 0 and 1, got 2"),
    "a share of NaN": (lambda tmp: Options(test_share=float("nan")), "test_share must be a finite number, got nan"),
    "shares without a rest": (lambda tmp: Options(test_share=0.5, validation_share=0.5), "must leave a tenth to train on"),
    "an unknown scale": (lambda tmp: Options(scale="log"), "scale must be one of auto"),
    "a size of one": (lambda tmp: Options(size=(3,)), "size must be HEIGHTxWIDTH"),
    "a stream of text": (lambda tmp: data.load(saved(tmp, "x.csv", b"a\n1"), options=Options(stream=True)), "stream must be for .npy or .parquet"),
    "robust over a stream": (lambda tmp: (split(tmp), data.load(tmp / "x.npy", options=Options(stream=True, scale="robust"))), "scale must be minmax or standard for data larger"),
    "objects in a file": (lambda tmp: (np.save(tmp / "o.npy", np.array([{}] * 20), allow_pickle=True), data.load(tmp / "o.npy")), "got pickled objects, which are never read"),
    # preparations
    "transform another width": (lambda tmp: prepared(tmp).transform(np.ones((3, 5))), "rows of 4 numbers as in training, got an array of .3, 5."),
    "transform words": (lambda tmp: prepared(tmp).transform([["a"] * 4]), "must be an array of numbers as in training, got <U1"),
    "transform a table": (lambda tmp: prepared(tmp).transform({"a": [1]}), "must be an array of rows .* got a table"),
    "transform NaN": (lambda tmp: prepared(tmp).transform(holed(np.nan).numpy()), "values must not be missing, got missing ones in feature x1"),
    "transform infinity": (lambda tmp: prepared(tmp).transform(holed(np.inf).numpy()), "values must be finite and at most"),
    "inverse of another width": (lambda tmp: prepared(tmp).inverse(np.ones((3, 5))), "x must be .rows, 4., got .3, 5."),
    "a document of nothing": (lambda tmp: Preparation.from_dict({}), "must be as it was saved, got: Object missing required field `version`"),
    "a document of text": (lambda tmp: Preparation.from_dict("x"), "must be as it was saved, got: Expected `object`, got `str`"),
    "a scale of 0": (lambda tmp: Preparation.from_dict(prepared(tmp).to_dict() | {"scale": [0, 1, 1, 1]}), "must be as it was saved, got: scale must be positive"),
    "a NaN offset": (lambda tmp: Preparation.from_dict(prepared(tmp).to_dict() | {"offset": [float("nan")] * 4}), "must be as it was saved, got: Expected `float` .* at `..offset`"),
    "a billion features": (lambda tmp: Preparation.from_dict(prepared(tmp).to_dict() | {"features": 10**9}), "must be as it was saved, got: Expected `int` <= 4194304 - at `..features`"),
    "blocks of no rows": (lambda tmp: list(data.open_rows(tmp / "x.npy", prepared(tmp), rows_at_once=0)), "rows_at_once must be at least 1, got 0"),
    "a writer of no columns": (lambda tmp: data.writer(tmp / "z.csv", []), "names must name at least one column"),
    "a writer of one name twice": (lambda tmp: data.writer(tmp / "z.csv", ["a", "a"]), "unique names, got a more than once"),
    # builders
    "code 0": (lambda tmp: ct.mlp(4, code=0), "code must be a whole number above 0, got 0"),
    "features of a half": (lambda tmp: ct.mlp(4.5, code=2), "features must be a whole number above 0, got 4.5"),
    "an unknown activation": (lambda tmp: ct.mlp(4, code=2, activation="sigmund"), "activation must be one of sigmoid"),
    "an activation that is none": (lambda tmp: ct.mlp(4, code=2, activation=nn.ReLU), "activation must be one of sigmoid"),
    "an unknown output": (lambda tmp: ct.tied(4, 2, output="sotfmax"), "output must be one of sigmoid"),
    "an even kernel": (lambda tmp: ct.conv((1, 8, 8), code=2, kernel=4), "kernel must be odd, got 4"),
    "a shape of two": (lambda tmp: ct.conv((8, 8), code=2), "shape must be .channels, height, width."),
    "no channels": (lambda tmp: ct.conv((0, 8, 8), code=2), "shape must be a whole number above 0, got 0"),
    "no height": (lambda tmp: ct.conv((1, 0, 8), code=2), "shape must be a whole number above 0, got 0"),
    # fit
    "a list": (lambda tmp: fit(X.tolist()), "data must be a tensor or an array, got list"),
    "integers": (lambda tmp: fit(torch.ones(20, 4, dtype=torch.long)), "data must be floating-point numbers, got torch.int64"),
    "no rows": (lambda tmp: fit(X[:0]), "data must have the shape .examples, .features., got .0, 4."),
    "one dimension": (lambda tmp: fit(X[0]), "data must have the shape .examples, .features., got .4,."),
    "NaN": (lambda tmp: fit(holed(np.nan)), "data must be finite, got 1 NaN or infinite entries"),
    "infinity": (lambda tmp: fit(holed(np.inf)), "data must be finite, got 1 NaN or infinite entries"),
    "1e300 in float64": (lambda tmp: fit(holed(0).double() * 1e300), "data must be finite"),
    "another width": (lambda tmp: fit(torch.rand(20, 5)), "data must fit the autoencoder, got rows of shape .5,."),
    "validation of another width": (lambda tmp: fit(validation=torch.rand(20, 5)), "validation must fit the autoencoder"),
    "an encoder alone": (lambda tmp: fit(autoencoder=nn.Linear(4, 2)), "autoencoder must be an Autoencoder, got Linear"),
    "a builder as objective": (lambda tmp: fit(objective=ct.objectives.contractive), "objective must be an Objective, got contractive"),
    "frozen": (lambda tmp: fit(autoencoder=net().requires_grad_(False)), "autoencoder must have parameters to train"),
    "no epochs": (lambda tmp: fit(max_epochs=0), "max_epochs must be at least 1, got 0"),
    "no batch": (lambda tmp: fit(batch_size=0), "batch_size must be at least 1, got 0"),
    "a rate of 0": (lambda tmp: fit(learning_rate=0), "learning_rate must be above 0"),
    "a rate of NaN": (lambda tmp: fit(learning_rate=float("nan")), "learning_rate must be above 0 and finite, got nan"),
    "an unknown schedule": (lambda tmp: fit(schedule="linear"), "schedule must be one of constant"),
    "an unknown device": (lambda tmp: fit(device="tpu"), "device must be one of auto"),
    "an unknown strategy": (lambda tmp: fit(strategy="magic"), "strategy must be one of auto"),
    "an unknown precision": (lambda tmp: fit(precision="8"), "precision must be one of 32"),
    "a seed of -1": (lambda tmp: fit(seed=-1), "seed must be a whole number from 0"),
    "seconds of NaN": (lambda tmp: fit(checkpoint_seconds=float("nan")), "checkpoint_seconds must be at least 0, got nan"),
    "weights of another length": (lambda tmp: fit(sample_weight=torch.ones(3)), "sample_weight must have one number per row"),
    "negative weights": (lambda tmp: fit(sample_weight=-torch.ones(20)), "sample_weight must be finite, at least 0"),
    "resume from nothing": (lambda tmp: fit(resume=True, checkpoint=tmp / "no.ckpt"), "checkpoint must exist to resume from"),
    "resume without a file": (lambda tmp: fit(resume=True), "resume must come with a checkpoint"),
    "resume with another rate": (lambda tmp: (fit(checkpoint=tmp / "c"), fit(checkpoint=tmp / "c", resume=True, learning_rate=0.5)), "A run must be resumed with the settings of its checkpoint, got learning_rate 0.5"),
    "resume with another net": (lambda tmp: (fit(checkpoint=tmp / "c"), fit(autoencoder=net(hidden=(7,)), checkpoint=tmp / "c", resume=True)), "checkpoint must be of this run, got one of another"),
    "patience without validation": (lambda tmp: fit(patience=2), "patience must come with validation data"),
    "divergence": (lambda tmp: fit(learning_rate=1e30, max_epochs=5), "loss must stay finite, got"),
    # objectives and penalties
    "a negative weight": (lambda tmp: ct.objectives.contractive(-1), "weight must be .*got -1"),
    "an infinite weight": (lambda tmp: ct.objectives.contractive(float("inf")), "weight must be .*got inf"),
    "a NaN weight": (lambda tmp: ct.objectives.contractive(float("nan")), "weight must be .*got nan"),
    "negative noise": (lambda tmp: Gaussian(-1), "must be .*got -1"),
    "a sparsity of 2": (lambda tmp: ct.objectives.sparse(0.1, target=2), "target must .*got 2"),
    "an unknown method": (lambda tmp: ct.value_and_squared_norm(net().encoder, X, method="guess"), "method must be one of auto"),
    "no probes": (lambda tmp: ct.value_and_squared_norm(net().encoder, X, method="probes", num_probes=0), "num_probes must be"),
    "whole numbers": (lambda tmp: ct.value_and_squared_norm(net().encoder, X.long()), "x must be|must be floating"),
    "a row alone": (lambda tmp: ct.value_and_squared_norm(net().encoder, X[0]), "x must"),
    # save and load
    "save own modules": (lambda tmp: ct.save(ct.Autoencoder(nn.Linear(3, 2), nn.Linear(2, 3)), tmp), "autoencoder must come from a builder"),
    "load nothing": (lambda tmp: ct.load(tmp / "no"), "config.json cannot be read"),
    "load a file": (lambda tmp: ct.load(saved(tmp, "x", b"")), "config.json cannot be read"),
    # runs
    "open nothing": (lambda tmp: runs.open_run(tmp / "no"), "run must be a folder that contractive train, contractive classify or contractive detect wrote"),
    "open a model": (lambda tmp: (ct.save(net(), tmp), runs.open_run(tmp)), "a model saved without data"),
    "epochs of a half": (lambda tmp: runs.AutoencoderSettings.of(max_epochs=2.5), "max_epochs must be a whole number, got 2.5"),
    "a weight in words": (lambda tmp: runs.AutoencoderSettings.of(weight="big"), "weight must be a number, got 'big'"),
    "hidden as a number": (lambda tmp: runs.AutoencoderSettings.of(hidden=256), "hidden must be whole numbers, got 256"),
    "an objective of None": (lambda tmp: runs.AutoencoderSettings.of(objective=None), "objective must be a text, got None"),
    "a wrong output": (lambda tmp: runs.AutoencoderSettings.of(output="softmax"), "output must be one of sigmoid"),
    "too large a net": (lambda tmp: run_of(tmp, code=10**13), "network must fit into memory"),
    "beyond any net": (lambda tmp: run_of(tmp, hidden=(2**40, 2**40)), "network must fit into memory, got one beyond any"),
    "train twice": (lambda tmp: (run_of(tmp), run_of(tmp)), "out must be a folder without a run"),
    "encode on no device": (lambda tmp: runs.encode(runs.open_run(run_of(tmp)), tmp / "x.npy", tmp / "z.npy", device="tpu"), "device must be one of"),
    "encode onto the data": (lambda tmp: runs.encode(runs.open_run(run_of(tmp)), tmp / "x.npy", tmp / "x.npy", overwrite=True), "out must be another file than the data"),
    "resume without the source": (lambda tmp: runs.open_run(made_by_hand(tmp)).load_data(), "does not say where the data came from"),
    "resume with other data": (lambda tmp: runs.open_run(run_of(tmp)).load_data(saved_rows(tmp)), "data must be what"),
    # results
    "results of nothing": (lambda tmp: Results.read(tmp), "results.json cannot be read"),
    "results nested": (lambda tmp: (saved(tmp, "results.json", b"[" * 100_000), Results.read(tmp)), "results.json cannot be read"),
}  # fmt: skip


def made_by_hand(tmp):
    settings = runs.AutoencoderSettings.of(weight=0.1, max_epochs=1, device="cpu", hidden=(3,), code=2)
    return runs.train(replace(split(tmp), source=None), settings, tmp / "run", progress=False).folder


def saved_rows(tmp):
    np.save(tmp / "y.npy", np.random.default_rng(1).normal(size=(20, 4)))
    return tmp / "y.npy"


@pytest.mark.parametrize("name", CASES)
def test_one_line_that_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, match = CASES[name]
    with pytest.raises((ValueError, TypeError, RuntimeError), match=match) as caught:
        call(tmp_path)
    words = str(caught.value)
    assert "\n" not in words
    # a rule, or what helps
    assert re.search(" must .+, got", words) or " wrote: " in words or re.search("[.;] [A-Z].+[.?]$", words), words
    assert len(words) < 700
    assert not list(Path(tmp_path).rglob(".*.part")) + list(Path(tmp_path).rglob(".writing-*"))


def test_there_are_many_cases():
    assert len(CASES) >= 40


def test_an_error_in_the_network_itself_is_not_blamed_on_the_checkpoint(tmp_path):
    class Broken(nn.Module):
        def forward(self, x):
            if self.training and broken:
                raise RuntimeError("mine")
            return x

    broken = False
    autoencoder = ct.Autoencoder(nn.Sequential(nn.Linear(4, 2), Broken()), nn.Linear(2, 4))
    fit(autoencoder=autoencoder, checkpoint=tmp_path / "c", objective=ct.objectives.standard())
    checkpoint = torch.load(tmp_path / "c", weights_only=True)
    checkpoint["contractive"]["settings"]["max_epochs"] = "2"
    torch.save(checkpoint, tmp_path / "c")
    broken = True
    with pytest.raises(RuntimeError, match=r"^mine$"):
        fit(
            autoencoder=autoencoder,
            checkpoint=tmp_path / "c",
            resume=True,
            max_epochs=2,
            objective=ct.objectives.standard(),
        )


def test_a_run_made_in_python_knows_its_data_again(tmp_path):
    run = runs.open_run(run_of(tmp_path))
    assert run.load_data().checksum == split(tmp_path).checksum
    assert run.is_training_data(tmp_path / "x.npy")
