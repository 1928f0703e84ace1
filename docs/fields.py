"""Take the comment beside a field, or the help of a setting, for its description in the API; an extension of griffe."""

import ast
from typing import Any

from griffe import Attribute, Docstring, Extension


def described(lines: list[str], first: int, last: int) -> str:
    """Return the comment after the field that stands in lines `first` to `last` (from 1), or those above it."""
    _, mark, after = lines[last - 1].partition("  # ")
    if mark and not after.startswith(("noqa", "type:", "pyright:")):
        return after.strip()
    above = []
    for line in reversed(lines[: first - 1]):
        if not line.strip().startswith("# "):
            break
        above.insert(0, line.strip().removeprefix("# "))
    return " ".join(above)


def help_of(value: ast.AST | None) -> str:
    """Return the help that a field made by `setting(default, help, ...)` carries."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "setting" and len(value.args) > 1:
        return str(ast.literal_eval(value.args[1]))
    return ""


class Fields(Extension):
    """Describe the fields of dataclasses by what stands beside them."""

    def on_attribute_instance(self, *, node: Any, attr: Attribute, **_: Any) -> None:
        """Describe one field."""
        if attr.docstring or not attr.parent or not attr.parent.is_class or not attr.lineno:
            return
        lines = attr.lines_collection[attr.filepath]
        text = help_of(getattr(node, "value", None)) or described(lines, attr.lineno, attr.endlineno or attr.lineno)
        if text:
            attr.docstring = Docstring(text[0].upper() + text[1:].rstrip(".") + ".", parent=attr)
