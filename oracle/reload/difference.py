"""What is different between the config of a running process and another one: what may change while it runs, and what may not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from oracle.assemble.network import home_target
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.reload.outcome import ConfigChange

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
Path = tuple[str, ...]

_FIXED = frozenset({"api", "watch", "rewards", "keeper", "nats"})
"""Tables that are read at a start alone."""
_OF_OTHERS = frozenset({"node", "stores", "catalog"})
"""Tables that a process with rounds does not read; what the catalogue means is in the sources."""
_ORACLE = frozenset({"catalog_path", "rules"})
_OPERATOR = frozenset({"without", "bound_bps"})
_NETWORK = frozenset({"peers", "next", "next_from"})
_HOME = frozenset({"chain", "store"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is different.

    Attributes:
        changed: what can hold from the next round on.
        restart: what cannot hold before a restart.
        after: the other config with all in its place that needs a restart as it is now.
    """

    changed: tuple[ConfigChange, ...]
    restart: tuple[ConfigChange, ...]
    after: Config


def difference(now: ResolvedConfig, other: ResolvedConfig) -> Difference:
    """What another config would change."""
    mine, theirs = now.config, other.config
    home = home_target(mine) if mine.operators else None
    changed, restart = list[ConfigChange](), list[ConfigChange]()
    for path, text in _walk((), mine, theirs):
        (restart if _needs_restart(path, home) else changed).append(ConfigChange(key=_key(path), text=text))
    changed += _by_catalog(now, other, {c.key for c in changed})
    restart += _bound_to_start(mine, changed)
    return Difference(changed=tuple(changed), restart=tuple(restart), after=_with_fixed(mine, theirs, home))


def _needs_restart(path: Path, home: str | None) -> bool:
    table, last = path[0], path[-1]
    if table == "oracle":
        return last not in _ORACLE
    if table == "operators":
        return last not in _OPERATOR
    if table == "network":
        return len(path) == 1 or path[1] not in _NETWORK
    if table == "targets" and path[1] == home:
        return len(path) == len(("targets", "NAME")) or last in _HOME
    return table in _FIXED or (table == "chains" and last == "chain_id")


def _with_fixed(mine: Config, theirs: Config, home: str | None) -> Config:
    """The other config, with all that needs a restart as it is in this one."""
    return replace(
        theirs,
        oracle=replace(mine.oracle, **{k: getattr(theirs.oracle, k) for k in _ORACLE}),
        operators=_operators(mine.operators, theirs.operators),
        network=_network(mine.network, theirs.network),
        targets=_targets(mine.targets, theirs.targets, home),
        chains={
            n: replace(c, chain_id=mine.chains[n].chain_id) if n in mine.chains else c for n, c in theirs.chains.items()
        },
        **{table: getattr(mine, table) for table in _FIXED},
    )


def _operators(mine: Sequence[OperatorSection], theirs: Sequence[OperatorSection]) -> tuple[OperatorSection, ...]:
    by_name = {o.name: o for o in theirs}
    return tuple(replace(o, **{k: getattr(by_name.get(o.name, o), k) for k in _OPERATOR}) for o in mine)


def _network(mine: NetworkSection | None, theirs: NetworkSection | None) -> NetworkSection | None:
    if mine is None or theirs is None:
        return mine
    return replace(mine, **{k: getattr(theirs, k) for k in _NETWORK})


def _targets(
    mine: Mapping[str, TargetSection], theirs: Mapping[str, TargetSection], home: str | None
) -> dict[str, TargetSection]:
    """The home store stays what it is, and where the config has it: what is published is sealed there."""
    if home is None:
        return dict(theirs)
    kept = replace(theirs.get(home, mine[home]), **{k: getattr(mine[home], k) for k in _HOME})
    return {home: kept, **{n: t for n, t in theirs.items() if n != home}}


def _bound_to_start(mine: Config, changed: Sequence[ConfigChange]) -> Iterator[ConfigChange]:
    """What has taken from the config at the start what is changed now."""
    targets = any(c.key.startswith("targets.") for c in changed)
    users = {"watch": mine.watch.on, "keeper": mine.keeper.on, "rewards": mine.rewards.contract is not None}
    for table in (t for t, is_on in users.items() if is_on and targets and mine.targets):
        yield ConfigChange(key=table, text="goes on with the targets of before")
    if mine.nats.servers and (targets or any(c.key.startswith("feeds.") for c in changed)):
        yield ConfigChange(key="nats", text="goes on with the feeds and stores of before")


def _by_catalog(now: ResolvedConfig, other: ResolvedConfig, told: set[str]) -> Iterator[ConfigChange]:
    """Feeds whose sources mean something else, though the config says the same of them."""
    for feed in other.specs:
        key = _key(("feeds", feed))
        if feed not in now.specs or any(k == key or k.startswith(f"{key}.") for k in told):
            continue
        mine, theirs = ([s for s in each.sources if s.feed == feed] for each in (now, other))
        if mine != theirs or now.specs[feed] != other.specs[feed]:
            yield ConfigChange(key=key, text="what the catalogue says of it is changed")


def _walk(path: Path, mine: Any, theirs: Any) -> Iterator[tuple[Path, str]]:
    """Every key that is different, as deep as both have it."""
    if path and path[0] in _OF_OTHERS:
        return
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        yield from _walk_keys(path, mine, theirs)
    elif is_dataclass(mine) and type(mine) is type(theirs):
        for field in fields(mine):
            yield from _walk((*path, field.name), getattr(mine, field.name), getattr(theirs, field.name))
    elif path == ("operators",):
        yield from _walk_keys(path, {o.name: o for o in mine}, {o.name: o for o in theirs})
        if [o.name for o in mine] != [o.name for o in theirs] and {o.name for o in mine} == {o.name for o in theirs}:
            yield path, "are in another order"
    elif mine != theirs:
        yield path, _text(mine, theirs)


def _walk_keys(path: Path, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name in [*mine, *(n for n in theirs if n not in mine)]:
        if name not in theirs:
            yield (*path, name), "removed"
        elif name not in mine:
            yield (*path, name), "added"
        else:
            yield from _walk((*path, name), mine[name], theirs[name])


def _text(mine: Any, theirs: Any) -> str:
    """Numbers and switches are shown; a text may be an address with a secret in it."""
    if isinstance(mine, int) and isinstance(theirs, int):
        return f"{_shown(mine)} becomes {_shown(theirs)}"
    if mine is None or theirs is None:
        return "added" if mine is None else "removed"
    return "changed"


def _shown(value: int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(path: Path) -> str:
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in path)
