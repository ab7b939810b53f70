"""docs/architecture.md is about the code that is there: rooms, floors, modules, and the two walks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import rooms

ROOT = Path(__file__).resolve().parents[2]
TEXT = rooms.PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def named(text: str) -> set[str]:
    """Names in the first column of the tables and in the adapters' lists, by room: ``oracle/push/target``."""
    out: set[str] = set()
    for block in re.split(r"^#### ", text, flags=re.MULTILINE)[1:]:
        room, _, body = block.partition("/\n")
        out.add(room)
        listed = re.findall(r"^\| `([^`]+?)/?` \|", body, re.MULTILINE)
        out |= {f"{room}/{name}" for name in listed or re.findall(r"`(\w+)`", body)}
    return out


def there() -> set[str]:
    """Every package and module of the two trees, as the tables name them."""
    out: set[str] = set()
    for top in rooms.TOPS:
        for path in (ROOT / top).rglob("*.py"):
            known = path.parent if path.name == "__init__.py" else path.with_suffix("")
            out.add(known.relative_to(ROOT).as_posix())
    return out


def test_every_room_and_module_is_named_and_none_that_is_not_there() -> None:
    tables = section("Every module")
    assert there() - named(tables) == set(), "run `make docs`"
    assert named(tables) - there() == set(), "run `make docs`"


def test_the_generated_parts_are_what_the_code_says() -> None:
    assert rooms.written(TEXT, rooms.parts()) == TEXT, "run `make docs`"


def test_every_module_says_what_it_does() -> None:
    silent = [p for p in there() if not rooms.sentence(ROOT / p if (ROOT / p).is_dir() else ROOT / f"{p}.py")]
    assert silent == []


@pytest.mark.parametrize("top", rooms.TOPS)
def test_the_picture_has_every_room_on_a_floor(top: str) -> None:
    floors = {name for level in rooms.floors(top) for name in level}
    inside = {p.stem for p in (*rooms.rooms(ROOT / top), *rooms.modules(ROOT / top))}
    assert inside <= floors
    shown = set(re.findall(r"^ +\d+  \(?(\w+)", rooms.picture(top), re.MULTILINE))
    assert inside <= shown
    assert shown - inside <= rooms.PLANNED.keys()


def test_the_rooms_to_come_have_a_floor() -> None:
    floors = {name for level in rooms.floors("oracle") for name in level}
    assert rooms.PLANNED.keys() <= floors


WALKS = {
    title: re.findall(r"^\| (\d+) \| `([^`]+)` \| .* \| `(\w+)` \|$", section(title), re.MULTILINE)
    for title in ("The walk of a price", "The walk of a frame")
}
STEPS = [row[1:] for walk in WALKS.values() for row in walk]


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_is_numbered_without_a_hole(title: str) -> None:
    walk = WALKS[title]
    assert len(walk) > 20
    assert [int(number) for number, _, _ in walk] == list(range(1, len(walk) + 1))
    assert len({file for _, file, _ in walk}) == len(walk), "a file is opened once"


@pytest.mark.parametrize(("file", "name"), STEPS, ids=[f"{file}-{name}" for file, name in STEPS])
def test_each_step_of_a_walk_is_there(file: str, name: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^ *(async def|def|class) {name}\b", source, re.MULTILINE)


def test_each_step_of_the_key_s_walk_names_the_key() -> None:
    files = re.findall(r"^\| \d+ \| `([^`]+)` \|", section("The walk of a key"), re.MULTILINE)
    assert files[0] == "config.toml"
    assert len(files) <= 5
    for file in files[1:]:
        assert re.search(r"\bdepeg_bps\b|\bbands\b", (ROOT / file).read_text(encoding="utf-8")), file
    reads = (ROOT / files[-1]).read_text(encoding="utf-8")
    assert "bands.depeg_bps" in reads


def test_every_file_that_the_page_names_is_there() -> None:
    prose = TEXT.split("\n## Every module\n")[0]
    files = re.findall(r"`((?:oracle|feeds|contracts|tests|demo|lab)/[\w/.]*)`", prose)
    assert len(files) > 30
    assert [f for f in files if not (ROOT / f).exists()] == []
