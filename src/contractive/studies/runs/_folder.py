"""The folder of a run: where its files lie, what may be done to it, and how its documents and tables are kept."""

import csv
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from contractive.core.artifacts import ArtifactError
from contractive.core.errors import ContractiveError
from contractive.core.files import check_regular, check_writable, is_temporary, remove_temporary_files, write_text
from contractive.models import StorageError
from contractive.training import History


class RunError(ContractiveError):
    """A run folder that cannot be used as asked, and what to do about it."""


class Files:
    """Paths of the files of a run.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config, self.model = self.folder / "config.json", self.folder / "model.safetensors"
        self.history, self.metrics = self.folder / "history.csv", self.folder / "metrics.json"
        self.split, self.report = self.folder / "split.npz", self.folder / "report.html"
        self.checkpoints = self.folder / "checkpoints"
        self.checkpoint = self.checkpoints / "last.ckpt"

    def check(self, *, force: bool = False) -> None:
        """Refuse a folder that is not for a new run.

        Args:
            force: A run in the folder may be replaced.

        Raises:
            RunError: It is a file, or holds other files, or a run that may not be replaced.
        """
        folder = self.folder
        try:
            is_folder = folder.is_dir()
            others = is_folder and not all(map(is_temporary, folder.iterdir()))
            loop = folder.is_symlink() and not folder.exists()
            str(folder).encode()
        except UnicodeEncodeError as error:  # the log of TensorBoard cannot be written there
            raise _wrong_out("have a name in UTF-8", repr(str(folder))) from error
        except OSError as error:
            raise _wrong_out("be a folder that can be read", f"{folder}: {error.strerror}") from error
        if loop or (folder.exists() and not is_folder):
            raise _wrong_out("be a folder", f"{'a link to nothing' if loop else 'the file'} {folder}")
        if self.config.exists() and not force:
            remedy = "Choose another one, resume the run with `resume`, or replace it with `force`."
            raise _wrong_out("be a folder without a run", folder, remedy)
        if others and not self.config.exists():
            raise _wrong_out("be a new or empty folder", f"{folder} with other files")

    def prepare(self, own: Iterable[str], *, force: bool = False) -> None:
        """Make the folder ready for a new run.

        Args:
            own: Names of the files that tasks write beside those of every run.
            force: A run in the folder may be replaced.

        Raises:
            RunError: As in `check`, or it cannot be written.
        """
        self.check(force=force)
        self.make_writable()
        # the configuration stays until it is replaced: without it, the rest would be taken for files of others
        old = (self.metrics, self.model, self.history, self.split, self.report)
        for path in (*old, *(self.folder / name for name in own)):
            path.unlink(missing_ok=True)
        self.remove_checkpoints()

    def make_writable(self) -> None:
        """Make the folder if it is missing, and remove what a killed process left half-written.

        Raises:
            RunError: It cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            check_writable(self.folder)
            self.remove_temporary_files()
        except OSError as error:
            raise _wrong_out("be a folder that can be written", f"{self.folder}: {error.strerror}") from error

    def remove_temporary_files(self) -> None:
        """Remove what a killed process left half-written, here and one folder below."""
        for folder in (self.folder, *filter(Path.is_dir, self.folder.iterdir())):
            remove_temporary_files(folder)

    def remove_checkpoints(self) -> None:
        """Remove the state of training."""
        for pattern in ("*.ckpt", "*.safetensors", "*.npy", "*.npy.part*"):
            for path in self.checkpoints.glob(pattern):
                path.unlink()
        with suppress(OSError):  # where there is none, or other files are in it
            self.checkpoints.rmdir()


def _wrong_out(rule: str, got: object, remedy: str = "Choose another one.") -> RunError:
    return RunError(field="out", rule=rule, got=got, remedy=remedy)


class HistoryTable:
    """A .csv file with a row of numbers per epoch, which can be written while it grows.

    Args:
        path: Of the file.
        seconds: Least time between two writes of `update`.
    """

    def __init__(self, path: Path, seconds: float = 0.0) -> None:
        self._path, self._seconds, self._written = path, seconds, -math.inf

    def read(self) -> list[dict[str, float]]:
        """Return the rows; none without the file.

        Raises:
            RunError: A broken file.
        """
        try:
            check_regular(self._path, 2**26)
            with open(self._path, newline="") as file:
                rows = list(csv.DictReader(file))
            return [{k: float("nan" if value == "" else value) for k, value in row.items()} for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{self._path} is not a table of numbers: {error}. It was changed; train again.") from error

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the file, whole or not at all."""
        write_text(self._path, History(tuple(rows), 0).to_csv())

    def update(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the file if there are rows, and if it is time."""
        if rows and time.monotonic() - self._written >= self._seconds:
            self.write(rows)
            self._written = time.monotonic()


@contextmanager
def as_run_errors(path: Path) -> Iterator[None]:
    """Raise a RunError where a file of a run is missing, broken, changed or of another version."""
    try:
        yield
    except (ArtifactError, StorageError) as error:
        raise RunError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise RunError(f"{path} does not hold what training writes there. It was changed; train again.") from error
