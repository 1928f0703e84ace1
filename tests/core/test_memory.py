"""The memory that is left in a container: pages of files that it has read are given up on demand."""

import pytest

from contractive.core import memory
from contractive.data import DataError
from contractive.data._memory import check_fits

GIB = 2**30
GROUPS = {
    2: ("", "max", "current", ("anon {rest}", "inactive_file {pages}", "active_file 0")),
    1: ("/memory", "limit_in_bytes", "usage_in_bytes", ("inactive_file 7", "total_inactive_file {pages}")),
}


@pytest.fixture
def container(monkeypatch):
    """Makes the files of a container with a limit of 4 GiB, in use 3.9 GiB of which some are pages of files."""

    def make(version, pages):
        folder, limit, used, stat = GROUPS[version]
        place, current = f"/sys/fs/cgroup{folder}/memory", int(3.9 * GIB)
        files = {
            "/proc/meminfo": [f"MemAvailable: {64 * GIB // 1024} kB"],
            f"{place}.{limit}": [str(4 * GIB)],
            f"{place}.{used}": [str(current)],
            f"{place}.stat": [line.format(pages=pages, rest=current - pages) for line in stat],
        }
        monkeypatch.setattr(memory, "_lines", lambda path: files.get(path, []))

    return make


@pytest.mark.parametrize("version", GROUPS)
def test_pages_of_files_count_as_free(version, container):
    container(version, 3 * GIB)
    assert memory.available_memory() == 4 * GIB - int(3.9 * GIB) + 3 * GIB
    check_fits("rows.npy", GIB, "Use fewer.")


@pytest.mark.parametrize("version", GROUPS)
def test_other_memory_of_a_container_does_not(version, container):
    container(version, 0)
    assert memory.available_memory() == 4 * GIB - int(3.9 * GIB)
    with pytest.raises(DataError, match=r"rows\.npy must fit into memory .*got 1\.1 GB"):
        check_fits("rows.npy", GIB, "Use fewer.")
