"""Data: named sets and your own files, read, split and scaled; and the way back into their units."""

from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._arrow import arrow_column
from contractive.data._columns import Column, as_table
from contractive.data._errors import DataError
from contractive.data._formats import FORMATS, check_place, writer
from contractive.data._load import Block, load, open_rows
from contractive.data._memory import check_fits
from contractive.data._mismatches import Mismatches
from contractive.data._named import DATA_VARIABLE, SETS, read_idx
from contractive.data._options import Imputation, Options, Scale
from contractive.data._preparation import ArrayPreparation, ImagesPreparation, Preparation
from contractive.data._reader import Reader, Rows, Sink
from contractive.data._spectra import preprocess
from contractive.data._split import TEST, TRAIN, VALIDATION, DataSource, Split, is_categorical, label_texts
from contractive.data._table_preparation import TablePreparation
from contractive.data._tables import TableReader
from contractive.data._windows import WindowPreparation

__all__ = [
    "DATA_VARIABLE", "FORMATS", "SETS", "TEST", "TRAIN", "VALIDATION", "ArrayPreparation", "ArrayReader",
    "ArraySchema", "Block", "Column", "DataError", "DataSource", "ImagesPreparation", "Imputation", "Mismatches",
    "Options", "Preparation", "Reader", "Rows", "Scale", "Sink", "Split", "TablePreparation", "TableReader",
    "WindowPreparation", "arrow_column", "as_table", "check_fits", "check_place", "is_categorical", "label_texts",
    "load", "open_rows", "preprocess", "read_idx", "writer",
]  # fmt: skip
