"""The script that counts the structure sees what it is made to see."""

import pytest
import structure
import words


def module(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return structure.Module(path, tmp_path)


def test_an_import_of_another_packages_module_is_seen(tmp_path):
    one = module(tmp_path, "plots/_a.py", "def f():\n    from contractive.data._b import x\n    return x\n")
    names = {"contractive.plots._a", "contractive.data._b", "contractive.data"}
    assert list(one.imports(names)) == ["contractive.data._b"]
    assert structure.is_private_elsewhere(one, "contractive.data._b")
    assert not structure.is_private_elsewhere(one, "contractive.plots._c")


def test_a_cycle_is_found_and_named():
    assert structure.cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    (found,) = structure.cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    assert set(found.split(" <- ")) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "count"),
    [('x = "take --out"', 1), ('"""Docs name --out."""', 0), ("def f():\n    '''--out'''\n    return '--in'", 1)],
    ids=["message", "docstring", "function"],
)
def test_options_are_looked_for_in_strings_that_are_no_docstrings(tmp_path, text, count):
    assert len(list(module(tmp_path, "data/_a.py", text).options())) == count
    assert not list(module(tmp_path, "cli/_a.py", text).options())


def test_wide_functions_and_functions_used_once_are_counted(tmp_path):
    many = ", ".join(f"p{i}" for i in range(13))
    text = f"def _once():\n    pass\n\ndef _used():\n    pass\n\ndef wide({many}):\n    _once(), _used(), _used()\n"
    text += (
        f"class A:\n    def __init__(self, {many}):\n        pass\n    def narrow(self, {many[:-5]}):\n        pass\n"
    )
    found = module(tmp_path, "data/_a.py", text)
    assert found.private_functions() == (2, 1)
    assert [line.split()[1] for line in found.wide_functions()] == ["wide"]


def test_the_list_of_words_names_a_better_one(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Fine.\nThe Price is low.\nPriceless.\n")
    assert list(words.findings(tmp_path)) == ["docs/a.md:2: 'Price': write error increase, cost"]
