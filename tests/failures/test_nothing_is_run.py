"""Reading what a stranger sent runs none of his code, whatever the file pretends to be."""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import contractive as ct
from contractive import data
from contractive.studies import runs
from contractive.training import read_checkpoint
from failures.places import contractive, make


class Evil:
    """Unpickling it makes a file."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("hostile")
    make(place)
    return place


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    place = tmp_path / "place"
    shutil.copytree(made, place)
    monkeypatch.chdir(place)
    return place


def pickled(name, protocol=2):
    return lambda: Path(name).write_bytes(pickle.dumps(Evil(), protocol))


def torch_saved(name):
    def do():
        checkpoint = torch.load(name, weights_only=True) if name.endswith("ckpt") else {}
        torch.save({**checkpoint, "evil": Evil()}, name)

    return do


def zipped_pickle(name, member):
    def do():
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr(member, pickle.dumps(Evil()))

    return do


def objects(name):
    return lambda: np.save(name, np.array([[Evil()] * 3] * 20, object), allow_pickle=True)


def objects_npz(name, key):
    return lambda: np.savez(name, **{key: np.array([[Evil()] * 3] * 20, object)})


def config(value, *keys):
    def do():
        path = Path("run/config.json")
        document = json.loads(path.read_text())
        place = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        path.write_text(json.dumps(document))

    return do


CODE = "__import__('os').mkdir('evil')"
FILES = {
    "weights pickled": pickled("run/model.safetensors"),
    "weights pickled for torch": torch_saved("run/model.safetensors"),
    "checkpoint pickled": pickled("broken/checkpoints/last.ckpt"),
    "checkpoint pickled, protocol 0": pickled("broken/checkpoints/last.ckpt", 0),
    "checkpoint with an object": torch_saved("broken/checkpoints/last.ckpt"),
    "checkpoint as archive": zipped_pickle("broken/checkpoints/last.ckpt", "archive/data.pkl"),
    "split with objects": objects_npz("run/split.npz", "parts"),
    "data with objects": objects("rows.npy"),
    "arrays of a comparison with objects": objects_npz("compared/results.npz", "examples/inputs"),
    "config naming os.system": config("os.system", "content", "recipe", "builder"),
    "config naming an import": config(CODE, "content", "recipe", "builder"),
    "config with a function as argument": config(CODE, "content", "recipe", "arguments", "activation"),
    "dunders as arguments": config({"__class__": CODE, "__reduce__": CODE}, "content", "recipe", "arguments"),
    "settings with an import": config(CODE, "content", "extra", "run", "settings", "objective", "objective"),
    "settings with a strategy": config(CODE, "content", "extra", "run", "settings", "training", "strategy"),
    "preparation with an import": config(CODE, "content", "extra", "run", "preparation", "scaler"),
    "data options with a path of code": config(CODE, "content", "extra", "run", "data", "source"),
    "modules beside it": lambda: [
        Path(name).write_text("import os; os.mkdir('evil')\n")
        for name in ("run/config.py", "run/model.py", "sitecustomize.py", "torch.py", "run/__init__.py")
    ],
    "yaml beside it": lambda: Path("run/config.yaml").write_text('!!python/object/apply:os.mkdir ["evil"]\n'),
    "hyperparameters beside it": lambda: Path("run/hparams.yaml").write_text(
        '!!python/object/apply:os.mkdir ["evil"]\n'
    ),
}
COMMANDS = (
    "info run",
    "info run --json",
    "encode run table.csv -o z.csv --force",
    "reconstruct run table.csv -o z.csv --force",
    "export run -o z.pt2 --force",
    "train rows.npy --resume --out broken --quiet",
    "train rows.npy --out new --objective contractive --max-epochs 1 --weight 0.1 --force --quiet",
    "report compared",
)


def tried(read):
    """Run a reader; a refusal is as good as a result."""
    try:
        read()
    except ValueError:
        return


@pytest.mark.parametrize("name", FILES)
def test_no_command_runs_it(name, here):
    FILES[name]()
    codes = {}
    for command in COMMANDS:
        if "export" in command and "config" not in name and "weights" not in name:
            continue  # slow, and no other file matters to it
        result = contractive(command)
        codes[command] = result.exit_code
        assert result.exit_code in (0, 2), (command, result.exception)
        assert "Traceback" not in result.output
    assert not Path("evil").exists()


@pytest.mark.parametrize("name", FILES)
def test_no_function_runs_it(name, here):
    FILES[name]()
    for folder in ("run", "broken", "rows", "compared", "."):
        tried(lambda f=folder: ct.load(f))
        tried(lambda f=folder: runs.open_run(f).model())
    tried(lambda: read_checkpoint("broken/checkpoints/last.ckpt"))
    tried(lambda: data.load("rows.npy"))
    assert not Path("evil").exists()


def test_the_files_are_hostile(here):
    """What they would do where they are unpickled."""
    pickled("run/model.safetensors")()
    pickle.loads(Path("run/model.safetensors").read_bytes())
    assert Path("evil").is_dir()


@pytest.mark.parametrize("name", ["checkpoint with an object", "weights pickled", "data with objects"])
def test_it_is_said_that_it_is_refused(name, here):
    FILES[name]()
    command = {"checkpoint": COMMANDS[5], "weights": COMMANDS[2], "data": COMMANDS[6]}[name.split()[0]]
    result = contractive(command)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
