"""Write docs/reliability.md from the results of the campaigns: no number in it is typed.

python benchmarks/reliability.py
"""

# ruff: noqa: E501 -- the text is that of a page

import json
from collections import Counter
from pathlib import Path
from typing import Any

from contractive.data._memory import size
from contractive.data._split import most_held_out

ROOT = Path(__file__).parents[1]
_ORDINALS = {1: "every change", 3: "every third", 9: "every ninth"}
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = Path(__file__).parent / "results"


def bad_inputs() -> dict[str, int]:
    """How many different bad inputs are tried at each door."""
    from failures import test_command_line, test_nothing_is_run, test_python

    return {
        "command": len(test_command_line.CASES),
        "python": len(test_python.CASES),
        "hostile": len(test_nothing_is_run.FILES),
    }


def results(campaign: str) -> Any:
    """What a campaign wrote: kills, writes, signals, fuzz, packed or streaming."""
    return json.loads((RESULTS / f"{campaign}.json").read_text())


def gigabytes(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.2g} GB"


def kills() -> str:
    found = results("kills")
    kinds = Counter(result["kind"] for result in found["results"])
    rows = "\n".join(
        f"| {kind} | {count} | {sum(r['kills'] for r in found['results'] if r['kind'] == kind)} |"
        f" {sum(r['same'] and not r['unreadable'] for r in found['results'] if r['kind'] == kind)} |"
        for kind, count in kinds.items()
    )
    return f"""| what was killed | trials | kills | readable at every moment and the same in the end |
|---|---|---|---|
{rows}
| all | {found["trials"]} | {found["kills"]} | {found["good"]} |"""


def writes() -> str:
    stopped = {each["command"]: each for each in results("signals")}
    rows = "\n".join(
        f"| {each['command']} | {_ORDINALS[each['step']]} | {well(each)} | {well(stopped[each['command']])} |"
        for each in results("writes")
    )
    return f"""| command | tried before | ended well after being killed | after a signal |
|---|---|---|---|
{rows}"""


def well(found: dict) -> str:
    """How many of the moments of a command ended well."""
    return f"{found['writes'] - len({each['write'] for each in found['bad']})} of {found['writes']}"


def fuzzing() -> str:
    found = results("fuzz")
    took = f"The campaign took {found['minutes']:.3g} minutes. " if "minutes" in found else ""
    rows = "\n".join(
        f"| {name} | {sum(c[k] for k in ('read', 'refused', 'escaped', 'crashed', 'too slow')):,} | {c['read']:,} |"
        f" {c['refused']:,} | {c['escaped'] + c['crashed'] + c['too slow']} |"
        for name, c in found["readers"].items()
    )
    return f"""| reader | damaged files | read | refused with one line | anything else |
|---|---|---|---|---|
{rows}
| all | {found["cases"]:,} | | | {found["failures"]} |

{took}Each file was allowed {found["seconds_per_case"]} seconds of the
processor and {gigabytes(found["memory_limit_bytes"])} of memory."""


def packed() -> str:
    found = results("packed")
    rows = "\n".join(
        f"| {each['file']} | {size(each['bytes'])} | {size(each['unpacked_bytes'])} | {each['read']} |"
        f" {each['outcome']} | {size(each['peak_bytes'])} |"
        for each in found["results"]
    )
    return f"""| file | size | unpacked | read | outcome | peak memory |
|---|---|---|---|---|---|
{rows}

Measured on {found["date"]} with version {found["version"]}. Each file was read in a process that may take {gigabytes(found["limit_bytes"])} for data; peak
memory is its `ru_maxrss`, which includes Python and the libraries."""


def streaming() -> str:
    found = results("streaming")
    rows = "\n".join(
        f"| {name} | {gigabytes(entry['file_bytes'])} | {entry['rows']:,} | {work} |"
        f" {gigabytes(entry[work]['peak_bytes'])} | {entry[work]['rows_per_second']:,.0f} |"
        for name, entry in found["files"].items()
        for work in ("train", "encode")
        if work in entry
    )
    return f"""| file | size | rows | command | peak memory | rows per second, with starting |
|---|---|---|---|---|---|
{rows}

Rows have 784 numbers. Each command ran under {found["limit"]} of {gigabytes(found["limit_bytes"])}; peak memory is
{found["peak"]}. Training is one epoch, with the passes that fit the scaling; up to {most_held_out(784):,} validation and as many
test rows are in memory (fewer where they are wider).

Encoding {found["speed"]["rows"]:,} rows, without starting Python, goes at {found["speed"]["encode_rows_per_second"]:,.0f} rows
per second, on {found["machine"]["threads"]} thread and a second one that reads: {found["speed"]["share"]:.0%} of what the bare
encoder makes of a block in memory ({found["speed"]["forward_rows_per_second"]:,.0f} rows per second, in the same process, on
{found["machine"]["processors"]} processors without other work). The times of the table are those of a busy machine."""


def page() -> str:
    """The page."""
    count = bad_inputs()
    return f"""# Reliability

What happens when something goes wrong, measured. This page is written by `python benchmarks/reliability.py` from the
results of the campaigns, and a test holds it to them.

## Bad input

{count["command"]} different mistakes at the command line and {count["python"]} in Python are tried by the tests: broken and
empty files, wrong settings, damaged runs, places that cannot be written. Each ends with one line that says what must
hold, what was got and what to do, and at the command line with exit code 2; no file that was there is changed.

    python -m pytest tests/failures/test_command_line.py tests/failures/test_python.py

## Nothing is run

{count["hostile"]} kinds of hostile files (pickles under other names, arrays of objects, checkpoints with objects, configurations
that name functions, modules beside a model) are given to every command and every reader: none of their code runs.

    python -m pytest tests/failures/test_nothing_is_run.py

## Killed at random moments

Training and encoding are killed with SIGKILL at random moments, up to three times in a trial. Every file is read after
each kill, and the work is finished with `--resume`. A trial is good if no file was unreadable and the model is, byte for
byte, that of a run never killed; of an encoding, if its file was the old or the new one at every moment.

    python benchmarks/kills.py --kills 50 --out benchmarks/results/kills.json

{kills()}

## Killed or stopped at every change of a file

A command that writes its results does so in many small steps: it puts a file in place, renames or removes one, makes or
removes a folder. Each command below is run many times, and ended before another one of these steps each time: killed, or
stopped by SIGTERM, SIGINT and SIGHUP in turn. It is then given again, with `--resume` where a run had begun and as it was
where not. It has ended well if that leaves the files of a command that was never ended and no others, with the same models
and codes. A signal must also end it with the exit code 128 + its number and without a traceback.

    python benchmarks/kills.py --writes --out benchmarks/results/writes.json
    python benchmarks/kills.py --signals --out benchmarks/results/signals.json

{writes()}

Both campaigns can be interrupted and given again. The tests try some of these moments, and that a training which a signal
stops finishes its epoch and writes the checkpoint, if that takes at most five seconds.

    python -m pytest tests/failures/test_every_write.py tests/failures/test_signals.py

Standard output or error that is closed, full or cannot encode a character ends no command:

    python -m pytest tests/cli/test_streams.py

## Full disk

Training and encoding end with one line and exit code 2 where a file cannot grow; old files stay as they were, and
`--resume` with room again ends with the same weights.

    python -m pytest tests/failures/test_full_disk.py

## Damaged files

Valid files are damaged at random: bytes are changed, cut out, doubled or put in, and entries of archives and of JSON
replaced. Each file is opened in a process with limits on time and memory. It must be read, or refused with one line; a
crash, a traceback, or a file that takes too long is counted in the last column.

    python benchmarks/fuzz.py --minutes {results("fuzz")["minutes"]:.2g} --out benchmarks/results/fuzz.json

{fuzzing()}

## Small files that unpack to gigabytes

A column that is dropped is never unpacked. A file whose contents would not fit into memory is refused before they are
unpacked, by the sizes that it states, and a packed text table while its bytes are counted, before it is read.

    python benchmarks/packed.py --out benchmarks/results/packed.json

{packed()}

## Larger than memory

Files that are larger than the memory of the process are trained on and encoded in blocks.

    python benchmarks/streaming.py

{streaming()}
"""


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "tests"))
    PAGE.write_text(page())
