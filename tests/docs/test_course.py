"""The chapters of the course run as they stand, and what their text says is what they print."""

import importlib.util
import re
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from textwrap import indent

import pytest

import contractive as ct

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "docs" / "course"
_WIDEST = 100  # columns of code that fit the page


def _renderer():
    spec = importlib.util.spec_from_file_location("course_build", COURSE / "build.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


build = _renderer()
CHAPTERS = [pytest.param(path, id=path.stem) for path in build.chapters()]


def ran(name):
    """A chapter after running; each runs once."""
    (path,) = COURSE.glob(f"{name}_*.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ct, "fit", partial(fit_once, ct.fit))
        return build.run(path.read_text(encoding="utf-8"), path.stem)


FITS = {}


def fit_once(fit, autoencoder, data, objective, **settings):
    """What an earlier chapter has trained from the same weights, on the same rows, for the same objective, is taken."""
    start = (repr(autoencoder), *(value.numpy().tobytes() for value in (*autoencoder.state_dict().values(), data)))
    key = (start, repr(replace(objective.active(), name="")), repr(settings))
    if key not in FITS:
        FITS[key] = fit(autoencoder, data, objective, **settings), deepcopy(autoencoder.state_dict())
    autoencoder.load_state_dict(FITS[key][1])
    autoencoder.eval()
    return FITS[key][0]


# what the text says in words


def test_idea():
    said = ran(1).names
    assert said["plain_error"] < 0.25 * said["mean_error"]  # it rebuilds digits it never saw
    assert 0.5 < said["plain"].scale_free < 1  # filters a little, most comes through
    assert said["calm"].mean < 0.85 * said["plain"].mean
    assert said["calm"].scale_free < 0.75 * said["plain"].scale_free
    assert said["plain_error"] < said["calm_error"] < 0.3 * said["mean_error"]
    standard, contractive = (
        float(found.squared_sensitivities[:10].mean() / found.squared_sensitivities[30:40].mean())
        for found in said["measured"].values()
    )
    assert 1.5 < standard < contractive  # both answer more where data vary more, the contractive one the more so


def test_penalty():
    said = ran(2).names
    assert said["ratios"][0.01] == pytest.approx(1, abs=0.02)
    assert said["ratios"][3] < 0.2
    assert said["by_hand"] == 0.3125
    assert max(said["value_error"], said["gradient_error"], said["deep_error"]) < 1e-12
    assert said["cosine"] < 0.97  # the gradient points elsewhere
    assert said["truth"].mean() < 0.2 * min(said["added"], said["multiplied"])  # far below both


def test_computing():
    said = ran(3).names
    outputs = "\n".join(ran(3).outputs)
    assert (said["cancelled"], said["steep"]) == (0, 50)
    norms = said["true_norms"]
    assert 0.5 < norms["summed units"] / norms["no penalty"] < 0.8  # by about a third
    assert 0.2 < norms["right"] / norms["no penalty"] < 0.3  # by about four
    seen = [float(value) for value in re.findall(r"sees it +([\d.]+)", outputs)]
    assert seen[1] < seen[2] < seen[0]  # its own number is below even that of the right penalty
    assert said["fresh"][1] == pytest.approx(said["fresh"][0], rel=0.15)
    factors = list(said["factors"].values())
    assert factors[0] == pytest.approx(1, abs=1e-5)
    assert factors == sorted(factors) and factors[-1] > 5
    assert "summed outputs" in outputs and "last layer only" in outputs and "detached weight" in outputs
    assert "floor division" in outputs and "constant factor 1/2" in outputs
    costs = said["costs"]
    assert costs[(784, 1000), "closed form"] < 0.01
    assert costs[(784, 256, 128, 64), "exact rows"] > 5
    assert costs[(784, 256, 128, 64), "code probes"] < 1
    assert said["single"] > 0.2 > 0.05 > said["batch_mean"] > abs(said["bias"])


def test_weight():
    said = ran(4).names
    error, norm, free = ({weight: row[at] for weight, row in said["table"].items()} for at in range(3))
    weights = list(said["weights"])
    assert all(norm[low] > norm[high] for low, high in pairwise(weights))
    assert error[0.01] < 1.1 * error[0] and free[0.01] < 0.9 * free[0]  # nearly free
    assert error[1] > said["constant"] and said["stuck"] > 0.9 and free[1] == max(free.values())  # collapse
    assert "no better than" in said["histories"][1].warnings[0]
    assert 0.01 < said["found_weight"] < 0.03  # between these rows
    assert said["paid"] == pytest.approx(0.1, abs=0.03)
    assert said["rule"] < said["found_weight"] / 5  # far too small
    before, after = said["before"], said["after"]
    assert after[1] == pytest.approx(before[1] / 100, rel=1e-3)
    assert (after[0], after[2]) == pytest.approx((before[0], before[2]), rel=1e-3)
    tied, untied = said["pair"].values()
    assert tied[1] > 10 * untied[1]
    assert untied[2] == pytest.approx(tied[2], rel=0.1)


def test_relatives():
    said = ran(5).names
    fresh, trained = said["link"].values()
    assert trained[1] == pytest.approx(trained[0], rel=0.06)
    assert trained[2] > 1.3 * trained[0]  # the encoder's alone is a different number
    assert fresh[1] > 1.5 * fresh[0] and fresh[2] > 1.5 * fresh[0]  # before training neither fits
    standard, denoising, contractive = said["table"].values()
    for other in (denoising, contractive):
        assert other[0] > standard[0]
        assert all(value < 0.7 * plain for value, plain in zip(other[1:], standard[1:], strict=True))
    sparse = list(said["sparse_table"].values())
    assert [row[1] for row in sparse] == sorted((row[1] for row in sparse), reverse=True)
    assert sparse[-1][2] > sparse[0][2]  # it even rises
    codes = said["codes"]
    assert codes["contractive"].saturation > 2 * codes["standard"].saturation
    assert codes["contractive"].bit_entropy < 0.7 * codes["standard"].bit_entropy
    wide = said["wide"]
    assert wide[256, 0][1] > 0.8 and wide[256, 0.03][1] < 1.2 * wide[32, 0.03][1]
    assert wide[256, 0.03][0] < wide[32, 0][0]  # rebuilds better than the narrow one without a penalty


def test_manifold():
    said = ran(6).names
    calm, plain = said["where"]["contractive"], said["where"]["standard"]
    at, away = (calm["training"], calm["test"]), (calm["midpoints"], calm["same distance"])
    assert max(at) < 0.95 * min(away)
    assert calm["same distance"] / plain["same distance"] > calm["test"] / plain["test"]
    standard, contractive = (curve.mean for curve in said["curves"].values())
    assert int(standard.argmax()) == 0
    assert contractive.max() > 1.03 * contractive[0] and contractive.max() > 1.03 * contractive[-1]  # up and down
    before, after = (found.mean for found in said["spectra"].values())
    assert after[0] > 0.5 * before[0] and after[19] < 0.2 * before[19]
    ranks = [float(found.entropy_rank.median()) for found in said["spectra"].values()]
    assert ranks[1] == pytest.approx(0.5 * ranks[0], rel=0.2)
    shares = {name: found.mean_share for name, found in said["agreement"].items()}
    linear = float(said["agreement"]["contractive"].principal_shares.mean())
    assert shares["contractive"] > 2 * shares["standard"]
    assert 0.8 * shares["contractive"] < linear < shares["contractive"]  # nearly as well
    along, across = said["moves"]["tangent"], said["moves"]["random"]
    assert along[0] > 2 * across[0]
    assert all(after < 0.55 * before for _, before, after in (along, across))


def test_exercises():
    said = ran(7).names
    four = list(said["four"].values())
    assert ran(1).names["mean_error"] == pytest.approx(4.74, abs=0.005)  # quoted from chapter 1
    assert four[1][0] < 1.2 * four[0][0] and four[3][0] < 4.74  # the first two nearly free, none collapses
    assert four[0][1] > 50 * four[3][1] and 4 < four[0][2] / four[3][2] < 6.5
    standard, denoising, calm = (said["duel"][name] for name in ("standard", "denoising 0.3", "contractive 0.05"))
    assert calm[0] == pytest.approx(denoising[0], rel=0.1)
    assert denoising[1] < calm[1] < standard[1]
    assert calm[2] == pytest.approx(denoising[2], rel=0.2)
    assert abs(calm[3] - denoising[3]) < 0.02 and min(calm[4], denoising[4]) > standard[4]
    assert abs(calm[4] - denoising[4]) < 2 * said["uncertain"]
    assert said["most"] < 0.5 * float(said["still"].float().mean()) < said["least"]
    assert said["alike"] > said["with_ink"] + 0.1
    assert said["own"]


# pages


@pytest.mark.parametrize("path", CHAPTERS)
def test_the_page_holds_the_whole_script(path):
    chapter, cells = ran(path.stem[0]), build.cells(path.read_text(encoding="utf-8"))
    for cell in cells:
        assert shown(cell.text, cell) in chapter.markdown
    code = [cell for cell in cells if cell.is_code]
    for cell, printed in zip(code, chapter.outputs, strict=True):
        assert shown(printed.rstrip(), cell) in chapter.markdown


def shown(text, cell):
    return indent(text, "    ") if cell.is_answer else text


@pytest.mark.parametrize("path", CHAPTERS)
def test_every_figure_has_its_place(path):
    chapter = ran(path.stem[0])
    assert re.findall(r'data-plot="([^"]+)"', chapter.markdown) == list(chapter.figures)
    for found in chapter.figures.values():
        assert found["data"] and {"wide", "narrow"} <= set(found["layout"]["meta"])  # what report.js needs


@pytest.mark.parametrize("path", CHAPTERS)
def test_code_fits_the_page(path):
    for cell in build.cells(path.read_text(encoding="utf-8")):
        if cell.is_code:
            assert max(map(len, cell.text.splitlines())) <= _WIDEST
    assert all(len(line) <= _WIDEST for printed in ran(path.stem[0]).outputs for line in printed.splitlines())


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapters_ask_and_name_sources(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("# !!! question") >= 3
    assert '# ??? abstract "Sources"' in text
    cited = set(re.findall(r"\b([A-Z]\w+)(?:, [A-Z]\w+)*(?: and [A-Z]\w+| et al\.)?,? \(?((?:19|20)\d\d)\b", text))
    sources = text.split('abstract "Sources"')[1]
    assert all(name in sources and year in sources for name, year in cited), cited


def test_minutes_and_chapters_add_up():
    words = {"One minute": 1, "Five minutes": 5, "Six minutes": 6, "Seven minutes": 7}
    index = (COURSE / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(.+?)\]\((\w+)\.py\) \| (\d+) \|", index, re.MULTILINE)
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r"course/(\d_\w+)\.md", nav) == [path.stem for path in build.chapters()]
    assert len(listed) == len(CHAPTERS)
    for (title, name, minutes), path in zip(listed, build.chapters(), strict=True):
        text = path.read_text(encoding="utf-8")
        stated = re.search(r"^# \*(\w+ minutes?)", text, re.MULTILINE)
        assert (name, f"# # {title}\n" in text, words[stated[1]]) == (path.stem, True, int(minutes))
    assert sum(int(minutes) for *_, minutes in listed) == 40


# the renderer, on small scripts

SMALL = '''"""Not shown."""

# %% [markdown]
# # Title
#
# Text.

# %%
x = 20
print("seen")
x + 1

# %% answer
print(x)
print("so")

# %% [markdown] answer
# Because.
#
#     indented
'''


def test_cells():
    found = build.cells(SMALL)
    assert [(cell.is_code, cell.is_answer) for cell in found] == [
        (False, False),
        (True, False),
        (True, True),
        (False, True),
    ]
    assert found[0].text == "# Title\n\nText."
    assert found[1].text == 'x = 20\nprint("seen")\nx + 1'


def test_a_small_page():
    chapter = build.run(SMALL, "small")
    assert chapter.outputs == ["seen\n", "20\nso\n"]
    assert chapter.markdown.endswith(
        "# Title\n\nText.\n\n"
        '```python\nx = 20\nprint("seen")\nx + 1\n```\n\n```{.text .output}\nseen\n```\n\n'
        '??? success "Solution"\n\n'
        '    ```python\n    print(x)\n    print("so")\n    ```\n\n    ```{.text .output}\n    20\n    so\n    ```\n\n'
        "    Because.\n\n        indented\n\n"
        "[This chapter as a script](small.py)\n"
    )
    assert "Not shown" not in chapter.markdown


def test_a_figure_ends_a_cell():
    script = "# %%\nimport plotly.graph_objects as go\n\ngo.Figure(go.Scatter(y=[1, 2], name='</script>'))\n"
    chapter = build.run(script, "figure")
    assert '<div data-plot="figure-1"' in chapter.markdown
    assert chapter.figures["figure-1"]["data"][0]["y"] == [1, 2]
    assert "</script>" not in build._embedded(chapter.figures)


def test_a_chapter_that_fails_fails_the_build():
    with pytest.raises(ZeroDivisionError):
        build.run("# %%\n1 / 0\n", "broken")
