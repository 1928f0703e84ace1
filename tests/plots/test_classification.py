"""Pictures of a classifier hold its numbers."""

import numpy as np
import pytest

from contractive import plots

HISTORY = [
    {"epoch": e, "train_error": 0.5 / e, "val_error": 0.6 / e, "train_loss": 2 / e, "val_loss": 1 / e}
    for e in (1, 2, 3, 4)
]


def test_learning_draws_both_parts_and_marks_the_best_epoch():
    drawn = plots.learning(HISTORY, 3)
    errors = [trace for trace in drawn.data if trace.xaxis == "x"]
    assert [trace.name for trace in errors] == ["training", "validation"]
    assert list(errors[1].y) == pytest.approx([60, 30, 20, 15])
    assert list(drawn.data[3].y) == pytest.approx([1, 0.5, 1 / 3, 0.25])
    assert [(shape.x0, shape.x1) for shape in drawn.layout.shapes] == [(3, 3), (3, 3)]
    assert any(note.text == "epoch 3" for note in drawn.layout.annotations)
    assert plots.learning(HISTORY[:1], 1).data[0].mode == "markers"
    long = [HISTORY[3] | {"epoch": epoch} for epoch in range(1, 101)]
    assert [len(plots.learning(long, best).data[0].x) for best in (3, 30, 80)] == [20, 60, 100]


COUNTS = np.array([[8, 2, 0], [1, 19, 0], [0, 0, 0]])


def test_confusion_writes_counts_and_colours_shares():
    drawn = plots.confusion(COUNTS, ["a", "b", "a name that is long"])
    cells = np.array(drawn.data[0].z)
    assert cells[0, 1] == pytest.approx(0.5)  # the largest share of wrong rows: half of the scale
    assert cells[1, 0] == pytest.approx(0.5 * 0.05 / 0.2)
    assert cells.diagonal() == pytest.approx(-0.45 * np.array([0.8, 0.95, 0]))
    assert cells[2].tolist() == [0, 0, 0]
    written = {(note.y, note.x): note.text for note in drawn.layout.annotations if note.text}
    assert written == {(0, 0): "8", (0, 1): "2", (1, 0): "1", (1, 1): "19"}
    assert drawn.data[0].customdata[0][1] == ["a", "b", 2, 0.2]
    assert drawn.layout.xaxis.ticktext == ("a", "b", "a name that…")


def test_a_confusion_of_many_classes_has_no_words_and_one_without_mistakes_is_drawn():
    many = plots.confusion(np.eye(50, dtype=int), [str(at) for at in range(50)])
    assert not [note for note in many.layout.annotations if note.text]
    assert many.layout.xaxis.ticktext is None
    assert np.array(many.data[0].z).min() == pytest.approx(-0.45)


@pytest.mark.parametrize("count", [1, 6, 8])
def test_mistakes_stand_with_their_words(count):
    rows = np.random.default_rng(0).random((count, 12)).astype(np.float32)
    drawn = plots.mistakes(rows, (4, 3), ["a"] * count, ["a very long name"] * count)
    mosaic = np.array(drawn.data[0].z)
    np.testing.assert_array_equal(mosaic[:4, :3], rows[0].reshape(4, 3))
    if count > 6:
        np.testing.assert_array_equal(mosaic[7:11, :3], rows[6].reshape(4, 3))
    words = [note for note in drawn.layout.annotations if note.text]
    assert [note.text for note in words] == ["<b>a</b><br>as a very …"] * count
    assert (words[0].x, words[0].y) == (1, 3.5)
    short = plots.mistakes(rows, (4, 3), ["7"] * count, ["12"] * count)
    assert [note.text for note in short.layout.annotations if note.text] == ["<b>7</b> → 12"] * count
    assert np.array(short.data[0].z).shape == (6, 12 * 4 - 1)  # twelve in a row
