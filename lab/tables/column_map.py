"""Which column of a table is what: given as ``time=ts,price.binance=a,depth.binance=d``, else found by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from lab.tables.times import TableError
from oracle.model.suggest import nearest

OF_A_SOURCE = ("price", "depth", "share", "volume", "bid", "ask")
"""Each price column is a source; the others are its depth at 1 %, its pool's share, its volume, its bid and its ask."""
OF_THE_TOKEN = ("redemption", "supply", "backing", "truth")
ROLES = ("time", *OF_A_SOURCE, *OF_THE_TOKEN)
_TIMES = ("time", "timestamp", "datetime", "date", "ts", "unix", "utc", "block_time", "open_time", "snapped_at")
_PRICES = ("price", "close")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_FORM = "write time=A,price=B,redemption=C, or price.NAME=B,depth.NAME=D for several sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Columns by role: of the time, of the token, and of each source by its name; and numbers that stand for a column."""

    time: str
    token: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()

    @property
    def read(self) -> tuple[str, ...]:
        """The columns with numbers that are read, each once."""
        named = [*self.token.values(), *(c for own in self.sources.values() for c in own.values())]
        return tuple(dict.fromkeys(c for c in named if c not in self.numbers))

    def text(self) -> str:
        """As it would be written."""
        parts = [f"time={self.time}"]
        for source, own in self.sources.items():
            parts += [f"{role}.{source}={column}" for role, column in own.items()]
        return ",".join([*parts, *(f"{role}={column}" for role, column in self.token.items())])


def column_map(text: str, present: Sequence[str]) -> ColumnMap:
    """Read a map; what it does not name is looked for under its own name, in any case.

    Raises:
        TableError: an unknown role, a column that the file has not, a role twice, or no time or price.
    """
    finder = _Finder(present)
    found = _Named()
    for part in filter(None, (p.strip() for p in text.split(","))):
        found.add(part, finder)
    time, sources = found.time or finder.first(_TIMES), found.sources
    if not any("price" in own for own in sources.values()):
        sources |= {name: {"price": column, **sources.get(name, {})} for name, column in finder.prices().items()}
    priceless = next((name for name, own in sources.items() if "price" not in own), None)
    if not time or not sources or priceless is not None:
        listed = ", ".join(map(repr, present))
        whose = f" for {priceless}" if priceless else ""
        raise TableError(f"a time and a price are needed{whose}; the columns are {listed}: {_FORM}")
    for name, own in sources.items():
        beside = {
            role: found.everywhere.get(role) or finder.beside(role, name, len(sources)) for role in OF_A_SOURCE[1:]
        }
        own |= {role: column for role, column in beside.items() if column and role not in own}
    token = {role: column for role in OF_THE_TOKEN if (column := found.token.get(role) or finder.first((role,)))}
    return ColumnMap(time=time, token=token, sources=sources, numbers=frozenset(finder.numbers))


class _Named:
    """What a map names. ``everywhere``: of every source that has none of its own."""

    def __init__(self) -> None:
        self.time = ""
        self.token: dict[str, str] = {}
        self.sources: dict[str, dict[str, str]] = {}
        self.everywhere: dict[str, str] = {}

    def add(self, part: str, finder: _Finder) -> None:
        """One ``role=column`` or ``role.SOURCE=column``."""
        name, _, column = (piece.strip() for piece in part.partition("="))
        role, _, source = name.partition(".")
        if role not in ROLES or not column or (source and role not in OF_A_SOURCE):
            raise TableError(f"{part!r} is not a column map; {nearest(role, ROLES)}: {_FORM}")
        found = finder.column(column, may_be_number=role not in ("time", "price", "truth", "bid", "ask"))
        if role == "time":
            self.time = _once(self.time, found, part)
            return
        if role in OF_THE_TOKEN:
            own = self.token
        elif role == "price" or source:
            own = self.sources.setdefault(source or found, {})
        else:
            own = self.everywhere
        own[role] = _once(own.get(role, ""), found, part)


def _once(known: str, found: str, part: str) -> str:
    if known:
        raise TableError(f"{part!r}: this is {known!r} already: name one")
    return found


class _Finder:
    """Finds columns by their names, in any case where that is not ambiguous."""

    def __init__(self, present: Sequence[str]) -> None:
        self._present = present
        self._by_lower = {name.lower(): name for name in reversed(present)}
        self.numbers: set[str] = set()

    def column(self, name: str, *, may_be_number: bool) -> str:
        """A column that the file has, or a number."""
        if name in self._present:
            return name
        if name.lower() in self._by_lower:
            return self._by_lower[name.lower()]
        if may_be_number and _NUMBER.fullmatch(name):
            if not Decimal(name):
                raise TableError(f"a constant of {name} is none: write a number above 0, or the name of a column")
            self.numbers.add(name)
            return name
        raise TableError(f"there is no column {name!r}; {nearest(name, self._present)}")

    def first(self, names: Sequence[str]) -> str:
        """The first of these that the file has; empty: none."""
        return next((self._by_lower[n] for n in names if n in self._by_lower), "")

    def prices(self) -> dict[str, str]:
        """Sources by name: the price column, or those named `price_NAME` or `price.NAME`."""
        if only := self.first(_PRICES):
            return {only: only}
        found = {}
        for name in self._present:
            role, sign, source = name.partition("." if name.lower().startswith("price.") else "_")
            if role.lower() == "price" and sign and source:
                found[source] = name
        return found

    def beside(self, role: str, source: str, sources: int) -> str:
        """The column of a role for a source: `depth_NAME`, or plain `depth` where there is one source."""
        names = [f"{role}_{source}".lower(), f"{role}.{source}".lower()]
        return self.first([*names, role] if sources == 1 else names)
