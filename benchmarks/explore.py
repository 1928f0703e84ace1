"""How long does the page of `contractive explore` take for one frame, for a net of 784-256-128-64?

    python benchmarks/explore.py [--frames 300] [--out benchmarks/results/explore.json]

A frame encodes and decodes a moved row and draws everything that follows from it, in headless Chromium. Its time is
that of the script: what the browser then takes to paint is not in it. 60 frames a second leave 16.7 ms for both.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

import numpy as np

NET = ["--hidden", "256,128", "--code", "64", "--weight", "0.01", "--max-epochs", "1"]
FRAMES = """<script>(() => {
  const { rows, fromInput, fromCode, codes, draw } = exploration, taken = { input: [], code: [] };
  for (let i = 0; i < COUNT; i++) {
    const at = i % rows.length, moved = Float64Array.from(rows[at], (value) => value + 0.01 * Math.sin(i));
    for (const [name, move] of [["input", () => fromInput(moved)], ["code", () => fromCode(codes[at])]]) {
      const began = performance.now();
      move();
      draw();
      taken[name].push(performance.now() - began);
    }
  }
  document.documentElement.dataset.taken = JSON.stringify(taken);
})()</script></body>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/explore.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = made_page(folder)
        size, taken = page.stat().st_size, frames(page, folder, given.frames)
    found = {
        "network": "784-256-128-64",
        "frames": given.frames,
        "page_bytes": size,
        "milliseconds": {
            what: {"median": round(float(np.median(each)), 2), "95 %": round(float(np.quantile(each, 0.95)), 2)}
            for what, each in taken.items()
        },
        "load": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
        "chromium": subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout.strip(),
    }
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def made_page(folder: Path) -> Path:
    """Return the page of a net that was trained for one epoch; how good it is does not change its time."""
    data, run, page = folder / "rows.npy", folder / "run", folder / "page.html"
    np.save(data, np.random.default_rng(0).random((600, 784), dtype=np.float32))
    command = [sys.executable, "-m", "contractive"]
    subprocess.run([*command, "train", data, "-o", run, "--quiet", *NET], check=True)
    subprocess.run([*command, "explore", run, data, "-o", page, "--quiet"], check=True)
    return page


def frames(page: Path, folder: Path, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of every frame, by what was moved."""
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", FRAMES.replace("COUNT", str(count))), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(["chromium", *flags, page.as_uri()], capture_output=True, text=True, timeout=240, check=True)
    (found,) = re.findall(r'data-taken="([^"]*)"', done.stdout)
    return json.loads(unescape(found))


if __name__ == "__main__":
    main()
