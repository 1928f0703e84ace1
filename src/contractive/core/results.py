"""Results as frozen dataclasses: a short `repr`, and a table where one is natural."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    import pandas

_MOST_ENTRIES = 8  # of a tuple or mapping in a `repr`


class Result:
    """Base of results, which are declared with `@dataclass(frozen=True, repr=False)`.

    The `repr` shows the shapes of tensors in place of their numbers.
    """

    def __repr__(self) -> str:
        shown = (f"{field.name}={_short(getattr(self, field.name))}" for field in fields(self))  # pyright: ignore[reportArgumentType]
        return f"{type(self).__name__}({', '.join(shown)})"


class TableResult(Result):
    """Base of results that are a table, which notebooks show.

    A subclass names its columns in `_table`, which are fields of equal length, or makes them in `columns`.
    """

    _table: ClassVar[tuple[str, ...]]

    def columns(self) -> Mapping[str, Any]:
        """Return the columns by name."""
        return {name: getattr(self, name) for name in self._table}

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the table as a data frame, which needs pandas."""
        import pandas

        columns = self.columns().items()
        return pandas.DataFrame(
            {name: rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else rows for name, rows in columns}
        )

    def _repr_html_(self) -> str | None:
        try:
            return self.to_pandas().to_html(max_rows=60)
        except ImportError:  # without pandas a notebook shows the `repr`
            return None


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"<{'x'.join(map(str, value.shape))}>" if value.ndim else f"{value.item():.4g}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        shown = [f"{key!r}: {_short(entry)}" for key, entry in list(value.items())[:_MOST_ENTRIES]]
        return "{" + ", ".join(shown + ["..."] * (len(value) > _MOST_ENTRIES)) + "}"
    if isinstance(value, list | tuple):
        shown = [*map(_short, value[:_MOST_ENTRIES])] + ["..."] * (len(value) > _MOST_ENTRIES)
        return f"({', '.join(shown)}{',' * (len(shown) == 1)})"
    return repr(value)
