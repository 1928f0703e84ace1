import pickle
import tracemalloc

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contractive.core.memory import available_memory
from contractive.data import DataError, Options, Rows, load, open_rows
from contractive.data._arrow import ParquetTable
from contractive.data._memory import fits

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(1000, 5)) * 3 + 1
TOWNS = np.array(["Rome", "Oslo", "Bern", "Turin"])[RANDOM.integers(0, 4, 1000)]
TABLE = pa.table({
    "a": X[:, 0], "b": X[:, 1], "flag": X[:, 2] > 0, "town": TOWNS, "y": TOWNS,
    "time": pa.array((X[:, 3] * 1e9).astype(int), pa.timestamp("us")),
})  # fmt: skip


@pytest.fixture(params=["npy", "parquet"])
def source(request, tmp_path):
    """A path, and the options to read it."""
    path = tmp_path / f"x.{request.param}"
    if request.param == "npy":
        np.save(path, X)
        return path, {}
    pq.write_table(TABLE, path, row_group_size=70)
    return path, {"drop": ("y",), "one_hot": ("town",)}


def both(source, **more):
    path, options = source
    return [load(path, seed=1, options=Options(stream=stream, **options, **more)) for stream in (True, False)]


@pytest.mark.parametrize("scale", ["none", "minmax"])
def test_streamed_and_gathered_are_equal_bit_for_bit(source, scale):
    streamed, gathered = both(source, scale=scale)
    assert isinstance(streamed.train, Rows)
    assert streamed.streamed
    assert not gathered.streamed
    np.testing.assert_array_equal(streamed.train[:], gathered.train)
    for part in ("validation", "test", "parts"):
        np.testing.assert_array_equal(getattr(streamed, part), getattr(gathered, part))
    assert streamed.preparation == gathered.preparation
    assert streamed.checksum == gathered.checksum
    assert "Training rows stay on disk (option stream)." in streamed.notes


@pytest.mark.parametrize("more", [{}, {"impute": "mean"}], ids=["plain", "impute"])
def test_standard_scaling_is_the_same_to_the_last_digit(source, more):
    streamed, gathered = both(source, **more)
    np.testing.assert_allclose(streamed.train[:], gathered.train, rtol=1e-6, atol=1e-7)


def test_slices_are_those_of_an_array(source):
    streamed, gathered = both(source, scale="minmax")
    rows, x = streamed.train, gathered.train
    assert rows.shape == x.shape
    assert len(rows) == len(x) == 700
    assert streamed.features == x.shape[1]
    for piece in (slice(0, 1), slice(3, 200), slice(69, 71), slice(690, 900), slice(5, 5), slice(700, 800),
                  slice(-9, None), slice(40, 20), slice(None)):  # fmt: skip
        np.testing.assert_array_equal(rows[piece], x[piece])
        assert rows[piece].dtype == np.float32
    blocks = [rows[start : start + rows.block] for start in range(0, len(rows), rows.block)]
    np.testing.assert_array_equal(np.concatenate(blocks), x)
    with pytest.raises(ValueError, match="rows must be read in steps of 1, got a slice with step 2"):
        rows[::2]


def test_rows_travel_to_other_processes(source):
    streamed, _ = both(source)
    rows = streamed.train
    before = rows[10:20]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[10:20], before)


def test_what_needs_all_rows_at_once_is_refused(source):
    path, options = source
    for more, match in (
        ({"scale": "robust"}, "scale must be minmax or standard for data larger than memory, got robust"),
        ({"impute": "median"}, "impute must be mean for data larger than memory, got median"),
    ):
        with pytest.raises(DataError, match=match):
            load(path, options=Options(stream=True, **options, **more))


def test_a_streamed_split_does_not_pass_for_one_in_memory(source):
    streamed, gathered = both(source)
    assert gathered.in_memory() is gathered
    with pytest.raises(DataError, match=r"data must be in memory here, got 700 training rows of \d numbers on disk"):
        streamed.in_memory()


def test_gaps_are_filled_and_refused_as_in_memory(tmp_path):
    array = np.where(X > 6, np.nan, X)
    np.save(tmp_path / "x.npy", array)
    path = tmp_path / "x.npy"
    with pytest.raises(DataError, match=rf"in feature x0 \({np.isnan(array[:, 0]).sum()}\)"):
        load(path, options=Options(stream=True))
    streamed, gathered = both((path, {"scale": "minmax"}), impute="mean")
    np.testing.assert_allclose(streamed.train[:], gathered.train, rtol=1e-6)
    means = np.nanmean(array[streamed.parts == 0], axis=0)
    np.testing.assert_allclose(streamed.preparation.fill, means, rtol=1e-12)


def test_labels_follow_their_rows(tmp_path):
    pq.write_table(TABLE.drop_columns(["town"]), tmp_path / "x.parquet", row_group_size=70)
    split = load(tmp_path / "x.parquet", options=Options(stream=True, label="y"))
    for part in range(3):
        assert split.labels[part].tolist() == TOWNS[split.parts == part].tolist()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {},
            r"got text in town, y\. Use `one_hot` all, or `drop` town,y, or `label` if one is the label\.$",
        ),
        (
            {"drop": ("a", "b", "flag", "time", "town"), "label": "y"},
            "must have a column beside label and dropped ones",
        ),
        ({"label": "why"}, "label must name a column, got 'why'"),
    ],
)
def test_columns_are_checked_as_in_memory(options, match, tmp_path):
    pq.write_table(TABLE, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=match):
        load(tmp_path / "x.parquet", options=Options(stream=True, **options))


def test_too_many_categories_are_refused(tmp_path):
    pq.write_table(pa.table({"a": X[:, 0].repeat(2), "b": [str(i) for i in range(2000)]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="column b must have 1 to 1000 categories to be encoded, got 2000"):
        load(tmp_path / "x.parquet", options=Options(stream=True, one_hot=True))


def test_broken_parquet_files_say_so(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:4] + bytes(100) + content[104:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"must be a whole \.parquet file, got: "):
            load(path, options=Options(stream=True, drop=("town", "y")))


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path):
    np.save(tmp_path / "x.npy", X)
    split = load(tmp_path / "x.npy", options=Options(stream=True))
    np.save(tmp_path / "x.npy", X[:500])
    with pytest.raises(DataError, match="must stay as it was, got fewer rows than before"):
        split.train[:]


def test_a_row_group_with_other_rows_than_it_says_is_noticed(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE.select(["a", "b"]), path, row_group_size=70)
    split = load(path, options=Options(stream=True))
    pq.write_table(TABLE.select(["a", "b"]).slice(0, 600), path, row_group_size=40)
    match = r"row group 0 of .*x\.parquet must have the 70 rows it says, got 40\. The file is damaged, or was changed"
    with pytest.raises(DataError, match=match):
        split.train[:]


@pytest.mark.parametrize("stream", [False, True], ids=["in memory", "streamed"])
def test_column_names_that_are_no_text_are_refused(stream, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"zzzz": X[:, 0], "b": X[:, 1]}), path)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xe6zzz"))
    with pytest.raises(DataError, match=r"x\.parquet must be a whole \.parquet file, got: .*Write or copy it again"):
        load(path, options=Options(stream=stream))


@pytest.mark.parametrize("stream", [False, True], ids=["in memory", "streamed"])
def test_texts_that_are_none_are_refused(stream, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"town": ["zzzz", "Oslo"] * 500, "b": X[:, 1]}), path, use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xe6zzz"))
    options = Options(stream=stream, one_hot=("town",))
    with pytest.raises(DataError, match=r"x\.parquet must be a whole \.parquet file, got: .*Write or copy it again"):
        load(path, options=options)
    good = tmp_path / "good.parquet"
    pq.write_table(pa.table({"town": ["Rome", "Oslo"] * 500, "b": X[:, 1]}), good)
    preparation = load(good, options=options).preparation
    with pytest.raises(DataError, match=r"x\.parquet must be a whole \.parquet file, got: "):
        list(open_rows(path, preparation))


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_size_against_memory_decides(ending, tmp_path, monkeypatch):
    path = tmp_path / f"x.{ending}"
    np.save(path, X) if ending == "npy" else pq.write_table(TABLE.select(["a", "b"]), path, row_group_size=100)
    num_bytes = 4 * 1000 * (5 if ending == "npy" else 2)
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: int(num_bytes / 0.4) + 10)
    assert not load_without_checks(path, monkeypatch).streamed
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: int(num_bytes / 0.4) - 10)
    assert load(path).streamed


def load_without_checks(path, monkeypatch):
    for module in ("_arrow", "_npy"):
        monkeypatch.setattr(f"contractive.data.{module}.check_fits", lambda *_: None)
    return load(path)


def test_the_memory_left_is_about_that_of_the_machine():
    assert 0 < available_memory() <= psutil.virtual_memory().total
    assert fits(1000)
    assert not fits(psutil.virtual_memory().total)


def test_a_limit_on_the_process_counts(monkeypatch):
    resource = pytest.importorskip("resource")
    used = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda _: (used + 10_000_000, used + 10_000_000))
    assert available_memory() <= 11_000_000


def write_blocks(path, num_blocks):
    names = [f"x{i}" for i in range(60)]
    block = RANDOM.normal(size=(10_000, len(names))).astype(np.float32)
    if path.suffix == ".npy":
        np.save(path, np.concatenate([block] * num_blocks))
        return
    with pq.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in names])) as out:
        for _ in range(num_blocks):
            out.write_table(pa.table(list(block.T), names=names))


def go_through(path):
    split = load(path, options=Options(stream=True, validation_share=0.001, test_share=0.001))
    total = sum(len(split.train[start : start + 8192]) for start in range(0, len(split.train), 8192))
    total += sum(len(block.x) for block in open_rows(path, split.preparation))
    assert total > 1.9 * len(split.parts)


def peak(path):
    """Bytes of NumPy and of Arrow at their most while a file is loaded, gone through and opened again."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        go_through(path)
        return tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_memory_does_not_grow_with_the_file(ending, tmp_path):
    peaks = []
    for num_blocks in (3, 7):
        write_blocks(tmp_path / f"x{num_blocks}.{ending}", num_blocks)
        peaks.append(peak(tmp_path / f"x{num_blocks}.{ending}"))
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("num_groups", [24, 1])
def test_row_groups_gone_past_are_not_kept(num_groups, tmp_path):
    """Arrow's own default keeps them all: its peak is the size of the file."""
    rows = np.random.default_rng(0).normal(size=(96_000, 50)).astype(np.float32)
    table, path = pa.table({f"c{i}": rows[:, i] for i in range(50)}), tmp_path / "x.parquet"
    options = {"compression": "none", "use_dictionary": False}
    pq.write_table(table, path, row_group_size=96_000 // num_groups, **options)
    del table
    before, most, seen = pa.total_allocated_bytes(), 0, 0
    for block in ParquetTable(path).batches(4000):
        seen += len(block)
        most = max(most, pa.total_allocated_bytes() - before)
        del block
    assert seen == 96_000
    assert most < rows.nbytes / 2


def test_row_groups_larger_than_memory_are_refused_with_the_remedy(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE.select(["a", "b"]), path, row_group_size=500)
    needed = 24 * 500 * 2
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: needed)
    assert len(load(path, options=Options(stream=True)).parts) == 1000
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: needed - 1)
    with pytest.raises(DataError, match=r"a row group of .* must fit into memory .* row_group_size=10000"):
        load(path, options=Options(stream=True))
