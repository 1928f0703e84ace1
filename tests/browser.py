"""Pages in headless Chromium: what it drew, what it complained of, and what does not fit the screen."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
on_screens = pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (1280, True), (400, False), (400, True)], ids=lambda value: str(value)
)

_PROBE = """<script>(function wait() {
  const root = document.documentElement;
  if (!root.dataset.drawn) return setTimeout(wait, 50);
  const plots = [...document.querySelectorAll("[data-plot]")];
  const clipped = plots.flatMap((plot) => {
    const room = plot.getBoundingClientRect();
    return [...plot.querySelectorAll("svg text")]
      .map((text) => [text.textContent, text.getBoundingClientRect()])
      .filter(([, box]) => box.width > 0 && (box.left < room.left - 2 || box.right > room.right + 2))
      .map(([text]) => plot.dataset.plot + ": " + text);
  });
  root.dataset.seen = JSON.stringify({
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    overflow: root.scrollWidth - innerWidth,
    clipped,
  });
})()</script></body>"""


@dataclass(frozen=True)
class Seen:
    """A page as the browser has it.

    Attributes:
        dom: The document after its scripts ran.
        console: What the browser complained of.
        width: Of the window.
        dark: Whether the page was asked to be dark.
        overflow: Pixels by which it is wider than the window.
        clipped: Words of plots that end outside of them.
    """

    dom: str
    console: list[str]
    width: int
    dark: bool
    overflow: int
    clipped: list[str]


def look(page: Path, folder: Path, width: int = 1280, *, dark: bool = False) -> Seen:
    """Open a page, let it draw, and say what is seen."""
    probed = folder / f"{page.stem}-{width}-{dark}.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", _PROBE), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += [f"--user-data-dir={folder / f'profile-{width}-{dark}'}", f"--window-size={width},3000"]
    flags += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    flags += ["--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *flags, probed.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, "the page was not drawn to its end"
    return Seen(done.stdout, re.findall(r".*CONSOLE.*", done.stderr), **json.loads(found[1].replace("&quot;", '"')))


def check(seen: Seen, plots: list[str], width: int, *, dark: bool) -> None:
    """Every plot is drawn, nothing complained, and nothing is cut off or wider than the screen."""
    assert not seen.console
    assert (seen.width, seen.dark) == (width, dark)
    assert seen.overflow <= 0
    assert not seen.clipped
    assert f'data-drawn="{len(plots)}"' in seen.dom
    for plot in plots:
        drawn = seen.dom.split(f'data-plot="{plot}"')[1].split("<figcaption>")[0]
        assert "main-svg" in drawn
        assert re.search(r'class="(js-line|points|box|point|hm)|<image|<canvas', drawn), plot
