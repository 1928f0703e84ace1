"""Pages in headless Chromium: what it drew, what it complained of, and what does not fit the screen."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
_NAMES = "--enable-blink-features=ComputedAccessibilityInfo"  # roles and names that a screen reader is given
LAPTOP, PHONE = (1280, False), (400, True)  # width, dark

# The browser prints a document once it is loaded, and a frame that is still written holds that back: it is printed when
# what is asked has happened, however busy the machine is, and not after a time.
_HOLD = 'document.body.appendChild(document.createElement("iframe")).contentDocument.open();'
# Frames, since a window cannot be narrower than 500 pixels, and since one start of the browser then does for all; a
# page in a frame is dark where the frame is.
_FRAMES = """<!doctype html><meta charset="utf-8"><body style="margin: 0">
<script type="application/json" id="page">PAGE</script>
<script>(() => {
  HOLD
  const text = JSON.parse(document.getElementById("page").textContent), screens = SCREENS;
  const marks = ".js-line, .points path, .point, .box, .hm, image, canvas";
  const controls = "a[href], button, input, select, summary, iframe, [tabindex], [role=img]"; // for a screen reader
  const frames = screens.map(([width, dark]) => {
    const frame = document.createElement("iframe");
    frame.style = `border: 0; display: block; width: ${width}px; height: 3000px`;
    frame.style.colorScheme = dark ? "dark" : "light";
    frame.srcdoc = text;
    document.body.append(frame);
    return frame;
  });
  function named(each) {
    const label = each.ariaLabel || each.title || [...(each.labels || [])].map((label) => label.textContent).join("");
    return label || (each.matches("a, button, summary") ? each.textContent : "");
  }
  function seen(page) {
    const root = page.documentElement, plots = [...page.querySelectorAll("[data-plot]")];
    return {
      width: root.clientWidth,
      dark: page.defaultView.matchMedia("(prefers-color-scheme: dark)").matches,
      overflow: root.scrollWidth - root.clientWidth,
      drawn: plots.filter((plot) => plot.querySelector(marks)).map((plot) => plot.dataset.plot),
      clipped: plots.flatMap((plot) => {
        const room = plot.getBoundingClientRect();
        return [...plot.querySelectorAll("svg text")]
          .map((text) => [text.textContent, text.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && (box.left < room.left - 2 || box.right > room.right + 2))
          .map(([text]) => plot.dataset.plot + ": " + text);
      }),
      uneven: [...page.querySelectorAll("tr")].filter((row) => {
        const tops = [...row.cells].filter((cell) => cell.offsetWidth).map((cell) => cell.getBoundingClientRect().top);
        return Math.max(...tops) - Math.min(...tops) > 3; // borders are a pixel or two
      }).length,
      unnamed: [...page.querySelectorAll(controls)]
        .filter((each) => each.checkVisibility() && !named(each).trim())
        .map((each) => each.outerHTML.slice(0, 80)),
    };
  }
  (function wait() {
    const pages = frames.map((frame) => frame.contentDocument);
    if (!pages.every((page) => page && page.documentElement && page.documentElement.dataset.drawn))
      return setTimeout(wait, 50);
    document.documentElement.dataset.seen = JSON.stringify(pages.map(seen));
    document.body.remove();
  })();
})()</script></body>"""


_ASKED = """<!doctype html><meta charset="utf-8"><body>
<script type="application/json" id="pages">PAGES</script>
<script>(() => {
  HOLD
  const frames = JSON.parse(document.getElementById("pages").textContent).map((text) => {
    const frame = document.createElement("iframe");
    frame.style = "width: 800px; height: 600px";
    frame.srcdoc = text;
    document.body.append(frame);
    return frame;
  });
  (function wait() {
    const found = frames.map((frame) => frame.contentDocument?.documentElement?.dataset.result);
    if (!found.every(Boolean)) return setTimeout(wait, 50);
    document.documentElement.dataset.results = `[${found}]`;
    document.body.remove();
  })();
})()</script></body>"""


@dataclass(frozen=True)
class Seen:
    """A page on one screen.

    Attributes:
        width: Of the screen.
        dark: Whether the page was asked to be dark.
        overflow: Pixels by which it is wider than the screen.
        drawn: Plots that show something.
        clipped: Words of plots that end outside of them.
        uneven: Rows of tables whose cells do not begin at one height.
        unnamed: Controls and pictures for which a screen reader has no name.
        console: What the browser complained of, on any screen.
    """

    width: int
    dark: bool
    overflow: int
    drawn: list[str]
    clipped: list[str]
    uneven: int
    unnamed: list[str]
    console: list[str]


def look(page: Path, folder: Path, *screens: tuple[int, bool]) -> list[Seen]:
    """Open a page on every screen at once, let it draw, and say what is seen."""
    opened = page.read_text(encoding="utf-8").replace("<details", "<details open")  # what is folded is drawn, too
    text = json.dumps(opened).replace("<", "\\u003c")
    frames = _FRAMES.replace("HOLD", _HOLD).replace("SCREENS", json.dumps(screens)).replace("PAGE", text)
    framed = folder / f"{page.stem}-framed.html"
    framed.write_text(frames, encoding="utf-8")
    printed, complaints = _printed(framed, "--hide-scrollbars", "--window-size=1280,3000", "--enable-logging=stderr")
    found = re.search(r'data-seen="([^"]*)"', printed)
    assert found, "the page was not drawn to its end"
    console = re.findall(r".*CONSOLE.*", complaints)
    return [Seen(**one, console=console) for one in json.loads(unescape(found[1]))]


def _printed(page: Path, *flags: str) -> tuple[str, str]:
    """Return a page as the browser prints it once it is loaded, and what it wrote beside it."""
    always = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}", "--dump-dom"]
    command = ["chromium", *always, *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, done.stderr


def faults(page: Path, folder: Path, plots: list[str]) -> list[str]:
    """What is wrong with a page on a laptop or a dark phone, in words; these plots have to be drawn."""
    found = []
    for seen, screen in zip(look(page, folder, LAPTOP, PHONE), (LAPTOP, PHONE), strict=True):
        assert (seen.width, seen.dark) == screen
        wrong = [f"console: {line}" for line in seen.console]
        wrong += [f"{seen.overflow} pixels too wide"] if seen.overflow > 0 else []
        wrong += [f"cut off in {text}" for text in seen.clipped]
        wrong += [f"{seen.uneven} rows of tables fall apart"] if seen.uneven else []
        wrong += [f"no name: {each}" for each in seen.unnamed]
        wrong += [f"not drawn: {name}" for name in plots if name not in seen.drawn]
        wrong += [f"not expected: {name}" for name in seen.drawn if name not in plots]
        found += [f"{seen.width}: {text}" for text in wrong]
    return found


def evaluate(page: Path, folder: Path, script: str) -> Any:
    """Return what an expression of JavaScript, a promise perhaps, gives in a page that has drawn itself."""
    return evaluate_all([page], folder, script)[0]


def evaluate_all(pages: list[Path], folder: Path, script: str) -> list[Any]:
    """Return what it gives in each of these pages, with one start of the browser."""
    ends = (
        "<script>(function wait() { if (!document.documentElement.dataset.drawn) return setTimeout(wait, 20);"
        f" Promise.resolve({script}).then((found) => document.documentElement.dataset.result = JSON.stringify(found),"
        " (error) => document.documentElement.dataset.result = JSON.stringify({error: String(error)})); })()</script>"
    )
    texts = [page.read_text(encoding="utf-8").replace("</body>", f"{ends}</body>") for page in pages]
    asked = folder / f"{pages[0].stem}-asked.html"
    asked.write_text(
        _ASKED.replace("HOLD", _HOLD).replace("PAGES", json.dumps(texts).replace("<", "\\u003c")), encoding="utf-8"
    )
    found = re.search(r'data-results="([^"]*)"', _printed(asked, _NAMES)[0])
    assert found, "the script did not end"
    return json.loads(unescape(found[1]))
