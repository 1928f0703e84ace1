"""The picture of the plan is the one that the import contract gives; every room says what it is for."""

import plan


def test_the_picture_is_drawn_from_the_contract():
    assert plan.PICTURE.read_text(encoding="utf-8") == plan.picture()


def test_every_package_has_its_place_and_says_what_it_is_for():
    rooms = [room for floor in plan.floors() for room in floor]
    packages = {path.parent.name for path in (plan.ROOT / "src" / "contractive").glob("*/__init__.py")}
    assert set(rooms) == packages
    assert len(rooms) == len(set(rooms))
    assert all(plan.purpose(room) for room in rooms)
