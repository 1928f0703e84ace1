"""The examples run as they stand; each asks for its illustration quickly and prints what it found."""

import runpy
from pathlib import Path

import pytest

from contractive.studies import illustrations
from contractive.studies.illustrations import TOPICS

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("illustrate_*.py"))


def test_every_illustration_has_one():
    names = {path.stem.removeprefix("illustrate_").replace("_", "-") for path in EXAMPLES}
    assert names == set(TOPICS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, quick, monkeypatch, capsys):
    monkeypatch.setenv("CONTRACTIVE_QUICK", "1")
    function = path.stem.removeprefix("illustrate_")
    result = quick(function.replace("_", "-"))

    def answer(*, quick, seed):
        assert quick and seed == 0
        return result  # the same as a run of its own: see the test of equal seeds

    monkeypatch.setattr(illustrations, function, answer)
    left = runpy.run_path(str(path))
    printed = capsys.readouterr().out
    assert printed.startswith(result.finding)
    assert len(printed.splitlines()) > 3
    assert len(left["figures"]) == len(result.pictures())
