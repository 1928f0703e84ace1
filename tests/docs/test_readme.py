"""The code of README and of the documentation runs as it stands, page by page, in a folder of its own."""

import json
import re
import shlex
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from contractive.cli._commands import COMMANDS, load_command

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return [
        dedent(block) for block in re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.M)
    ]


# run with fewer epochs or with what else is said of them, in tests of estimators, sections and illustrations
ELSEWHERE = ("scikit-learn.md", "choosing-the-weight.md", "export.md", "illustrations.md")
SLOW = "anomalies.md"  # trains for ten seconds
RUN = [page for page in PAGES if blocks(page, "python") and page.name not in ELSEWHERE]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in RUN])
def test_code_runs_in_order_in_an_empty_folder(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {"__name__": page.stem}
    for number, block in enumerate(blocks(page, "python"), 1):
        if page.name == SLOW:
            block = block.replace("random_state=0", "random_state=0, max_epochs=20")
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
        if "value_and_squared_norm" in block:
            names["loss"].backward()
            parts = [names[part] for part in ("encoder", "decoder") if part in names] or [names["autoencoder"]]
            assert all(p.grad is not None for part in parts for p in part.parameters())
        printed = capsys.readouterr().out
        if "print(ct.check_penalty(penalty))" in block:
            assert printed == blocks(page, "text")[0]  # the verdict that the README shows


COMMAND_LINES = [
    pytest.param(line, id=f"{page.name} {line[:60]}")
    for page in PAGES
    for block in blocks(page, "(?:bash|console)?")
    for line in re.sub(r" *#.*| *\\\n *", lambda m: "" if "#" in m[0] else " ", block).splitlines()
    if line.startswith("contractive ") and "..." not in line
]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_of_the_documentation_has_these_arguments_and_options(line):
    _, name, *arguments = shlex.split(line)
    assert name in COMMANDS
    command = load_command(name)
    context = command.make_context(name, list(arguments), resilient_parsing=False)
    assert context.info_name == name


def test_blocks_and_commands_are_found():
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 20
    assert len(COMMAND_LINES) >= 20


def test_the_numbers_under_the_picture_are_those_of_its_run():
    found = json.loads((ROOT / "docs" / "images" / "explore.json").read_text())
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"reconstruct {found['r2']:.0%} of the variance".replace("%", " %") in text
    assert f"the file has {found['megabytes']:.1f} MB" in text


def test_the_versions_of_the_other_tools_are_those_that_were_measured():
    versions = json.loads((ROOT / "benchmarks" / "results" / "packages.json").read_text())["versions"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, package in (("PyOD", "pyod"), ("pythae", "pythae"), ("skorch", "skorch")):
        assert f"{name} {versions[package]}" in text


def test_the_readme_fits_a_screen_or_two():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 110
    assert all(len(line) <= 150 or line.startswith(("|", "![", "summed outputs")) for line in lines)


LINKED = [*PAGES, *(ROOT / "docs").glob("*/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in LINKED])
def test_links_and_pictures_work_in_the_repository(page):
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in found if not link.startswith("http")]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert missing == (["commands.md"] if page == ROOT / "docs" / "index.md" else [])  # made when the site is built


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f" {page}\n" not in navigation] == []


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("confusion matrix", "classifying.md"),
        ("PCA", "scikit-learn.md"),
        ("export", "export.md"),
        ("baseline", "sweep.md"),
    ],
)
def test_a_search_for_words_of_the_field_finds_the_page(words, page):
    assert words.lower() in (ROOT / "docs" / page).read_text(encoding="utf-8").lower()


def test_the_version_to_cite_is_that_of_the_package():
    (version,) = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert version == metadata.version("contractive")
