"""The examples run as they stand; each asks for its illustration quickly and prints what it found."""

import re
import runpy
from pathlib import Path

import pytest

from contractive.studies import illustrations
from contractive.studies.illustrations import TOPICS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("illustrate_*.py"))


def test_every_illustration_has_one():
    names = {path.stem.removeprefix("illustrate_").replace("_", "-") for path in EXAMPLES}
    assert names == set(TOPICS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, quick, monkeypatch, capsys):
    monkeypatch.setenv("CONTRACTIVE_QUICK", "1")
    result = answering(quick, path.stem.removeprefix("illustrate_"), monkeypatch)
    left = runpy.run_path(str(path))
    printed = capsys.readouterr().out
    assert printed.startswith(result.finding)
    assert len(printed.splitlines()) > 3
    assert len(left["figures"]) == len(result.pictures())


def test_the_code_of_the_guide_runs(quick, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "illustrations.md").read_text(), re.DOTALL)
    result = answering(quick, "manifold", monkeypatch)
    exec(compile(block, "guide", "exec"), {})
    assert capsys.readouterr().out == f"{result.finding}\n"


def answering(quick, function, monkeypatch):
    """The result that the function now gives when it is asked for a quick one."""
    result = quick(function.replace("_", "-"))

    def answer(*, quick, seed):
        assert quick and seed == 0
        return result  # the same as a run of its own: see the test of equal seeds

    monkeypatch.setattr(illustrations, function, answer)
    return result
