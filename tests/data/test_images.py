import os
import warnings

import numpy as np
import pytest
from PIL import Image

from contractive.data import DataError, Options, load, open_rows

RANDOM = np.random.default_rng(0)


def smooth(height, width, channels=1):
    pixels = RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def fill(folder, num=20, size=(4, 5), channels=1, ending="png", labels=("",)):
    """Images with known pixels, each in the folder of its label; pixels in the order of the sorted paths."""
    pixels = {}
    for i in range(num):
        path = folder / labels[i % len(labels)] / f"{i:03}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels[path] = smooth(*size, channels)
        Image.fromarray(pixels[path]).save(path)
    return np.stack([pixels[path] for path in sorted(pixels)])


def whole(split):
    out = np.empty((len(split.parts), split.features), np.float32)
    for part, x in enumerate((split.train, split.validation, split.test)):
        out[split.parts == part] = x
    return out


def refused(folder, match, **options):
    with pytest.raises(DataError, match=match) as caught:
        load(folder, options=Options(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "gif"])
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_what_was_drawn_is_read(ending, channels, tmp_path):
    if ending == "gif" and channels == 3:
        pytest.skip("a .gif has 256 colours only")
    pixels = fill(tmp_path, channels=channels, ending=ending)
    split = load(tmp_path)
    expected = pixels if channels == 1 else np.moveaxis(pixels, 3, 1)
    np.testing.assert_array_equal(whole(split), (expected.reshape(20, -1) / 255).astype(np.float32))
    assert split.image_shape == (channels, 4, 5)
    assert split.image == ((4, 5) if channels == 1 else None)
    assert split.labels is None
    assert split.preparation.scaler == "range"
    back = split.preparation.inverse(whole(split))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, expected.reshape(20, -1))


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_formats_with_losses_are_read_as_pillow_does(ending, tmp_path):
    fill(tmp_path, channels=3, ending=ending, size=(8, 8))
    expected = [np.moveaxis(np.asarray(Image.open(p).convert("RGB")), 2, 0).ravel() for p in sorted(tmp_path.iterdir())]
    np.testing.assert_allclose(whole(load(tmp_path)), np.stack(expected) / 255, rtol=1e-6)


def test_sub_folders_are_labels_where_all_images_are_in_one(tmp_path):
    fill(tmp_path, 40, labels=("cat", "dog/puppies"))
    split = load(tmp_path)
    together = np.empty(40, "<U3")
    for part in range(3):
        together[split.parts == part] = split.labels[part]
    assert together.tolist() == ["cat"] * 20 + ["dog"] * 20
    assert any("stratified by the label" in note for note in split.notes)
    assert "Labels are the names of the sub-folders." in split.notes
    Image.fromarray(smooth(4, 5)).save(tmp_path / "lost.png")
    split = load(tmp_path)
    assert split.labels is None
    assert "Sub-folders are no labels here: some images lie beside them." in split.notes


def test_sizes_agree_or_are_given(tmp_path):
    fill(tmp_path)
    big = Image.fromarray(smooth(8, 10))
    big.save(tmp_path / "big.png")
    refused(tmp_path, r"images must agree in size, got 000\.png of 4x5 and big\.png of 8x10\. Give `size` 4x5")
    split = load(tmp_path, options=Options(size=(4, 5)))
    expected = np.asarray(big.resize((5, 4), Image.Resampling.BILINEAR)).ravel() / 255
    np.testing.assert_allclose(whole(split)[-1], expected, rtol=1e-6)
    assert "Resized 1 images to 4x5." in split.notes


def test_grey_is_chosen_by_the_images_or_by_the_user(tmp_path):
    pixels = fill(tmp_path, channels=3)
    split = load(tmp_path, options=Options(gray=True))
    luma = pixels @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(whole(split).reshape(20, 4, 5) * 255, luma, atol=1)
    for path in tmp_path.iterdir():
        Image.open(path).convert("L").convert("P").save(path)
    assert load(tmp_path).image == (4, 5)
    Image.fromarray(smooth(4, 5, 4)).save(tmp_path / "clear.png")
    assert load(tmp_path).image_shape == (3, 4, 5)


def test_turned_photographs_are_put_upright(tmp_path):
    fill(tmp_path, size=(5, 4), ending="png")
    lying = smooth(4, 5)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    Image.fromarray(lying).save(tmp_path / "zzz.png", exif=exif)
    split = load(tmp_path)
    np.testing.assert_allclose(whole(split)[-1].reshape(5, 4) * 255, np.rot90(lying, -1), atol=1e-4)


def test_other_files_hidden_ones_and_links_out_are_left_aside(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "out"
    fill(folder)
    fill(outside, 1)
    (folder / ".hidden.png").write_bytes(b"no image")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("hello")
    (folder / "link.png").symlink_to(outside / "000.png")
    (folder / "inner.png").symlink_to(folder / "000.png")
    split = load(folder)
    assert len(split.parts) == 21
    assert "Skipped 1 files that are no images." in split.notes
    assert "Skipped 1 links out of the folder." in split.notes


def test_several_pictures_in_a_file_are_said(tmp_path):
    fill(tmp_path, ending="gif")
    first = Image.fromarray(smooth(4, 5))
    first.save(tmp_path / "zzz.gif", save_all=True, append_images=[Image.fromarray(smooth(4, 5))])
    split = load(tmp_path)
    assert "Took the first picture of 1 files that have several." in split.notes
    np.testing.assert_allclose(whole(split)[-1] * 255, np.asarray(first).ravel(), atol=1e-4)


def test_broken_images_are_named(tmp_path):
    fill(tmp_path, size=(40, 50))
    path = tmp_path / "007.png"
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", b"hello", content[:50] + bytes(40) + content[90:]):
        path.write_bytes(broken)
        refused(tmp_path, r"007\.png must be a whole image, got: .* Correct or remove it\.")


def test_sixteen_bits_are_refused(tmp_path):
    fill(tmp_path)
    Image.fromarray(RANDOM.integers(0, 60_000, (4, 5)).astype(np.uint16)).save(tmp_path / "deep.png")
    refused(tmp_path, r"deep\.png must have 8 bits per channel, got mode I;16\. Convert it")


@pytest.mark.parametrize("factor", [1, 3], ids=["warning", "error"])
def test_decompression_bombs_are_refused(factor, tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 19 // factor)
    refused(tmp_path, r"000\.png must be an image of ordinary size, got too many pixels")


def test_folders_that_hold_no_images_or_parts_are_refused(tmp_path):
    refused(tmp_path, r"must hold images \(\.png .*\), got none")
    for part in ("train", "test"):
        fill(tmp_path / part)
    refused(tmp_path, r"sub-folders of .* must be labels, got test, train\. Give .*train as the data, .*test as `test`")
    split = load(tmp_path / "train", options=Options(test=tmp_path / "test"))
    assert len(split.test) == 20
    assert np.bincount(split.parts).tolist() == [17, 3]


def test_options_for_tables_and_sizes_beyond_reason_are_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    refused(tmp_path, "drop must be for text tables or .parquet or .arrow or .feather or .xlsx, got ", drop=("a",))
    refused(tmp_path, "images must have at most 4194304 numbers, got 3000x3000", size=(3000, 3000))
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 100)
    refused(tmp_path, r"must fit into memory \(0\.1 kB left\), got .* Give a smaller `size`")


def test_images_for_a_table_are_refused(tmp_path):
    fill(tmp_path / "images")
    np.save(tmp_path / "x.npy", RANDOM.normal(size=(20, 3)))
    other_kind = r"must be of the kind of the training data \(array\), got images"
    refused(tmp_path / "x.npy", other_kind, test=tmp_path / "images")
    with pytest.raises(DataError, match=other_kind):
        list(open_rows(tmp_path / "images", load(tmp_path / "x.npy").preparation))


def test_folders_are_read_in_blocks_with_their_names(tmp_path):
    fill(tmp_path, 20, labels=("cat", "dog"))
    split = load(tmp_path)
    blocks = list(open_rows(tmp_path, split.preparation, pass_through=("file", "label"), rows_at_once=7))
    assert [len(block.x) for block in blocks] == [7, 7, 6]
    assert [block.start for block in blocks] == [0, 7, 14]
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), whole(split))
    assert blocks[0].pass_through["file"][0] == "cat/000.png"
    assert np.concatenate([block.pass_through["label"] for block in blocks]).tolist() == ["cat"] * 10 + ["dog"] * 10
    with pytest.raises(DataError, match=r"pass_through must name a column, got 'id'\. There are file, label."):
        list(open_rows(tmp_path, split.preparation, pass_through=("id",)))


def test_warnings_settings_are_left_as_they_were(tmp_path):
    fill(tmp_path)
    before = list(warnings.filters)
    load(tmp_path)
    assert list(warnings.filters) == before


def test_a_postscript_file_by_the_name_of_an_image_starts_no_program(tmp_path, monkeypatch):
    fill(tmp_path)
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n%%EndComments\n(a) print\n%%EOF\n"
    (tmp_path / "x.jpg").write_bytes(program)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    refused(tmp_path, r"x\.jpg must be a whole image")


def test_pipes_and_devices_among_images_are_skipped(tmp_path):
    fill(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    split = load(tmp_path)
    assert "Skipped 1 that are no regular files." in split.notes
    assert "Skipped 1 links out of the folder." in split.notes


def test_transparency_is_ignored_with_a_note(tmp_path):
    pixels = fill(tmp_path, channels=4)
    split = load(tmp_path)
    np.testing.assert_array_equal(
        split.preparation.inverse(whole(split)), np.moveaxis(pixels[..., :3], 3, 1).reshape(20, -1)
    )
    assert "Ignored the transparency of 20 images." in split.notes
