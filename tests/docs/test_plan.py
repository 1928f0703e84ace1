"""The picture of the plan is the one that the import contract gives; every subpackage says what it is for."""

import plan


def test_the_picture_is_drawn_from_the_contract():
    assert plan.PICTURE.read_text(encoding="utf-8") == plan.picture()


def test_every_package_has_its_place_and_says_what_it_is_for():
    names = [name for layer in plan.layers() for name in layer]
    packages = {path.parent.name for path in (plan.ROOT / "src" / "contractive").glob("*/__init__.py")}
    assert set(names) == packages
    assert len(names) == len(set(names))
    assert all(plan.purpose(name) for name in names)
