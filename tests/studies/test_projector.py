"""TensorBoard's own projector reads what we write."""

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from typer.testing import CliRunner
from werkzeug.test import Client
from werkzeug.wrappers import Response

from contractive import data
from contractive.cli._commands import app
from contractive.studies import runs
from contractive.studies.projector import project

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
ROWS = np.random.RandomState(0).rand(30, 4).round(3)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table with a number per row, a text with tabs, and a text that is sometimes missing."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    lines = ["a,b,c,d,id,name,city"]
    for i, row in enumerate(ROWS):
        lines.append(",".join(map(str, row)) + f',{i},"na\tme {i}",' + ("" if i == 3 else "Oslo"))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    split = data.load(table, options=data.Options(drop=("id", "name", "city")))
    out = tmp_path_factory.mktemp("run") / "run"
    runs.train(
        split,
        runs.AutoencoderSettings.of(weight=0.01, code=3, hidden=(), max_epochs=1, device="cpu"),
        out,
        progress=False,
    )
    return runs.open_run(out)


def codes_of(run):
    x = run.preparation.transform({name: ROWS[:, i] for i, name in enumerate("abcd")})
    with torch.no_grad():
        return run.model().encode(torch.from_numpy(x)).numpy()


def served(folder):
    """What TensorBoard's server answers, by route."""
    plugin = ProjectorPlugin(base_plugin.TBContext(logdir=str(folder)))
    routes = plugin.get_plugin_apps()

    def get(route, **query):
        answer = Client(lambda e, s: routes[route](e, s), Response).get(route, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer

    return get


def test_the_server_finds_points_and_labels(run, table, tmp_path):
    assert project(run, table, tmp_path / "logs", pass_through=("id", "name", "city")) == 30
    get = served(tmp_path / "logs")
    assert get("/runs").json == ["."]
    (embedding,) = get("/info", run=".").json["embeddings"]
    assert embedding["tensorShape"] == [30, 3]
    name = embedding["tensorName"]
    assert name == "codes of run"
    points = np.frombuffer(get("/tensor", run=".", name=name).data, np.float32).reshape(30, 3)
    np.testing.assert_allclose(points, codes_of(run), rtol=1e-5)
    lines = get("/metadata", run=".", name=name).text.split("\n")
    assert lines[0] == "id\tname\tcity"
    assert lines[1] == "0\tna me 0\tOslo"
    assert lines[4] == "3\tna me 3\t-"
    assert len(lines) == 32
    assert lines[-1] == ""


def test_one_column_has_no_heading_and_none_no_file(run, table, tmp_path):
    project(run, table, tmp_path, pass_through=("id",), rows=7)
    assert (tmp_path / "metadata.tsv").read_text() == "".join(f"{i}\n" for i in range(7))
    assert len((tmp_path / "tensors.tsv").read_text().splitlines()) == 7
    project(run, table, tmp_path, overwrite=True)
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert config.embeddings[0].metadata_path == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["projector_config.pbtxt", "tensors.tsv"]


def test_the_labels_of_a_named_set_come_along(tmp_path):
    split = data.load("digits")
    settings = runs.AutoencoderSettings.of(weight=0.01, code=2, hidden=(), max_epochs=1, device="cpu")
    runs.train(split, settings, tmp_path / "run", progress=False)
    done = []
    count = project(runs.open_run(tmp_path / "run"), "digits", tmp_path / "logs", rows=50, on_progress=done.append)
    assert (count, done) == (50, [50])
    assert set((tmp_path / "logs" / "metadata.tsv").read_text().split()) == set("0123456789")


def test_the_command(run, table, tmp_path):
    def call(*more):
        arguments = ["projector", run.folder, table, "--out", tmp_path / "logs", *more]
        return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})

    result = call("--pass-through", "id", "--rows", "5")
    assert result.exit_code == 0, result.output
    assert "5 rows" in result.output
    assert "tensorboard --logdir" in result.output
    again = call()
    assert again.exit_code == 2
    assert "--out must be a folder without a projection" in again.stderr
    assert call("--force", "--quiet").output == ""


@pytest.mark.parametrize("rows", [0, 100_001])
def test_a_number_of_rows_out_of_range_is_refused(run, table, tmp_path, rows):
    with pytest.raises(ValueError, match=rf"rows must be from 1 to 100000, got {rows}"):
        project(run, table, tmp_path, rows=rows)


def test_a_file_in_the_way_and_unknown_columns_are_refused(run, table, tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(ValueError, match="out must be a folder, got the file"):
        project(run, table, tmp_path / "logs")
    with pytest.raises(data.DataError, match="pass_through must name a column, got 'kind'"):
        project(run, table, tmp_path / "other", pass_through=("kind",))
    assert not (tmp_path / "other" / "tensors.tsv").exists()


def test_nothing_to_show_is_refused(tmp_path):
    split = data.load("digits")
    settings = runs.AutoencoderSettings.of(weight=0.01, code=2, hidden=(), max_epochs=1, device="cpu")
    runs.train(split, settings, tmp_path / "run", progress=False)
    np.save(tmp_path / "none.npy", np.empty((0, 64), np.float32))
    with pytest.raises(data.DataError, match="data must hold rows, got none"):
        project(runs.open_run(tmp_path / "run"), tmp_path / "none.npy", tmp_path / "logs")
