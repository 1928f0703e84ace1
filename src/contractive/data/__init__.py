# ruff: noqa: F401  (names for type checkers; `__all__` comes from the table)
"""Data: named sets and your own files, read, split and scaled; and the way back into their units.

Names are loaded when first used, so that settings can be listed without what reads files.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.data._errors import DataError
from contractive.data._options import IMPUTATIONS, SCALES, Imputation, Options, Scale

if TYPE_CHECKING:
    from contractive.data._arrays import ArrayReader, ArraySchema
    from contractive.data._columns import Column
    from contractive.data._formats import FORMATS, writer
    from contractive.data._load import Block, load, open_rows
    from contractive.data._memory import check_fits
    from contractive.data._named import DATA_VARIABLE, SETS, read_idx
    from contractive.data._npy import BROKEN_FILE_ERRORS
    from contractive.data._preparation import ArrayPreparation, ImagesPreparation, Preparation, TablePreparation
    from contractive.data._reader import Reader, Rows, Sink
    from contractive.data._split import TEST, TRAIN, VALIDATION, DataSource, Split, is_categorical, label_texts
    from contractive.data._tables import TableReader

_HOME = {
    "_load": ("load", "open_rows", "Block"),
    "_named": ("SETS", "DATA_VARIABLE", "read_idx"),
    "_split": ("Split", "DataSource", "TRAIN", "VALIDATION", "TEST", "is_categorical", "label_texts"),
    "_preparation": ("Preparation", "ArrayPreparation", "ImagesPreparation", "TablePreparation"),
    "_columns": ("Column",),
    "_formats": ("FORMATS", "writer"),
    "_reader": ("Reader", "Rows", "Sink"),
    "_tables": ("TableReader",),
    "_arrays": ("ArrayReader", "ArraySchema"),
    "_memory": ("check_fits",),
    "_npy": ("BROKEN_FILE_ERRORS",),
}
__all__ = ["IMPUTATIONS", "SCALES", "DataError", "Imputation", "Options", "Scale"]
__all__ += [name for names in _HOME.values() for name in names]


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOME.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
