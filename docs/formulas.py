"""Turn the formulas of the pages into MathML; a hook of mkdocs.

Formulas are written as GitHub shows them: a block between ```` ```math ```` fences, or LaTeX between ``$` `` and `` `$``
in a line. MathML is drawn by the browser itself, so that the pages need no script and no network.
"""

import re
from typing import Any

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"\$`([^`\n]+)`\$")


def with_formulas(markdown: str) -> str:
    """Return the page with every formula as MathML."""
    markdown = _BLOCK.sub(lambda m: f'<div class="formula">{convert(m[1], display="block")}</div>', markdown)
    return _INLINE.sub(lambda m: convert(m[1]), markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Convert the formulas of one page."""
    return with_formulas(markdown)
