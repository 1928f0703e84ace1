"""Draw the plan of the package: a row per layer, a box per subpackage, from what the linter holds imports to.

python scripts/plan.py          (writes docs/images/plan.svg)
"""

import ast
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "plan.svg"
WIDTH, HEIGHT, GAP, LABEL = 860, 52, 10, 110


def layers() -> list[list[str]]:
    """Names of the subpackages, layer by layer from the top, as import-linter's contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(entry for entry in settings["tool"]["importlinter"]["contracts"] if entry["type"] == "layers")
    return [[package.strip() for package in layer.split("|")] for layer in contract["layers"]]


def purpose(package: str) -> str:
    """Return the first sentence of the subpackage's docstring."""
    path = ROOT / "src" / "contractive" / package / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".").replace("`", "")


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of about `width` letters, at most two."""
    lines, words = [""], text.split()
    for word in words:
        if len(lines[-1]) + len(word) + 1 > width and len(lines) < 2:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def picture() -> str:
    """Return the plan as SVG, readable on a light and on a dark page."""
    rows = layers()
    height = len(rows) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-label="The subpackages, layer by layer; imports point down">',
        "<style>text{font:13px system-ui,sans-serif;fill:#1f2933}.name{font-weight:600;font-size:14px}"
        "rect{fill:#eef2f6;stroke:#7b8794}@media(prefers-color-scheme:dark){text{fill:#e4e7eb}"
        "rect{fill:#2b3440;stroke:#9aa5b1}}</style>",
    ]
    for at, packages in enumerate(rows):
        top, wide = GAP + at * (HEIGHT + GAP), (WIDTH - GAP * (len(packages) + 1)) / len(packages)
        for place, package in enumerate(packages):
            left = GAP + place * (wide + GAP)
            parts.append(f'<rect x="{left:g}" y="{top}" width="{wide:g}" height="{HEIGHT}" rx="5"/>')
            parts.append(f'<text class="name" x="{left + 12:g}" y="{top + 31}">{package}</text>')
            lines = wrapped(purpose(package), int((wide - LABEL - 20) / 6.6))
            begin = top + (31 if len(lines) == 1 else 22)
            parts += [
                f'<text x="{left + LABEL:g}" y="{begin + 18 * number}">{escape(line)}</text>'
                for number, line in enumerate(lines)
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
