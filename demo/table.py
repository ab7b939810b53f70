"""The demo's live table in the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.testbed import Options
from feeds.units import percent_text, wad_text
from oracle.app import App
from oracle.model.status import Status

_STYLE = {Status.OK: "green", Status.WATCH: "yellow", Status.DEPEG: "bold red", Status.HALT: "bold magenta"}
_REFRESH_S = 0.25
_LINES = 6
_LARGE_WAD = 10**20


class Screen:
    """Draws the feeds a few times a second, with the scenario's last lines below.

    Args:
        app: the service.
        options: of the command line.
    """

    def __init__(self, app: App, options: Options) -> None:
        self._app, self._options = app, options
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)

    def say(self, line: str) -> None:
        """Show a line under the table; where there is no terminal, print it."""
        self._lines.append(line)
        if not self._console.is_terminal:
            self._console.print(f"demo: {line}")

    async def run(self) -> None:
        """Draw until cancelled; without a terminal draw one table every few seconds."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(10)
                self._console.print(self._frame())
        with Live(console=self._console, auto_refresh=False) as live:
            while True:
                live.update(self._frame(), refresh=True)
                await asyncio.sleep(_REFRESH_S)

    def _frame(self) -> Group:
        port = self._app.resolved.config.api.port
        head = Text(
            f"lrt-oracle demo: {self._options.scenario}, times scaled down to seconds   http://127.0.0.1:{port}/"
        )
        counts = [f"{t.name}: {t.counts['landed']} pushes landed" for t in self._app.targets.values()]
        return Group(head, self._table(), Text("   ".join(counts)), *(Text(f"  {line}") for line in self._lines))

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
            places = 2 if record.price_wad > _LARGE_WAD else 6
            deviation = "" if record.deviation_bps is None else _signed(record.deviation_bps)
            onchain = next((o for o in self._app.service.onchain(feed)), None)
            table.add_row(
                feed,
                wad_text(record.price_wad, places),
                wad_text(report.market_wad, places),
                wad_text(report.redemption_wad, places) if report.redemption_wad else "",
                deviation,
                Text(report.status.word, style=_STYLE[report.status]),
                ", ".join(r.code.name.lower() for r in record.reasons),
                wad_text(onchain.price_wad, places) if onchain else "",
            )
        return table


def _signed(bps: int) -> str:
    return ("-" if bps < 0 else "+") + percent_text(abs(bps))
