"""Matrices of .h5ad files: dense or sparse, with the names of var; nothing outside the file is read."""

import numpy as np
import pytest
from scipy import sparse

from contractive.data import DataError, Mismatches, Options, _memory, load, open_rows

h5py = pytest.importorskip("h5py", reason="needs the extra formats")

RNG = np.random.default_rng(0)
X = np.where(RNG.random((40, 6)) < 0.5, 0, RNG.poisson(5, (40, 6))).astype(np.float32)
GENES = [f"g{i}" for i in range(6)]
TYPES = ["B", "T", "NK"]


def write(path, x=X, form="dense", genes=GENES, codes=None, **more):
    """Write a file as anndata does, by its specification."""
    with h5py.File(path, "w") as file:
        store(file, "X", x, form)
        for name, index in (("var", genes), ("obs", [f"cell{i}" for i in range(len(x))])):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group["_index"] = np.array(index, object)
        kinds = file["obs"].create_group("type")
        kinds["codes"] = np.arange(len(x), dtype=np.int8) % 3 if codes is None else np.array(codes, np.int8)
        kinds["categories"] = np.array(TYPES, object)
        file["obs/depth"] = x.sum(1)
        for name, values in more.items():
            store(file, name.replace("__", "/"), values, "dense")
    return path


def store(file, name, x, form):
    if form == "dense":
        file.create_dataset(name, data=x, compression="gzip")
        return
    packed, group = getattr(sparse, f"{form}_matrix")(x), file.create_group(name)
    group.attrs.update({"encoding-type": f"{form}_matrix", "shape": x.shape})
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(packed, part)


@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_rows_are_cells_and_features_are_found_by_their_genes(form, tmp_path):
    split = load(write(tmp_path / "x.h5ad", form=form), options=Options(scale="none", label="type"))
    assert split.columns == tuple(GENES)
    np.testing.assert_array_equal(split.train, X[split.parts == 0])
    np.testing.assert_array_equal(split.labels[0], np.array(TYPES)[np.arange(40) % 3][split.parts == 0])
    other = write(tmp_path / "y.h5ad", np.c_[X[:, ::-1], X[:, :1]], form, [*GENES[::-1], "new"])
    notes = []
    blocks = [
        *open_rows(other, split.preparation, pass_through=("_index", "depth"), rows_at_once=16, on_note=notes.append)
    ]
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), X)
    assert blocks[2].pass_through["_index"].tolist() == [f"cell{i}" for i in range(32, 40)]
    assert notes == ["Columns that training did not have are ignored: new."]
    with pytest.raises(DataError, match="columns must be those of training, got unknown new"):
        [*open_rows(other, split.preparation, rules=Mismatches(extra_columns="refuse"))]
    with pytest.raises(DataError, match="columns must be those of training, got missing g5 and unknown h5"):
        [*open_rows(write(other, form=form, genes=[*GENES[:5], "h5"]), split.preparation)]


def test_features_of_an_npz_are_found_by_their_names(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, feature_names=GENES)
    np.savez(tmp_path / "y.npz", X=X[:, ::-1], feature_names=GENES[::-1])
    np.savez(tmp_path / "z.npz", X=X)
    preparation = load(tmp_path / "x.npz", options=Options(scale="none")).preparation
    for name in ("x", "y", "z"):
        [block] = open_rows(tmp_path / f"{name}.npz", preparation)
        np.testing.assert_array_equal(block.x, X)


def test_another_matrix_is_taken_by_its_key(tmp_path):
    path = write(tmp_path / "x.h5ad", layers__counts=X + 1, obsm__X_pca=X[:, :2])
    assert load(path, options=Options(key="layers/counts")).columns == tuple(GENES)
    assert load(path, options=Options(key="obsm/X_pca")).columns == ("x0", "x1")
    with pytest.raises(DataError, match=r"key must name a matrix of x\.h5ad, got 'layers/count'\. Did you mean lay"):
        load(path, options=Options(key="layers/count"))
    with pytest.raises(DataError, match=r"label must name a column of obs, got 'inde'\. Did you mean _index"):
        load(path, options=Options(label="inde"))
    with pytest.raises(DataError, match="labels must not be missing, got some in type"):
        load(write(path, codes=[-1] * 40), options=Options(label="type"))


def test_a_matrix_that_would_unpack_past_the_memory_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (10**6, 6), "f4", chunks=(10**6, 6), compression="gzip")
    monkeypatch.setattr(_memory, "available_memory", lambda: 2 * 10**7)
    with pytest.raises(DataError, match=r"X of .* must fit into memory \(20\.0 MB left\), got 24\.0 MB\. Select genes"):
        load(path)
    preparation = load(write(tmp_path / "y.h5ad")).preparation
    with pytest.raises(DataError, match=r"/X of .* must fit into memory .*got 24\.0 MB\. Take a part"):  # one chunk
        [*open_rows(path, preparation)]


def damaged(change):
    """A function that writes a sparse file, changed."""

    def make(path):
        with h5py.File(write(path, form="csr"), "a") as file:
            change(file)

    return make


def replaced(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return damaged(change)


def outside(path):
    """A matrix whose numbers are in another file."""
    path.with_suffix(".raw").write_bytes(X.tobytes())
    with h5py.File(write(path), "a") as file:
        del file["X"]
        file.create_dataset("X", X.shape, "f4", external=[(str(path.with_suffix(".raw")), 0, X.nbytes)])


def virtual(path):
    """A matrix that is a view of another file."""
    write(path.with_suffix(".other"))
    with h5py.File(write(path), "a") as file:
        del file["X"]
        layout = h5py.VirtualLayout(X.shape, "f4")
        layout[:] = h5py.VirtualSource(path.with_suffix(".other"), "X", X.shape)
        file.create_virtual_dataset("X", layout)


BAD = {
    "numbers in another file": (outside, "X of .* must be in the file itself, got a link"),
    "view of another file": (virtual, "X of .* must be in the file itself, got a link"),
    "link to another file": (replaced("X", h5py.ExternalLink("other.h5ad", "X")), "file itself, got a link"),
    "link inside": (replaced("X", h5py.SoftLink("/obs/depth")), "must be in the file itself, got a link"),
    "no matrix": (damaged(lambda file: file.__delitem__("X")), r"key must name a matrix of x\.h5ad, got 'X'"),
    "index past the end": (replaced("X/indices", np.full((X != 0).sum(), 6)), r"must be a whole \.h5ad file"),
    "negative index": (replaced("X/indices", np.full((X != 0).sum(), -1)), r"must be a whole \.h5ad file"),
    "rows out of order": (replaced("X/indptr", np.arange(41)[::-1]), "must be a sparse matrix, got other indices"),
    "no rows of their own": (replaced("X/indptr", np.arange(5)), "must be a sparse matrix, got other indices"),
    "another form": (damaged(lambda file: file["X"].attrs.update({"encoding-type": "bsr"})), "must be an array or"),
    "older form": (replaced("obs", np.zeros(40, [("a", "f4")])), "must hold obs and var as groups, got an older form"),
    "name twice": (replaced("var/_index", np.array(["g"] * 6, object)), "unique.*got 1 different ones of 6"),
    "long name": (replaced("var/_index", np.array(["g" * 1001] * 6, object)), "var must have at most 1000 char"),
    "short column": (replaced("obs/type", np.arange(3)), r"type of .* must have 40 values, got \(3,\)"),
    "codes without names": (replaced("obs/type/codes", np.full(40, 4, np.int8)), r"must be a whole \.h5ad file"),
    "no HDF5": (lambda path: path.write_bytes(b"x" * 999), r"must be a whole \.h5ad file"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_damaged_or_elsewhere_is_refused(name, tmp_path):
    make, match = BAD[name]
    make(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match=match):
        load(tmp_path / "x.h5ad", options=Options(label="type"))
