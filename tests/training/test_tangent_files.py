"""Tangents on disk are those of the encoder, whether written in one go or resumed."""

import copy
import json
import threading

import numpy as np
import pytest
import torch
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.jacobian import leading
from contractive.models import StorageError
from contractive.training import tangent_files


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ct.mlp(8, hidden=(6,), code=5).encoder.train()


X = torch.rand(10, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_file_holds_the_leading_directions(tmp_path, encoder, dtype):
    path, seen = tmp_path / "tangents.npy", []
    found = tangent_files.write(path, encoder, X, 3, dtype=dtype, rows_at_once=4, on_rows=seen.append)
    assert seen == [4, 8, 10]
    right = torch.linalg.svd(ct.jacobian(encoder, X).detach(), full_matrices=False).Vh[:, :3]
    overlap = np.abs(np.einsum("bnd,bnd->bn", found.astype(np.float32), right.numpy()))
    np.testing.assert_allclose(overlap, 1, atol=1e-3 if dtype == "float16" else 1e-5)
    assert found.dtype == dtype
    assert isinstance(found, np.memmap)
    assert encoder.training
    assert [file.name for file in tmp_path.iterdir()] == ["tangents.npy"]
    assert np.array_equal(tangent_files.read(path), found)


def test_the_file_of_an_autoencoder_holds_the_tangents_of_its_reconstruction(tmp_path):
    torch.manual_seed(0)
    model = ct.mlp(8, hidden=(6,), code=5, decoder_activation="tanh").double()
    x, path = X.double(), tmp_path / "tangents.npy"
    found = tangent_files.write(path, model, x, 3, dtype="float32", tolerance=1e-10)
    wanted = analysis.tangents(model, x, 3).basis
    overlap = (torch.from_numpy(np.array(found)).double() * wanted).sum(2).abs()
    torch.testing.assert_close(overlap, torch.ones(10, 3).double(), rtol=0, atol=1e-5)
    encoded = np.array(tangent_files.write(path, model, x, 3, of="encoder"))
    assert np.array_equal(encoded, tangent_files.write(tmp_path / "b.npy", model.encoder, x, 3))
    assert not np.allclose(np.abs(encoded), np.abs(wanted.numpy()), atol=0.1)


def test_a_part_of_other_tangents_is_not_continued(tmp_path):
    torch.manual_seed(0)
    model, path = ct.mlp(8, code=5), tmp_path / "tangents.npy"

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tangent_files.write(path, model, X, 2, rows_at_once=4, of="encoder", on_rows=stop)
    wanted = np.array(tangent_files.write(tmp_path / "whole.npy", model, X, 2))
    assert np.array_equal(tangent_files.write(path, model, X, 2, rows_at_once=4), wanted)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, encoder, monkeypatch):
    path = tmp_path / "tangents.npy"
    whole = tangent_files.write(tmp_path / "whole.npy", encoder, X, 2, rows_at_once=3)
    seen = []

    def stops(f, x, num, **settings):
        seen.append(len(x))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return leading(f, x, num, **settings)

    monkeypatch.setattr(tangent_files, "leading", stops)
    with pytest.raises(KeyboardInterrupt):
        tangent_files.write(path, encoder, X, 2, rows_at_once=3)
    assert not path.exists()
    assert json.loads((tmp_path / "tangents.npy.part.json").read_text())["rows"] == 6
    assert np.array_equal(tangent_files.write(path, encoder, X, 2, rows_at_once=3), whole)
    assert seen == [3, 3, 3, 3, 1]


def test_an_unfinished_file_of_another_encoder_is_not_used(tmp_path, encoder):
    path = tmp_path / "tangents.npy"
    (tmp_path / "tangents.npy.part").write_bytes(b"x" * 10**4)
    (tmp_path / "tangents.npy.part.json").write_text(json.dumps({"rows": 10, "checksum": 1}))
    found = tangent_files.write(path, encoder, X, 2)
    np.testing.assert_allclose(np.square(found.astype(np.float64)).sum(2), 1, atol=2e-3)


def test_an_unfinished_file_of_another_activation_is_not_used(tmp_path, encoder):
    path, other = tmp_path / "tangents.npy", nn.Sequential(*encoder)
    other[1] = nn.ReLU()
    wanted = np.array(tangent_files.write(tmp_path / "whole.npy", other, X, 2))
    stops_at_four(path, encoder)
    assert np.array_equal(tangent_files.write(path, other, X, 2), wanted)


@pytest.mark.parametrize("note", ["[]", "null", "3", "{}", '"rows"', "more"])
def test_a_broken_note_of_progress_starts_anew(tmp_path, encoder, note):
    whole = np.array(tangent_files.write(tmp_path / "whole.npy", encoder, X, 2))
    stops_at_four(tmp_path / "tangents.npy", encoder)
    known = json.loads((tmp_path / "tangents.npy.part.json").read_text())
    (tmp_path / "tangents.npy.part.json").write_text(json.dumps(known | {"rows": 99}) if note == "more" else note)
    assert np.array_equal(tangent_files.write(tmp_path / "tangents.npy", encoder, X, 2), whole)


@pytest.mark.parametrize("damage", ["header", "shape", "cut", "empty"])
def test_a_broken_part_starts_anew(tmp_path, encoder, damage):
    whole = np.array(tangent_files.write(tmp_path / "whole.npy", encoder, X, 2))
    stops_at_four(tmp_path / "tangents.npy", encoder)
    part = tmp_path / "tangents.npy.part"
    raw = part.read_bytes()
    broken = {"header": raw.replace(b"'descr': '", b"'descr': #"), "cut": raw[:-3], "empty": b""}
    if damage == "shape":
        np.save(part.with_suffix(".npy"), np.zeros((10, 16), np.float16))
        part.with_suffix(".npy").replace(part)
    else:
        part.write_bytes(broken[damage])
    assert np.array_equal(tangent_files.write(tmp_path / "tangents.npy", encoder, X, 2), whole)


def test_rows_may_be_doubles_and_the_number_of_numpy(tmp_path, encoder):
    wanted = np.array(tangent_files.write(tmp_path / "a.npy", encoder, X, 2))
    found = tangent_files.write(tmp_path / "b.npy", encoder, X.double().numpy(), np.int64(2))
    assert np.array_equal(found, wanted)


def test_two_that_write_one_path_take_turns(tmp_path, encoder):
    path, other, found = tmp_path / "tangents.npy", copy.deepcopy(encoder), {}
    torch.nn.init.normal_(other[0].weight)
    wanted = [np.array(tangent_files.write(tmp_path / "whole.npy", net, X, 2)) for net in (encoder, other)]
    second = threading.Thread(target=lambda: found.update(second=tangent_files.write(path, other, X, 2)))

    def begin(done):
        if done == 4:
            second.start()
            second.join(0.3)  # time to come in between

    found["first"] = tangent_files.write(path, encoder, X, 2, rows_at_once=4, on_rows=begin)
    second.join()
    assert np.array_equal(found["first"], wanted[0])
    assert np.array_equal(found["second"], wanted[1])
    assert np.array_equal(tangent_files.read(path), wanted[1])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tangents.npy", "whole.npy"]


def stops_at_four(path, encoder):
    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tangent_files.write(path, encoder, X, 2, rows_at_once=4, on_rows=stop)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_broken_files_are_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(StorageError, match=r"must be a \.npy file of tangents"):
        tangent_files.read(tmp_path / "a.npy")


def test_misuse_is_refused(tmp_path, encoder):
    np.save(tmp_path / "flat.npy", np.zeros(3))
    with pytest.raises(StorageError, match="must hold"):
        tangent_files.read(tmp_path / "flat.npy")
    with pytest.raises(StorageError, match="must be a"):
        tangent_files.read(tmp_path / "none.npy")
    with pytest.raises(ValueError, match="dtype must be one of float16, float32, got 'int8'"):
        tangent_files.write(tmp_path / "a.npy", encoder, X, 2, dtype="int8")
    with pytest.raises(ValueError, match="rows_at_once must be at least 1, got 0"):
        tangent_files.write(tmp_path / "a.npy", encoder, X, 2, rows_at_once=0)
    with pytest.raises(ValueError, match="x must have at least one row, got none"):
        tangent_files.write(tmp_path / "a.npy", encoder, X[:0], 2)
    with pytest.raises(ValueError, match="num must lie between 1 and 5, got 6"):
        tangent_files.write(tmp_path / "a.npy", encoder, X, 6)
