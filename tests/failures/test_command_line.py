"""What people do wrong at the command line: one line that says what to do, exit code 2, nothing changed."""

# ruff: noqa: E501 -- one case is one line

import copy
import gzip
import json
import os
import pickle
import random
import re
import resource
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from failures.places import SMALL, contractive, hashes, make, npy, png, zip_bomb

MOST_MEMORY = 600 * 2**20  # bytes that all bad inputs together may add to this process
ROW = "0.1,0.2,0.3\n"
NAMES = "a,b,c\n"
TABLE = NAMES + "".join(f"{i},{(i * 7) % 11},{(i * 5) % 13}.5\n" for i in range(20))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("failures")
    make(place)
    return place


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    place = tmp_path / "place"
    shutil.copytree(made, place, symlinks=True)
    monkeypatch.chdir(place)
    return place


def text(name, content):
    return lambda: Path(name).write_text(content)


def data(name, content):
    return lambda: Path(name).write_bytes(content)


def array(name, values):
    return lambda: np.save(name, values, allow_pickle=True)


def arrays(name, **values):
    return lambda: np.savez(name, **values)


def nothing():
    pass


def cut(name, count):
    def do():
        Path(name).write_bytes(Path(name).read_bytes()[:count])

    return do


def config(*keys_and_value, run="run"):
    """Change one entry of a config.json."""
    *keys, value = keys_and_value

    def do():
        path = Path(run) / "config.json"
        document = json.loads(path.read_text())
        place = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        path.write_text(json.dumps(document))

    return do


def changed(row, column, value):
    x = np.random.default_rng(0).normal(size=(20, 3))
    x[row, column] = value
    return x


def pictures(**sizes):
    def do():
        Path("pictures").mkdir()
        for name, size in sizes.items():
            Image.fromarray(np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)).save(
                f"pictures/{name}.png"
            )

    return do


def picture_bomb():
    pictures(a=(8, 8))()
    Path("pictures/b.png").write_bytes(png(60_000, 60_000))


def cut_picture():
    pictures(a=(30, 30), b=(30, 30))()
    cut("pictures/b.png", 300)()


def parquet(name, table):
    def do():
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(table), name)

    return do


def cut_parquet():
    parquet("t.parquet", {"a": np.arange(50.0), "b": np.arange(50.0) % 7})()
    cut("t.parquet", 300)()


def nested():
    Path("run/config.json").write_text("[" * 200_000)


def huge_header():
    Path("run/model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")


def other_weights():
    shutil.copy("rows/model.safetensors", "run/model.safetensors")


def pickled_weights():
    Path("run/model.safetensors").write_bytes(pickle.dumps({"x": 1}))


def linked_out():
    Path("elsewhere").mkdir()
    Path("elsewhere/mine.txt").write_text("mine")
    Path("linked").symlink_to("elsewhere")


def other_checkpoint():
    shutil.copy("other/checkpoints/last.ckpt", "broken/checkpoints/last.ckpt")


def small_checkpoint():
    torch.save({"contractive": {}}, "broken/checkpoints/last.ckpt")


def number_checkpoint():
    torch.save(7, "broken/checkpoints/last.ckpt")


def changed_data():
    np.save("rows.npy", np.random.default_rng(5).normal(size=(40, 3)).astype(np.float32))


def idx_folder():
    Path("idx").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        Path(f"idx/{name}-ubyte.gz").write_bytes(b"\x1f\x8b broken")


def results(*keys_and_value):
    def do():
        path = Path("compared/results.json")
        place = document = json.loads(path.read_text())
        *keys, value = keys_and_value
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        path.write_text(json.dumps(document))

    return do


TRAIN = f"--out new {SMALL}"
CASES = {
    # data that cannot be trained on
    "no data": (nothing, f"train {TRAIN}", "DATA must be given"),
    "no such file": (nothing, f"train nowhere.csv {TRAIN}", "DATA must be one of digits.* got 'nowhere.csv'"),
    "unknown ending": (text("x.ods", "x"), f"train x.ods {TRAIN}", "DATA must end in one of"),
    "empty file": (text("x.csv", ""), f"train x.csv {TRAIN}", "must hold rows, got an empty file"),
    "only spaces": (text("x.csv", "  \n\n "), f"train x.csv {TRAIN}", "must hold rows, got an empty file"),
    "header only": (text("x.csv", NAMES), f"train x.csv {TRAIN}", "must have at least 10 rows, got 0"),
    "one row": (text("x.csv", NAMES + ROW), f"train x.csv {TRAIN}", "must have at least 10 rows, got 1"),
    "nine rows": (text("x.csv", NAMES + TABLE[6:80].rsplit("\n", 1)[0] + "\n"), f"train x.csv {TRAIN}", "10 rows"),
    "missing values": (text("x.csv", TABLE + ",1,2\n"), f"train x.csv {TRAIN}", r"got missing ones in column a \(1\). Use --impute median"),
    "infinite value": (text("x.csv", TABLE + "inf,1,2\n"), f"train x.csv {TRAIN}", "must be finite.* column a .*--drop"),
    "huge value": (text("x.csv", TABLE + "1e300,1,2\n"), f"train x.csv {TRAIN}", "finite and at most 1e.30.* column a"),
    "constant column": (
        text("x.csv", "a,b\n" + "8,7\n" * 20),
        f"train x.csv {TRAIN}",
        "must vary among training rows, got one value in a, b",
    ),
    "columns of one name": (text("x.csv", TABLE.replace("c", "b", 1)), f"train x.csv {TRAIN}", "unique names, got b"),
    "ragged row": (text("x.csv", TABLE + "1,2\n"), f"train x.csv {TRAIN}", "must have 3 fields, got 2 in line 22"),
    "open quote": (text("x.csv", TABLE + '"1,2,3\n4,5,6\n'), f"train x.csv {TRAIN}", "x.csv"),
    "text in a number column": (
        text("x.csv", TABLE + "abc,1,2\n"), f"train x.csv {TRAIN}", "must hold numbers, got text in a.*'abc' is not",
    ),
    "wrong encoding": (
        data("x.csv", TABLE.encode() + "1,2,ü\n".encode("cp1252")),
        f"train x.csv --encoding utf-8 {TRAIN}",
        "--encoding must be that of x.csv, got utf-8",
    ),
    "unknown encoding": (text("x.csv", TABLE), f"train x.csv --encoding klingon {TRAIN}", "--encoding must be one that Python"),
    "NUL bytes": (data("x.csv", bytes(1000)), f"train x.csv {TRAIN}", "must be text, got NUL bytes"),
    "long separator": (text("x.csv", TABLE), f"train x.csv --separator ;; {TRAIN}", "--separator must be one character"),
    "NaN in an array": (array("x.npy", changed(3, 1, np.nan)), f"train x.npy {TRAIN}", "got missing ones in feature x1"),
    "infinity in an array": (array("x.npy", changed(3, 1, np.inf)), f"train x.npy {TRAIN}", "must be finite"),
    "1e300 in an array": (array("x.npy", changed(3, 1, 1e300)), f"train x.npy {TRAIN}", "finite and at most 1e.30"),
    "the same everywhere": (array("x.npy", np.ones((20, 3))), f"train x.npy {TRAIN}", "data must vary"),
    "one-dimensional": (array("x.npy", np.arange(20.0)), f"train x.npy {TRAIN}", "must have rows of numbers, got float64"),
    "no features": (array("x.npy", np.ones((20, 0))), f"train x.npy {TRAIN}", "must have 1 to .* numbers, got 0"),
    "complex numbers": (array("x.npy", np.ones((20, 3)) * 1j), f"train x.npy {TRAIN}", "must hold numbers, got complex128"),
    "objects in .npy": (
        array("x.npy", np.array([[1, "x"]] * 20, object)), f"train x.npy {TRAIN}", "got pickled objects, which are never read",
    ),
    "objects in .npz": (
        arrays("x.npz", X=np.array([[1, "x"]] * 20, object)), f"train x.npz {TRAIN}", "got pickled objects, which are never",
    ),
    "cut .npy": (cut("rows.npy", 300), f"train rows.npy {TRAIN}", "must hold 480 bytes, got 172. It is cut short"),
    "no .npy": (text("x.npy", "hello"), f"train x.npy {TRAIN}", "must be a whole .npy file"),
    ".npy that claims 4 EB": (data("x.npy", npy((2**60, 1))), f"train x.npy {TRAIN}", "must hold 4611686018427387904 bytes"),
    "cut .npz": (
        lambda: (arrays("x.npz", X=np.ones((99, 9)))(), cut("x.npz", 999)()), f"train x.npz {TRAIN}", "must be a whole .npz",
    ),
    "which array": (arrays("x.npz", u=np.ones((20, 3)), v=np.ones((20, 3))), f"train x.npz {TRAIN}", "--key must say which"),
    "no such key": (arrays("x.npz", u=np.ones((20, 3))), f"train x.npz --key v {TRAIN}", "--key must be in x.npz, got 'v'"),
    "cut parquet": (cut_parquet, f"train t.parquet {TRAIN}", "must be a whole .parquet file"),
    "no parquet": (text("x.parquet", "PAR1"), f"train x.parquet {TRAIN}", "must be a whole .parquet file"),
    "lists in parquet": (
        parquet("t.parquet", {"a": np.arange(20.0), "b": [[1, 2]] * 20}), f"train t.parquet {TRAIN}", "must hold numbers, dates",
    ),
    "empty feather": (text("x.feather", ""), f"train x.feather {TRAIN}", "must be a whole .feather file"),
    "broken IDX": (idx_folder, f"train mnist --data-dir idx {TRAIN}", "must be a readable .gz file|must be a whole .gz file"),
    "no IDX folder": (nothing, f"train mnist --data-dir nowhere {TRAIN}", "--data-dir must hold train-images"),
    "empty folder": (lambda: Path("pictures").mkdir(), f"train pictures {TRAIN}", "must hold images .* got none"),
    "pictures of two sizes": (pictures(a=(9, 9), b=(8, 9)), f"train pictures {TRAIN}", "must agree in size.*Give --size"),
    "cut picture": (cut_picture, f"train pictures {TRAIN}", "b.png must be a whole image"),
    "picture bomb": (picture_bomb, f"train pictures {TRAIN}", "must be an image of ordinary size, got too many pixels"),
    "wrong --size": (pictures(a=(9, 9)), f"train pictures --size 9 {TRAIN}", "--size must be HEIGHTxWIDTH, got '9'"),
    "size 0": (pictures(a=(9, 9)), f"train pictures --size 0x9 {TRAIN}", "--size must be HEIGHTxWIDTH"),
    "no such label": (nothing, f"train table.csv --label clas --drop id,town {TRAIN}", "--label must name a column, got 'clas'. Did you mean class"),
    "label is all": (text("x.csv", "a\n" + "".join(f"{i}\n" for i in range(20))), f"train x.csv --label a {TRAIN}", "must have a column beside label"),
    "everything dropped": (text("x.csv", TABLE), f"train x.csv --drop a,b,c {TRAIN}", "must have a column beside label and dropped"),
    "no such dropped": (text("x.csv", TABLE), f"train x.csv --drop z {TRAIN}", "--drop must name a column, got 'z'"),
    "impute by magic": (text("x.csv", TABLE), f"train x.csv --impute magic {TRAIN}", "--impute must be one of mean, median, got 'magic'"),
    "scale by magic": (text("x.csv", TABLE), f"train x.csv --scale magic {TRAIN}", "--scale must be one of"),
    "other test columns": (text("t.csv", "a,b\n1,2\n"), f"train x.csv --test t.csv {TRAIN}", "DATA must be one of"),
    "test file with a column less": (
        lambda: (text("x.csv", TABLE)(), text("t.csv", "a,b\n1,2\n3,4\n")()),
        f"train x.csv --test t.csv {TRAIN}",
        "columns must be those of training, got missing c",
    ),
    "share of 2": (nothing, "train rows.npy --out new --validation-share 2", "--validation-share must lie between 0 and 1, got 2"),
    "share of nothing": (nothing, "train rows.npy --out new --test-share 0", "--test-share must lie between 0 and 1, got 0"),
    "stream of text": (nothing, "train table.csv --out new --stream", "--stream must be for .npy or .parquet, got table.csv"),
    "robust stream": (nothing, "train rows.npy --out new --stream --scale robust", "--scale must be minmax or standard for data larger than memory"),
    "no test file": (text("x.csv", TABLE), f"train x.csv --test t.csv {TRAIN}", "--test must be a file"),
    "options with digits": (nothing, f"train digits --label class {TRAIN}", "options on data must be for your own files"),
    # settings
    "negative weight": (nothing, "train rows.npy --out new --weight -1", "--weight must be .* got -1"),
    "infinite weight": (nothing, "train rows.npy --out new --weight inf", "--weight must be .* got inf"),
    "weight that is no number": (nothing, "train rows.npy --out new --weight nan", "--weight must be .* got nan"),
    "weight in words": (nothing, "train rows.npy --out new --weight lots", "--weight must be a number or auto, got 'lots'"),
    "max_error_increase 0": (nothing, "train rows.npy --out new --max-error-increase 0", "--max-error-increase must be above 0"),
    "max_error_increase with a weight": (nothing, "train rows.npy --out new --max-error-increase 0.1 --weight 1", "--max-error-increase must come with a weight that is found in training, got .*leave --weight out"),
    "max_error_increase and patience": (nothing, "train rows.npy --out new --patience 3", "--patience must be left out"),
    "code 0": (nothing, "train rows.npy --out new --code 0", "--code must be at least 1, got 0"),
    "hidden 0": (nothing, "train rows.npy --out new --hidden 8,0", "--hidden must be at least 1, got 0"),
    "hidden in words": (nothing, "train rows.npy --out new --hidden wide", "--hidden must be whole numbers"),
    "huge code": (nothing, "train rows.npy --out new --weight 1 --code 99999999999", "must fit into memory"),
    "huge hidden": (nothing, "train rows.npy --out new --weight 1 --hidden 9999999,9999999", "must fit into memory"),
    "unknown activation": (nothing, "train rows.npy --out new --activation sigmund", "--activation must be one of .* got 'sigmund'"),
    "unknown objective": (nothing, "train rows.npy --out new --objective contractiv", "--objective must be one of"),
    "unknown model": (nothing, "train rows.npy --out new --model vae", "--model must be one of mlp, tied, conv"),
    "conv of no images": (nothing, "train rows.npy --out new --weight 1 --model conv", "--model must be mlp or tied for data that are not images, got conv"),
    "unknown method": (nothing, "train rows.npy --out new --method guess", "--method must be one of"),
    "unknown schedule": (nothing, "train rows.npy --out new --schedule never", "--schedule must be one of"),
    "epochs 0": (nothing, "train rows.npy --out new --max-epochs 0", "--max-epochs must be at least 1"),
    "batch size 0": (nothing, "train rows.npy --out new --batch-size 0", "--batch-size must be at least 1"),
    "learning rate 0": (nothing, "train rows.npy --out new --weight 1 --learning-rate 0", "--learning-rate must be above 0"),
    "learning rate nan": (nothing, "train rows.npy --out new --weight 1 --learning-rate nan", "--learning-rate must be above 0"),
    "patience 0": (nothing, "train rows.npy --out new --weight 1 --patience 0", "--patience must be at least 1"),
    "gradient clip 0": (nothing, "train rows.npy --out new --weight 1 --gradient-clip 0", "--gradient-clip must be above 0"),
    "negative seed": (nothing, "train rows.npy --out new --weight 1 --seed -1", "--seed must be"),
    "huge seed": (nothing, "train rows.npy --out new --weight 1 --seed 99999999999999999999999", "--seed must be"),
    "unknown device": (nothing, "train rows.npy --out new --weight 1 --device tpu", "--device must be one of"),
    "unknown precision": (nothing, "train rows.npy --out new --weight 1 --precision 8", "--precision must be one of"),
    "devices 0": (nothing, "train rows.npy --out new --weight 1 --devices 0", "--devices must be at least 1"),
    "nodes 0": (nothing, "train rows.npy --out new --weight 1 --num-nodes 0", "--num-nodes must be at least 1"),
    "unknown strategy": (nothing, "train rows.npy --out new --weight 1 --strategy magic --device cpu", "--strategy must be"),
    "checkpoint seconds nan": (nothing, "train rows.npy --out new --weight 1 --checkpoint-seconds nan", "--checkpoint-seconds must be"),
    "cross-entropy of any numbers": (nothing, "train rows.npy --out new --weight 1 --loss cross_entropy", "DATA must lie between 0 and 1 for the loss cross_entropy, got .*Leave --loss out"),
    # where results go
    "--out a file": (text("new", "mine"), f"train rows.npy {TRAIN}", "--out must be a folder, got the file new"),
    "--out a run": (nothing, f"train rows.npy --out run {SMALL}", "--out must be a folder without a run"),
    "--out other files": (lambda: (Path("new").mkdir(), text("new/x", "")()), f"train rows.npy {TRAIN}", "new or empty folder"),
    "--out below a file": (text("file", ""), f"train rows.npy --out file/new {SMALL}", "--out must be a folder that can be written"),
    "--out a link to other files": (linked_out, f"train rows.npy --out linked {SMALL}", "new or empty folder"),
    "--out a loop of links": (lambda: Path("new").symlink_to("new"), f"train rows.npy {TRAIN}", "--out must be a folder"),
    "--out over other files by force": (
        lambda: (Path("new").mkdir(), text("new/x", "")()), f"train rows.npy --force {TRAIN}", "new or empty folder",
    ),
    # --resume
    "resume nothing": (nothing, "train --resume --out new", "--out must be a folder that contractive train wrote, got new"),
    "resume a comparison": (nothing, "train --resume --out compared", "must be a folder that"),
    "resume with other options": (nothing, "train --resume --out broken --max-epochs 9", "--resume must come without other settings, got --max-epochs"),
    "resume with changed data": (changed_data, "train rows.npy --resume --out broken", "DATA must be what the run in broken was begun with"),
    "resume with other data": (nothing, "train table.csv --resume --out broken", "must|DATA"),
    "resume from another run": (other_checkpoint, "train rows.npy --resume --out broken", "A run must be resumed with the settings of its checkpoint"),
    "resume from a cut checkpoint": (cut("broken/checkpoints/last.ckpt", 999), "train rows.npy --resume --out broken", "checkpoint must be one that training wrote"),
    "resume from an empty checkpoint": (cut("broken/checkpoints/last.ckpt", 0), "train rows.npy --resume --out broken", "checkpoint must be one that training wrote"),
    "resume from a checkpoint of nothing": (small_checkpoint, "train rows.npy --resume --out broken", "checkpoint must be"),
    "resume from a number": (number_checkpoint, "train rows.npy --resume --out broken", "checkpoint must be"),
    # using a run
    "encode nothing": (nothing, "encode nowhere rows.npy -o z.csv", "RUN must be a folder that"),
    "encode with a file": (nothing, "encode rows.npy rows.npy -o z.csv", "RUN must be a folder that"),
    "encode with a comparison": (nothing, "encode compared rows.npy -o z.csv", "RUN must be a folder that"),
    "encode an unfinished run": (nothing, "encode broken rows.npy -o z.csv", "interrupted before it had a model. Run contractive train again with .resume."),
    "encode no data": (nothing, "encode rows nowhere.npy -o z.csv", "DATA must be"),
    "encode another width": (array("x.npy", np.ones((5, 4))), "encode rows x.npy -o z.csv", "rows of 3 numbers as in training, got an array of .5, 4."),
    "encode a table with arrays": (nothing, "encode run rows.npy -o z.csv", r"must be of the kind of the training data .table., got an array"),
    "encode an array with tables": (nothing, "encode rows table.csv -o z.csv", "must be of the kind of the training data .array., got a table"),
    "encode pictures": (pictures(a=(9, 9)), "encode rows pictures -o z.csv", "got images"),
    "encode other columns": (text("x.csv", "a,c\n1,2\n"), "encode run x.csv -o z.csv", "columns must be those of training, got missing b, town and unknown c"),
    "encode a new category": (text("x.csv", "a,b,town\n1,2,zz\n"), "encode run x.csv -o z.csv", "must hold categories met in training, got 'zz'"),
    "encode NaN": (array("x.npy", changed(3, 1, np.nan)), "encode rows x.npy -o z.csv", "got missing ones in feature x1"),
    "encode 1e300": (array("x.npy", changed(3, 1, 1e300)), "encode rows x.npy -o z.csv", "must be finite"),
    "encode an empty table": (text("x.csv", ""), "encode run x.csv -o z.csv", "must hold rows, got an empty file"),
    "keep no column": (nothing, "encode run table.csv --pass-through idd -o z.csv", "--pass-through must name a column, got 'idd'. Did you mean id"),
    "keep twice": (nothing, "encode run table.csv --pass-through id,id -o z.csv", "id more than once"),
    "reconstruct and keep a feature": (nothing, "reconstruct run table.csv --pass-through a -o z.csv", "a more than once"),
    "-o of unknown ending": (nothing, "encode rows rows.npy -o z.xlsx", "--out must end in one of"),
    "-o into no folder": (nothing, "encode rows rows.npy -o no/z.csv", "--out must be in a folder that exists"),
    "-o over a file": (nothing, "encode rows rows.npy -o old.csv", "--out must be a new file.*--force"),
    "-o a folder": (lambda: Path("z.csv").mkdir(), "encode rows rows.npy -o z.csv --force", "--out must be a file, got the folder"),
    "-o over the data": (nothing, "encode rows rows.npy -o rows.npy --force", "--out must be another file than the data"),
    "texts into .npy": (nothing, "encode run table.csv --pass-through id -o z.npy", "must hold numbers, got .* in id"),
    "encode on no device": (nothing, "encode rows rows.npy --device tpu -o z.csv", "--device must be"),
    "encode on an absent device": (nothing, "encode rows rows.npy --device mps -o z.csv", "--device must be"),
    # damaged runs
    "config gone": (lambda: Path("run/config.json").unlink(), "info run", "RUN must be a folder that"),
    "config cut": (cut("run/config.json", 99), "info run", "config.json cannot be read"),
    "config nested": (nested, "info run", "config.json cannot be read"),
    "config of the future": (config("version", 99), "info run", "run/config.json has version 99, and 2 is read. Use the version that wrote it"),
    "run of another task": (config("content", "extra", "run", "task", "dreamer"), "info run", "unknown task 'dreamer'. Use the version that wrote it"),
    "config without a run": (config("content", "extra", None), "info run", "a model saved without data"),
    "unknown settings": (config("content", "extra", "run", "settings", "network", "turbo", 1), "info run", "config.json does not hold the settings of a run as this version writes them"),
    "code in words": (config("content", "extra", "run", "settings", "network", "code", "two"), "info run", "config.json does not describe a run: .*network.code"),
    "NaN weight": (config("content", "extra", "run", "settings", "objective", "weight", {"number": "nan"}), "info run", "config.json does not describe a run: .*weight must be at least 0, got nan"),
    "huge width": (config("content", "recipe", "arguments", "hidden", [2**31, 2**31]), "encode run table.csv -o z.csv", "must describe the weights it holds"),
    "negative width": (config("content", "recipe", "arguments", "code", -1), "encode run table.csv -o z.csv", "must describe the weights it holds"),
    "unknown builder": (config("content", "recipe", "builder", "os.system"), "encode run table.csv -o z.csv", "which is none of this library's"),
    "scaling by 0": (config("content", "extra", "run", "preparation", "scale", [0] * 5), "encode run table.csv -o z.csv", "preparation of the data must be as it was saved, got: scale must be positive"),
    "weights gone": (lambda: Path("rows/model.safetensors").unlink(), "encode rows rows.npy -o z.csv", "before it had a model"),
    "weights cut": (cut("run/model.safetensors", 200), "encode run table.csv -o z.csv", "model.safetensors cannot be read"),
    "weights' header cut": (cut("run/model.safetensors", 12), "encode run table.csv -o z.csv", "model.safetensors"),
    "weights' header of 2**60 bytes": (huge_header, "encode run table.csv -o z.csv", "model.safetensors cannot be read"),
    "weights of another run": (other_weights, "encode run table.csv -o z.csv", "must describe the weights it holds"),
    "weights pickled": (pickled_weights, "encode run table.csv -o z.csv", "model.safetensors cannot be read"),
    "weights a folder": (lambda: (Path("run/model.safetensors").unlink(), Path("run/model.safetensors").mkdir()), "encode run table.csv -o z.csv", "model.safetensors"),
    "metrics damaged": (text("run/metrics.json", "{"), "info run", "metrics.json cannot be read"),
    "metrics of nothing": (text("run/metrics.json", "{}"), "info run", "metrics.json was written before the first release"),
    "metrics in words": (text("run/metrics.json", '{"kind": "set of metrics", "version": 2, "content": {"epochs": "x"}}'), "info run", "metrics.json does not hold a set of metrics"),
    "history damaged": (lambda: (text("broken/history.csv", "epoch,x\n1,zwei\n")()), "info broken", "history.csv is not a table of numbers"),
    "history binary": (data("broken/history.csv", b"\xff\xfe\0\0"), "info broken", "history.csv is not a table of numbers"),
    # export
    "export nothing": (nothing, "export nowhere -o z.onnx", "RUN must be a folder that"),
    "export unknown part": (nothing, "export run -o z.onnx --part middle", "--part must be one of"),
    "export unknown ending": (nothing, "export run -o z.tflite", "--out must end in one of"),
    "export into no folder": (nothing, "export run -o no/z.onnx", "--out must lie in a folder that exists"),
    "export over a file": (text("z.onnx", "mine"), "export run -o z.onnx", "--out must .*--force"),
    # comparisons
    "compare nothing": (nothing, "compare nowhere --out new", "DATA must be one of"),
    "compare no variants": (nothing, "compare digits --out new --objectives ,", "--objectives must"),
    "compare code 0": (nothing, "compare digits --out new --jobs 1 --code 0", "--code must be at least 1, got 0"),
    "compare hidden 0": (nothing, "compare digits --out new --jobs 1 --hidden 0", "--hidden must be"),
    "compare over results": (nothing, "compare digits --out compared", "--out must be a folder without results"),
    "compare out a file": (text("new", "mine"), "compare digits --out new", "--out must be a folder that can be written"),
    "report nowhere": (nothing, "report nowhere", "DIR must be a folder that `contractive compare`, `analyze` or `sweep` wrote, got nowhere"),
    "report a run": (nothing, "report run", "DIR must be a folder that .* wrote, got run with a model\\. `contractive analyze run DATA -o DIR` measures it"),
    "report cut results": (cut("compared/results.json", 200), "report compared", "results.json cannot be read"),
    "report cut arrays": (cut("compared/results.npz", 500), "report compared", "results.npz cannot be read"),
    "report of the future": (results("version", 99), "report compared", "results.json has version 99, and"),
    "report without objectives": (results("content", "objectives", []), "report compared", "the results hold no objective"),
    "report of strange objectives": (results("content", "objectives", 0, "seeds", 3), "report compared", "does not hold a comparison"),
    # illustrations
    "unknown illustration": (nothing, "illustrate manifld", "NAME must be one of"),
    "illustrate into a file": (text("new", "mine"), "illustrate manifold --out new", "--out must be a folder that can be written"),
}  # fmt: skip


def complaint(result):
    """The one line of an error, checked for its form; notes on the data may come before it."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Note: ")]
    assert len(lines) == 1, result.stderr
    line = lines[0]
    assert line.startswith("Error: ")
    assert re.search(" must .+, got", line) or re.search("[.;] [A-Z].+[.?]$", line), line  # a rule, or what helps
    assert line[-1] in ".?" or "Go on with: contractive train" in line or "For instance: contractive" in line, line
    assert not line.endswith("..")
    assert len(line) < 700
    return line


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_changed(name, here):
    damage, command, said = CASES[name]
    damage()
    before, memory = hashes(here), peak()
    line = complaint(contractive(command))
    assert re.search(said, line), line
    assert hashes(here) == before
    assert peak() - memory < MOST_MEMORY


def test_there_are_many_cases():
    assert len(CASES) >= 60
    assert len({(case[1], case[2]) for case in CASES.values()}) >= 60


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train rows.npy --out /proc/new --weight 1", "--out must be a folder that can be written, got /proc/new"),
        ("encode rows rows.npy -o /proc/z.csv", "--out must be in a folder that can be written, got"),
        ("compare digits --out /proc/new", "--out must be a folder that can be written, got /proc/new"),
        ("illustrate manifold --out /proc/new", "--out must be a folder that can be written, got /proc/new"),
        ("export run -o /proc/z.pt2", "Cannot read or write"),
    ],
)
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder in which nobody can write")
def test_folders_that_cannot_be_written(command, said, here):
    before = hashes(here)
    assert said in complaint(contractive(command))
    assert hashes(here) == before


@pytest.mark.parametrize("ending", ["npz", "gz", "parquet"])
def test_what_unpacks_to_more_than_the_memory_is_refused_unread(ending, here, monkeypatch):
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 2**27)
    if ending == "npz":
        zip_bomb(Path("x.npz"), 2**28)
    elif ending == "gz":
        idx_folder()
        body = struct.pack(">4B3I", 0, 0, 8, 3, 2**18, 32, 32) + bytes(2**28)
        Path("idx/train-images-idx3-ubyte.gz").write_bytes(gzip.compress(body, 1))
    else:
        parquet("x.parquet", {"a": np.zeros(2**23), "b": np.zeros(2**23), "c": np.zeros(2**23)})()
    source = "mnist --data-dir idx" if ending == "gz" else f"x.{ending}"
    if ending == "parquet":  # left on disk by itself; as a test file it is read whole
        text("t.csv", TABLE)()
        source = "t.csv --test x.parquet"
    before, memory = hashes(here), peak()
    assert "must fit into memory (134.2 MB left), got" in complaint(contractive(f"train {source} {TRAIN}"))
    assert hashes(here) == before
    assert peak() - memory < 2**26


NAMES_WITH_MARKUP = "[/b],[red],b]\n"


def test_names_that_look_like_markup_are_names(here):
    Path("x.csv").write_text(NAMES_WITH_MARKUP + TABLE.split("\n", 1)[1])
    out = "[/red] new"
    command = ["train", "x.csv", "--out", out, *SMALL.replace("--quiet", "").split()]
    result = contractive(command)
    assert result.exit_code == 0, result.exception
    assert f"Run: {out}" in result.stdout
    result = contractive(["info", out])
    assert result.exit_code == 0, result.exception
    assert out in result.stdout
    result = contractive(["encode", out, "x.csv", "-o", f"{out}/[b].csv"])
    assert result.exit_code == 0, result.exception
    assert "20 rows: [/red] new/[b].csv" in result.stdout


def test_a_path_of_any_bytes_is_named(here):
    result = contractive(["train", os.fsdecode(b"\xff.csv"), "--out", "new"])
    assert "DATA must be one of" in complaint(result)


def places(document, path=()):
    """Of every entry of a document the keys that lead to it."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


DEEP = json.loads("[" * 300 + "]" * 300)
WRONG = (
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "os.system",
    [],
    ["x"],
    [-1],
    {},
    {"x": 1},
    DEEP,
)


def replaced(document, path, value):
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def opened(name, commands):
    """What comes of a changed file: exit code 0, or 2 and one line."""
    for command in commands:
        result = contractive(command)
        assert result.exit_code in (0, 2), (command, result.exception)
        if result.exit_code == 2:
            complaint(result)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("config.json", ("info run --json", "encode run table.csv -o z.npy --force --quiet")),
        ("metrics.json", ("info run",)),
    ],
)
def test_every_field_of_a_document_with_every_wrong_value(name, commands, here):
    path = Path("run") / name
    document = json.loads(path.read_text())
    every = [(place, value) for place in places(document) for value in WRONG]
    memory = peak()
    for place, value in random.Random(0).sample(every, min(len(every), 250)):
        path.write_text(json.dumps(replaced(document, place, value)))
        try:
            opened(name, commands)
        except AssertionError as error:
            raise AssertionError(f"{name}: {place} = {str(value)[:60]}: {error}") from error
    assert peak() - memory < MOST_MEMORY


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "metrics.json"])
def test_files_of_a_run_that_lead_elsewhere_are_read_but_never_written_through(name, here):
    """A link in a run folder is replaced by a file of its own when a run is replaced; what it led to stays."""
    elsewhere = Path("elsewhere")
    elsewhere.write_bytes(Path("rows", name).read_bytes())
    Path("rows", name).unlink()
    Path("rows", name).symlink_to(elsewhere.resolve())
    before = elsewhere.read_bytes()
    assert contractive(f"train rows.npy --out rows --force --seed 5 {SMALL}").exit_code == 0
    assert elsewhere.read_bytes() == before
    assert not Path("rows", name).is_symlink()


def test_names_in_a_run_lead_nowhere(here):
    """Paths in config.json are data: no file beside those of the run is read or written for them."""
    for key, value in (("name", "../../escaped"), ("notes", ["../../escaped"]), ("checksum", "../../escaped")):
        config("content", "extra", "run", "data", key, value)()
    before = hashes(here.parent)
    assert contractive("info run").exit_code == 0
    assert hashes(here.parent) == before


def test_a_killed_write_is_swept_and_other_hidden_files_stay(here):
    Path("broken/.writing-config.json.abc").write_text("half")
    result = contractive("train rows.npy --resume --out broken --quiet")
    assert result.exit_code == 0, result.output
    assert not Path("broken/.writing-config.json.abc").exists()
    assert Path("broken/model.safetensors").read_bytes() == Path("rows/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Out of memory: no more to be had. Take a smaller --batch-size"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes."),
            "Out of memory: DefaultCPUAllocator: can't allocate memory: you tried 9 bytes. Take a smaller",
        ),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 9 GiB\nmore"),
            "Out of memory: CUDA out of memory. Tried to allocate",
        ),
    ],
    ids=["python", "cpu", "cuda"],
)
def test_too_little_memory_is_one_line(error, said, here, monkeypatch):
    def train(*_, **__):
        raise error

    monkeypatch.setattr("contractive.studies.runs.train", train)
    assert said in complaint(contractive(f"train rows.npy {TRAIN}"))


def test_an_error_of_the_program_is_not_hidden(here, monkeypatch):
    def train(*_, **__):
        raise RuntimeError("a mistake in the program")

    monkeypatch.setattr("contractive.studies.runs.train", train)
    result = contractive(f"train rows.npy {TRAIN}")
    assert (result.exit_code, str(result.exception)) == (1, "a mistake in the program")
