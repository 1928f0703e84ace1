"""Write the measured tables into docs/performance.md and README.md, between their markers: no figure is typed by hand.

python benchmarks/render.py
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
COLUMNS = ("auto", "exact", "probes", "forward probes", "higher order", "random vjp", "vmap(jacrev)", "unit loop")


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
    head = ["network", "batch", "plain, ms", *COLUMNS]
    note = (
        f"{found['threads']} thread(s), Adam ({found['adam']}), torch {found['torch']}, matrix products at"
        f" {found['giga_multiplications_per_second']:.0f} billion multiplications a second, load"
        f" {found['load_before'][0]:.1f} to {found['load_after'][0]:.1f}."
    )
    return f"{note}\n\n{table(head, rows)}"


def gradient(found):
    names = list(next(iter(found["batches"].values())))
    rows = [[batch, *(f"{entry[name]['gradient']:.2f}" for name in names)] for batch, entry in found["batches"].items()]
    return table(["batch", *names], rows)


def outcome(found):
    ends = {}
    for key, curve in found.items():
        method, weight, _ = key.split(", ")
        ends.setdefault((weight, method), []).append((curve[-1]["objective"], curve[-1]["seconds"]))
    rows = []
    for (weight, method), values in sorted(ends.items()):
        mean = sum(v for v, _ in values) / len(values)
        exact = [v for v, _ in ends[weight, "exact"]]
        seconds = sum(s for _, s in values) / len(values)
        share = mean / (sum(exact) / len(exact)) - 1
        rows.append([weight, method, f"{mean:.2f}", f"{share:+.1%}", f"{seconds:.0f}", str(len(values))])
    return table(["", "method", "validation objective", "against exact", "CPU seconds", "seeds"], rows)


def throughput(found):
    rows = [
        [name, f"{entry['bare']:.3f}", f"{entry['fit']:.3f}", f"{entry['throughput']:.2f}", f"{entry['start_up']:.2f}"]
        for name, entry in found["cases"].items()
    ]
    return table(["", "bare loop, s/epoch", "fit, s/epoch", "share of its speed", "start-up, s"], rows)


def put(path, name, text):
    """Replace what stands between the markers of `name`."""
    page = path.read_text()
    pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
    assert re.search(pattern, page, re.DOTALL), f"{path} has no place for {name}"
    path.write_text(re.sub(pattern, lambda m: m[1] + text + m[2], page, flags=re.DOTALL))


def main():
    performance, readme = ROOT / "docs" / "performance.md", ROOT / "README.md"
    tables = {
        "step": (read("step.json"), step),
        "gradient": (read("quality_gradient.json"), gradient),
        "outcome": (read("quality_outcome.json"), outcome),
        "throughput": (read("throughput.json"), throughput),
    }
    for name, (found, render) in tables.items():
        if found:
            put(performance, name, render(found))
    if tables["step"][0]:
        put(readme, "step", step(tables["step"][0], batches={128}))


if __name__ == "__main__":
    main()
