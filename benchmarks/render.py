"""Write the measured tables into the pages of docs, and draw one as a picture: no figure is typed by hand.

python benchmarks/render.py
"""

import json
import re
from math import log
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
COLUMNS = ("auto", "exact", "probes", "forward probes", "higher order", "random vjp", "vmap(jacrev)", "unit loop")
COLUMNS += ("1/4 of rows", "8 rows", "higher order on 1/4", "random vjp on 1/4")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def read(name):
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def step(found, batches=None):
    rows = []
    for row in found["rows"]:
        if batches and row["batch"] not in batches:
            continue
        ratios = [f"{row['ratio'][c]:.2f}" if c in row["ratio"] else "" for c in COLUMNS]
        rows.append([row["net"], str(row["batch"]), f"{row['plain_ms']:.1f}", *ratios])
    columns = [c for c in COLUMNS if any(c in row["ratio"] for row in found["rows"])]
    rows = [[*row[:3], *(cell for c, cell in zip(COLUMNS, row[3:], strict=True) if c in columns)] for row in rows]
    rates = sorted(row["giga_multiplications_per_second"] for row in found["rows"])
    loads = sorted(row["load"] for row in found["rows"])
    note = (
        f"{found['threads']} thread{'s' * (found['threads'] > 1)}, Adam ({found['adam']}), torch {found['torch']},"
        f" matrix products at {rates[len(rates) // 2]:.0f} billion multiplications a second,"
        f" load {loads[0]:.1f} to {loads[-1]:.1f}."
    )
    return f"{note}\n\n{table(['network', 'batch', 'plain, ms', *columns], rows)}"


BARS = {
    "auto": "contractive",
    "random vjp": "random projection",
    "vmap(jacrev)": "vmap(jacrev)",
    "unit loop": "loop over units",
}
SHADES = {"auto": "#1b6ca8", "random vjp": "#7a9cb8", "vmap(jacrev)": "#c58b4e", "unit loop": "#a8553a"}


def picture(found, batch=128):
    """Draw the ratios to a plain step, a group of bars for each network."""
    rows = [(row["net"], row["ratio"]) for row in found["rows"] if row["batch"] == batch]
    title = (
        f"Cost of a training step relative to the same step without penalty, batch {batch}, one CPU thread, log scale"
    )
    return bars(rows, BARS, SHADES, title)


PENALISED = {False: "without a penalty", True: "with one"}


def packages_picture(found):
    """Draw the time of an epoch of each package, relative to a bare loop."""
    entries = sorted(found["seconds_per_epoch"].items(), key=lambda item: (item[1]["penalised"], item[1]["ratio"]))
    rows = [(name, {entry["penalised"]: entry["ratio"]}) for name, entry in entries]
    title = "Time of an epoch relative to a bare loop without penalty, one CPU thread, log scale"
    return bars(rows, PENALISED, {False: "#7a9cb8", True: "#1b6ca8"}, title, left=230)


def bars(rows, shown, shades, title, left=150):
    """Draw (name, ratios by key) as bars on a logarithmic axis; keys are shown by their words and shades."""
    right, bar, gap = 770, 17, 16
    most = max(ratios[key] for _, ratios in rows for key in shown if key in ratios)
    scale = (right - left) / log(most)
    parts, top = [], 44
    for name, ratios in rows:
        keys = [key for key in shown if key in ratios]
        middle = top + bar * len(keys) / 2 + 4
        parts.append(f'<text x="{left - 10}" y="{middle:g}" text-anchor="end">{name}</text>')
        for key in keys:
            value = ratios[key]
            width = max(scale * log(value), 1)
            parts.append(f'<rect x="{left}" y="{top}" width="{width:.0f}" height="{bar - 3}" fill="{shades[key]}"/>')
            parts.append(f'<text x="{left + width + 5:.0f}" y="{top + 12}" class="value">{value:.2f}</text>')
            top += bar
        top += gap
    legend, at = [], left
    for key, words in shown.items():
        legend.append(f'<rect x="{at}" y="12" width="12" height="12" fill="{shades[key]}"/>')
        legend.append(f'<text x="{at + 17}" y="23">{words}</text>')
        at += 40 + 7.2 * len(words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 830 {top}" role="img" aria-label="{title}">'
        "<style>text{font:13px system-ui,sans-serif;fill:#1f2933}.value{font-size:12px}"
        "line{stroke:#7b8794}@media(prefers-color-scheme:dark){text{fill:#e4e7eb}}</style>"
        f'{"".join(legend)}<line x1="{left}" y1="36" x2="{left}" y2="{top - gap + 4}"/>{"".join(parts)}</svg>\n'
    )


def floor(found):
    """What the products alone must take, beside what was measured."""
    rows = []
    for row in found["rows"]:
        for method, path in (("probes", "code probes"), ("exact", "exact rows")):
            if row["batch"] < 128 or method not in row["ratio"] or "closed form" in row["multiplications"]:
                continue
            count = row["multiplications"][path]
            ms = count / row["giga_multiplications_per_second"] / 1e6
            least = 1 + ms / row["plain_ms"]
            cells = [f"{count / 1e6:,.0f}", f"{ms:.1f}", f"{least:.2f}", f"{row['ratio'][method]:.2f}"]
            rows.append([row["net"], str(row["batch"]), method, *cells])
    head = ["network", "batch", "way", "million multiplications", "ms", "ratio if that were all", "measured"]
    return table(head, rows)


def memory(found):
    """Megabytes that three steps add to the peak of a process."""
    rows = [row for row in found["rows"] if "peak_mb" in row]
    names = list(rows[0]["peak_mb"])
    cells = [[row["net"], str(row["batch"]), *(f"{row['peak_mb'][name]:.0f}" for name in names)] for row in rows]
    return table(["network", "batch", *names], cells)


def packages(found):
    rows = []
    for penalised in (False, True):
        for name, entry in found["seconds_per_epoch"].items():
            if entry["penalised"] == penalised:
                spread = f"{entry['low']:.2f} to {entry['high']:.2f}"
                rows.append([name, f"{entry['median']:.2f}", spread, f"{entry['ratio']:.2f}"])
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"{versions}.\n\n{table(['', 's/epoch', 'spread', 'ratio to the bare loop'], rows)}"


def outcome(found):
    """Last objective of each method relative to exact values, else to probes on all rows, with CPU seconds."""
    cells = {}
    for key, piece in found["pieces"].items():
        cell, epochs, method, weight, seed = key.split(", ")
        cells.setdefault((cell, epochs, weight), {}).setdefault(method, {})[seed] = piece
    names = list(dict.fromkeys(key.split(", ")[2] for key in found["pieces"]))
    rows = []
    for (cell, epochs, weight), methods in cells.items():
        seeds = sorted(set.intersection(*(set(pieces) for pieces in methods.values())))  # that all methods have
        last = {name: [pieces[seed]["curve"][-1] for seed in seeds] for name, pieces in methods.items()}
        objective = {name: fmean(point["objective"] for point in points) for name, points in last.items()}
        base = objective.get("exact", objective["probes"])
        values = [f"{objective[name] / base - 1:+.1%}" if name in last else "" for name in names]
        seconds = [f"{fmean(point['seconds'] for point in last[name]):.1f}" if name in last else "" for name in names]
        used = fmean(methods["auto"][seed]["rows"] for seed in seeds)
        label = f"{cell}, {epochs}, {weight}"
        rows.append([label, f"{base:.3f}", *values, *seconds, f"{used:.0f}", str(len(seeds))])
    head = ["", "objective", *names, *(f"{name}, CPU s" for name in names), "rows of auto, at the end", "seeds"]
    lines = ["", "Mean of the paired log-ratios, with its 95 % interval:", ""]
    for name, ratio in found["compared"].items():
        ends = f"{ratio['low']:+.1%} to {ratio['high']:+.1%}"
        lines.append(f"- {name}: {ratio['mean']:+.1%} ({ends}; {ratio['pairs']} pairs)")
    return "\n".join([table(head, rows), *lines])


def curve(found, cell="MNIST 784-256-128-64, 4 epochs", weights=("weight 0.1", "weight 1")):
    """Objective against processor seconds, one seed."""
    rows = []
    for key, piece in found["pieces"].items():
        method, weight, seed = key.split(", ")[2:]
        if key.startswith(cell) and seed == "seed 0" and weight in weights:
            points = [f"{point['objective']:.2f} at {point['seconds']:.1f} s" for point in piece["curve"]]
            rows.append([weight, method, *points])
    return table(["", "method", *(f"epoch {i + 1}" for i in range(len(rows[0]) - 2))], rows)


def throughput(found):
    rows = [
        [name, f"{entry['bare']:.3f}", f"{entry['fit']:.3f}", f"{entry['throughput']:.2f}", f"{entry['start_up']:.2f}"]
        for name, entry in found["cases"].items()
    ]
    return table(["", "bare loop, s/epoch", "fit, s/epoch", "share of its speed", "start-up, s"], rows)


def busy(found):
    """Seconds of `fit` alone and beside two busy processes, by its rule for the number of threads and with two."""
    rows = []
    for case in (name for name in found if isinstance(found[name], dict)):
        for threads, alone in found[case]["0"].items():
            beside = found[case]["2"][threads]
            name = threads if threads == "by the rule" else f"{threads} threads"
            rows.append([case, name, f"{alone:.2f}", f"{beside:.2f}", f"{beside / alone:.1f}"])
    return table(["network", "threads", "alone, s", "beside two busy processes, s", "ratio"], rows)


def scoring(found):
    """Processor time and peak memory of scoring more and more rows."""
    rows = [
        [f"{entry['rows']:,}", f"{entry['cpu_seconds']:.0f}", f"{entry['peak_megabytes']:,}"]
        for entry in found.values()
    ]
    return table(["rows of 30 features", "CPU seconds", "peak memory of the process, MB"], rows)


def estimator(found):
    rows = [
        [name, f"{entry['fit']:.2f}", f"{entry['estimator']:.2f}", f"{entry['ratio']:.2f}"]
        for name, entry in found["cases"].items()
    ]
    return table(["rows x features", "`contractive.fit`, CPU seconds", "estimator's `fit`", "ratio"], rows)


def put(path, name, text):
    """Replace what stands between the markers of `name`."""
    page = path.read_text()
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    assert re.search(pattern, page, re.DOTALL), f"{path} has no place for {name}"
    path.write_text(re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", page, count=1, flags=re.DOTALL))


def main():
    performance = ROOT / "docs" / "performance.md"
    tables = {
        "step": (read("step.json"), step),
        "rows": (read("step_rows.json"), step),
        "outcome": (read("outcome.json"), outcome),
        "throughput": (read("throughput.json"), throughput),
        "floor": (read("step.json"), floor),
        "memory": (read("step.json"), memory),
        "two": (read("step_2_threads.json"), step),
        "curve": (read("outcome.json"), curve),
        "busy": (read("busy.json"), busy),
        "scoring": (read("scoring.json"), scoring),
        "packages": (read("packages.json"), packages),
    }
    for name, (found, render) in tables.items():
        if found:
            put(performance, name, render(found))
    if found := read("estimator.json"):
        put(ROOT / "docs" / "scikit-learn.md", "estimator", estimator(found))
    for name, draw in {"step": picture, "packages": packages_picture}.items():
        if found := tables[name][0]:
            (ROOT / "docs" / "images" / f"{name}.svg").write_text(draw(found))


if __name__ == "__main__":
    main()
