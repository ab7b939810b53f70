"""An operator's own catalogue: records beside the shipped ones, or in the place of one where a block says so.

Blocks stand in config.toml itself, or in the file or folder that ``[oracle] catalog_path`` names. They have the form of
``feeds/catalog/*.toml``, with one key more: ``extends = true`` changes the shipped record of the same name key by key,
``replaces = true`` takes its place, whole. A name or an address that is taken otherwise is an error: nothing is shadowed
in silence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from feeds.catalog.lifetime import Lifetime
from feeds.catalog.records import CatalogPool, ChainFacts, Reference, Symbol, Token, Unit
from oracle.config.tables.catalog import Catalog, CatalogRecords, record_problems
from oracle.config.tables.record_tables import NAMES, extended, label_of, table_of
from oracle.config.tables.schema import Problem, build
from oracle.model.suggest import nearest

KINDS: Mapping[str, type[Any]] = {
    "token": Token,
    "pool": CatalogPool,
    "reference": Reference,
    "symbol": Symbol,
    "chain": ChainFacts,
    "unit": Unit,
}
"""The tables of a catalogue, by their names in TOML."""
_EXTENDS, _REPLACES = "extends", "replaces"
_INSTEAD = (_EXTENDS, _REPLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogBlock:
    """One block as written: ``where`` is its place, with the file it stands in if that is not the config."""

    kind: str
    where: str
    file: str
    table: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecord:
    """A block that became a record, and how it says that it takes a shipped one's place; None: it does not."""

    block: CatalogBlock
    record: Any
    instead: str | None

    @property
    def label(self) -> str:
        """Kind and name, as ``token wstETH``."""
        return label_of(self.block.kind, self.record)


def own_blocks(config: Mapping[str, Any], folder: Path, problems: list[Problem]) -> list[CatalogBlock]:
    """The blocks of the operator: those in the config, then those of its ``catalog_path``.

    Args:
        config: the config's document.
        folder: where the config stands: ``catalog_path`` is relative to it.
        problems: gets what is wrong.
    """
    own = {kind: config[kind] for kind in KINDS if kind in config}
    blocks = list(_blocks(own, "", problems))
    section = config.get("oracle")
    path = section.get("catalog_path") if isinstance(section, Mapping) else None
    if isinstance(path, str) and path:
        for name, table in _documents(path, folder, problems):
            blocks += _blocks(table, name, problems)
    return blocks


def _documents(path: str, folder: Path, problems: list[Problem]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every TOML document at a path, with its name for errors; in a folder those that are not hidden, as an editor's locks are."""
    root = folder / path
    files = sorted(f for f in root.rglob("*.toml") if not _is_hidden(f.relative_to(root))) if root.is_dir() else [root]
    if not files:
        problems.append(
            Problem("oracle.catalog_path", f"no .toml file is in {root}: write the catalogue's file or folder")
        )
    for file in files:
        try:
            yield str(file), tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except OSError as e:
            text = f"{file} cannot be read ({e.strerror}): write a file or folder, relative to the config's own"
            problems.append(Problem("oracle.catalog_path", text))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            problems.append(Problem(str(file), f"is not TOML: {e}"))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _blocks(document: Mapping[str, Any], file: str, problems: list[Problem]) -> Iterator[CatalogBlock]:
    prefix = f"{file}: " if file else ""
    for kind, listed in document.items():
        if kind not in KINDS:
            problems.append(Problem(f"{prefix}{kind}", f"is not a table of a catalogue; {nearest(kind, KINDS)}"))
        elif not isinstance(listed, list):
            problems.append(Problem(f"{prefix}{kind}", f"expected a list of blocks: write [[{kind}]]"))
        else:
            for i, table in enumerate(listed):
                yield CatalogBlock(kind=kind, where=f"{prefix}{kind}[{i}]", file=file, table=table)


def with_own(base: Catalog, blocks: Sequence[CatalogBlock], problems: list[Problem]) -> Catalog:
    """The catalogue with an operator's blocks in it; what is wrong is added to the problems.

    A block of the name of a shipped record is an error unless it says that it extends or replaces it, and one that says
    so without such a record too. The whole is then checked as the shipped one is: units, chains, one meaning for one
    address.
    """
    if not blocks:
        return base
    records = CatalogRecords.of(base)
    known = {label_of(kind, r): r for kind in KINDS for r in getattr(records, kind)}
    built = (_record(block, known, problems) for block in blocks)
    own = [o for o in built if o is not None]
    taken = [o for o in own if o.label in known and o.instead is None]
    problems += (_taken(o) for o in taken)
    own = [o for o in own if o not in taken]
    replaced = frozenset(o.label for o in own if o.label in known)
    merged = CatalogRecords(**{
        f.name: (
            *(r for r in getattr(records, f.name) if label_of(f.name, r) not in replaced),
            *(o.record for o in own if o.block.kind == f.name),
        )
        for f in fields(CatalogRecords)
    })  # fmt: skip
    catalog = merged.catalog(own={o.label: o.block.file for o in own}, replaced=replaced)
    places = {o.label: o.block for o in own}
    problems += (_placed(p, places) for p in record_problems(merged, catalog))
    return replace(catalog, revived=tuple(_revived(known, own)))


def _without_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    """What an empty text takes away is gone, in tables of the table too: ``address.base = ""``."""
    kept = ((k, _without_empty(v) if isinstance(v, Mapping) else v) for k, v in table.items())
    return {k: v for k, v in kept if v != ""}


def _record(block: CatalogBlock, known: Mapping[str, Any], problems: list[Problem]) -> OwnRecord | None:
    if not isinstance(block.table, Mapping):
        problems.append(Problem(block.where, "expected a table"))
        return None
    said = {key: block.table[key] for key in _INSTEAD if key in block.table}
    if wrong := [key for key, value in said.items() if not isinstance(value, bool)]:
        problems.append(Problem(f"{block.where}.{wrong[0]}", "expected true or false"))
        return None
    instead = [key for key, value in said.items() if value]
    if len(instead) > 1:
        problems.append(
            Problem(block.where, "extends changes a record key by key, replaces takes its place: write one of them")
        )
        return None
    table = {k: v for k, v in block.table.items() if k not in _INSTEAD}
    label = label_of(block.kind, table)
    if nameless := [k for k in NAMES[block.kind] if k not in table and k != "chain"] if instead else []:
        text = f"is missing: write the {nameless[0]} of the shipped {block.kind} that this block {instead[0]}"
        problems.append(Problem(f"{block.where}.{nameless[0]}", text))
        return None
    if instead and label not in known:
        problems.append(_nothing_there(block, instead[0], label, known))
        return None
    if instead == [_EXTENDS]:
        table = _without_empty(extended(table_of(known[label]), table))
    record = build(KINDS[block.kind], table, block.where, problems, beside=_INSTEAD)
    return None if record is None else OwnRecord(block=block, record=record, instead=next(iter(instead), None))


def _nothing_there(block: CatalogBlock, key: str, label: str, known: Iterable[str]) -> Problem:
    names = [n.removeprefix(f"{block.kind} ") for n in sorted(known) if n.startswith(f"{block.kind} ")]
    text = f"no {label} is shipped: leave {key} out; {nearest(label.removeprefix(f'{block.kind} '), names)}"
    return Problem(f"{block.where}.{key}", text)


def _taken(one: OwnRecord) -> Problem:
    """The name of a shipped record in a block that does not say that it means that one."""
    name = one.label.partition(" ")[2]
    text = "write extends = true to change it key by key, replaces = true to take its place, or another name"
    return Problem(one.block.where, f"{name} is in the shipped catalogue: {text}")


def _placed(problem: Problem, places: Mapping[str, CatalogBlock]) -> Problem:
    """A problem of the whole catalogue with the place of the own block that it is about, where it is about one."""
    block = places.get(problem.key)
    return problem if block is None else Problem(f"{block.where} ({problem.key})", problem.text)


def _revived(known: Mapping[str, Any], own: Iterable[OwnRecord]) -> Iterator[str]:
    """What is dead as shipped, and alive in the operator's catalogue: a sentence each. ``known``: the shipped records by label."""
    for one in own:
        before = known.get(one.label)
        if isinstance(before, Lifetime) and before.is_dead and not one.record.is_dead:
            yield f"{one.label} is alive because your own catalogue says so; as shipped it {before.end}"
