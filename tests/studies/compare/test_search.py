from dataclasses import replace

import pytest

from contractive.objectives import OBJECTIVES, Reference
from contractive.studies.compare import Results, Search, _compare
from contractive.training import TrainingDiverged


def search(*trials):
    made = Search(OBJECTIVES["contractive"], 0.2, Reference(1.0, 1.0, 1.0))
    for weight, error, diverged in trials:
        made.add(weight, error, diverged=diverged)
    return made


def test_the_largest_within_the_allowed_increase_is_chosen():
    assert search((0.1, 1.1, False), (0.2, 1.15, False), (0.4, 1.5, False)).chosen == 0.2


def test_that_of_the_smallest_error_that_gave_a_model_is_chosen_where_none_is_within():
    assert search((0.1, float("inf"), True), (0.01, float("inf"), False)).chosen == 0.01
    assert search((0.1, 3.0, False), (0.05, 2.0, False)).chosen == 0.05


def test_where_every_trial_diverges_it_is_said():
    words = r"The search for contractive found no weight .* the loss diverged at each of 0.1, 0.01. Lower"
    with pytest.raises(TrainingDiverged, match=words):
        search((0.1, float("inf"), True), (0.01, float("inf"), True)).chosen  # noqa: B018


def test_the_command_says_it_in_one_line(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from contractive.cli._commands import app

    original = _compare.train

    def train(task, split, settings):
        if task.trial:
            return replace(task, warnings=("loss must stay finite",))
        return original(task, split, settings)

    monkeypatch.setattr(_compare, "train", train)
    command = "compare digits --max-epochs 1 --seeds 1 --objectives contractive --jobs 1 --hidden 8 --code 4 --quiet"
    result = CliRunner().invoke(app, [*command.split(), "--out", str(tmp_path / "new")])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The search for contractive found no weight that can be trained")
    assert "Lower the --learning-rate, or fix the weight." in result.stderr
    assert result.stderr.count("\n") == 1
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["results.csv", "results.json", "results.npz"]  # of the standard model, which was finished
    assert [each.name for each in Results.read(tmp_path / "new").objectives] == ["standard"]


@pytest.mark.parametrize(("error", "squared_norm"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)], ids=str)
def test_a_reference_that_says_nothing_is_refused(error, squared_norm):
    with pytest.raises(
        ValueError, match="The standard model has learned nothing by which to search the weight of contractive"
    ):
        Search(OBJECTIVES["contractive"], 0.2, Reference(error, squared_norm, 1.0))
