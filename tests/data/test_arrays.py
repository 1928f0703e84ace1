import io
import zipfile

import numpy as np
import pytest

from contractive.data import DataError, Options, load

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6))
BYTES = RANDOM.integers(0, 256, (40, 6), dtype=np.uint8)
Y = np.arange(40) % 2


def whole(split):
    out = np.empty((len(split.parts), split.features), np.float32)
    for part, x in enumerate((split.train, split.validation, split.test)):
        out[split.parts == part] = x
    return out


def refused(path, match, **options):
    with pytest.raises(DataError, match=match) as caught:
        load(path, options=Options(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [X, X.astype(np.float16), np.asfortranarray(X), (X * 100).astype(np.int32), X > 0,
    X.astype(">f8"), BYTES], ids=["float64", "float16", "fortran", "int32", "bool", "big endian", "uint8"])  # fmt: skip
@pytest.mark.parametrize("stream", [False, True], ids=["memory", "stream"])
def test_what_was_saved_is_read(array, stream, tmp_path):
    np.save(tmp_path / "x.npy", array)
    if stream and np.isfortran(array):
        refused(tmp_path / "x.npy", "must be in C order to be streamed, got Fortran order", stream=True)
        return
    split = load(tmp_path / "x.npy", options=Options(scale="none", stream=stream))
    if stream:
        assert split.streamed
        np.testing.assert_array_equal(split.train[:], array[split.parts == 0].astype(np.float32))
        np.testing.assert_array_equal(split.test, array[split.parts == 2].astype(np.float32))
    else:
        np.testing.assert_array_equal(whole(split), array.astype(np.float32))
    assert split.columns == tuple(f"x{i}" for i in range(6))
    assert split.labels is None
    assert split.name == "x"


@pytest.mark.parametrize(
    ("array", "scaler", "said"),
    [
        (BYTES, "range", "Bytes were divided by 255"),
        (BYTES.reshape(40, 2, 3), "range", "Bytes were divided by 255"),
        (BYTES // 20, "standard", "mean 0 and standard deviation 1"),
        (BYTES / 255, "none", "lie in [0, 1] already"),
        (X, "standard", "mean 0 and standard deviation 1"),
        (X.reshape(40, 2, 3), "range", "Pixels from -"),
        (BYTES > 9, "none", "lie in [0, 1] already"),
    ],
    ids=["bytes", "images of bytes", "grades", "unit", "numbers", "images of numbers", "bool"],
)
def test_the_scaling_suits_the_numbers_and_is_said(array, scaler, said, tmp_path):
    np.save(tmp_path / "x.npy", array)
    split = load(tmp_path / "x.npy")
    assert split.preparation.scaler == scaler
    assert any(said in note for note in split.notes)
    if scaler == "range":
        assert split.train.min() >= 0
        assert split.train.max() <= 1


@pytest.mark.parametrize(
    ("shape", "image", "image_shape"),
    [((40, 6), None, None), ((40, 2, 3), (2, 3), (1, 2, 3)), ((40, 2, 3, 1), (2, 3), (1, 2, 3)),
     ((40, 4, 5, 3), None, (3, 4, 5)), ((40, 3, 4, 5), None, (3, 4, 5)), ((40, 6, 1), None, None),
     ((40, 2, 4, 5), None, None)],
    ids=["flat", "grey", "grey with channel", "channels last", "channels first", "column", "other"],
)  # fmt: skip
def test_images_are_recognised_by_their_shape(shape, image, image_shape, tmp_path):
    array = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    split = load(tmp_path / "x.npy")
    assert split.image == image
    assert split.image_shape == image_shape
    expected = np.moveaxis(array, 3, 1) if len(shape) == 4 and shape[3] == 3 else array
    np.testing.assert_allclose(whole(split), expected.reshape(40, -1) / 255, rtol=1e-6)
    np.testing.assert_array_equal(split.preparation.transform(array), whole(split))


def test_a_size_makes_flat_rows_images(tmp_path):
    np.save(tmp_path / "x.npy", BYTES)
    assert load(tmp_path / "x.npy", options=Options(size=(3, 2))).image == (3, 2)
    refused(tmp_path / "x.npy", "size must match rows of 6 numbers, got 3x3", size=(3, 3))
    refused(tmp_path / "x.npy", "gray must be for folders of images, got x.npy", gray=True)


@pytest.mark.parametrize(
    ("arrays", "options", "rows", "labels", "test"),
    [
        ({"anything": X}, {}, 40, False, False),
        ({"X": X, "y": Y}, {}, 40, True, False),
        ({"X": X, "y": Y[:, None]}, {}, 40, True, False),
        ({"X": X, "y": X[:, :3], "wavelengths": np.arange(6)}, {}, 40, False, False),
        ({"x_train": X, "y_train": Y, "x_test": X[:7], "y_test": Y[:7]}, {}, 40, True, True),
        ({"X_train": X, "X_test": X[:7]}, {}, 40, False, True),
        ({"a": X, "b": X[:20]}, {"key": "b"}, 20, False, False),
        ({"a": X, "kind": Y}, {"label": "kind"}, 40, True, False),
        ({"x": X, "test": X}, {}, 40, False, False),
    ],
    ids=["one", "X y", "column of labels", "several targets", "four", "two", "key", "label", "other"],
)
def test_arrays_of_an_npz_are_found_by_their_keys(arrays, options, rows, labels, test, tmp_path):
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    split = load(tmp_path / "x.npz", options=Options(scale="none", **options))
    assert len(split.parts) == rows
    assert (split.labels is not None) == labels
    if test:
        np.testing.assert_array_equal(split.test, X[:7].astype(np.float32))
        assert 2 not in split.parts
    else:
        np.testing.assert_array_equal(whole(split), X[:rows].astype(np.float32))
    if labels:
        np.testing.assert_array_equal(split.labels[0], Y[split.parts == 0])
        assert split.labels[2].tolist() == (Y[:7] if test else Y[split.parts == 2]).tolist()


def test_names_of_features_are_kept(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, feature_names=np.array(list("abcdef")))
    assert load(tmp_path / "x.npz").columns == tuple("abcdef")


@pytest.mark.parametrize(
    ("arrays", "options", "match"),
    [
        ({"a": X, "b": X}, {}, r"key must say which array of .* There are a \(40, 6\), b \(40, 6\)\."),
        ({"a": Y}, {}, r"key must say which array of .* There are a \(40,\)\."),
        ({}, {}, r"key must say which array of .* There are no array"),
        ({"train": X, "b": X}, {"key": "trian"}, r"key must be in .*, got 'trian'\. Did you mean train\?"),
        ({"X": X, "target": Y}, {"label": "targt"}, r"label must be a key, got 'targt'\. Did you mean target\?"),
        ({"X": X, "y": Y[:5]}, {"label": "y"}, r"label must have one value per row \(40\), got y of \(5,\)"),
        ({"X": X, "y": np.where(Y, np.nan, 1)}, {}, "labels must be finite, got others in y"),
        ({"X": X}, {"key": "X", "drop": ("a",)}, "drop must be for text tables or .* or .xlsx, got x.npz"),
        ({"X": X, "a": np.array(["x"])}, {"key": "a"}, r"must have rows of numbers, got <U1 of \(1,\)"),
        ({"X": np.array([{}])}, {}, "array X of .* must hold numbers, got pickled objects, which are never read"),
    ],
    ids=["several", "flat", "none", "key", "label", "short label", "nan label", "drop", "text", "objects"],
)
def test_an_npz_that_is_not_clear_is_refused(arrays, options, match, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", match, **options)


def test_objects_beside_the_rows_are_left_out_unless_they_are_asked_for(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, y=np.array([{}] * 40), made=np.zeros(3, "f4,f4"))
    split = load(tmp_path / "x.npz")
    assert split.labels is None
    assert "Left out arrays that hold no plain numbers: y, made." in split.notes
    refused(tmp_path / "x.npz", "array y of .* must hold numbers, got pickled objects, which are never read", label="y")
    refused(tmp_path / "x.npz", "array made of .* must hold numbers, got ", key="made")


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.array([object()]), "must hold numbers, got pickled objects, which are never read"),
        (np.zeros(40), r"must have rows of numbers, got float64 of \(40,\)\. Reshape to \(rows, features\)"),
        (np.float64(3), r"must have rows of numbers, got float64 of \(\)"),
        (np.zeros((40, 0)), "must have 1 to 4194304 numbers, got 0"),
        (np.zeros((9, 3)), "data must have at least 10 rows, got 9"),
        (np.zeros((0, 3)), "data must have at least 10 rows, got 0"),
        (np.zeros((40, 3)), "data must vary, got the same value everywhere"),
        (X + 1j, "must hold numbers, got complex128"),
        (X.astype(str), "must have rows of numbers, got <U"),
        (np.zeros(40, "f4,f4"), "must hold numbers, got "),
        (np.where(X > 2, np.nan, X), r"got missing ones in feature x\d \(\d\).*Use `impute` median\."),
        (np.where(X > 2, np.inf, X), r"must be finite and at most 1e\+30, got others in feature x\d"),
    ],
    ids=[
        "objects",
        "flat",
        "scalar",
        "no columns",
        "few",
        "empty",
        "constant",
        "complex",
        "text",
        "records",
        "nan",
        "inf",
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["memory", "stream"])
def test_an_npy_that_cannot_be_used_is_refused(array, match, stream, tmp_path):
    np.save(tmp_path / "x.npy", array)
    refused(tmp_path / "x.npy", match, stream=stream)


def test_one_feature_that_never_varies_is_no_obstacle_in_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.column_stack([X, np.full(40, 7)]))
    split = load(tmp_path / "x.npy")
    assert np.all(whole(split)[:, 6] == 0)


def test_gaps_in_arrays_are_filled(tmp_path):
    array = np.where(X > 1.5, np.nan, X)
    np.save(tmp_path / "x.npy", array)
    split = load(tmp_path / "x.npy", options=Options(scale="none", impute="mean"))
    means = np.nanmean(array[split.parts == 0], axis=0)
    np.testing.assert_allclose(whole(split), np.where(np.isnan(array), means, array), rtol=1e-6)


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def header(text, version=1):
    body = text.encode() + b"\n"
    length = len(body).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + body


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"must be a whole \.npy file, got: "),
        (b"hello", r"must be a whole \.npy file, got: "),
        (npy(X)[:60], r"must be a whole \.npy file, got: "),
        (npy(X)[:-8], "must hold 1920 bytes, got 1912. It is cut short"),
        (npy(X) + npy(X), r"must hold 1920 bytes, got 3968\. Save one array in each file"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12, 3)}"), r"must be a whole \.npy file"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3)}"), "It is cut short"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-4, 3)}"), "It is cut short"),
        (header("__import__('os')"), r"must be a whole \.npy file"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "pickled objects, which are never read"),
        (header("{}", version=3), r"must be of version 1 or 2 of the \.npy format, got \(3, 0\)"),
        (header("(" * 5000), r"must be a whole \.npy file"),
    ],
    ids=["empty", "text", "header", "cut", "two", "power", "huge", "negative", "code", "objects", "version", "deep"],
)
def test_broken_and_hostile_npy_files_say_so_in_one_line(content, match, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    refused(tmp_path / "x.npy", match)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", content)
    refused(tmp_path / "x.npz", match.replace("npy", "np[yz]"))


def test_broken_npz_files_say_so_in_one_line(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", X=X)
    content = (tmp_path / "x.npz").read_bytes()
    for broken in (content[:200], b"", content[:100] + bytes(100) + content[200:]):
        (tmp_path / "x.npz").write_bytes(broken)
        refused(tmp_path / "x.npz", r"must be a whole \.npz file, got: ")


def test_an_array_larger_than_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", X=np.zeros((1000, 1000)))
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 1_000_000)
    refused(tmp_path / "x.npz", r"array X of .* must fit into memory \(1\.0 MB left\), got 12\.0 MB\. Save it as \.npy")


def test_key_and_label_are_for_npz(tmp_path):
    np.save(tmp_path / "x.npy", X)
    refused(tmp_path / "x.npy", "key must be for .npz or .xlsx or .h5ad, got x.npy", key="X")
    refused(tmp_path / "x.npy", "label must be for .npz or text tables or .*, got x.npy", label="X")
    refused(tmp_path / "x.npy", "one_hot must be for text tables or .* or .xlsx, got", one_hot=True)


def test_a_test_file_may_be_an_array_too(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "t.npy", X[:5] * 2)
    np.savez(tmp_path / "t.npz", X=X[:5] * 2, y=Y[:5])
    for name in ("t.npy", "t.npz"):
        split = load(tmp_path / "x.npy", options=Options(scale="none", test=tmp_path / name))
        np.testing.assert_allclose(split.test, 2 * X[:5], rtol=1e-6)
    np.save(tmp_path / "wide.npy", np.zeros((5, 7)))
    refused(
        tmp_path / "x.npy", r"rows of 6 numbers as in training, got an array of \(5, 7\)", test=tmp_path / "wide.npy"
    )
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    refused(
        tmp_path / "x.npy", r"must be of the kind of the training data \(array\), got a table", test=tmp_path / "t.csv"
    )


MEANS, WIDTHS = np.array([[101_325.0], [20.0], [0.5]]), np.array([[1.0], [3.0], [0.1]])
RANGES = MEANS + WIDTHS * RANDOM.normal(size=(60, 3, 20))


def by_hand(split, values, axes):
    train = values[split.parts == 0]
    mean, deviation = train.mean(axes, keepdims=True), train.std(axes, keepdims=True)
    return ((values - mean) / deviation).reshape(len(values), -1)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("stream", [False, True], ids=["memory", "stream"])
def test_channels_of_different_units_are_a_series_scaled_per_channel(last, stream, tmp_path):
    values = np.swapaxes(RANGES, 1, 2) if last else RANGES
    np.save(tmp_path / "x.npy", np.ascontiguousarray(values))
    split = load(tmp_path / "x.npy", options=Options(stream=stream))
    assert split.image_shape is None
    assert split.notes[0].startswith(
        "Rows are series of 20 steps in 3 channels, each scaled on its own, and no images: "
    )
    expected = by_hand(split, values, (0, 1) if last else (0, 2))
    np.testing.assert_allclose(split.preparation.transform(values), expected, atol=1e-5)
    again = split.preparation.inverse(split.preparation.transform(values)).reshape(values.shape)
    np.testing.assert_allclose(again, values, rtol=1e-5)


@pytest.mark.parametrize("scaler", ["minmax", "robust", "none"])
def test_other_scalers_take_a_series_by_channel(scaler, tmp_path):
    np.save(tmp_path / "x.npy", RANGES)
    split = load(tmp_path / "x.npy", options=Options(scale=scaler))
    offset = np.broadcast_to(split.preparation.offset, 60).reshape(3, 20)
    assert (offset == offset[:, :1]).all()
    if scaler == "minmax":
        train = split.train.reshape(-1, 3, 20)
        np.testing.assert_allclose((train.min((0, 2)), train.max((0, 2))), [[0] * 3, [1] * 3], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_an_option_says_that_rows_are_series_or_images(dtype, tmp_path):
    values = (100 + 50 * RANDOM.random((60, 8, 3))).astype(dtype)
    np.save(tmp_path / "x.npy", values)
    assert load(tmp_path / "x.npy").image_shape == (1, 8, 3)
    split = load(tmp_path / "x.npy", options=Options(rows_are="series"))
    assert split.image_shape is None
    assert split.notes[0] == "Rows are series of 8 steps in 3 channels, each scaled on its own (option rows_are)."
    expected = by_hand(split, values.astype(np.float64), (0, 1))
    np.testing.assert_allclose(split.preparation.transform(values), expected, atol=1e-5)
    np.save(tmp_path / "y.npy", RANGES)
    images = load(tmp_path / "y.npy", options=Options(rows_are="images"))
    assert images.image_shape == (1, 3, 20)
    low, high = RANGES[images.parts == 0].min(), RANGES[images.parts == 0].max()
    expected = ((RANGES - low) / (high - low)).reshape(60, -1)
    np.testing.assert_allclose(images.preparation.transform(RANGES), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "rows_are"), [((30, 5), "series"), ((30, 5), "images"), ((30, 4, 4, 3), "series"), ((30, 4, 1), "images")]
)
def test_rows_of_another_shape_are_no_series_or_images(shape, rows_are, tmp_path):
    np.save(tmp_path / "x.npy", RANDOM.random(shape))
    with pytest.raises(DataError, match=rf"rows_are must fit the array, \(rows, .*, got {rows_are} of \(30, "):
        load(tmp_path / "x.npy", options=Options(rows_are=rows_are))


def test_series_have_no_size():
    with pytest.raises(DataError, match="size must be left out where rows are series, got"):
        Options(rows_are="series", size=(2, 3))


def test_ranges_that_begin_alike_are_told_apart_by_their_width(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([1e5 * RANDOM.random((60, 20)), RANDOM.random((60, 20))], 2))
    deviations = load(tmp_path / "x.npy").train.reshape(-1, 20, 2).std((0, 1))
    np.testing.assert_allclose(deviations, 1, rtol=1e-5)


def test_bands_of_an_image_with_different_units_have_a_range_each(tmp_path):
    np.save(tmp_path / "x.npy", np.ascontiguousarray(np.moveaxis(RANGES.reshape(60, 3, 4, 5), 1, 3)))
    split = load(tmp_path / "x.npy")
    assert split.image_shape == (3, 4, 5)
    assert "Each channel is scaled on its own: their units differ (option size: all alike)." in split.notes
    train = split.train.reshape(-1, 3, 20)
    np.testing.assert_allclose((train.min((0, 2)), train.max((0, 2))), [[0] * 3, [1] * 3], atol=1e-6)


def test_a_flat_rim_makes_no_series_of_an_image(tmp_path):
    images = np.zeros((60, 16, 16))
    images[:, 4:12, 4:12] = RANDOM.random((60, 8, 8))
    images[:, 0, 3] = 1e-4 * RANDOM.random(60)
    np.save(tmp_path / "x.npy", images)
    assert load(tmp_path / "x.npy").image_shape == (1, 16, 16)


def test_an_array_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 1000)))
    assert (tmp_path / "x.npz").stat().st_size < 20_000
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 10_000_000)
    refused(tmp_path / "x.npz", r"array x of .* must fit into memory \(10\.0 MB left\), got 12\.0 MB")
