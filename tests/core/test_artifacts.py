import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from contractive.core.artifacts import Artifact, ArtifactError, read_arrays, read_json


@dataclass(frozen=True)
class Inner:
    values: Tensor
    share: float


@dataclass(frozen=True)
class Result:
    name: str
    by_part: Mapping[str, Inner]
    table: np.ndarray
    widths: tuple[int, ...]


RESULT = Result(
    "digits",
    {"test": Inner(torch.tensor([1.0, 2.0]), float("nan")), "new rows": Inner(torch.zeros(0), float("inf"))},
    np.arange(6, dtype=np.int64).reshape(2, 3),
    (3, 4),
)


def test_a_result_comes_back_as_it_was_written(tmp_path):
    Artifact.of("result", RESULT).write(tmp_path / "new", "found")
    again = Artifact.read(tmp_path / "new", "found", "result").to(Result)
    assert (again.name, again.widths) == ("digits", (3, 4))
    assert torch.equal(again.by_part["test"].values, RESULT.by_part["test"].values)
    assert np.isnan(again.by_part["test"].share)
    assert again.by_part["new rows"].share == float("inf")
    assert again.table.dtype == np.int64
    assert np.array_equal(again.table, RESULT.table)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["found.json", "found.npz"]


@pytest.mark.parametrize(
    "value",
    [{"number": 3}, {"number": "3"}, {"array": "x"}, {"mapping": 1}, {"mapping": {"number": 2}}, {"a": {"array": [1]}}],
)
def test_a_mapping_that_looks_like_a_mark_comes_back(value, tmp_path):
    value = {"plain": 1, "odd": value, "number": float("-inf"), "array": np.arange(2)}
    Artifact.of("mapping", value).write(tmp_path, "found")
    again = Artifact.read(tmp_path, "found", "mapping").to(dict)
    assert np.array_equal(again.pop("array"), value.pop("array"))
    assert again == value
    assert type(again["odd"]) is dict


def written(folder, **changed):
    Artifact.of("result", RESULT).write(folder, "found")
    document = json.loads((folder / "found.json").read_text())
    (folder / "found.json").write_text(json.dumps({**document, **changed}))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda folder: (folder / "found.json").unlink(), "cannot be read: .*No such file"),
        (lambda folder: (folder / "found.json").write_text("{"), "cannot be read: .*Make it again"),
        (lambda folder: (folder / "found.json").write_text('{"format": 1}'), "written before the first release"),
        (lambda folder: (folder / "found.json").write_text("[]"), "written before the first release"),
        (lambda folder: written(folder, version=3), "has version 3, and 2 is read"),
        (lambda folder: written(folder, kind="sweep"), "holds a 'sweep', not a result"),
        (lambda folder: (folder / "found.npz").write_bytes(b"PK"), "found.npz cannot be read"),
        (lambda folder: (folder / "found.npz").unlink(), "does not hold a result: 'by_part"),
        (lambda folder: written(folder, content={"name": 3}), "does not hold a result: .*Expected `str`"),
    ],
    ids=["missing", "broken", "old", "list", "newer", "other", "arrays broken", "arrays missing", "changed"],
)
def test_what_is_not_such_a_result_is_refused_in_one_line(tmp_path, change, match):
    written(tmp_path)
    change(tmp_path)
    with pytest.raises(ArtifactError, match=match) as caught:
        Artifact.read(tmp_path, "found", "result").to(Result)
    assert "\n" not in str(caught.value)


def test_a_place_for_an_array_without_one_is_refused():
    with pytest.raises(ArtifactError, match="an array is missing where Tensor is expected"):
        Artifact("inner", {"values": [1.0], "share": 0.5}).to(Inner)


def test_what_no_document_can_hold_is_refused():
    with pytest.raises(TypeError, match="a/0 must be plain"):
        Artifact.of("thing", {"a": [object()]})


def test_a_fifo_or_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo.json")
    with pytest.raises(ArtifactError, match="not a regular file"):
        read_json(tmp_path / "fifo.json")
    (tmp_path / "large.json").write_text(json.dumps({"a": "x" * 100}))
    with pytest.raises(ArtifactError, match="more than the 50 that are read"):
        read_json(tmp_path / "large.json", largest=50)
    np.savez_compressed(tmp_path / "bomb.npz", zeros=np.zeros(10**6))
    with pytest.raises(ArtifactError, match="when unpacked, more than the 100000"):
        read_arrays(tmp_path / "bomb.npz", largest=100_000)
    monkeypatch.setattr("contractive.core.artifacts.available_memory", lambda: 200_000)
    with pytest.raises(ArtifactError, match="when unpacked, more than the 200000"):
        read_arrays(tmp_path / "bomb.npz")
