"""The page of the command line tells every command and option."""

import importlib.util
from pathlib import Path

from contractive.cli._commands import COMMANDS, load_command

ROOT = Path(__file__).parents[2]


def page():
    spec = importlib.util.spec_from_file_location("commands_page", ROOT / "docs" / "commands_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.page()


def test_the_page_of_the_command_line_tells_every_command_and_option():
    text = page()
    for name, (_, line) in COMMANDS.items():
        assert f"## `contractive {name}`" in text
        assert f"* [`{name}`](#contractive-{name}): {line}\n" in text
        part = text.split(f"## `contractive {name}`")[1].split("\n## ")[0]
        for parameter in load_command(name).params:
            said = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar or parameter.name
            assert said.strip("[]") in part, (name, said)
    assert "[bold]" not in text
    assert "* `DATA`: **digits**" in text
    assert "* `--force`: Replace" in text
    assert "[default: found in training by the allowed error increase]" in text
