"""The demo's live table in the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.testbed import Options
from feeds.units import percent_text, wad_text
from oracle.app import App
from oracle.model.status import Status

STYLE = {Status.OK: "green", Status.WATCH: "yellow", Status.DEPEG: "bold red", Status.HALT: "bold magenta"}
_REFRESH_S, _REFRESH_DULL_S = 0.25, 10.0
_LINES = 6
_LARGE_WAD = 10**20


class Sayer:
    """A terminal with a frame that is drawn again and again, and the scenario's last lines below it."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)

    def say(self, line: str) -> None:
        """Show a line under the table; where there is no terminal, print it."""
        self._lines.append(line)
        if not self._console.is_terminal:
            self._console.print(f"demo: {line}")

    def last_lines(self) -> list[Text]:
        """The newest lines."""
        return [Text(f"  {line}") for line in self._lines]

    async def draw(self, frame: Callable[[], Awaitable[Group]], every_s: float, dull_s: float) -> None:
        """Draw until cancelled; without a terminal one frame every few seconds."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(dull_s)
                self._console.print(await frame())
        with Live(console=self._console, auto_refresh=False) as live:
            while True:
                live.update(await frame(), refresh=True)
                await asyncio.sleep(every_s)


class Screen(Sayer):
    """Draws the feeds a few times a second, with the scenario's last lines below.

    Args:
        app: the service.
        options: of the command line.
    """

    def __init__(self, app: App, options: Options) -> None:
        super().__init__()
        self._app, self._options = app, options

    async def run(self) -> None:
        """Draw until cancelled; without a terminal draw one table every few seconds."""
        await self.draw(self._frame, _REFRESH_S, _REFRESH_DULL_S)

    async def _frame(self) -> Group:
        port = self._app.resolved.config.api.port
        head = Text(
            f"lrt-oracle demo: {self._options.scenario}, times scaled down to seconds   http://127.0.0.1:{port}/"
        )
        counts = [f"{t.name}: {t.counts['landed']} pushes landed" for t in self._app.targets.values()]
        return Group(head, self._table(), Text("   ".join(counts)), *self.last_lines())

    def _table(self) -> Table:
        table = Table(expand=False)
        for name in ("feed", "price", "market", "redemption", "deviation", "status", "why", "on chain"):
            table.add_column(name, justify="left" if name in ("feed", "status", "why") else "right")
        for feed in self._app.resolved.specs:
            record = self._app.service.record(feed)
            if record is None:
                table.add_row(feed, "no round yet")
                continue
            report = record.report
            places = decimals_shown(record.price_wad)
            deviation = "" if record.deviation_bps is None else _signed(record.deviation_bps)
            onchain = next((o for o in self._app.service.onchain(feed)), None)
            table.add_row(
                feed,
                wad_text(record.price_wad, places),
                wad_text(report.market_wad, places),
                wad_text(report.redemption_wad, places) if report.redemption_wad else "",
                deviation,
                Text(report.status.word, style=STYLE[report.status]),
                ", ".join(r.code.name.lower() for r in record.reasons),
                wad_text(onchain.price_wad, places) if onchain else "",
            )
        return table


def decimals_shown(price_wad: int) -> int:
    """Digits after the point that a price is shown with."""
    return 2 if price_wad > _LARGE_WAD else 6


def _signed(bps: int) -> str:
    return ("-" if bps < 0 else "+") + percent_text(abs(bps))
