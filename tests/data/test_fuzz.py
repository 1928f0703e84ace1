"""Whatever bytes a file holds, it is read or refused with a DataError: nothing else comes out."""

import csv
import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contractive.data import DataError, Options, Preparation, load, open_rows

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
X = np.random.default_rng(0).normal(size=(20, 3))


def npy():
    out = io.BytesIO()
    np.save(out, X)
    return out.getvalue()


def npz():
    out = io.BytesIO()
    np.savez_compressed(out, X=X, y=np.arange(20))
    return out.getvalue()


def table():
    out = io.StringIO()
    csv.writer(out).writerows([["a", "b", "day"], *([*row[:2], f"2020-01-{i + 1:02}"] for i, row in enumerate(X))])
    return out.getvalue().encode()


VALID = {"npy": npy(), "npz": npz(), "csv": table()}


@st.composite
def mutated(draw, content):
    """A valid file with some bytes changed, cut out or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        some = draw(
            st.binary(min_size=1, max_size=6) | st.sampled_from([b'"', b",", b"\n", b";", b"nan", b"1e999", b"\xff"])
        )
        if what == "end":
            del data[at:]
        else:
            data[at : at + (0 if what == "insert" else len(some))] = b"" if what == "cut" else some
    return bytes(data)


def survives(path):
    refused = ""
    try:
        split = load(path, options=Options(one_hot=path.suffix == ".csv", impute="mean"))
        Preparation.from_dict(split.preparation.to_dict())
        assert np.isfinite(split.train[:]).all()
        for block in open_rows(path, split.preparation):
            assert np.isfinite(block.x).all()
    except DataError as error:
        refused = str(error)
    assert "\n" not in refused
    assert len(refused) < 1500


@pytest.mark.parametrize("ending", VALID)
@QUICK
@given(data=st.data())
def test_files_with_faults(ending, data, tmp_path):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(data.draw(mutated(VALID[ending])))
    survives(path)


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "parquet", "feather"])
@QUICK
@given(content=st.binary(max_size=300))
def test_files_of_any_bytes(ending, content, tmp_path):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    survives(path)


@QUICK
@given(text=st.text(alphabet="abz019.,;|\t\" \n\r-+eE?é#'", max_size=300))
def test_tables_of_any_text(text, tmp_path):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8", newline="")
    survives(tmp_path / "x.csv")


@QUICK
@given(content=st.binary(max_size=200), valid=st.booleans(), data=st.data())
def test_archives_of_any_members(content, valid, data, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", data.draw(mutated(VALID["npy"])) if valid else content)
    survives(tmp_path / "x.npz")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_documents_of_a_preparation_with_faults(data):
    document = {
        "version": 2, "kind": "table", "features": 3, "dropped": [], "label": None, "fill": [0.0, 1.0, 2.0],
        "columns": [{"name": "a", "kind": "number", "categories": [], "days": False},
                    {"name": "b", "kind": "category", "categories": ["x", "y"], "days": False}],
        "scaler": "standard", "offset": [0.0] * 3, "scale": [1.0] * 3,
    }  # fmt: skip
    assert Preparation.from_dict(document).features == 3
    for key in data.draw(st.sets(st.sampled_from(sorted(document)), min_size=1, max_size=3)):
        document[key] = data.draw(JSON)
    refused = ""
    try:
        Preparation.from_dict(document).inverse(np.zeros((1, 3)))
    except DataError as error:
        refused = str(error)
    assert "\n" not in refused
