"""The tables of docs/architecture.md that follow from the code: floors from .importlinter, modules from their docstrings.

``make docs`` writes them between their markers; ``tests/docs/test_architecture.py`` compares. Nothing is imported: files
are read, so that a module that does not load is in the table all the same.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
TOPS = ("oracle", "feeds")
PLANNED: dict[str, str] = {}
"""Rooms that have a floor already and no code yet."""
ADAPTERS = ("feeds/exchanges", "feeds/pools", "feeds/rates", "oracle/combine/methods")
"""Rooms of many modules of one shape: named in a list, not in a row each."""


def sentence(path: Path) -> str:
    """First line of the docstring of a module or, for a folder, of its ``__init__``."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].replace("``", "`").replace("|", "\\|")


def is_room(path: Path) -> bool:
    """Whether a folder is a Python package."""
    return (path / "__init__.py").is_file()


def rooms(top: Path) -> list[Path]:
    """Folders of a package, by name."""
    return sorted(p for p in top.iterdir() if p.is_dir() and is_room(p))


def modules(room: Path) -> list[Path]:
    """Python files of a folder but its ``__init__``, by name."""
    return sorted(p for p in room.glob("*.py") if p.name != "__init__.py")


def floors(container: str) -> list[list[str]]:
    """Layers of a package in .importlinter, the highest first; empty if it has none."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    for section in parser.sections():
        contract = parser[section]
        if contract.get("type") == "layers" and contract.get("containers", "").split() == [container]:
            lines = [line.strip() for line in contract["layers"].splitlines() if line.strip()]
            return [[name.strip(" ()") for name in line.split("|")] for line in lines]
    return []


def place(top: str, name: str) -> Path | None:
    """File or folder of a layer's member; None if there is no such thing."""
    folder, file = ROOT / top / name, ROOT / top / f"{name}.py"
    if folder.is_dir() and is_room(folder):
        return folder
    return file if file.is_file() else None


def picture(top: str) -> str:
    """The floors of a package as text, the highest first: whoever stands higher may import what stands lower."""
    levels = floors(top)
    out = [f"```text\n{top}/"]
    for depth, members in enumerate(levels):
        for name in members:
            found = place(top, name)
            if found is None and name not in PLANNED:
                continue
            label = f"({name})" if found is None else f"{name}{'/' if found.is_dir() else ''}"
            text = PLANNED[name] if found is None else sentence(found).replace("\\|", "|").replace("`", "")
            out.append(f"  {len(levels) - depth:>2}  {label:<15} {text}")
    return "\n".join([*out, "```"])


def in_order(room: Path) -> list[Path]:
    """Members of a room, the highest layer first; those without a layer come last, by name."""
    name = ".".join(room.relative_to(ROOT).parts)
    order = [member for level in floors(name) for member in level]
    members = modules(room) + rooms(room)
    rank = {stem: i for i, stem in enumerate(order)}
    return sorted(members, key=lambda p: (rank.get(p.stem, len(order)), p.stem))


def table(room: Path) -> str:
    """A room: what it is for, and a row for each of its modules."""
    name = room.relative_to(ROOT).as_posix()
    head = f"#### {name}/\n\n{sentence(room)}"
    members = in_order(room)
    if name in ADAPTERS:
        listed = ", ".join(f"`{p.stem}`" for p in sorted(members))
        return f"{head}\n\n{listed}."
    rows = [f"| `{p.stem}{'/' if p.is_dir() else ''}` | {sentence(p)} |" for p in members]
    body = "\n".join(["| module | what it does |", "|---|---|", *rows])
    inner = [table(p) for p in members if p.is_dir()]
    return "\n\n".join([f"{head}\n\n{body}", *inner])


def tables(top: str) -> str:
    """Every room of a package from the first verb to the last; what lies in its root comes first."""
    root = ROOT / top
    lying = "\n".join(f"| `{p.stem}` | {sentence(p)} |" for p in modules(root))
    head = f"#### {top}/\n\n| module | what it does |\n|---|---|\n{lying}"
    order = [name for level in reversed(floors(top)) for name in level]
    rank = {name: i for i, name in enumerate(order)}
    return "\n\n".join([head, *(table(r) for r in sorted(rooms(root), key=lambda p: (rank.get(p.name, 0), p.name)))])


def parts() -> dict[str, str]:
    """What stands between the markers of the page, by the marker's name."""
    return {
        **{f"floors of {top}": picture(top) for top in TOPS},
        **{f"modules of {top}": tables(top) for top in TOPS},
    }


def written(text: str, between: dict[str, str]) -> str:
    """The page with these parts between their markers; ValueError names a marker that is not there once."""
    for name, part in between.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"{PAGE.name} needs the markers {begin} and {end} once, in this order")
        text = pattern.sub(lambda _, p=part, b=begin, e=end: f"{b}\n{p}\n{e}", text)
    return text


def main() -> int:
    """Write the page; exit status 1 where ``--check`` finds that it is not what it should be."""
    there = PAGE.read_text(encoding="utf-8")
    made = written(there, parts())
    if "--check" in sys.argv[1:]:
        return int(made != there)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
