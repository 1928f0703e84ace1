"""Turns the chapters of the course, scripts in percent format, into pages of the site; a hook of mkdocs.

A chapter is run from top to bottom. Its text, its code, what each cell prints and the figures that end a cell become
one page. Nothing on a page is typed by hand, and nothing is kept: `mkdocs build` runs all chapters again. The hook also
puts the papers' figures on their page.
"""

import ast
import io
import re
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.resources import files as resources
from json import dumps, loads
from pathlib import Path
from typing import Any

import torch
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from contractive import CollapseWarning

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
papers_figures = import_module("papers_figures")
_MARKER = re.compile(r"^# %%(.*)$", re.MULTILINE)
_PLOTLY = "course/plotly.js"
_DRAWING = "course/figures.js"


@dataclass(frozen=True)
class Cell:
    """A cell of a script.

    Attributes:
        text: Its code, or its Markdown without the comment signs.
        is_code: Whether it is run.
        is_answer: Whether the page shows it only when asked to.
    """

    text: str
    is_code: bool
    is_answer: bool


@dataclass
class Chapter:
    """A chapter that has been run.

    Attributes:
        markdown: The page.
        figures: By the id that the page refers to, as plotly reads them.
        names: What the script has defined.
        outputs: What each code cell printed.
    """

    markdown: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


def chapters() -> list[Path]:
    """The scripts in their order."""
    return sorted(FOLDER.glob("[0-9]_*.py"))


def cells(script: str) -> list[Cell]:
    """Split a script at its `# %%` lines; what stands before the first one belongs to the file alone."""
    _, *parts = _MARKER.split(script)
    found = []
    for marker, body in zip(parts[::2], parts[1::2], strict=True):
        is_code = "[markdown]" not in marker
        text = body.strip("\n") if is_code else re.sub(r"^# ?", "", body.strip("\n"), flags=re.MULTILINE)
        found.append(Cell(text, is_code, "answer" in marker))
    return found


@cache  # `mkdocs serve` builds again and again
def run(script: str, name: str) -> Chapter:
    """Run a chapter's script and write its page."""
    chapter = Chapter(names={"__name__": name})
    threads = torch.get_num_threads()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", CollapseWarning)  # the course shows one on purpose
        torch.set_num_threads(1)
        pieces = [(_code(cell, chapter) if cell.is_code else cell.text, cell.is_answer) for cell in cells(script)]
    torch.set_num_threads(threads)
    head = "---\nhide: [toc]\n---"  # leaves the width to code and figures
    chapter.markdown = "\n\n".join([head, *_folded(pieces), f"[This chapter as a script]({name}.py)\n"])
    return chapter


def _code(cell: Cell, chapter: Chapter) -> str:
    """The cell as Markdown, after running it: code, output, figure."""
    printed, value = _execute(cell.text, chapter.names)
    chapter.outputs.append(printed)
    page = f"```python\n{cell.text}\n```"
    if printed:
        page += f"\n\n```{{.text .output}}\n{printed.rstrip()}\n```"
    if isinstance(value, Figure):
        name = f"figure-{len(chapter.figures) + 1}"
        chapter.figures[name] = loads(value.to_json() or "{}")
        page += f'\n\n<div data-plot="{name}" role="img"></div>'
    return page


def _execute(code: str, names: dict[str, Any]) -> tuple[str, Any]:
    """(what is printed, value of the last line if it is an expression), as a notebook has it."""
    *body, last = ast.parse(code).body
    ends = isinstance(last, ast.Expr)
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(ast.Module(body if ends else [*body, last], []), "<cell>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if ends else None
    return printed.getvalue(), value


def _folded(pieces: list[tuple[str, bool]]) -> list[str]:
    """Pieces of the page, those of one answer indented together below a line that opens them."""
    page: list[str] = []
    for at, (text, is_answer) in enumerate(pieces):
        if is_answer and not (at and pieces[at - 1][1]):
            page.append('??? success "Solution"')
        page.append(re.sub(r"^(?=.)", "    ", text, flags=re.MULTILINE) if is_answer else text)
    return page


def on_files(files: Any, config: Any) -> Any:
    """Hook of mkdocs: add the pages, plotly.js and the script that draws."""
    from mkdocs.structure.files import File

    for path in chapters():
        chapter = run(path.read_text(encoding="utf-8"), path.stem)
        files.append(File.generated(config, f"course/{path.stem}.md", content=chapter.markdown))
    drawing = resources("contractive.report").joinpath("report.js").read_text(encoding="utf-8")
    files.append(File.generated(config, _PLOTLY, content=get_plotlyjs()))
    files.append(File.generated(config, _DRAWING, content=drawing))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Hook of mkdocs: put the figures of a page and the scripts that draw them at its end."""
    from mkdocs.utils import get_relative_url

    figures = _figures(page.file.src_uri)
    if not figures:
        return html
    scripts = (f'<script src="{get_relative_url(script, page.url)}"></script>' for script in (_PLOTLY, _DRAWING))
    return "\n".join([html, f'<script type="application/json" id="figures">{_embedded(figures)}</script>', *scripts])


def _figures(page: str) -> dict[str, Any]:
    """Those of a chapter, those of the papers' results, none for any other page."""
    if page == "papers.md":
        return papers_figures.figures()
    path = FOLDER / f"{Path(page).stem}.py"
    return run(path.read_text(encoding="utf-8"), path.stem).figures if path in chapters() else {}


def _embedded(figures: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = dumps(figures, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Link the chapters from the first page of the course; in the repository it links to their scripts."""
    return re.sub(r"\]\((\d_\w+)\.py\)", r"](\1.md)", markdown) if page.file.src_uri == "course/index.md" else markdown
