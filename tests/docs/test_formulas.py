"""Formulas of the documentation become MathML."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))


def test_a_block_and_an_inline_formula_become_mathml():
    pytest.importorskip("latex2mathml")
    from formulas import with_formulas

    page = with_formulas(
        "It is $`W_l`$.\n\n```math\nN = \\sum_j s_j^2\n```\n\n`$x` stays, and so does\n\n```bash\nmath\n```"
    )
    assert page.count("<math") == 2
    assert page.startswith("It is <span><math")
    assert '<div class="formula"><math' in page
    assert "<msub><mi>W</mi><mi>l</mi></msub>" in page
    assert page.endswith("`$x` stays, and so does\n\n```bash\nmath\n```")


def test_no_page_has_a_formula_that_is_left_as_text():
    pytest.importorskip("latex2mathml")
    from formulas import with_formulas

    for path in (Path(__file__).parents[2] / "docs").glob("*.md"):
        page = with_formulas(path.read_text(encoding="utf-8"))
        assert "```math" not in page
        assert "$`" not in page
