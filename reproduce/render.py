"""Write published figures and measured ones side by side into docs/papers.md, between its markers.

    python reproduce/render.py [--results reproduce/results] [--page docs/papers.md]

Nothing in the tables is typed by hand: published figures come from published.json, ours from the scripts' results.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from _pieces import rows_of

from contractive.core.files import write_text

ROOT = Path(__file__).parent
MISSING = "not run yet"


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def ours(row, key, form="{:.2f}", scale=1.0):
    """A measured figure, with the range over seeds where there are several."""
    if row is None or key not in row:
        return MISSING if row is None else ""
    values = row.get(f"{key}_values", [])
    mean = form.format(scale * row[key])
    if len(values) < 2:
        return mean
    return f"{mean} ({form.format(scale * min(values))} to {form.format(scale * max(values))})"


def theirs(row, key, form="{:.2f}", scale=1.0):
    """A published figure."""
    return form.format(scale * row[key]) if row and key in row else ""


def table1(found, published, exponent):
    """Error, mean squared entry, saturation: published and ours."""
    unit = 10.0**exponent
    head = [
        "model",
        "test error %, paper",
        "ours",
        f"mean J² × 1e{exponent}, paper",
        "ours",
        "saturation %, paper",
        "ours",
        "units that hardly vary %, ours",
    ]
    rows = []
    for model in dict.fromkeys([*published, *found]):
        paper, row = published.get(model), found.get(model)
        ours_of = [
            ours(row, "test_error"),
            ours(row, "mean_squared_entry", "{:.2f}", unit),
            ours(row, "saturation", "{:.1f}"),
        ]
        paper_of = [
            theirs(paper, "error"),
            theirs(paper, "mean_squared_entry", "{:.2f}", unit),
            theirs(paper, "saturation"),
        ]
        pairs = zip(paper_of, ours_of, strict=True)
        rows.append([model, *(cell for pair in pairs for cell in pair), ours(row, "still_units", "{:.0f}")])
    return table(head, rows)


def searched(row, name):
    """A setting of a row: `set` where it was not searched, * where it is the first or last of the values tried."""
    tried = sorted({entry[name] for entry in row["search"] if name in entry})
    value = row["setting"].get(name, 0.0)
    if len(tried) < 2:
        return f"{value} set"
    return f"{value}{'*' if value in (tried[0], tried[-1]) else ''} of {', '.join(map(str, tried))}"


def chosen(found):
    """The settings of the rows that were trained, one line per row."""
    names = ("strength", "pretrain_rate", "pretrain_momentum", "pretrain_epochs", "rate", "output_rate", "batch")
    rows = [
        [model, "yes" if row["setting"].get("center") else "no", *(searched(row, name) for name in names)]
        for model, row in found.items()
        if "setting" in row
    ]
    return table(["row", "centred", *names], rows) if rows else ""


def first_table(found, published, exponent):
    """Table 1 with what was chosen for it."""
    settings = chosen(found)
    note = (
        "Settings. A value `of` several was chosen on the validation error of one seed; * marks the first or"
        " last of those tried, beyond which a better one may lie. `set`: by hand, on the contractive net alone."
    )
    return table1(found, published, exponent) + (f"\n\n{note}\n\n{settings}" if settings else "")


def table2(found, published):
    """Errors on the imitations beside those on the originals."""
    rows = []
    for data, models in published.items():
        for model, error in models.items():
            row = found.get(f"{data} {model}")
            mine = MISSING if row is None else f"{row['test_error']:.2f} ± {row['interval']:.2f}"
            rows.append([data, model, f"{error:.2f}", mine, "" if row is None else decided(row)])
    return table(["data", "model", "test error %, original data, paper", "imitation, ours", "chosen"], rows)


def decided(row):
    """What validation rows chose for a cell of Table 2: of the support vector machine, or of one or two layers."""
    if "setting" not in row:
        machine = {"setting": row, "search": row["search"]}
        return f"C {searched(machine, 'C')}; gamma {searched(machine, 'gamma')}"
    weight = f"weight {searched(row, 'strength')}"
    if row["setting"].get("upper_strength") is None:
        return weight
    return f"{weight}; of the second layer {searched(row, 'upper_strength')}"


def curves(found, published):
    """Where contraction curves begin and peak."""
    rows = []
    for name, paper in published.items():
        row = found.get(name)
        pairs = [[theirs(paper, key, "{:.3f}"), ours(row, key, "{:.3f}")] for key in ("start", "peak")]
        pairs.append([theirs(paper, "peak_radius", "{:.0f}"), ours(row, "peak_radius", "{:.0f}")])
        rows.append([name, *(cell for pair in pairs for cell in pair)])
    return table(["net", "ratio at r = 0, paper", "ours", "peak, paper", "ours", "at r, paper", "ours"], rows)


def pictured(name, found, published):
    """The table of a figure, and the place where docs/papers_figures.py draws its curves once there are any."""
    place = f'\n\n<div data-plot="{name}" role="img"></div>'
    return curves(found, published) + (place if set(found) & set(published) else "")


def spectra(found, published):
    """Singular values by index."""
    columns = ("first", "at_180", "at_250", "at_300")
    rows = []
    for model, paper in published.items():
        row = found.get(f"cifar {model}")
        row = None if row is None else {**row, "first": row["at_1"]}
        cells = [cell for key in columns for cell in (theirs(paper, key), ours(row, key))]
        rows.append([model, *cells])
    head = ["net", *(cell for key in ("first", "180th", "250th", "300th") for cell in (f"{key}, paper", "ours"))]
    return table(head, rows)


def neighbours(found, published):
    """Accuracy of k nearest neighbours."""
    names = {**published, "raw with encoder tangents": None, "raw with shifts": None}
    rows = [
        [name, f"{value:.2f}" if value else "", ours(found.get(f"knn {name}"), "accuracy")]
        for name, value in names.items()
    ]
    return table(["points", "accuracy %, paper", "ours"], rows)


def by_labels(found, published):
    """Errors with few labels."""
    rows = []
    for count, models in published.items():
        cells = [
            cell
            for model, error in models.items()
            for cell in (error, ours(found.get(f"{count} {model}"), "test_error"))
        ]
        rows.append([count, *cells])
    heads = [cell for model in next(iter(published.values())) for cell in (f"{model} %, paper", "ours")]
    names = ("strength", "rate", "tangent_weight")
    settings = [
        [name, "yes" if row["setting"].get("center") else "no", *(searched(row, each) for each in names)]
        for name in (f"{count} {model}" for count, models in published.items() for model in models)
        if "setting" in (row := found.get(name, {}))
    ]
    return table(["labels", *heads], rows) + (
        f"\n\nSettings, marked as above:\n\n{table(['row', 'centred', *names], settings)}" if settings else ""
    )


def full(found, published):
    """Errors with all labels."""
    rows = []
    for model, error in published.items():
        row = found.get(f"full {model}")
        units = " and ".join(map(str, row["setting"]["widths"])) if row else ""
        rows.append([model, error, ours(row, "test_error"), units])
    return table(["model", "test error %, paper", "ours", "units of the layers, ours"], rows)


def likelihoods(found, published):
    """Parzen log-likelihoods in nats."""
    rows = [[name, f"{row['log_likelihood']} ± {row['standard_error']}", ""] for name, row in published.items()]
    for name in ("CAE-1", "CAE-2", "training images"):
        row = found.get(name)
        rows.append([name, "", MISSING if row is None else f"{row['mean']:.1f} ± {row['standard_error']:.1f}"])
    return table(["samples of", "published", "ours"], rows)


_FIELDS = {
    "mixture": {
        "denoising_missed": "denoising, noise 0.2: share of the score's mean square that is missed",
        "denoising_cosine": "denoising: mean cosine with the score",
        "contractive_missed": "contractive, weight 0.01: share missed",
        "contractive_cosine": "contractive: mean cosine",
    },
    "spiral": {
        "cosine": "contractive: mean cosine of r(x) - x with the way to the nearest point of the curve",
        "distance_before": "distance from the curve",
        "distance_after": "distance after 20 steps x <- r(x), median",
    },
}


def further(found, published):
    """Figures of further papers: contractive denoising, score fields, Jacobian regularisation, differences."""
    encoders = [
        [name, f"{paper:.2f}", ours(found.get(name), "accuracy"), best(found.get(name))]
        for name, paper in published["accuracy"].items()
    ]
    fields = [
        [name, words, ours(found.get(name), key, "{:.3f}")]
        for name, columns in _FIELDS.items()
        for key, words in columns.items()
    ]
    classifiers = [
        [name, *(ours(found.get(name), key) for key in ("accuracy", "norm", "noise_0.3", "noise_0.6"))]
        for name in ("none", "regularised")
    ]
    sizes = found.get("differences", {"by_sigma": {}})["by_sigma"]
    ratios = [[sigma, f"{row['ratio']:.4f} ± {row['standard_error']:.4f}"] for sigma, row in sizes.items()]
    return "\n\n".join(
        [
            table(["codes of", "accuracy %, paper", "ours", "weight and noise, chosen"], encoders),
            table(["data", "figure", "ours"], fields),
            table(["penalty", "accuracy %", "norm of J", "at noise 0.3, %", "at noise 0.6, %"], classifiers),
            table(["sigma", "estimate by differences / exact"], ratios or [["", MISSING]]),
        ]
    )


def best(row):
    """Weight and noise with the best accuracy on validation rows."""
    entry = max(row["search"], key=lambda entry: entry["validation"]) if row else {}
    return ", ".join(f"{entry[key]}" for key in ("weight", "noise") if entry.get(key))


def overview(published, found):
    """Every published figure that is known, and how ours stands to it."""
    rows = []

    def add(where, name, paper, mine, kind, num_test=0):
        rows.append(
            [where, name, paper, f"{mine:.3g}" if mine is not None else "", verdict(paper, mine, kind, num_test)]
        )

    for data in ("mnist", "cifar"):
        for model, paper in published[f"{data}_table1"].items():
            row = found[f"{data}_table1"].get(model, {})
            where = f"CAE, Table 1, {'MNIST' if data == 'mnist' else 'grey CIFAR-10'}"
            add(where, f"{model}, error %", paper["error"], row.get("test_error"), "error", row.get("num_test", 0))
            for key in ("mean_squared_entry", "saturation"):
                add(where, f"{model}, {key.replace('_', ' ')}", paper[key], row.get(key), "value")
    for figure in ("figure1", "figure3"):
        for net, paper in published[figure].items():
            for key in ("start", "peak"):
                mine = found["figures"].get(net, {}).get(key)
                add(f"CAE, Figure {figure[-1]}", f"{net}, {key}", paper[key], mine, "value")
    for points, paper in published["mtc_table1"].items():
        row = found["mtc"].get(f"knn {points}", {})
        add(
            "MTC, Table 1, MNIST",
            f"{points}, accuracy %",
            paper,
            row.get("accuracy"),
            "accuracy",
            row.get("num_test", 0),
        )
    for count, models in [*published["mtc_table2"].items(), ("full", published["mtc_table3"])]:
        for model, paper in models.items():
            row = found["mtc"].get(f"{count} {model}", {})
            where = "MTC, Table 3" if count == "full" else f"MTC, Table 2, {count} labels"
            add(where, f"{model}, error %", paper, row.get("test_error"), "error", row.get("num_test", 0))
    for model, paper in published["chen"]["accuracy"].items():
        mine = found["further"].get(model, {}).get("accuracy")
        add("Chen et al. (2013), MNIST", f"{model}, accuracy %", paper, mine, "accuracy", published["chen"]["num_test"])
    rows += [[entry["where"], entry["what"], entry["figures"], "", "not tried"] for entry in published["not_tried"]]
    return table(["where", "what", "published", "ours", "verdict"], rows)


def verdict(paper, mine, kind, num_test):
    """How a measured figure stands to the published one.

    Errors and accuracies: `within chance` is worse by at most twice the standard error of the difference between two
    shares of `num_test` rows, `near` by at most a tenth of the error. Any other value: `reached` differs by at most a
    tenth, `near` by at most a quarter.
    """
    if mine is None:
        return "not tried"
    if kind == "value":
        grades = {"reached": paper / 10, "near": paper / 4}
        worse = abs(mine - paper)
    else:
        share = 100 - paper if kind == "accuracy" else paper
        worse = paper - mine if kind == "accuracy" else mine - paper
        grades = {"reached": 0, "within chance": 2 * (2 * share * (100 - share) / num_test) ** 0.5, "near": share / 10}
    return next((grade for grade, most in grades.items() if worse <= most), "not reached")


def sheets(results):
    """Sample sheets as pictures of the page, one walk per line."""
    found = sorted(results.glob("sampling_CAE-?.png"))
    return "".join(
        f"\n\n![Walks of {path.stem.split('_')[1]}, one per line](images/{path.name}){{ width=300 }}" for path in found
    )


def render(page, results):
    """The page with every table filled in."""
    published = json.loads((ROOT / "published.json").read_text())

    def found(name):
        return rows_of(results / f"{name}.json")

    tables = {
        "mnist_table1": first_table(found("mnist_table1"), published["mnist_table1"], 4),
        "cifar_table1": first_table(found("cifar_table1"), published["cifar_table1"], 5),
        "table2_like": table2(found("table2_like"), published["table2_like"]),
        "figure1": pictured("mnist-curves", found("figures"), published["figure1"]),
        "figure2": spectra(found("figures"), published["figure2"]),
        "figure3": pictured("depth-curves", found("figures"), published["figure3"]),
        "mtc_table1": neighbours(found("mtc"), published["mtc_table1"]),
        "mtc_table2": by_labels(found("mtc"), published["mtc_table2"]),
        "mtc_table3": full(found("mtc"), published["mtc_table3"]),
        "sampling": likelihoods(found("sampling"), published["sampling"]) + sheets(results),
        "further": further(found("further"), published["chen"]),
        "overview": overview(
            published, {name: found(name) for name in ("mnist_table1", "cifar_table1", "figures", "mtc", "further")}
        ),
        "sources": "\n".join(f"- {text}." for text in published["sources"].values()),
    }
    for name, text in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        if not re.search(pattern, page, re.DOTALL):
            raise SystemExit(f"The page must have a place for {name}: <!-- {name} -->, a line, <!-- end -->.")
        page = re.sub(pattern, lambda m, text=text: m[1] + text + m[2], page, flags=re.DOTALL)
    return page


def main(argv=None):
    """Fill the page in place."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--results", type=Path, default=ROOT / "results")
    arguments.add_argument("--page", type=Path, default=ROOT.parent / "docs" / "papers.md")
    given = arguments.parse_args(argv)
    write_text(given.page, render(given.page.read_text(), given.results))
    for path in given.results.glob("sampling_CAE-?.png"):
        images = given.page.parent / "images"
        images.mkdir(exist_ok=True)
        shutil.copy(path, images)


if __name__ == "__main__":
    main()
