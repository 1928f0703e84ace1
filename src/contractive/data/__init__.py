"""Data sets by name and people's own files: read, split, scaled; and the way back into their units."""

from contractive.data._blocks import Block, open_rows
from contractive.data._columns import Column
from contractive.data._errors import DataError
from contractive.data._labels import label_texts
from contractive.data._load import ENDINGS, load
from contractive.data._memory import check_fits
from contractive.data._named import DATA_VARIABLE, SETS, read_idx
from contractive.data._npy import BROKEN as BROKEN_FILE_ERRORS
from contractive.data._options import IMPUTATIONS, SCALES, Options
from contractive.data._parts import is_categorical
from contractive.data._preparation import Preparation
from contractive.data._split import TEST, TRAIN, VALIDATION, Rows, Split
from contractive.data._writer import WRITER_ENDINGS, writer

__all__ = [
    "load",
    "Options",
    "Split",
    "Rows",
    "TRAIN",
    "VALIDATION",
    "TEST",
    "Preparation",
    "Column",
    "open_rows",
    "Block",
    "writer",
    "DataError",
    "SETS",
    "SCALES",
    "IMPUTATIONS",
    "ENDINGS",
    "WRITER_ENDINGS",
    "DATA_VARIABLE",
    "read_idx",
    "check_fits",
    "is_categorical",
    "label_texts",
    "BROKEN_FILE_ERRORS",
]
