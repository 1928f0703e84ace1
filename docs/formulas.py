"""Turn the formulas of the pages into MathML; a hook of mkdocs.

Formulas are written as GitHub shows them: LaTeX in a fenced block of the language `math`, or in a line between a dollar
sign with a backquote and a backquote with a dollar sign. Browsers draw MathML themselves, so that the pages need no
script and no network.
"""

import re
from typing import Any

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^( *)```math\n(.*?)\n *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"\$`([^`\n]+)`\$")


def with_formulas(markdown: str) -> str:
    """Return the page with every formula as MathML."""
    markdown = _BLOCK.sub(lambda m: f'{m[1]}<div class="formula">{convert(m[2], display="block")}</div>', markdown)
    # The span keeps a formula inside its paragraph: Markdown takes <math> at the begin of a line for a block.
    return _INLINE.sub(lambda m: f"<span>{convert(m[1])}</span>", markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Convert the formulas of one page."""
    return with_formulas(markdown)
