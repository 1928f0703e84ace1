"""A result on disk: a JSON document of a known type and version, and its arrays beside it. Nothing is pickled.

Dataclasses are written by their fields and read back by their types (msgspec), so that a file that was changed or made
by another version is refused here and nowhere else.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from torch import Tensor

from contractive.core.errors import ContractiveError, first_line
from contractive.core.files import BROKEN_FILE_ERRORS, check_regular, new_file, write_text
from contractive.core.memory import available_memory

VERSION = 2  # files without one were written before the first release
LARGEST_DOCUMENT = 2**26  # bytes
T = TypeVar("T")


class ArtifactError(ContractiveError):
    """A file that cannot be read as what it should be, and what to do about it."""


@dataclass(frozen=True)
class Artifact:
    """One result on disk: `<name>.json` and, where it has arrays, `<name>.npz`."""

    kind: str  # what it is, in words, for instance "comparison"
    document: Any  # JSON-able content; arrays appear as `{"array": name}`, a mapping that looks so as `{"mapping": it}`
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)  # by name

    @classmethod
    def of(cls, kind: str, value: Any) -> "Artifact":
        """Pack dataclasses, mappings, sequences, numbers, texts, arrays and tensors."""
        arrays: dict[str, np.ndarray] = {}
        return cls(kind, _packed(value, "", arrays), arrays)

    def to(self, type_: type[T], source: object = "the file") -> T:
        """Return the content as a value of a dataclass or another type that msgspec can check.

        Floating-point tensors come back as they were stored. The `ArtifactError` of other content names `source`.
        """
        try:
            return msgspec.convert(_unpacked(self.document, self.arrays), type_, dec_hook=_as_array)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{source} does not hold a {self.kind}: {first_line(error)}. It was changed; make it again."
            ) from error

    def write(self, folder: str | Path, name: str) -> None:
        """Write both files, each whole or not at all, the document last; the folder is made if missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self.arrays:
            write_arrays(folder / f"{name}.npz", self.arrays)
        document = {"kind": self.kind, "version": VERSION, "content": self.document}
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(folder / f"{name}.json", text + "\n")

    @classmethod
    def read(cls, folder: str | Path, name: str, kind: str) -> "Artifact":
        """Read what `write` wrote; `ArtifactError` for a missing or broken file, another kind or another version."""
        path, arrays = Path(folder) / f"{name}.json", Path(folder) / f"{name}.npz"
        document = read_json(path)
        if not isinstance(document, dict) or "version" not in document:
            raise ArtifactError(f"{path} was written before the first release, and cannot be read. Make it again.")
        if document["version"] != VERSION:
            raise ArtifactError(
                f"{path} has version {document['version']!r}, and {VERSION} is read. Use the version that wrote it."
            )
        if document.get("kind") != kind or "content" not in document:
            raise ArtifactError(f"{path} holds a {document.get('kind')!r}, not a {kind}. Check the path.")
        return cls(kind, document["content"], read_arrays(arrays) if arrays.exists() else {})


def read_json(path: Path, largest: int = LARGEST_DOCUMENT) -> Any:
    """Read a JSON document; `ArtifactError` if it is missing, no regular file, of more bytes, or broken."""
    try:
        check_regular(path, largest)
        return json.loads(path.read_bytes())
    except BROKEN_FILE_ERRORS as error:
        raise ArtifactError(f"{path} cannot be read: {first_line(error)}. Make it again.") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file, whole or not at all."""
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def read_arrays(path: Path, largest: int | None = None) -> dict[str, np.ndarray]:
    """Read an .npz file; `ArtifactError` if it is missing, no regular file, broken, or of more unpacked bytes.

    Args:
        path: Of the file.
        largest: Unpacked bytes at most; as many as the memory that is left if None.
    """
    try:
        largest = available_memory() if largest is None else largest
        check_regular(path, largest)
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > largest:
            raise ValueError(f"{size} bytes when unpacked, more than the {largest} that are read")
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except BROKEN_FILE_ERRORS as error:
        raise ArtifactError(f"{path} cannot be read: {first_line(error)}. Make it again.") from error


def _packed(value: Any, at: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        arrays[at or "values"] = value
        return {"array": at or "values"}
    if is_dataclass(value):
        value = {part.name: getattr(value, part.name) for part in fields(value)}
    inside = f"{at}/" if at else ""
    if isinstance(value, Mapping):
        packed = {str(key): _packed(entry, f"{inside}{key}", arrays) for key, entry in value.items()}
        return {"mapping": packed} if _is_mark(packed) else packed
    if isinstance(value, tuple | list):
        return [_packed(entry, f"{inside}{number}", arrays) for number, entry in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return {"number": str(value)}  # JSON has none
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{at or 'value'} must be plain, a dataclass, a mapping, a sequence or an array, got {value!r:.60}")


def _is_mark(packed: Mapping[str, Any]) -> bool:
    """Whether a JSON object would be read as the mark of an array, of a number that JSON lacks, or of a mapping."""
    return len(packed) == 1 and next(iter(packed)) in ("array", "number", "mapping")


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(entry, arrays) for entry in value]
    if isinstance(value, dict):
        if not _is_mark(value):
            return {key: _unpacked(entry, arrays) for key, entry in value.items()}
        if "array" in value:
            return arrays[value["array"]]
        if "number" in value:
            return float(value["number"])
        return {key: _unpacked(entry, arrays) for key, entry in value["mapping"].items()}
    return value


def _as_array(kind: type, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value)) if kind is Tensor else value
    raise TypeError(f"an array is missing where {kind.__name__} is expected")
