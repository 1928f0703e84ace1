"""A source before it is split: where its rows come from, block by block, and what was found out about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data._preparation import Preparation
from contractive.data._split import Rows


def unscaled(kind: str, width: int, **rest: Any) -> Preparation:
    """A preparation that leaves the numbers as they are, the start of fitting one."""
    return Preparation(kind, width, "none", np.zeros(1), np.ones(1), **rest)


@dataclass
class Source:
    """Raw rows and what is known of them.

    Attributes:
        path: Of the file or folder.
        draft: How its rows become numbers, before imputation and scaling.
        num_rows: Of the part to be split.
        blocks: A pass over its rows in blocks, as `draft.transform` takes them.
        labels: One per row, or None.
        test: A test part that the file itself names.
        as_bytes: Whether all raw values are bytes.
        checksum: SHA-256 of the file or files.
        notes: Sentences on what was detected or decided.
        header: Of a text table, whether it has one.
        on_disk: Training rows that stay on disk, from the preparation and the sorted rows held out; None in memory.
    """

    path: Path
    draft: Preparation
    num_rows: int
    blocks: Callable[[], Iterator[Any]]
    labels: np.ndarray | None = None
    test: "Source | None" = None
    as_bytes: bool = False
    checksum: str = ""
    notes: list[str] = field(default_factory=list)
    header: bool | None = None
    on_disk: Callable[[Preparation, np.ndarray], Rows] | None = None

    @property
    def streamed(self) -> bool:
        """Whether its rows stay on disk."""
        return self.on_disk is not None

    def encoded(self) -> Iterator[np.ndarray]:
        """A pass over its rows as numbers before imputation and scaling, float64."""
        encode = self.draft.encoder()
        return (encode(block) for block in self.blocks())
