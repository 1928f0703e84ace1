"""Pages in headless Chromium: what it drew, what it complained of, and what does not fit the screen."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

import pytest

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
on_screens = pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (1280, True), (400, False), (400, True)], ids=lambda value: str(value)
)

# A frame, since a window cannot be narrower than 500 pixels; the frame asks the page what became of it.
_FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<body style="margin: 0"><iframe style="border: 0; width: {width}px; height: 3000px" srcdoc="{page}"></iframe>
<script>(function wait() {{
  const page = document.querySelector("iframe").contentDocument, root = page && page.documentElement;
  if (!root || !root.dataset.drawn) return setTimeout(wait, 50);
  const plots = [...page.querySelectorAll("[data-plot]")];
  const marks = ".js-line, .points path, .point, .box, .hm, image, canvas";
  document.documentElement.dataset.seen = JSON.stringify({{
    width: root.clientWidth,
    dark: page.defaultView.matchMedia("(prefers-color-scheme: dark)").matches,
    overflow: root.scrollWidth - root.clientWidth,
    drawn: plots.filter((plot) => plot.querySelector(marks)).map((plot) => plot.dataset.plot),
    clipped: plots.flatMap((plot) => {{
      const room = plot.getBoundingClientRect();
      return [...plot.querySelectorAll("svg text")]
        .map((text) => [text.textContent, text.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0 && (box.left < room.left - 2 || box.right > room.right + 2))
        .map(([text]) => plot.dataset.plot + ": " + text);
    }}),
  }});
  document.querySelector("iframe").remove();
}})()</script></body>"""


@dataclass(frozen=True)
class Seen:
    """A page as the browser has it.

    Attributes:
        console: What the browser complained of.
        width: Of the screen.
        dark: Whether the page was asked to be dark.
        overflow: Pixels by which it is wider than the screen.
        drawn: Plots that show something.
        clipped: Words of plots that end outside of them.
    """

    console: list[str]
    width: int
    dark: bool
    overflow: int
    drawn: list[str]
    clipped: list[str]


def look(page: Path, folder: Path, width: int = 1280, *, dark: bool = False) -> Seen:
    """Open a page, let it draw, and say what is seen."""
    framed = folder / f"{page.stem}-{width}-{dark}.html"
    framed.write_text(_FRAME.format(width=width, page=escape(page.read_text(encoding="utf-8"))), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += [f"--user-data-dir={folder / f'profile-{width}-{dark}'}", "--window-size=1280,3000"]
    flags += ["--blink-settings=preferredColorScheme=0"] if dark else []
    flags += ["--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *flags, framed.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, "the page was not drawn to its end"
    return Seen(re.findall(r".*CONSOLE.*", done.stderr), **json.loads(unescape(found[1])))


def check(seen: Seen, plots: list[str], width: int, *, dark: bool) -> None:
    """Every plot is drawn, nothing complained, and nothing is cut off or wider than the screen."""
    assert not seen.console
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.overflow <= 0
    assert not seen.clipped
    assert sorted(seen.drawn) == sorted(plots)
