"""Fail on words that the project does not use, and say what to write instead.

    python scripts/words.py

Looks at code, docstrings, messages, templates and documentation. The list is short on purpose: words of our own for
things that the field has a name for.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTEAD = {
    r"prices?": "error increase, cost",
    r"rivals?": "others",
    r"hero(es)?": "focus",
    r"bargain": "trade-off",
    r"yardsticks?": "baseline",
    r"parted": "split",
    r"mend(s|ed|ing)?": "fix, correct",
    r"liveli(est|er)": "of highest variance",
    r"doubts": "caveats",
    r"blindness": "underfitting",
    r"steadi(ness|er)": "robustness, less sensitive",
    r"ways[ -]out": "export",
    r"wish(es)?": "overrides",
    r"broken off": "interrupted",
    r"by heart": "overfitting",
    r"left-?overs?": "temporary files",
    r"people's own": "your",
    r"dear(er|est)?": "expensive",
    r"told": "reported, given",
}
WORD = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
PLACES = ("src/**/*.py", "src/**/*.jinja", "docs/**/*.md", "docs/**/*.py", "examples/*.py", "*.md")
EXEMPT = {"CHANGELOG.md"}  # lists old names beside new ones


def findings(root: Path = ROOT) -> Iterator[str]:
    """One line per word: where it stands and what to write."""
    for path in sorted({path for pattern in PLACES for path in root.glob(pattern)}):
        if path.name in EXEMPT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in WORD.finditer(line):
                instead = next(text for word, text in INSTEAD.items() if re.fullmatch(word, found[0], re.IGNORECASE))
                yield f"{path.relative_to(root)}:{number}: {found[0]!r}: write {instead}"


def main() -> int:
    """Print the findings; return 1 if there are any."""
    found = list(findings())
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
