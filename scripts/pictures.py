"""Draw the pictures of the documentation from runs: pages are made by the commands and photographed by Chromium.

python scripts/pictures.py [explore spectra detection classifier comparison analysis sweep illustrations]
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_COLOURS, _WIDTH = 256, 900
_STEPS = (0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1)


def contractive(*arguments: object) -> None:
    """Run a command of the library."""
    environment = {**os.environ, "COLUMNS": "120"}
    subprocess.run([sys.executable, "-m", "contractive", *map(str, arguments)], check=True, env=environment)


def photograph(page: Path, size: tuple[int, int], script: str = "") -> Image.Image:
    """Return the top of a page in headless Chromium, light, after a script has run in it."""
    ends = (
        "<script>(function wait() { if (!document.documentElement.dataset.drawn) return setTimeout(wait, 20);"
        f" {script} }})()</script>"
    )
    with tempfile.TemporaryDirectory() as folder:
        asked, picture = Path(folder) / "page.html", Path(folder) / "page.png"
        asked.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{ends}</body>"), encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=15000"]
        flags += [f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder}/profile", f"--screenshot={picture}"]
        subprocess.run(["chromium", *flags, asked.as_uri()], check=True, capture_output=True, timeout=120)
        image = Image.open(BytesIO(picture.read_bytes())).convert("RGB")
    return image.resize((_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS)


def save(image: Image.Image, name: str) -> None:
    """Write a picture with few colours."""
    image.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(IMAGES / f"{name}.png", optimize=True)


def explore(folder: Path) -> None:
    """Draw the way from one digit to another through the code, and keep the numbers that the README states."""
    run, page = folder / "run", folder / "page.html"
    contractive("train", "digits", "--weight", 0.05, "--max-epochs", 60, "-o", run)
    contractive("explore", run, "digits", "-o", page)
    frames = [
        photograph(
            page,
            (1180, 900),
            f"const share = document.getElementById('share'); share.value = {step};"
            " share.dispatchEvent(new Event('input', {bubbles: true}));",
        )
        for step in _STEPS
    ]
    save(frames[0], "explore")
    size = (_WIDTH * 2 // 3, frames[0].height * 2 // 3)
    palette = frames[-1].quantize(
        _COLOURS, Image.Quantize.MAXCOVERAGE
    )  # one for all, so that only what changes is stored again
    first, *others = (frame.resize(size).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    first.save(IMAGES / "explore.gif", save_all=True, append_images=others, duration=500, loop=0, optimize=True)
    metrics = json.loads((run / "metrics.json").read_text())["content"]
    facts = {"r2": metrics["test"]["r2"], "megabytes": page.stat().st_size / 1e6}
    (IMAGES / "explore.json").write_text(json.dumps({name: round(value, 3) for name, value in facts.items()}) + "\n")


def spectra(folder: Path) -> None:
    """Draw the page in which a model of spectra runs, of the tutorial's own code and commands."""
    text = (IMAGES.parent / "first-spectra.md").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-c", text.split("```python\n")[1].split("```")[0]], check=True, cwd=folder)
    os.chdir(folder)
    for line in text.splitlines():
        if line.startswith(("contractive train", "contractive explore")):
            contractive(*line.split("#")[0].split()[1:])
    save(photograph(folder / "page.html", (1180, 1000)), "spectra")


def detection(folder: Path) -> None:
    """Draw the page of a detector of the wines of one cultivar, with the others as anomalies."""
    from sklearn.datasets import load_wine

    table = load_wine(as_frame=True).frame
    table["target"] = (table["target"] != 1).astype(int)
    keep = np.flatnonzero((table["target"] == 0) | (np.arange(len(table)) % 8 == 0))
    table.iloc[keep].rename(columns={"target": "bad"}).to_csv(folder / "wine.csv", index=False)
    contractive("detect", folder / "wine.csv", "--label", "bad", "-o", folder / "detector")
    save(photograph(folder / "detector" / "report.html", (1180, 900)), "detection")


def classifier(folder: Path) -> None:
    """Draw the page of a classifier of digits with 100 labels."""
    contractive("classify", "digits", "--labels-used", 100, "-o", folder / "few")
    save(photograph(folder / "few" / "report.html", (1180, 1000)), "classifier")


def comparison(folder: Path) -> None:
    """Draw the page of a comparison of four objectives on digits."""
    contractive("compare", "digits", "--max-epochs", 60, "-o", folder / "compare")
    save(photograph(folder / "compare" / "report.html", (1180, 1000)), "report")


def analysis(folder: Path) -> None:
    """Draw the page of an analysis of a run whose weight was found."""
    contractive("train", "digits", "-o", folder / "run")
    contractive("analyze", folder / "run", "digits", "-o", folder / "analysis")
    save(photograph(folder / "analysis" / "report.html", (1180, 1000)), "analysis")


def sweep(folder: Path) -> None:
    """Draw the page of a sweep over the weight on digits."""
    contractive("sweep", "digits", "--trials", 5, "--max-epochs", 40, "--jobs", 1, "-o", folder / "sweep")
    save(photograph(folder / "sweep" / "report.html", (1180, 1000)), "sweep")


def illustrations(folder: Path) -> None:
    """Draw the first picture of every illustration."""
    contractive("illustrate", "all", "-o", folder)
    for page in sorted(folder.glob("*.html")):
        save(photograph(page, (1180, 900)), f"illustration-{page.stem}")


DRAWN: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (explore, spectra, detection, classifier, comparison, analysis, sweep, illustrations)
}

if __name__ == "__main__":
    for name in sys.argv[1:] or DRAWN:
        with tempfile.TemporaryDirectory() as made:
            DRAWN[name](Path(made))
