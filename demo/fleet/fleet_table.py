"""The live table of a run of several operators: their feeds, and the operators themselves, from their databases."""

from __future__ import annotations

import asyncio

from rich.console import Group
from rich.table import Table
from rich.text import Text

from demo.fleet.fleet import Fleet
from demo.fleet.ledger import newest_records, rounds_made, rounds_sealed
from demo.table import STYLE, Sayer, decimals_shown
from feeds.units import wad_text
from oracle.model.publication import Record

_REFRESH_S, _REFRESH_DULL_S = 1.0, 10.0
_LATE_ROUNDS = 2


class FleetScreen(Sayer):
    """Draws feeds and operators, with the scenario's last lines below.

    Args:
        fleet: what is shown.
        scenario: its name.
    """

    def __init__(self, fleet: Fleet, scenario: str) -> None:
        super().__init__()
        self._fleet, self._scenario = fleet, scenario

    async def run(self) -> None:
        """Draw until cancelled."""
        await self.draw(self._frame, _REFRESH_S, _REFRESH_DULL_S)

    async def _frame(self) -> Group:
        return await asyncio.to_thread(self._drawn)

    def _drawn(self) -> Group:
        fleet = self._fleet
        made = {n: rounds_made(o.database) for n, o in fleet.operators.items()}
        sealed = {n: rounds_sealed(o.database) for n, o in fleet.operators.items()}
        everything = sorted({r for of in (*made.values(), *sealed.values()) for r in of})
        head = Text(
            f"lrt-oracle demo: {self._scenario}, {len(fleet.operators)} operators, {fleet.threshold} must sign, a round in"
            f" {fleet.interval_s} s, times scaled down to seconds   {_page(fleet)}"
        )
        agreed = len({r for of in sealed.values() for r in of})
        counts = Text(f"{agreed} of {len(everything)} rounds sealed")
        table = Table(expand=False)
        for name in ("operator", "process", "made", "sealed", "newest sealed"):
            table.add_column(name, justify="left" if name in ("operator", "process") else "right")
        for name, operator in fleet.operators.items():
            newest = sealed[name][-1] if sealed[name] else None
            late = everything and (newest is None or newest < everything[-1] - _LATE_ROUNDS * fleet.interval_s)
            word = "" if newest is None else str(newest)
            table.add_row(
                name + ("" if operator.behaviour == "honest" else f" ({operator.behaviour})"),
                Text("runs", style="green") if operator.runs else Text("dead", style="bold red"),
                str(len(made[name])), str(len(sealed[name])), Text(word, style="bold red" if late else ""),
            )  # fmt: skip
        return Group(head, self._feeds(sealed), counts, table, *self.last_lines())

    def _feeds(self, sealed: dict[str, list[int]]) -> Table:
        freshest = max(sealed, key=lambda n: sealed[n][-1] if sealed[n] else 0)
        table = Table(expand=False)
        for name in ("feed", "price", "status", "why", "signed by"):
            table.add_column(name, justify="right" if name == "price" else "left")
        for record in newest_records(self._fleet.operators[freshest].database):
            table.add_row(*_row(record))
        return table


def _row(record: Record) -> tuple[str | Text, ...]:
    status = record.report.status
    return (
        record.feed,
        wad_text(record.price_wad, decimals_shown(record.price_wad)),
        Text(status.word, style=STYLE[status]),
        ", ".join(r.code.name.lower() for r in record.reasons),
        " ".join(record.operators) if record.seal is not None else "nobody",
    )


def _page(fleet: Fleet) -> str:
    first = next(iter(fleet.operators.values()))
    return f"http://127.0.0.1:{first.place.api_port}/"
